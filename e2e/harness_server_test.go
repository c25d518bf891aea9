package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/doorward/doorward/e2e/bound"
)

// serverOptions says how to start a server. Zero values leave the matching flag or variable out.
type serverOptions struct {
	data       string   // required
	publicURL  string   // default http://localhost:PORT
	adminToken string   // DOORWARD_ADMIN_TOKEN
	args       []string // more arguments of serve
	env        []string // more variables
	wrapper    []string // a command that starts the binary
	viaEnv     bool     // give listen, data and public URL as variables, not flags
	port       string   // of 127.0.0.1; default a free one
	health     string   // where /readyz is, of a server that speaks HTTPS; default http://127.0.0.1:PORT
}

// server is one running process of the binary.
type server struct {
	opts      serverOptions
	addr      string // 127.0.0.1:PORT
	port      string
	publicURL string
	output    *lockedBuffer
	process   *os.Process
	exited    chan struct{}
	exitErr   error
}

// lockedBuffer collects the output of a process that is still writing.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// outputs holds the output of every process of the run, for the search for leaked secrets.
var outputs struct {
	sync.Mutex
	all []*lockedBuffer
}

// startServer starts the binary and waits until /readyz answers 200.
func startServer(o serverOptions) (*server, error) {
	port := o.port
	if port == "" {
		var err error
		if port, err = freePort(); err != nil {
			return nil, err
		}
	}
	s := &server{opts: o, addr: "127.0.0.1:" + port, port: port, publicURL: o.publicURL,
		output: &lockedBuffer{}, exited: make(chan struct{})}
	if s.publicURL == "" {
		s.publicURL = "http://localhost:" + port
	}
	words := append(append([]string{}, o.wrapper...), append([]string{suite.binary}, s.serveArgs()...)...)
	cmd := exec.Command(words[0], words[1:]...)
	database, err := databaseEnv(o.data)
	if err != nil {
		return nil, err
	}
	cmd.Env = append(append(cleanEnv(), database...), s.serveEnv()...)
	cmd.Dir = suite.dir
	cmd.Stdout, cmd.Stderr = s.output, s.output
	// A test run that is cut off leaves no server behind.
	if err := bound.Start(cmd, syscall.SIGKILL, func(err error) { s.exitErr = err; close(s.exited) }); err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	s.process = cmd.Process
	outputs.Lock()
	outputs.all = append(outputs.all, s.output)
	outputs.Unlock()
	if err := s.waitReady(60 * time.Second); err != nil {
		_ = s.process.Kill()
		return nil, fmt.Errorf("%w; output:\n%s", err, s.output)
	}
	return s, nil
}

func (s *server) serveArgs() []string {
	if s.opts.viaEnv {
		return append([]string{"serve"}, s.opts.args...)
	}
	args := []string{"serve", "--listen", s.addr, "--data", s.opts.data, "--public-url", s.publicURL}
	return append(args, s.opts.args...)
}

func (s *server) serveEnv() []string {
	env := append([]string{}, s.opts.env...)
	if s.opts.viaEnv {
		env = append(env, "DOORWARD_LISTEN="+s.addr, "DOORWARD_DATA="+s.opts.data, "DOORWARD_PUBLIC_URL="+s.publicURL)
	}
	if s.opts.adminToken != "" {
		env = append(env, "DOORWARD_ADMIN_TOKEN="+s.opts.adminToken)
	}
	return env
}

// cleanEnv is the caller's environment without DOORWARD_ variables, and with race reports sent to files. By
// default each process with the race detector sleeps a second at its end, which the command line would pay often.
func cleanEnv() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "DOORWARD_") && !strings.HasPrefix(kv, "GORACE=") {
			env = append(env, kv)
		}
	}
	return append(env, "GORACE=atexit_sleep_ms=0 log_path="+filepath.Join(suite.dir, "race"))
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

func (s *server) waitReady(limit time.Duration) error {
	client := http.Client{Timeout: 2 * time.Second}
	base := s.opts.health
	if base == "" {
		base = "http://" + s.addr
	}
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		select {
		case <-s.exited:
			return fmt.Errorf("the server ended before it was ready: %v", s.exitErr)
		default:
		}
		resp, err := client.Get(base + "/readyz")
		if err != nil {
			continue
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return nil
		}
	}
	return errors.New("the server was not ready in time")
}

// stop asks the server to end with SIGTERM and reports anything but a clean exit.
func (s *server) stop() error {
	select {
	case <-s.exited:
		return fmt.Errorf("the server had ended by itself (%v); output ends:\n%s", s.exitErr, tail(s.output.String(), 4000))
	default:
	}
	if err := s.process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-s.exited:
	case <-time.After(30 * time.Second):
		_ = s.process.Kill()
		return errors.New("the server did not end within 30 s of SIGTERM")
	}
	if s.exitErr != nil {
		return fmt.Errorf("exit after SIGTERM: %w; output ends:\n%s", s.exitErr, tail(s.output.String(), 4000))
	}
	return nil
}

// kill ends the server with SIGKILL and waits for its end.
func (s *server) kill(t *testing.T) {
	t.Helper()
	if err := s.process.Kill(); err != nil {
		t.Fatalf("kill the server: %v", err)
	}
	<-s.exited
}

// ownServer starts a server for one test and stops it cleanly at the test's end.
func ownServer(t *testing.T, o serverOptions) *server {
	t.Helper()
	if o.data == "" {
		dir, err := os.MkdirTemp(suite.dir, "own-")
		if err != nil {
			t.Fatal(err)
		}
		o.data = filepath.Join(dir, "data")
	}
	s, err := startServer(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		select {
		case <-s.exited: // the test itself ended it
		default:
			if err := s.stop(); err != nil {
				t.Error(err)
			}
		}
	})
	return s
}

func tail(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}

// cliResult is how one run of the command line ended.
type cliResult struct {
	stdout, stderr string
	code           int
}

// cliLimit is how long a verb may take.
const cliLimit = 30 * time.Second

// tryCLI runs a verb of the binary against the server's data directory.
func (s *server) tryCLI(args ...string) (cliResult, error) {
	return tryBinary(append(args, "--data", s.opts.data)...)
}

// runBinary runs a verb that needs no data directory.
func runBinary(t *testing.T, args ...string) cliResult {
	t.Helper()
	result, err := tryBinary(args...)
	if err != nil {
		t.Fatalf("doorward %s: %v", strings.Join(args, " "), err)
	}
	return result
}

func tryBinary(args ...string) (cliResult, error) {
	ctx, cancel := context.WithTimeout(context.Background(), cliLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, suite.binary, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	database, err := databaseEnv(dataOf(args))
	if err != nil {
		return cliResult{}, err
	}
	cmd.Env = append(cleanEnv(), database...)
	cmd.Dir = suite.dir
	err = cmd.Run()
	result := cliResult{stdout: stdout.String(), stderr: stderr.String()}
	var exit *exec.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil {
		result.code = exit.ExitCode()
		return result, nil
	}
	return result, err
}

// cli runs a verb that must succeed, and returns its standard output.
func (s *server) cli(t *testing.T, args ...string) string {
	t.Helper()
	result, err := s.tryCLI(args...)
	if err != nil {
		t.Fatalf("doorward %s: %v", strings.Join(args, " "), err)
	}
	if result.code != 0 {
		t.Fatalf("doorward %s: exit code %d\n%s%s", strings.Join(args, " "), result.code, result.stdout, result.stderr)
	}
	return result.stdout
}
