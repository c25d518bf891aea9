package smalldisk

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestFullAndFreed(t *testing.T) {
	d, err := Mount(filepath.Join(t.TempDir(), "disk"), 2<<20)
	if !Possible() {
		if err == nil {
			t.Error("mounted, and that was said to be impossible")
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.Unmount(); err != nil {
			t.Error(err)
		}
	}()
	mine := filepath.Join(d.Dir, "mine")
	write := func() error { return errors.Join(os.WriteFile(mine, make([]byte, 4096), 0o600), os.Remove(mine)) }
	for range 2 {
		if err := d.Fill(); err != nil {
			t.Fatal(err)
		}
		if err := write(); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("writing on the full disk: %v", err)
		}
		if err := d.Free(); err != nil {
			t.Fatal(err)
		}
		if err := write(); err != nil {
			t.Errorf("writing on the freed disk: %v", err)
		}
	}
}
