package e2e

import (
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"
)

var goroutinesLine = regexp.MustCompile(`(?m)^go_goroutines (\d+)`)

// TestSMTPHangs: an SMTP server that takes connections and never speaks, with hundreds of mails for it, slows no sign-in down and holds a bounded number of
// connections and goroutines (P51, P54).
func TestSMTPHangs(t *testing.T) {
	t.Parallel()
	hanging, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer hanging.Close()
	var mu sync.Mutex
	open, most := 0, 0
	go func() {
		for {
			conn, err := hanging.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open++
			most = max(most, open)
			mu.Unlock()
			go func() {
				_, _ = conn.Read(make([]byte, 1)) // until the server gives up
				_ = conn.Close()
				mu.Lock()
				open--
				mu.Unlock()
			}()
		}
	}()
	metrics, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	s := ownServer(t, serverOptions{adminToken: randomSecret("admin"),
		args: []string{"--smtp", "smtp://" + hanging.Addr().String(), "--metrics-listen", "127.0.0.1:" + metrics}})
	goroutines := func() int {
		t.Helper()
		resp, err := http.Get("http://127.0.0.1:" + metrics + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text := make([]byte, 1<<20)
		n := 0
		for err == nil && n < len(text) {
			var read int
			read, err = resp.Body.Read(text[n:])
			n += read
		}
		found := goroutinesLine.FindSubmatch(text[:n])
		if found == nil {
			t.Fatal("no go_goroutines among the metrics")
		}
		count, _ := strconv.Atoi(string(found[1]))
		return count
	}
	p := s.newProject(t, "documented", mailURLs...)
	a := p.signUp(t)
	before := goroutines()
	stop := make(chan struct{})
	var load sync.WaitGroup
	for range 3 {
		load.Go(func() { p.strike(1, stop) })
	}
	var slowest time.Duration
	for end := time.Now().Add(4 * time.Second); time.Now().Before(end); {
		r := p.client().maybeShed().post(t, "/auth/accounts/sign-in/email", a.credentials())
		if r.status != http.StatusOK {
			t.Errorf("sign-in: %d %s", r.status, r.body)
		}
		slowest = max(slowest, r.took)
	}
	close(stop)
	load.Wait()
	eventually(t, 20*time.Second, func() error {
		if after := goroutines(); after > before+100 {
			return fmt.Errorf("%d goroutines, %d before the load", after, before)
		}
		return nil
	})
	mu.Lock()
	defer mu.Unlock()
	if most == 0 || most > 32 {
		t.Errorf("up to %d connections to the SMTP server, want 1 to 32", most)
	}
	if slowest > 10*time.Second {
		t.Errorf("a sign-in took %v", slowest)
	}
	if err := s.stop(); err != nil { // what hangs is given up within the grace
		t.Error(err)
	}
}
