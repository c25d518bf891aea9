package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// doorward runs a command that ends by itself and needs no data directory of before.
func doorward(stdin string, args ...string) result {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var stdout, stderr bytes.Buffer
	code := run(ctx, args, nil, strings.NewReader(stdin), &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

func TestBreachedVerbs(t *testing.T) {
	t.Parallel()
	list := writeFile(t, "list", "hunter2\ncorrect horse\n")
	out := filepath.Join(t.TempDir(), "breached")
	built := doorward("25AB86BED149CA6CA9C1C0D5DB7C9A91388DDEAB:12\n", "breached", "build", "--json", "--out", out, list, "-") // SHA-1 of s3cr3t
	var report struct {
		File             string
		Lines, Passwords int
		Bytes            int64
	}
	if err := json.Unmarshal([]byte(built.stdout), &report); err != nil || built.code != exitDone {
		t.Fatalf("exit code %d: %s%s", built.code, built.stdout, built.stderr)
	}
	info, err := os.Stat(out)
	if err != nil || report.File != out || report.Lines != 3 || report.Passwords != 3 || report.Bytes != info.Size() || info.Mode().Perm() != 0o644 {
		t.Errorf("report %+v, file %v, %v", report, info, err)
	}
	for password, want := range map[string]string{
		"hunter2\n": "The password is on the list.", "correct horse": "The password is on the list.", "s3cr3t": "The password is on the list.",
		"hunter3": "The password is not on the list.",
	} {
		r := doorward(password, "breached", "check", out, "--password-stdin")
		if r.code != exitDone || !strings.Contains(r.stdout, "is whole: 3 passwords") || !strings.Contains(r.stdout, want) {
			t.Errorf("%q: exit code %d: %s%s", password, r.code, r.stdout, r.stderr)
		}
	}
	if r := doorward("hunter2", "breached", "check", "--json", out, "--password-stdin"); !strings.Contains(r.stdout, `"listed": true`) {
		t.Errorf("as JSON: %s%s", r.stdout, r.stderr)
	}
	if r := doorward("", "breached", "check", "--json", out); strings.Contains(r.stdout, "listed") {
		t.Errorf("without a password: %s", r.stdout)
	}
}

func TestBreachedVerbRefusals(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "breached")
	doorward("", "breached", "build", "--out", out, "/nonexistent/list").wantFailure(t, exitUsage, "/nonexistent/list")
	doorward("", "breached", "build", "--out", out, "-").wantFailure(t, exitFailed, "nothing was written")
	doorward("hunter2\n", "breached", "build", "--format", "sha1", "--out", out, "-").wantFailure(t, exitFailed, "-: line 1 is no SHA-1")
	doorward("a\n", "breached", "build", "--out", filepath.Join(out, "below", "nothing"), "-").wantFailure(t, exitFailed, "nothing was written")
	if _, err := os.Stat(out); err == nil {
		t.Error("a file was written")
	}
	if r := doorward("hunter2\n", "breached", "build", "--out", out, "-"); r.code != exitDone {
		t.Fatal(r.stderr)
	}
	content, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)-40] ^= 1
	if err := os.WriteFile(out, content, 0o600); err != nil {
		t.Fatal(err)
	}
	doorward("", "breached", "check", out).wantFailure(t, exitFailed, "the checksum is wrong")
	data := filepath.Join(t.TempDir(), "data")
	doorward("", "serve", "--data", data, "--listen", "127.0.0.1:0", "--breached-passwords", out).wantFailure(t, exitFailed, "breached passwords: "+out+": the checksum is wrong")
	doorward("", "serve", "--data", data, "--listen", "127.0.0.1:0", "--breached-passwords", out+".gone").wantFailure(t, exitUsage, "no such file")
}
