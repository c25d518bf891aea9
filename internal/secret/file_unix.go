//go:build unix && !solaris && !illumos && !aix

package secret

import (
	"errors"
	"os"
	"syscall"
)

// tryLock locks the file at path, which guards the one at guarded. It gives nil
// without an error when another holds the lock.
func tryLock(path, guarded string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := keepOwner(file, guarded); err != nil {
		file.Close()
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return file, nil
	}
	file.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return nil, nil
	}
	return nil, &os.PathError{Op: "flock", Path: path, Err: err}
}

// keepOwner gives file the owner of what is at path, if anything is: an operator who
// rotates keys as root must not lock the server, which runs as another user, out.
func keepOwner(file *os.File, path string) error {
	want, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	have, err := file.Stat()
	if err != nil {
		return err
	}
	wantSys, haveSys := want.Sys().(*syscall.Stat_t), have.Sys().(*syscall.Stat_t)
	if wantSys.Uid == haveSys.Uid {
		return nil
	}
	return file.Chown(int(wantSys.Uid), int(wantSys.Gid))
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
