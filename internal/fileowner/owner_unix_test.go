//go:build unix

package fileowner

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

const other = 12345

func create(t *testing.T, path string) *os.File {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

func wantOwner(t *testing.T, file *os.File, want int) {
	t.Helper()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if sys := info.Sys().(*syscall.Stat_t); int(sys.Uid) != want || want == other && sys.Gid != other {
		t.Errorf("%s is %d:%d's, want %d", file.Name(), sys.Uid, sys.Gid, want)
	}
}

// A file whose owner is right is left alone, and one whose owner is not is moved; only root may do the latter, anyone else gets the error.
func TestKeep(t *testing.T) {
	dir := t.TempDir()
	model, file := create(t, filepath.Join(dir, "a")), create(t, filepath.Join(dir, "b"))
	if err := Keep(file, model.Name()); err != nil {
		t.Errorf("same owner: %v", err)
	}
	if os.Geteuid() != 0 {
		if err := Keep(file, "/"); err == nil {
			t.Error("another's file was made root's own without root's rights")
		}
		return
	}
	if err := model.Chown(other, other); err != nil {
		t.Fatal(err)
	}
	if err := Keep(file, model.Name()); err != nil {
		t.Fatal(err)
	}
	wantOwner(t, file, other)
}

// The first file that root makes in a directory is that of the directory's owner, and not root's.
func TestKeepWhereNothingIsYet(t *testing.T) {
	dir := t.TempDir()
	file := create(t, filepath.Join(dir, "a"))
	if err := Keep(file, filepath.Join(dir, "none")); err != nil {
		t.Errorf("nothing there: %v", err)
	}
	wantOwner(t, file, os.Geteuid())
	if os.Geteuid() != 0 {
		return
	}
	if err := os.Chown(dir, other, other); err != nil {
		t.Fatal(err)
	}
	if err := Keep(file, filepath.Join(dir, "none")); err != nil {
		t.Fatal(err)
	}
	wantOwner(t, file, other)
}
