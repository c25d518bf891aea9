//go:build unix

package sqlstore

import (
	"os"
	"syscall"
)

// linked tells whether the file still has a name.
func linked(file *os.File) bool {
	connection, err := file.SyscallConn()
	if err != nil {
		return false
	}
	links := false
	err = connection.Control(func(fd uintptr) {
		var stat syscall.Stat_t
		links = syscall.Fstat(int(fd), &stat) == nil && stat.Nlink > 0
	})
	return err == nil && links
}
