//go:build unix

package server

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestRestoreByRoot: what root restores into the directory of the server's user is that user's, so that the unit can open it.
func TestRestoreByRoot(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	const other = 12345
	h := inhabit(t, "sqlite")
	made := h.backUp(t)
	c := on(t, "sqlite")
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(c.DataDir, other, other); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), c, h.options(made.Name)); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(c.DataDir)
	if err != nil || len(files) < 2 {
		t.Fatalf("files %v, %v", files, err)
	}
	for _, file := range files {
		var stat syscall.Stat_t
		if err := syscall.Stat(filepath.Join(c.DataDir, file.Name()), &stat); err != nil || stat.Uid != other || stat.Gid != other || stat.Mode&0o777 != 0o600 {
			t.Errorf("%s: owner %d:%d, mode %o, %v", file.Name(), stat.Uid, stat.Gid, stat.Mode&0o777, err)
		}
	}
}
