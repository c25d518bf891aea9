package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

func TestLocalAddress(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		":8080": "127.0.0.1:8080", "0.0.0.0:80": "127.0.0.1:80", "[::]:80": "[::1]:80", "127.0.0.1:1": "127.0.0.1:1", "[::1]:1": "[::1]:1", "auth.example.com:443": "auth.example.com:443",
	} {
		if got := localAddress(address); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
}

func askHealth(env []string, args ...string) result {
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), append([]string{"health"}, args...), env, strings.NewReader(""), &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	c := &cliTest{t: t, data: filepath.Join(t.TempDir(), "data")}
	s := c.serve(t)
	listen := strings.TrimPrefix(s.url, "http://")
	_, port, err := net.SplitHostPort(listen)
	if err != nil {
		t.Fatal(err)
	}
	for _, env := range [][]string{nil, {"http_proxy=http://127.0.0.1:1"}} {
		if r := askHealth(env, "--listen", ":"+port, "--ready"); r.code != exitDone || r.stdout != "ok\n" {
			t.Errorf("ready: %+v", r)
		}
	}
	if r := askHealth([]string{"DOORWARD_LISTEN=127.0.0.1:" + port}, "--json"); r.code != exitDone || !strings.Contains(r.stdout, `"status": "ok"`) {
		t.Errorf("health by a variable: %+v", r)
	}
	s.stop(t)
	askHealth(nil, "--listen", ":"+port).wantFailure(t, exitFailed, "does not answer")
}

// TestHealthOfAnother: only a Doorward that says "ok" is well.
func TestHealthOfAnother(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		status int
		body   string
		want   string
	}{
		{"away", 503, `{"status":"unavailable","failed":["database"]}`, "the server is unavailable: database"},
		{"another program", 200, `<html>`, "no Doorward (status 200)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var asked string
			other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked = r.URL.Path
				w.WriteHeader(test.status)
				_, _ = w.Write([]byte(test.body))
			}))
			defer other.Close()
			// Metrics are asked first.
			askHealth(nil, "--listen", "127.0.0.1:1", "--metrics-listen", other.Listener.Addr().String(), "--ready").wantFailure(t, exitFailed, test.want)
			if asked != "/readyz" {
				t.Errorf("asked %s", asked)
			}
		})
	}
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	secure.StartTLS()
	defer secure.Close()
	askHealth(nil, "--listen", secure.Listener.Addr().String()).wantFailure(t, exitFailed, "set --metrics-listen")
}
