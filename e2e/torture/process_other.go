//go:build unix && !linux

package main

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

func startBound(cmd *exec.Cmd, ended func(error)) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { ended(cmd.Wait()) }()
	return nil
}

// childrenOf lists the processes that a process started.
func childrenOf(parent int) (children []int) {
	output, err := exec.Command("pgrep", "-P", strconv.Itoa(parent)).Output()
	if err != nil {
		return nil
	}
	for _, field := range strings.Fields(string(output)) {
		if pid, err := strconv.Atoi(field); err == nil {
			children = append(children, pid)
		}
	}
	return children
}

// running tells whether a process is there.
func running(pid int) bool { return syscall.Kill(pid, 0) == nil }
