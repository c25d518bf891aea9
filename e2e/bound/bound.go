//go:build unix

// Package bound starts processes that end when this program does, and looks at processes.
package bound

import (
	"os/exec"
	"syscall"
)

// Start starts a command. When this program is gone, however it ends, the process gets the signal (on Linux; elsewhere it is left alone). When the process has
// ended, ended is called with what cmd.Wait says; the caller does not call Wait.
func Start(cmd *exec.Cmd, last syscall.Signal, ended func(error)) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	bind(cmd.SysProcAttr, last)
	started := make(chan error)
	go func() {
		keepThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended(cmd.Wait())
		}
	}()
	return <-started
}
