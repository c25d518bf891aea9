//go:build unix

package pgcluster

import (
	"fmt"
	"os/exec"
	"syscall"

	"github.com/doorward/doorward/e2e/bound"
)

// process is a server.
type process struct {
	command *exec.Cmd
	exited  chan struct{}
}

// startProcess starts a server that ends when this program does.
func startProcess(command *exec.Cmd) (*process, error) {
	p := &process{command: command, exited: make(chan struct{})}
	// SIGQUIT is immediate shutdown.
	if err := bound.Start(command, syscall.SIGQUIT, func(error) { close(p.exited) }); err != nil {
		return nil, fmt.Errorf("%s: %w", command.Path, err)
	}
	return p, nil
}

func (p *process) pid() int { return p.command.Process.Pid }
func (p *process) wait()    { <-p.exited }

func (p *process) ended() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}
