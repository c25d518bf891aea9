package e2e

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
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
	cmd.SysProcAttr = dieWithParent()
	told, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("strace (scripts/setup installs it): %v", err)
	}
	st.process = cmd.Process
	lines := bufio.NewScanner(told)
	first := lines.Scan()
	if !first || !strings.Contains(lines.Text(), "attached") {
		_ = cmd.Process.Kill()
		t.Fatalf("strace must be allowed to trace (root, or kernel.yama.ptrace_scope=0): %s", lines.Text())
	}
	go func() {
		for lines.Scan() {
		}
		_ = cmd.Wait()
		close(st.ended)
	}()
	t.Cleanup(func() { st.detach(t) })
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

// outcomes counts what became of requests while a fault struck.
type outcomes struct {
	mu     sync.Mutex
	ok     []account
	failed map[string]int // by status and detail
	early  []string       // answers that break the rules
}

// strike signs up from some goroutines until stop closes. What is neither a success nor a 503 with Retry-After breaks the rules.
func (p project) strike(workers int, stop <-chan struct{}) *outcomes {
	o := &outcomes{failed: map[string]int{}}
	var wait sync.WaitGroup
	for range workers {
		wait.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				o.signUp(p)
			}
		})
	}
	wait.Wait()
	return o
}

func (o *outcomes) signUp(p project) {
	a := account{email: newEmail(), password: newPassword()}
	r, err := p.client().send(http.MethodPost, apiBase+signup, a.credentials())
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err != nil:
		o.failed["no answer"]++
	case r.status == http.StatusOK:
		var body struct {
			Data struct{ UID, IDToken, RefreshToken string }
		}
		decodeQuietly(r.body, &body)
		a.uid, a.idToken, a.refreshToken = body.Data.UID, body.Data.IDToken, body.Data.RefreshToken
		o.ok = append(o.ok, a)
	case r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "":
		o.early = append(o.early, fmt.Sprintf("%d, Retry-After %q: %s", r.status, r.header.Get("Retry-After"), r.body))
	default:
		o.failed[string(r.body)]++
	}
}

// during strikes for a while.
func (p project) during(t *testing.T, d time.Duration) *outcomes {
	t.Helper()
	stop := make(chan struct{})
	time.AfterFunc(d, func() { close(stop) })
	o := p.strike(4, stop)
	for _, broken := range o.early {
		t.Errorf("a sign-up was answered %s", broken)
	}
	t.Logf("%d sign-ups acknowledged, others: %v", len(o.ok), o.failed)
	return o
}

// heals waits until a sign-up succeeds, and returns the account.
func (p project) heals(t *testing.T, limit time.Duration) account {
	t.Helper()
	o := &outcomes{failed: map[string]int{}}
	eventually(t, limit, func() error {
		if o.signUp(p); len(o.ok) == 0 {
			return fmt.Errorf("no sign-up succeeds: %v %v", o.failed, o.early)
		}
		return nil
	})
	return o.ok[0]
}

// killAndCheck ends the server with SIGKILL, starts it again, and looks for everything that was acknowledged.
func killAndCheck(t *testing.T, p project, acknowledged []account) {
	t.Helper()
	p.srv.kill(t)
	checkIntegrity(t, p.srv.opts.data)
	options := p.srv.opts
	options.publicURL = p.srv.publicURL
	p.srv = ownServer(t, options)
	for _, a := range acknowledged {
		p.refresh(t, a.uid, a.refreshToken)
	}
	last := acknowledged[len(acknowledged)-1]
	p.signIn(t, last.email, last.password)
}

// goesOn checks that what needs no write works.
func (p project) goesOn(t *testing.T, a account) {
	t.Helper()
	if err := verify(a.idToken, p.keys(t)); err != nil {
		t.Errorf("id token: %v", err)
	}
	p.client().bearer(a.idToken).get(t, users+"/"+a.uid).wantStatus(t, http.StatusOK)
	p.refresh(t, a.uid, a.refreshToken) // writes nothing in the documented preset
	p.srv.bareHost().do(t, http.MethodGet, "/healthz", nil).wantStatus(t, http.StatusOK)
}
