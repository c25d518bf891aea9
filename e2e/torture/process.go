package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/doorward/doorward/e2e/bound"
	"github.com/doorward/doorward/e2e/release"
)

// Server is one process of Doorward, which keeps its address over all its starts.
type Server struct {
	Name    string
	Address string   // 127.0.0.1:PORT
	Args    []string // of serve, beside the address

	binary string
	log    string // file
	mu     sync.Mutex
	exited chan struct{}
	err    error // how it ended
	cmd    *exec.Cmd
}

// URL is where it listens.
func (s *Server) URL() string { return "http://" + s.Address }

// Start starts the process, and does not wait until it serves.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	file, err := os.OpenFile(s.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	s.cmd = exec.Command(s.binary, append([]string{"serve", "--listen", s.Address}, s.Args...)...)
	s.cmd.Env, s.cmd.Dir = release.CleanEnv(), filepath.Dir(s.log)
	s.cmd.Stdout, s.cmd.Stderr = file, file
	s.exited, s.err = make(chan struct{}), nil
	return bound.Start(s.cmd, syscall.SIGKILL, func(err error) { s.err = err; close(s.exited) })
}

// Kill ends the process with SIGKILL and waits for its end.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	_ = s.cmd.Process.Kill() // fails only where it has ended
	<-s.exited
}

// Exited tells whether the process has ended, by whatever.
func (s *Server) Exited() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.exited:
		return true
	default:
		return false
	}
}

// Stop asks the process to end, and fails where it does not do so well.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.exited:
		return fmt.Errorf("the server %s had ended by itself (%v); its log is %s", s.Name, s.err, s.log)
	default:
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-s.exited:
		return s.err
	case <-time.After(40 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.exited
		return errors.New("the server " + s.Name + " did not end in time")
	}
}

// runCLI runs a verb of the binary, and gives what it prints.
func runCLI(ctx context.Context, binary string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return release.Run(ctx, binary, nil, args...)
}

// buildBinary builds the server into dir as a release is built. DOORWARD_E2E_BINARY names a ready one instead.
func buildBinary(ctx context.Context, dir, repository string) (string, error) {
	if ready := os.Getenv("DOORWARD_E2E_BINARY"); ready != "" {
		return filepath.Abs(ready)
	}
	out := filepath.Join(dir, "doorward")
	return out, release.Build(ctx, repository, out)
}
