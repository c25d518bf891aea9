package backup

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func openDir(t *testing.T, path string) Place {
	t.Helper()
	p, name, err := ParsePlace(path, time.Now)
	if err != nil || name != "" {
		t.Fatal(name, err)
	}
	return p
}

func put(t *testing.T, p Place, host string, at time.Time, scheduled bool) Name {
	t.Helper()
	name, err := NewName(host, at, scheduled, rand.Reader)
	must(t, err)
	_, err = p.Put(t.Context(), name.String(), func(w io.Writer) error { _, err := w.Write([]byte("x")); return err })
	must(t, err)
	return name
}

func TestDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := openDir(t, dir)
	name := put(t, p, "auth.example.com", instant, true)
	info, err := os.Stat(filepath.Join(dir, name.String()))
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %o", info.Mode())
	}
	if _, err := p.Put(t.Context(), name.String(), func(io.Writer) error { return nil }); err == nil || !strings.Contains(err.Error(), "there already") {
		t.Errorf("a second one of the same name: %v", err)
	}
	files, err := p.List(t.Context())
	must(t, err)
	if len(files) != 1 || files[0].Name != name || files[0].Size != 1 {
		t.Errorf("listed %v", files)
	}
	r, err := p.Get(t.Context(), name.String())
	must(t, err)
	content, err := io.ReadAll(r)
	must(t, errors.Join(err, r.Close()))
	if !bytes.Equal(content, []byte("x")) {
		t.Errorf("read %q", content)
	}
	must(t, p.Delete(t.Context(), name.String()))
	if _, err := p.Get(t.Context(), name.String()); !errors.Is(err, ErrNotThere) {
		t.Errorf("a deleted one: %v", err)
	}
	if _, err := p.Get(t.Context(), "../x.backup"); err == nil {
		t.Error("a name led out of the directory")
	}
}

// TestFailedBackupLeavesNothing: what is not whole has no name.
func TestFailedBackupLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	broken := errors.New("broken")
	_, err := openDir(t, dir).Put(t.Context(), "x.backup", func(w io.Writer) error { _, _ = w.Write(make([]byte, 1<<20)); return broken })
	if !errors.Is(err, broken) {
		t.Errorf("put: %v", err)
	}
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) > 0 {
		t.Errorf("left %v", entries)
	}
	missing := filepath.Join(dir, "not", "mounted")
	if _, err := openDir(t, missing).Put(t.Context(), "x.backup", func(io.Writer) error { return nil }); err == nil || !strings.Contains(err.Error(), "mount") {
		t.Errorf("no directory: %v", err)
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("it was made")
	}
}

// readOnly gives a directory in which this process can make no file.
func readOnly(t *testing.T) string {
	t.Helper()
	if runtime.GOOS == "linux" {
		return "/proc" // for root, too
	}
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o500))
	if runtime.GOOS == "windows" || os.Geteuid() == 0 {
		t.Skip("modes bind nobody here")
	}
	return dir
}

// TestCheckWritable: a directory that takes no files is told of before a backup is due, and what can be written is left as it was.
func TestCheckWritable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must(t, CheckWritable(openDir(t, dir)))
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) > 0 {
		t.Errorf("left %v", entries)
	}
	if err := CheckWritable(openDir(t, filepath.Join(dir, "missing"))); err == nil || !strings.Contains(err.Error(), "mount") {
		t.Errorf("no directory: %v", err)
	}
	if err := CheckWritable(openDir(t, readOnly(t))); err == nil || !strings.Contains(err.Error(), "ReadWritePaths") {
		t.Errorf("a directory that takes nothing: %v", err)
	}
}

func TestCleanUp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := openDir(t, dir)
	touch := func(host string, at time.Time) string {
		name, err := NewName(host, at, true, rand.Reader)
		must(t, err)
		path := filepath.Join(dir, "."+name.String()+partial)
		must(t, os.WriteFile(path, nil, 0o600))
		return path
	}
	old, young, other := touch("a.example.com", instant.Add(-25*time.Hour)), touch("a.example.com", instant), touch("b.example.com", instant.Add(-25*time.Hour))
	whole := put(t, p, "a.example.com", instant.Add(-48*time.Hour), true)
	must(t, p.CleanUp(t.Context(), "a.example.com", instant.Add(-24*time.Hour)))
	for path, want := range map[string]bool{old: false, young: true, other: true, filepath.Join(dir, whole.String()): true} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: there %v, want %v", filepath.Base(path), err == nil, want)
		}
	}
}

// TestRetention: only scheduled backups of the same server are ever surplus.
func TestRetention(t *testing.T) {
	t.Parallel()
	p := openDir(t, t.TempDir())
	var own []Name
	for day := range 5 {
		own = append(own, put(t, p, "a.example.com", instant.AddDate(0, 0, day), true))
		put(t, p, "a.example.com", instant.AddDate(0, 0, day), false)
		put(t, p, "b.example.com", instant.AddDate(0, 0, day), true)
	}
	files, err := p.List(t.Context())
	must(t, err)
	if len(files) != 15 {
		t.Fatalf("%d files", len(files))
	}
	scheduled, future := Scheduled(files, "A.example.com", instant.AddDate(0, 0, 4))
	if len(future) != 0 {
		t.Errorf("of the future: %v", future)
	}
	if len(scheduled) != 5 || scheduled[0].Name != own[4] {
		t.Fatalf("scheduled: %v", scheduled)
	}
	surplus := Surplus(scheduled, 2)
	if len(surplus) != 3 || surplus[0].Name != own[2] || surplus[2].Name != own[0] {
		t.Errorf("surplus: %v", surplus)
	}
	if len(Surplus(scheduled, 0)) != 0 || len(Surplus(scheduled, 5)) != 0 {
		t.Error("surplus where all are kept")
	}
	past, future := Scheduled(files, "a.example.com", instant.AddDate(0, 0, 3).Add(-time.Hour))
	if len(past) != 4 || past[0].Name != own[3] || len(future) != 1 || future[0].Name != own[4] {
		t.Errorf("past %v, future %v", past, future)
	}
	if _, err := Newest(t.Context(), p, instant); err == nil || !strings.Contains(err.Error(), "several servers") {
		t.Errorf("newest of two servers: %v", err)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"auth.example.com", "localhost:8080", "[::1]:8080", "", "../../etc", "a-b.c-1.example"} {
		name, err := NewName(host, instant, true, rand.Reader)
		must(t, err)
		back, ok := ParseName(name.String())
		if !ok || back != name || filepath.Base(name.String()) != name.String() {
			t.Errorf("%q: %s read as %+v, %v", host, name, back, ok)
		}
	}
	for _, text := range []string{"doorward.db", "doorward-x-20260131T091244Z-auto-abcdef.backup.partial", "doorward-x-20269931T091244Z-auto-abcdef.backup", "x.backup"} {
		if _, ok := ParseName(text); ok {
			t.Errorf("%q is a name", text)
		}
	}
}

func TestParsePlace(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, name, wrong string }{
		{"/var/backups", "", ""},
		{"/var/backups/x.backup", "x.backup", ""},
		{"s3://bucket", "", ""},
		{"s3://bucket/some/prefix?endpoint=https://s3.example.com&region=eu-1&path-style=true", "", ""},
		{"s3://bucket/prefix/x.backup?endpoint=http://127.0.0.1:9000", "x.backup", ""},
		{"", "", "empty"},
		{"ftp://x", "", "neither"},
		{"s3://key:secret@bucket/x", "", "AWS_ACCESS_KEY_ID"},
		{"s3://bucket?endpoint=http://s3.example.com", "", "not https"},
		{"s3://bucket?endpoint=s3.example.com", "", "https://s3.example.com"},
		{"s3://bucket?key=value", "", `"key"`},
		{"s3://bucket?path-style=perhaps", "", "true or false"},
	} {
		p, name, err := ParsePlace(test.text, time.Now)
		if (err == nil) != (test.wrong == "") || err != nil && !strings.Contains(err.Error(), test.wrong) {
			t.Errorf("%s: %v", test.text, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret@") {
			t.Errorf("%s: the error quotes it", test.text)
		}
		if err == nil && (p == nil || name != test.name) {
			t.Errorf("%s: name %q", test.text, name)
		}
	}
	p, _, err := ParsePlace("s3://bucket/some/prefix/x.backup?endpoint=https://s3.example.com", time.Now)
	must(t, err)
	if b := p.(*bucket); b.prefix != "some/prefix/" || b.name != "bucket" {
		t.Errorf("prefix %q, bucket %q", b.prefix, b.name)
	}
}

// TestNewestFromTheFuture: what a server made while its clock was ahead is not taken for the newest.
func TestNewestFromTheFuture(t *testing.T) {
	t.Parallel()
	p := openDir(t, t.TempDir())
	name := put(t, p, "auth.example.com", instant, true)
	soon := put(t, p, "auth.example.com", instant.Add(time.Hour), true) // clocks may be that far apart
	if got, err := Newest(t.Context(), p, instant); err != nil || got != soon.String() {
		t.Errorf("took %q, %v", got, err)
	}
	future := put(t, p, "auth.example.com", instant.Add(2*time.Hour), false)
	if got, err := Newest(t.Context(), p, instant); err == nil || !strings.Contains(err.Error(), future.String()) || !strings.Contains(err.Error(), "name one file") {
		t.Errorf("took %q, %v, and not %s", got, err, name)
	}
}
