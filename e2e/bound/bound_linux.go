package bound

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

func bind(attr *syscall.SysProcAttr, last syscall.Signal) { attr.Pdeathsig = last }

// keepThread gives the goroutine a thread of its own for as long as it runs. The kernel sends the signal at the end of the thread that started the process, and
// Go ends threads: each goroutine that returns without having unlocked its thread takes the thread along, with all that others started from it before.
func keepThread() { runtime.LockOSThread() }

// ChildrenOf lists the processes whose parent is pid.
func ChildrenOf(pid int) (children []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range stats {
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
		if _, parent := status(child); err == nil && parent == pid {
			children = append(children, child)
		}
	}
	return children
}

// Alive tells a process that runs from one that is gone or waits for its parent to take note of its end.
func Alive(pid int) bool {
	state, _ := status(pid)
	return state != "" && state != "Z"
}

// status reads PID (NAME) STATE PPID …, where NAME may hold anything.
func status(pid int) (state string, parent int) {
	stat, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	text := string(stat)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 2 {
		return "", 0
	}
	parent, _ = strconv.Atoi(fields[1])
	return fields[0], parent
}
