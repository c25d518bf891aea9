//go:build unix

package server

import (
	"math"
	"syscall"
)

// openFiles gives how many files and connections this process may have open. Go raised it to the most that is allowed when the program started.
func openFiles() (limit int, known bool) {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 0, false
	}
	return int(min(uint64(r.Cur), math.MaxInt32)), true
}
