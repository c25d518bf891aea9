package secret

import (
	"fmt"
	"os"
	"time"
)

// The holder of the lock reads and writes one small file, so a wait this long means
// that something is wrong.
const (
	lockAttempts = 500
	lockPause    = 20 * time.Millisecond
)

// lockFor takes the lock that guards changes of the file at path among processes,
// and gives the function that lets it go. The lock ends with its process, however
// that ends. Its own file stays: removing it would let two processes lock two files
// of one name.
func lockFor(path string) (unlock func(), err error) {
	for range lockAttempts {
		lock, err := tryLock(path+".lock", path)
		if err != nil {
			return nil, err
		}
		if lock != nil {
			return func() { lock.Close() }, nil
		}
		time.Sleep(lockPause)
	}
	return nil, fmt.Errorf("%s.lock is held by another process", path)
}

// TryLock creates the file at path where it is missing, and locks it until it is
// closed or the process ends. It gives nil without an error when another process, or
// another call in this one, holds the lock.
func TryLock(path string) (*os.File, error) { return tryLock(path, path) }
