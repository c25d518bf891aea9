//go:build unix && !linux

package bound

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

func bind(*syscall.SysProcAttr, syscall.Signal) {}

func keepThread() {}

// ChildrenOf lists the processes whose parent is pid.
func ChildrenOf(pid int) (children []int) {
	output, err := exec.Command("pgrep", "-P", strconv.Itoa(pid)).Output()
	if err != nil {
		return nil
	}
	for _, field := range strings.Fields(string(output)) {
		if child, err := strconv.Atoi(field); err == nil {
			children = append(children, child)
		}
	}
	return children
}

// Alive tells whether a process is there.
func Alive(pid int) bool { return syscall.Kill(pid, 0) == nil }
