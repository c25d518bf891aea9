package pgtest

import (
	"bytes"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
)

// process is the server. A goroutine with a thread of its own starts it and waits for it, because the kernel ties the signal at a parent's death to the
// parent's thread.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{}
}

// startProcess starts the server so that it ends with the test binary, however that ends.
func startProcess(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, exited: make(chan struct{})}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT // immediate shutdown
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer close(p.exited)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("%s: %w", cmd.Path, err)
	}
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
