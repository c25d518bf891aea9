package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestLogSyncFails: while no sync of the database's log succeeds, nothing is acknowledged; afterwards the server heals by itself, and a kill loses
// nothing (P48, P50, P52).
func TestLogSyncFails(t *testing.T) {
	s := ownServer(t, serverOptions{adminToken: randomSecret("admin"), publicURL: "https://auth.example.test"})
	p := s.newProject(t, "documented", mailURLs...)
	acknowledged := []account{p.signUp(t)}
	disk := s.attach(t, filepath.Join(s.opts.data, "doorward.db-wal"), failing...)
	during := p.during(t, 2*time.Second)
	if len(during.ok) != 0 {
		t.Errorf("%d sign-ups were acknowledged although no sync succeeded", len(during.ok))
	}
	p.goesOn(t, acknowledged[0])
	if trace := disk.detach(t); !strings.Contains(trace, "EIO") {
		t.Fatalf("no sync failed:\n%s", tail(trace, 2000))
	}
	unknown := 0
	for answer, n := range during.failed {
		if strings.Contains(answer, "outcome of the request is unknown") {
			unknown += n
		}
	}
	if unknown == 0 {
		t.Errorf("nobody was told that the outcome is unknown: %v", during.failed)
	}
	acknowledged = append(acknowledged, p.heals(t, 10*time.Second))
	acknowledged = append(acknowledged, p.during(t, time.Second).ok...)
	killAndCheck(t, p, acknowledged)
}

// A call of one thread may be cut in two lines by that of another.
var (
	writeLine = regexp.MustCompile(`pwrite64\(\d+, .*, \d+, (\d+)(?:\) = \d+| <unfinished)`)
	syncLine  = regexp.MustCompile(`sync(?:\(| resumed>).*= (0|-1 EIO)`)
)

// TestFailedFramesAreWrittenAgain: after a sync that failed the kernel may forget what it did not write, and a later one that succeeds says nothing of it.
// So the next commit must write every byte of the log again, from where the failed one began: what was acknowledged before is never written to, and nothing
// of the failed commit is believed.
func TestFailedFramesAreWrittenAgain(t *testing.T) {
	s := ownServer(t, serverOptions{adminToken: randomSecret("admin"), publicURL: "https://auth.example.test"})
	p := s.newProject(t, "documented", mailURLs...)
	acknowledged := []account{p.signUp(t)}
	disk := s.attach(t, filepath.Join(s.opts.data, "doorward.db-wal"), "-e", "inject=fsync,fdatasync:error=EIO:when=3+4")
	for end := time.Now().Add(time.Minute); disk.failures(t) < 2 && time.Now().Before(end); {
		acknowledged = append(acknowledged, p.during(t, time.Second).ok...)
	}
	trace := disk.detach(t)
	failures := 0
	first, failedAt := -1, -1 // the first byte of the commit under way, and of the one before if that failed
	for line := range strings.SplitSeq(trace, "\n") {
		if m := writeLine.FindStringSubmatch(line); m != nil {
			offset, _ := strconv.Atoi(m[1])
			if first < 0 || offset < first {
				first = offset
			}
		}
		m := syncLine.FindStringSubmatch(line)
		if m == nil || first < 0 {
			continue
		}
		if failedAt >= 0 && first != failedAt {
			t.Errorf("a commit that began at %d failed, and the next began at %d", failedAt, first)
		}
		failedAt = -1
		if m[1] != "0" {
			failures++
			failedAt = first
		}
		first = -1
	}
	if failures < 2 {
		t.Errorf("%d syncs failed, want two at least:\n%s", failures, tail(trace, 3000))
	}
	acknowledged = append(acknowledged, p.heals(t, 10*time.Second))
	killAndCheck(t, p, acknowledged)
}

// TestFileSyncFails: while no sync of the database file itself succeeds, the log keeps everything: it is not begun anew, commits go on, and once syncs
// succeed again the whole log is copied.
func TestFileSyncFails(t *testing.T) {
	s := ownServer(t, serverOptions{adminToken: randomSecret("admin"), publicURL: "https://auth.example.test"})
	p := s.newProject(t, "documented", mailURLs...)
	acknowledged := []account{p.signUp(t)}
	file := filepath.Join(s.opts.data, "doorward.db")
	salt := func() string {
		t.Helper()
		log, err := os.Open(file + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		header := make([]byte, 32)
		if _, err := log.ReadAt(header, 0); err != nil {
			t.Fatal(err)
		}
		return string(header[16:24]) // section 4.1 of the file format: changes whenever the log begins anew
	}
	nearly := func() bool { // a checkpoint comes after 1000 frames, and a tracer makes everything slow
		info, err := os.Stat(file + "-wal")
		return err == nil && info.Size() > 900*4120
	}
	for end := time.Now().Add(time.Minute); !nearly() && time.Now().Before(end); {
		acknowledged = append(acknowledged, p.signUp(t))
	}
	disk, before := s.attach(t, file, failing...), salt()
	for end := time.Now().Add(time.Minute); disk.failures(t) == 0 && time.Now().Before(end); {
		acknowledged = append(acknowledged, p.during(t, time.Second).ok...)
	}
	if disk.failures(t) == 0 {
		t.Fatalf("no checkpoint ran in a minute:\n%s", tail(disk.read(t), 2000))
	}
	acknowledged = append(acknowledged, p.during(t, time.Second).ok...)
	if salt() != before {
		t.Error("the log began anew although its copy is not on the disk")
	}
	if !strings.Contains(s.output.String(), "the database's log could not be copied") {
		t.Error("the log of the server does not tell")
	}
	p.goesOn(t, acknowledged[0])
	disk.detach(t)
	for end := time.Now().Add(60 * time.Second); salt() == before && time.Now().Before(end); {
		acknowledged = append(acknowledged, p.during(t, time.Second).ok...)
	}
	if salt() == before {
		t.Error("the log was not copied although syncs succeed again")
	}
	killAndCheck(t, p, acknowledged)
}
