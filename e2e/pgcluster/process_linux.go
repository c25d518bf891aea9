package pgcluster

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// process is a server. A goroutine with a thread of its own starts it and waits for it, because the kernel ties the signal at a parent's death to the parent's
// thread.
type process struct {
	command *exec.Cmd
	exited  chan struct{}
}

// startProcess starts a server that ends when this program does.
func startProcess(command *exec.Cmd) (*process, error) {
	p := &process{command: command, exited: make(chan struct{})}
	command.SysProcAttr.Pdeathsig = syscall.SIGQUIT // immediate shutdown
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer close(p.exited)
		err := command.Start()
		started <- err
		if err == nil {
			_ = command.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("%s: %w", command.Path, err)
	}
	return p, nil
}

// childrenOf lists the processes whose parent is pid.
func childrenOf(pid int) (children []int) {
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		child, err := strconv.Atoi(entry.Name())
		if _, parent := status(child); err == nil && parent == pid {
			children = append(children, child)
		}
	}
	return children
}

// alive tells a process that runs from one that is gone or waits for its parent to take note of its end.
func alive(pid int) bool {
	state, _ := status(pid)
	return state != "" && state != "Z"
}

// status reads PID (NAME) STATE PPID …, where NAME may hold anything.
func status(pid int) (state string, parent int) {
	stat, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 2 {
		return "", 0
	}
	parent, _ = strconv.Atoi(fields[1])
	return fields[0], parent
}
