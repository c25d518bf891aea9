// Package smalldisk gives tests a file system of their own that they can fill and free again.
package smalldisk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// Disk is a small file system in memory.
type Disk struct {
	Dir     string // where it is mounted
	ballast *os.File
}

// Mount makes a file system of so many bytes and mounts it at a directory that it makes. It takes root and Linux; elsewhere it fails.
func Mount(dir string, bytes int64) (*Disk, error) {
	if err := os.Mkdir(dir, 0o711); err != nil {
		return nil, err
	}
	if err := mount(dir, bytes); err != nil {
		return nil, errors.Join(fmt.Errorf("mounting a small file system, which takes root on Linux: %w", err), os.Remove(dir))
	}
	return &Disk{Dir: dir}, nil
}

// Possible tells whether this program may mount: whether it is root on Linux.
func Possible() bool { return runtime.GOOS == "linux" && os.Geteuid() == 0 }

// Fill has a foreign file take all that is free. It may be called again, to take what has come free since.
func (d *Disk) Fill() error {
	if d.ballast == nil {
		file, err := os.OpenFile(filepath.Join(d.Dir, "ballast"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		d.ballast = file
	}
	for size := 1 << 20; size > 0; size /= 16 {
		for {
			if _, err := d.ballast.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
				break
			} else if err != nil {
				return err
			}
		}
	}
	return nil
}

// Free removes the foreign file.
func (d *Disk) Free() error {
	if d.ballast == nil {
		return nil
	}
	err := errors.Join(d.ballast.Close(), os.Remove(d.ballast.Name()))
	d.ballast = nil
	return err
}

// Unmount removes the file system with everything on it.
func (d *Disk) Unmount() error {
	return errors.Join(d.Free(), unmount(d.Dir), os.Remove(d.Dir))
}
