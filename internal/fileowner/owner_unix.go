//go:build unix

package fileowner

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Keep gives a file the owner of what is at path, which it is to replace or to stand beside. Where nothing is there yet, a file that root made gets the owner of the
// directory. It fails where the one at path is somebody else's, and that cannot be given to the file.
func Keep(file *os.File, path string) error {
	model, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return KeepNew(file, filepath.Dir(path))
	}
	if err != nil {
		return err
	}
	return give(file, model)
}

// KeepNew gives a file that root just made in a directory that directory's owner, as far as the system lets it: a root without that right may still work alone. The
// caller opened the file with O_EXCL or O_NOFOLLOW, so that it is nothing else to which somebody laid a link.
func KeepNew(file *os.File, dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	model, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if err := give(file, model); !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}

func give(file *os.File, model os.FileInfo) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	want, have := model.Sys().(*syscall.Stat_t), info.Sys().(*syscall.Stat_t)
	if want.Uid == have.Uid {
		return nil
	}
	return file.Chown(int(want.Uid), int(want.Gid))
}
