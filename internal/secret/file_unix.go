//go:build unix && !solaris && !illumos && !aix

package secret

import (
	"errors"
	"os"
	"syscall"

	"github.com/doorward/doorward/internal/fileowner"
)

// tryLock locks the file at path, which guards the one at guarded. It gives nil
// without an error when another holds the lock.
func tryLock(path, guarded string) (*os.File, error) {
	// Root may be here in a directory of somebody else, who could have laid a link to a file of root's.
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := fileowner.Keep(file, guarded); err != nil {
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

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
