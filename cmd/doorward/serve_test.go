package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFirstStart(t *testing.T) {
	t.Parallel()
	c := &cliTest{t: t, data: filepath.Join(t.TempDir(), "data")}
	s := c.serve(t)
	g := s.greeting
	if !strings.HasPrefix(g.SetupLink, s.url+"/console/setup?code=") {
		t.Errorf("the set-up link is %q", g.SetupLink)
	}
	if !g.FirstStart || g.Project != "default" || !strings.HasPrefix(g.AdminToken, "dw_admin_") || g.DataDirectory != c.data {
		t.Errorf("greeting is %+v", g)
	}
	roles := func() int {
		req, err := http.NewRequest("GET", s.url+"/api/v1/auth/accounts/roles", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("deskree-admin", g.AdminToken)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if status := roles(); status != http.StatusOK {
		t.Errorf("the admin token that was printed gives %d", status)
	}
	if !strings.Contains(g.Try, "curl "+s.url+"/api/v1/auth/accounts/signup ") {
		t.Errorf("the line to try is %s", g.Try)
	}
	s.stop(t)
	if info, err := os.Stat(c.data); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("data directory: %v, %v", info.Mode(), err)
	}

	again := c.serve(t)
	defer again.stop(t)
	if again.greeting.SetupLink == "" || again.greeting.SetupLink == g.SetupLink {
		t.Errorf("the second set-up link is %q", again.greeting.SetupLink)
	}
	if again.greeting.FirstStart || again.greeting.AdminToken != "" {
		t.Errorf("the second greeting is %+v", again.greeting)
	}
}

func TestGreetingForPeople(t *testing.T) {
	t.Parallel()
	c := loadConfig(map[string]string{"public-url": "https://auth.example.com", "data": "/var/d"}, nil)
	tests := []struct {
		name  string
		first bool
		token string
		link  string
		want  []string
		lines int
	}{
		{"first", true, "dw_admin_x", "", []string{"URL             https://auth.example.com\n", "Admin token     dw_admin_x  (shown only now)\n",
			"\ncurl https://auth.example.com/api/v1/auth/accounts/signup -H 'Content-Type: application/json' -d '{\"email\""}, 11},
		{"first, token configured", true, "", "", []string{"Admin token     as configured\n"}, 11},
		{"later", false, "", "", []string{"Doorward serves https://auth.example.com from /var/d\n"}, 1},
		{"first, no operator", true, "dw_admin_x", "https://auth.example.com/console/setup?code=x", []string{"\nOpen this link to set up the console", "\nhttps://auth.example.com/console/setup?code=x\n"}, 15},
		{"later, no operator", false, "", "https://auth.example.com/console/setup?code=x", []string{"\nOpen this link", "for an hour, and", "\nhttps://auth.example.com/console/setup?code=x\n"}, 5},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			a := &app{stdout: &out}
			if err := a.greet(c, test.first, test.token, test.link); err != nil {
				t.Fatal(err)
			}
			for _, want := range test.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("no %q in\n%s", want, out.String())
				}
			}
			if n := strings.Count(out.String(), "\n"); n != test.lines {
				t.Errorf("%d lines, want %d:\n%s", n, test.lines, out.String())
			}
		})
	}
}

func TestConfiguredAdminTokenIsNotPrinted(t *testing.T) {
	t.Parallel()
	const token = "a configured admin token"
	c := &cliTest{t: t, data: filepath.Join(t.TempDir(), "data"), env: []string{"DOORWARD_ADMIN_TOKEN_FILE=" + writeFile(t, "token", token+"\n")}}
	s := c.serve(t)
	defer s.stop(t)
	if s.greeting.AdminToken != "" || strings.Contains(s.stdout.String()+s.stderr.String(), token) {
		t.Errorf("the token was printed: %s", s.stdout)
	}
	c.env = append(c.env, "DOORWARD_TOKEN="+token)
	code := run(context.Background(), []string{"user", "list", "--json", "--server", s.url}, c.env, strings.NewReader(""), io.Discard, io.Discard)
	if code != exitDone {
		t.Errorf("user list with the configured token: exit code %d", code)
	}
}

// TestServeLog: what the log holds of a sign-up is no secret (P44), and every line is JSON.
func TestServeLog(t *testing.T) {
	t.Parallel()
	c := &cliTest{t: t, data: filepath.Join(t.TempDir(), "data")}
	s := c.serve(t)
	s.signUp(t, "ada@example.com", "a very secret password")
	s.stop(t)
	for line := range strings.Lines(s.stderr.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
	if !strings.Contains(s.stderr.String(), `"operation":"signUp"`) || strings.Contains(s.stderr.String(), "very secret") {
		t.Errorf("the log is\n%s", s.stderr)
	}
}

// TestShutdownFinishesRequests: a sign-up that was accepted is answered, and is there after the next start.
func TestShutdownFinishesRequests(t *testing.T) {
	t.Parallel()
	c := &cliTest{t: t, data: filepath.Join(t.TempDir(), "data")}
	s := c.serve(t)
	body := `{"email":"late@example.com","password":"a long passphrase"}`
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// Half of the body, so that the request is in the server's hands when it is told to stop.
	fmt.Fprintf(conn, "POST /api/v1/auth/accounts/signup HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:20])
	time.Sleep(100 * time.Millisecond)
	s.end()
	deadline := time.Now().Add(10 * time.Second)
	for { // until the listener is closed
		probe, err := net.DialTimeout("tcp", conn.RemoteAddr().String(), time.Second)
		if err != nil {
			break
		}
		probe.Close()
		if time.Now().After(deadline) {
			t.Fatal("the server still takes connections")
		}
		time.Sleep(5 * time.Millisecond)
	}
	fmt.Fprint(conn, body[20:])
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200 OK\r\n") {
		t.Fatalf("%v, answer %q", err, answer)
	}
	if code := <-s.code; code != exitDone {
		t.Errorf("serve ended with %d\n%s", code, s.stderr)
	}
	if out := c.ok("user", "list"); !strings.Contains(out, "late@example.com") {
		t.Errorf("users are\n%s", out)
	}
}

func TestServeRefusals(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	open := filepath.Join(t.TempDir(), "open")
	if err := os.MkdirAll(filepath.Join(open, "something"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o755); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		data string
		args []string
		code int
		want string
	}{
		{"port taken", filepath.Join(t.TempDir(), "d"), []string{"--listen", taken.Addr().String()}, exitFailed, "choose one with --listen"},
		{"directory open to others", open, []string{"--listen", "127.0.0.1:0"}, exitFailed, "run chmod 700 " + open},
		{"bad value", open, []string{"--log-level", "loud"}, exitUsage, "log-level (flag --log-level)"},
		{"unknown flag", open, []string{"--lisen", ":1"}, exitUsage, "--listen"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := &cliTest{t: t, data: test.data}
			c.try("", append([]string{"serve"}, test.args...)...).wantFailure(t, test.code, test.want)
		})
	}
	if _, err := os.Stat(tests[0].data); err == nil {
		t.Error("a start on a taken port left a data directory")
	}
}

// TestPublicURLOfServeReachesOtherCommands: mails that a command queues lead to where the server is.
func TestPublicURLOfServeReachesOtherCommands(t *testing.T) {
	t.Parallel()
	c := &cliTest{t: t, data: filepath.Join(t.TempDir(), "data")}
	s := c.serve(t)
	s.stop(t)
	c.ok("user", "invite", "ada@example.com")
	if link := c.firstLink("ada@example.com"); !strings.HasPrefix(link, s.url+"/default/accept-invite?") {
		t.Errorf("the link is %s, the server's URL %s", link, s.url)
	}
}
