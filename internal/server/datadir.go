package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// openDataDir creates the directory, or checks that nobody but its owner may enter it (P47). An empty one, as a fresh volume is, is closed to others; one
// with something in it may be shared on purpose, so there it asks.
func openDataDir(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return fmt.Errorf("create the data directory: %w", err)
		}
		return syncParent(path)
	}
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("data directory: %s is not a directory", path)
	}
	// On Windows the mode bits say nothing; there the directory's access list guards it.
	mode := info.Mode().Perm()
	if runtime.GOOS == "windows" || mode&0o077 == 0 {
		return nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if len(entries) == 0 && os.Chmod(path, 0o700) == nil {
		return nil
	}
	return fmt.Errorf("data directory: others than its owner may enter %s (mode %04o); run chmod 700 %s, or choose a directory of its own with --data", path, mode, path)
}

// syncParent makes a new directory's name durable (P48); those of the files in it are their makers' business. Windows has no such call.
func syncParent(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	parent, err := os.Open(filepath.Dir(filepath.Clean(path)))
	if err != nil {
		return fmt.Errorf("create the data directory: %w", err)
	}
	if err := errors.Join(parent.Sync(), parent.Close()); err != nil {
		return fmt.Errorf("create the data directory: %w", err)
	}
	return nil
}
