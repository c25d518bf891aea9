package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestOutOfDescriptors: connections that use up the file descriptors hurt nobody who is connected already, nothing is answered with 500, and the server heals
// when they go (P52).
func TestOutOfDescriptors(t *testing.T) {
	t.Parallel()
	s := ownServer(t, serverOptions{adminToken: randomSecret("admin")})
	p := s.newProject(t, "documented")
	a := p.signUp(t)
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	limit := fmt.Sprintf("--nofile=%d", len(open)+20)
	if out, err := exec.Command("prlimit", "--pid", fmt.Sprint(s.process.Pid), limit).CombinedOutput(); err != nil {
		t.Fatalf("prlimit: %v: %s", err, out)
	}
	early := connected(t, s)
	var flood []net.Conn
	for range 100 { // the kernel accepts them; the server cannot take them all
		conn, err := net.DialTimeout("tcp", s.addr, time.Second)
		if err != nil {
			break
		}
		flood = append(flood, conn)
	}
	eventually(t, 20*time.Second, func() error {
		if !strings.Contains(s.output.String(), "too many open files") {
			return fmt.Errorf("%d connections did not use up the descriptors", len(flood))
		}
		return nil
	})
	for range 5 {
		if status, _ := early(http.MethodGet, "/healthz", "", nil); status != http.StatusOK {
			t.Errorf("health on an open connection: %d", status)
		}
		status, header := early(http.MethodPost, apiBase+"/auth/accounts/sign-in/email", p.id, mustMarshal(a.credentials()))
		if status != http.StatusOK && (status != http.StatusServiceUnavailable || header.Get("Retry-After") == "") {
			t.Errorf("sign-in on an open connection: %d, Retry-After %q", status, header.Get("Retry-After"))
		}
	}
	for _, conn := range flood {
		_ = conn.Close()
	}
	p.heals(t, 20*time.Second)
	p.signIn(t, a.email, a.password)
	if lines := strings.Count(s.output.String(), "too many open files"); lines > 60 {
		t.Errorf("the log tells %d times that descriptors are missing", lines)
	}
}

// connected gives a client with one connection that stays open.
func connected(t *testing.T, s *server) func(method, path, project string, body []byte) (int, http.Header) {
	t.Helper()
	client := &http.Client{Timeout: requestLimit, Transport: &http.Transport{MaxConnsPerHost: 1}}
	t.Cleanup(client.CloseIdleConnections)
	send := func(method, path, project string, body []byte) (int, http.Header) {
		t.Helper()
		req, err := http.NewRequest(method, "http://"+s.addr+path, strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if project != "" {
			req.Header.Set("X-Project-Id", project)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Errorf("%s %s: %v", method, path, err)
			return 0, nil
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode, resp.Header
	}
	send(http.MethodGet, "/healthz", "", nil)
	return send
}

// TestFewDescriptors: a server that is given fewer descriptors than its connections could take says so, and takes fewer.
func TestFewDescriptors(t *testing.T) {
	t.Parallel()
	s := ownServer(t, serverOptions{adminToken: randomSecret("admin"), wrapper: []string{"prlimit", "--nofile=400:400"}})
	if !strings.Contains(s.output.String(), `"connections":200`) {
		t.Errorf("no warning:\n%s", tail(s.output.String(), 2000))
	}
	p := s.newProject(t, "documented")
	a := p.signUp(t)
	var flood []net.Conn
	for i := range 300 {
		dialer := net.Dialer{Timeout: time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 7, byte(i%8), 1)}}
		if conn, err := dialer.Dial("tcp", s.addr); err == nil {
			flood = append(flood, conn)
		}
	}
	time.Sleep(time.Second)
	if strings.Contains(s.output.String(), "too many open files") {
		t.Error("connections used up the descriptors")
	}
	for _, conn := range flood {
		_ = conn.Close()
	}
	p.heals(t, 20*time.Second)
	p.signIn(t, a.email, a.password)
}
