package smalldisk

import (
	"fmt"
	"syscall"
)

func mount(dir string, bytes int64) error {
	return syscall.Mount("smalldisk", dir, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, fmt.Sprintf("size=%d,mode=0711", bytes))
}

// unmount does so even where a process has a file open still.
func unmount(dir string) error { return syscall.Unmount(dir, syscall.MNT_DETACH) }
