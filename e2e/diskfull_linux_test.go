package e2e

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// smallDisk gives a directory on a file system of its own with so many bytes.
func smallDisk(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("doorward-test", dir, "tmpfs", 0, options); err != nil {
		t.Fatalf("this test mounts a small file system, which takes root (or CAP_SYS_ADMIN): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill takes all the room that is left, as a foreign file, and gives the way to free it.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "foreign")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for chunk := make([]byte, 1<<20); len(chunk) > 0; chunk = chunk[:len(chunk)/2] {
		for err = error(nil); err == nil; {
			_, err = file.Write(chunk)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

// TestDiskFull: what must be written is refused with 503 and Retry-After on every surface, what needs no write goes on, and once there is room the server heals
// by itself. Nothing that was acknowledged is lost (P48, P52).
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, "size=24m")
	s := ownServer(t, serverOptions{data: filepath.Join(dir, "data"), adminToken: randomSecret("admin")})
	p := s.newProject(t, "documented", "hostedPages=true")
	a := p.signUp(t)
	acknowledged := append([]account{a}, p.during(t, time.Second).ok...)
	link := p.mailbox(a.email).next(t, s.publicURL).link(s.publicURL)
	operator := s.operator(t)
	for round := range 2 {
		free := fill(t, dir)
		acknowledged = append(acknowledged, p.fillLog(t)...)
		acknowledged = append(acknowledged, p.refusesWrites(t, a, link, operator)...)
		p.goesOn(t, a)
		if lines := strings.Count(s.output.String(), "the database does not take changes"); lines > 2*(round+1) {
			t.Errorf("the log tells %d times that the database takes no changes", lines)
		}
		free()
		acknowledged = append(acknowledged, p.heals(t, 10*time.Second))
		acknowledged = append(acknowledged, p.during(t, time.Second).ok...)
	}
	page := s.openPage(t, link)
	s.submit(t, link, page, "").wantStatus(t, http.StatusOK)
	free := fill(t, dir)
	acknowledged = append(acknowledged, p.fillLog(t)...)
	s.kill(t)
	free()
	p.srv = ownServer(t, s.opts)
	killAndCheck(t, p, acknowledged)
}

// fillLog signs up until the room that the database's log had left is taken, too.
func (p project) fillLog(t *testing.T) (acknowledged []account) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		during := p.during(t, time.Second)
		acknowledged = append(acknowledged, during.ok...)
		if len(during.ok) == 0 {
			return acknowledged
		}
	}
	t.Error("sign-ups go on although the disk is full")
	return acknowledged
}

// refusesWrites checks how changes are refused. A checkpoint between two requests makes room in the log for a few more: then it is filled again, and what was
// acknowledged on the way is given.
func (p project) refusesWrites(t *testing.T, a account, link string, operator client) (acknowledged []account) {
	t.Helper()
	refused := func(write func() reply) {
		t.Helper()
		r := write()
		for try := 0; r.status < http.StatusBadRequest && try < 5; try++ {
			acknowledged = append(acknowledged, p.fillLog(t)...)
			r = write()
		}
		if r.status != http.StatusServiceUnavailable {
			t.Errorf("%s: status %d: %s", r.what, r.status, tail(string(r.body), 300))
			return
		}
		r.wantRetryAfter(t)
	}
	c := p.client().maybeShed()
	refused(func() reply { return c.post(t, "/auth/accounts/sign-in/email", a.credentials()) })
	refused(func() reply { return c.post(t, resetPath, M{"email": a.email}) })
	refused(func() reply {
		return operator.maybeShed().do(t, http.MethodPost, "/admin/v1/projects", M{"id": "full" + strings.ToLower(randomText(6))})
	})
	refused(func() reply { return p.srv.submit(t, link, p.srv.openPage(t, link), "") })
	return acknowledged
}
