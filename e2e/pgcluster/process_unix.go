//go:build unix && !linux

package pgcluster

import (
	"fmt"
	"os/exec"
	"syscall"
)

// process is a server. Only Linux ends it when this program is killed.
type process struct {
	command *exec.Cmd
	exited  chan struct{}
}

func startProcess(command *exec.Cmd) (*process, error) {
	p := &process{command: command, exited: make(chan struct{})}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", command.Path, err)
	}
	go func() {
		defer close(p.exited)
		_ = command.Wait()
	}()
	return p, nil
}

// childrenOf gives none: elsewhere the children find by themselves that the parent is gone.
func childrenOf(int) []int { return nil }

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }
