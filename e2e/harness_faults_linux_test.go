package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/doorward/doorward/e2e/bound"
)

// strace is a tracer on a running server: it notes system calls, and has some of them fail.
type strace struct {
	process *os.Process
	ended   chan struct{}
	file    string
}

// attach traces the system calls on one file of the server until detach, or the end of the test.
func (s *server) attach(t *testing.T, path string, options ...string) *strace {
	t.Helper()
	st := &strace{ended: make(chan struct{}), file: filepath.Join(t.TempDir(), "trace")}
	args := append([]string{"-f", "-p", fmt.Sprint(s.process.Pid), "-o", st.file, "-P", path, "-e", "trace=fsync,fdatasync,pwrite64"}, options...)
	cmd := exec.Command("strace", args...)
	told := &lockedBuffer{}
	cmd.Stderr = told
	if err := bound.Start(cmd, syscall.SIGKILL, func(error) { close(st.ended) }); err != nil {
		t.Fatalf("strace (scripts/setup installs it): %v", err)
	}
	st.process = cmd.Process
	t.Cleanup(func() { st.detach(t) })
	eventually(t, 10*time.Second, func() error {
		if !strings.Contains(told.String(), "attached") {
			return fmt.Errorf("strace must be allowed to trace (root, or kernel.yama.ptrace_scope=0): %s", told)
		}
		return nil
	})
	return st
}

// detach leaves the server to itself, and returns the trace.
func (st *strace) detach(t *testing.T) string {
	t.Helper()
	select {
	case <-st.ended:
	default:
		_ = st.process.Signal(syscall.SIGINT)
		select {
		case <-st.ended:
		case <-time.After(10 * time.Second):
			_ = st.process.Kill()
			t.Error("strace did not end")
		}
	}
	return st.read(t)
}

func (st *strace) read(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(st.file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// failures counts the calls that were made to fail so far.
func (st *strace) failures(t *testing.T) int { return strings.Count(st.read(t), "(INJECTED)") }

// failing are the options that have every sync of the traced file fail.
var failing = []string{"-e", "inject=fsync,fdatasync:error=EIO"}
