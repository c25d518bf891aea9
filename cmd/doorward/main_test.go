package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

// result is how one command line ended.
type result struct {
	code           int
	stdout, stderr string
}

// cliTest runs command lines on one data directory.
type cliTest struct {
	t    *testing.T
	data string
	env  []string
}

// newCLI makes a data directory with its default project, as a first start does.
func newCLI(t *testing.T) *cliTest {
	t.Helper()
	c := &cliTest{t: t, data: filepath.Join(t.TempDir(), "data")}
	c.serve(t).stop(t)
	return c
}

func (c *cliTest) try(stdin string, args ...string) result {
	c.t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), append(args, "--data", c.data), c.env, strings.NewReader(stdin), &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

// ok runs a command that must succeed and gives its standard output.
func (c *cliTest) ok(args ...string) string {
	c.t.Helper()
	return c.okWith("", args...)
}

func (c *cliTest) okWith(stdin string, args ...string) string {
	c.t.Helper()
	r := c.try(stdin, args...)
	if r.code != exitDone {
		c.t.Fatalf("doorward %s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// json runs a command with --json that must succeed, and decodes what it prints.
func (c *cliTest) json(dst any, args ...string) {
	c.t.Helper()
	reflect.ValueOf(dst).Elem().SetZero() // a decoder would merge maps
	out := c.ok(append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), dst); err != nil {
		c.t.Fatalf("doorward %s: %v in %s", strings.Join(args, " "), err, out)
	}
}

// wantFailure checks the exit code and that stderr is one line with this text.
func (r result) wantFailure(t *testing.T, code int, text string) {
	t.Helper()
	if r.code != code || !strings.Contains(r.stderr, text) || strings.Count(r.stderr, "\n") != 1 {
		t.Errorf("exit code %d, stderr %q; want %d and one line with %q", r.code, r.stderr, code, text)
	}
}

// lockedBuffer collects the output of a server that still runs.
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

// served is a running `doorward serve`.
type served struct {
	url            string
	greeting       greeting
	stdout, stderr *lockedBuffer
	end            context.CancelFunc
	code           chan int
}

// serve starts the server on a free port and waits until it is ready.
func (c *cliTest) serve(t *testing.T, args ...string) *served {
	t.Helper()
	ctx, end := context.WithCancel(context.Background())
	s := &served{stdout: &lockedBuffer{}, stderr: &lockedBuffer{}, end: end, code: make(chan int, 1)}
	args = append([]string{"serve", "--json", "--data", c.data, "--listen", "127.0.0.1:0"}, args...)
	go func() { s.code <- run(ctx, args, c.env, strings.NewReader(""), s.stdout, s.stderr) }()
	t.Cleanup(end)
	s.await(t, func() bool { return json.Unmarshal([]byte(s.stdout.String()), &s.greeting) == nil })
	s.url = s.greeting.URL
	s.await(t, func() bool {
		resp, err := http.Get(s.url + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return s
}

func (s *served) await(t *testing.T, ready func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ready(); time.Sleep(5 * time.Millisecond) {
		select {
		case code := <-s.code:
			t.Fatalf("serve ended with %d\n%s%s", code, s.stdout, s.stderr)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("serve is not ready\n%s%s", s.stdout, s.stderr)
		}
	}
}

// stop ends the server as a signal does, and wants it to end well.
func (s *served) stop(t *testing.T) {
	t.Helper()
	s.end()
	if code := <-s.code; code != exitDone {
		t.Errorf("serve ended with %d\n%s", code, s.stderr)
	}
}

// post sends JSON to the AUTH API and gives the status and the body.
func (s *served) post(t *testing.T, path, body string) (int, string) {
	t.Helper()
	resp, err := http.Post(s.url+"/api/v1"+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// signUp makes a user of the default project and gives its uid.
func (s *served) signUp(t *testing.T, email, password string) string {
	t.Helper()
	status, body := s.post(t, "/auth/accounts/signup", fmt.Sprintf(`{"email":%q,"password":%q}`, email, password))
	var answer struct{ Data struct{ UID string } }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK || answer.Data.UID == "" {
		t.Fatalf("sign-up: %d %s", status, body)
	}
	return answer.Data.UID
}
