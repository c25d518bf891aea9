package bound

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestOutlivesThreads: a process goes on when threads of this program end, on whichever it was started.
func TestOutlivesThreads(t *testing.T) {
	for range 8 {
		cmd, ended := exec.Command("sleep", "600"), make(chan error, 1)
		if err := Start(cmd, syscall.SIGKILL, func(err error) { ended <- err }); err != nil {
			t.Fatal(err)
		}
		endThreads()
		select {
		case err := <-ended:
			t.Fatalf("the process ended: %v", err)
		default:
		}
		if !Alive(cmd.Process.Pid) {
			t.Error("a process that runs is not alive")
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		if err := <-ended; err == nil {
			t.Error("the process was killed and ended well")
		}
		if Alive(cmd.Process.Pid) {
			t.Error("a process that ended is alive")
		}
	}
}

// endThreads has goroutines take threads along that had done other work.
func endThreads() {
	var running sync.WaitGroup
	for range 50 {
		running.Go(func() {
			runtime.LockOSThread()
			time.Sleep(time.Millisecond)
		})
	}
	running.Wait()
	time.Sleep(20 * time.Millisecond)
}

// TestStartFails: what is not there is told, and nothing ended.
func TestStartFails(t *testing.T) {
	if err := Start(exec.Command("/nowhere/at-all"), syscall.SIGKILL, func(error) { t.Error("it ended") }); err == nil {
		t.Error("a program that is not there was started")
	}
}
