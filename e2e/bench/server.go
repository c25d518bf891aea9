package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/doorward/doorward/e2e/release"
)

// server is a process of Doorward with its data. Every setting that a load could be made lighter by stands at its default.
type server struct {
	binary   string
	data     string
	database string // URL; "" for the embedded one
	log      string // file, which holds a line for each request as a log does
	profile  string // file; "" for none

	cmd     *exec.Cmd
	address string
}

func (s *server) args(args ...string) []string {
	args = append(args, "--data", s.data)
	if s.database != "" {
		args = append(args, "--database", s.database)
	}
	return args
}

// command runs a verb on the data, and gives what it prints.
func (s *server) command(in io.Reader, args ...string) ([]byte, error) {
	return release.Run(context.Background(), s.binary, in, s.args(args...)...)
}

// start starts the server and waits until it is ready; it gives how long that took.
func (s *server) start() (time.Duration, error) {
	address, err := release.FreeAddress()
	if err != nil {
		return 0, err
	}
	s.address = address
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	s.cmd = exec.Command(s.binary, s.args("serve", "--listen", s.address)...)
	s.cmd.Env, s.cmd.Stdout, s.cmd.Stderr = release.CleanEnv(), log, log
	if s.profile != "" {
		if s.profile, err = filepath.Abs(s.profile); err != nil {
			return 0, err
		}
		s.cmd.Env = append(s.cmd.Env, "DOORWARD_CPU_PROFILE="+s.profile)
	}
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		return 0, err
	}
	c := newClient(s.address, net.IPv4(127, 0, 0, 1))
	defer c.close()
	raw := request{method: "GET", path: "/readyz"}.bytes()
	for time.Since(began) < 30*time.Second {
		if status, _, err := c.do(raw); err == nil && status == 200 {
			return time.Since(began), nil
		}
		time.Sleep(2 * time.Millisecond)
	}
	return 0, errors.Join(errors.New("the server was not ready in 30 s"), s.stop())
}

func (s *server) stop() error {
	if s.cmd == nil {
		return nil
	}
	cmd := s.cmd
	s.cmd = nil
	if s.profile != "" {
		if err := cmd.Process.Signal(syscall.SIGUSR2); err != nil {
			return err
		}
		time.Sleep(time.Second)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return cmd.Wait()
}

// cpu is what the process has used of the cores so far, as Linux counts it: in hundredths of a second.
func (s *server) cpu() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	var ticks int64
	for _, field := range fields[11:13] { // utime and stime
		n, _ := strconv.ParseInt(field, 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// forgetPeak lets peak begin anew.
func (s *server) forgetPeak() {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.cmd.Process.Pid), []byte("5"), 0)
}

// memory gives the bytes of memory that the process has and had at most.
func (s *server) memory() (now, peak int64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(line, ":")
		fields := strings.Fields(rest)
		if len(fields) != 2 {
			continue
		}
		n, _ := strconv.ParseInt(fields[0], 10, 64)
		switch name {
		case "VmRSS":
			now = n * 1024
		case "VmHWM":
			peak = n * 1024
		}
	}
	return now, peak
}
