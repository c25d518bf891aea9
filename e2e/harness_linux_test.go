package e2e

import "syscall"

// dieWithParent has the kernel kill the process when the test binary is gone.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
