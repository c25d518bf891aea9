//go:build unix && !linux

package pgtest

import (
	"fmt"
	"os/exec"
	"syscall"
)

// process is the server. Only Linux ends it when the test binary is killed.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{}
}

func startProcess(cmd *exec.Cmd) (*process, error) {
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", cmd.Path, err)
	}
	p := &process{cmd: cmd, exited: make(chan struct{})}
	go func() {
		defer close(p.exited)
		_ = cmd.Wait()
	}()
	return p, nil
}

// stop ends the server at once; its data is thrown away.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGQUIT)
	<-p.exited
}

// interrupt ends the server's connections and then the server, in good order.
func (p *process) interrupt() {
	_ = p.cmd.Process.Signal(syscall.SIGINT)
	<-p.exited
}

func runAs(cmd *exec.Cmd, a *account) {
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if a != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
}
