package server

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/certs"
	"github.com/doorward/doorward/internal/web"
)

// fakeCertificates are a source without any, that answers one challenge.
type fakeCertificates struct{ certs.Source }

func (fakeCertificates) Challenges(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/.well-known/acme-challenge/token" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (fakeCertificates) Expiries() []certs.Expiry {
	return []certs.Expiry{{Name: "auth.example.com", At: time.Unix(1100, 0), Lifetime: time.Hour}, {Name: "*.api.auth.example.com"}, {Name: "auth.example.com", At: time.Unix(9000, 0)}}
}

func (fakeCertificates) Orders() (obtained, failed int64) { return 3, 4 }

// Plain HTTP is redirected to hosts of the configuration only (P12), and only what a browser asks for.
func TestRedirects(t *testing.T) {
	t.Parallel()
	s := &Server{config: Config{PublicURL: &url.URL{Scheme: "https", Host: "auth.example.com:8443"}, Domain: "api.auth.example.com"}, certs: fakeCertificates{}}
	for _, test := range []struct {
		method, host, path string
		status             int
		location           string
	}{
		{"GET", "auth.example.com", "/default/reset-password?code=a%2Bb", 308, "https://auth.example.com:8443/default/reset-password?code=a%2Bb"},
		{"HEAD", "AUTH.example.com:80", "/a%2fb", 308, "https://auth.example.com:8443/a%2fb"},
		{"GET", "shop.api.auth.example.com:80", "/", 308, "https://shop.api.auth.example.com:8443/"},
		{"GET", "auth.example.com", "//evil.example", 308, "https://auth.example.com:8443//evil.example"},
		{"GET", "auth.example.com", "/.well-known/acme-challenge/token", 418, ""},
		{"GET", "evil.example", "/.well-known/acme-challenge/token", 404, ""},
		{"GET", "evil.example", "/", 404, ""},
		{"GET", "a.b.api.auth.example.com", "/", 404, ""},
		{"GET", "-.api.auth.example.com", "/", 404, ""},
		{"GET", "auth.example.com.evil.example", "/", 404, ""},
		{"GET", "auth.example.com", "/api/v1/openapi.json", 403, ""},
		{"GET", "auth.example.com", "/admin/v1/projects", 403, ""},
		{"POST", "auth.example.com", "/default/reset-password", 403, ""},
	} {
		r := httptest.NewRequest(test.method, "http://"+test.host+test.path, nil)
		w := httptest.NewRecorder()
		if err := s.redirect(w, r); err != nil {
			writeError(w, r, err)
		}
		if w.Code != test.status || w.Header().Get("Location") != test.location {
			t.Errorf("%s %s%s: %d, Location %q", test.method, test.host, test.path, w.Code, w.Header().Get("Location"))
		}
	}
}

func TestCertificateMetrics(t *testing.T) {
	t.Parallel()
	s := newServer(t, testConfig(t))
	s.metrics.Registerer().MustRegister(certificateCollector{fakeCertificates{}, func() time.Time { return time.Unix(1000, 0) }})
	w := answer(s.metrics.Handler(), request("GET", "localhost", "/metrics", ""))
	for _, want := range []string{
		`doorward_certificate_expires_seconds{name="auth.example.com"} 100`, `doorward_certificate_expires_seconds{name="*.api.auth.example.com"} 0`,
		`doorward_certificate_lifetime_seconds{name="auth.example.com"} 3600`, `doorward_certificate_lifetime_seconds{name="*.api.auth.example.com"} 0`,
		`doorward_certificate_orders_total{outcome="obtained"} 3`, `doorward_certificate_orders_total{outcome="failed"} 4`,
	} {
		if !strings.Contains(w.Body.String(), want+"\n") {
			t.Errorf("no %s", want)
		}
	}
}

// A server whose redirects cannot listen does not start, and leaves no port open.
func TestRedirectPortInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s := newServer(t, testConfig(t))
	s.certs, s.config.TLS.HTTPListen, s.config.MetricsListen = fakeCertificates{}, taken.Addr().String(), "127.0.0.1:0"
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(context.Background(), ln); err == nil || !strings.Contains(err.Error(), "http-listen") {
		t.Errorf("Run: %v", err)
	}
	if conn, err := net.Dial("tcp", ln.Addr().String()); err == nil {
		conn.Close()
		t.Error("the port is still open")
	}
}

// The port of the redirects takes a few connections of its own, and they are reckoned with where descriptors are few.
func TestRedirectsTakeFewConnections(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.MaxConnections, c.TrustedProxies = 8, web.Proxies{netip.MustParsePrefix("127.0.0.0/8")} // the share of one peer does not count
	s := newServer(t, c)
	s.certs = fakeCertificates{}
	for limit, want := range map[int]int{0: 1, 400: 200, 1000: 744, 16384: 16128} {
		if got := s.connectionsWithin(limit); got != want {
			t.Errorf("%d descriptors, plain HTTP: %d connections, want %d", limit, got, want)
		}
	}
	s.config.TLS.HTTPListen = ":80"
	for limit, want := range map[int]int{0: 1, 400: 200, 1000: 616, 16384: 16000} {
		if got := s.connectionsWithin(limit); got != want {
			t.Errorf("%d descriptors, redirects: %d connections, want %d", limit, got, want)
		}
	}

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); s.serveRedirects(ctx, ln) }()
	defer func() { stop(); <-ended }()
	ask := func() net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	answered := func(conn net.Conn, within time.Duration) bool {
		_ = conn.SetReadDeadline(time.Now().Add(within))
		_, err := conn.Read(make([]byte, 1))
		return err == nil
	}
	first, second := ask(), ask()
	defer second.Close()
	if !answered(first, time.Minute) || answered(second, 100*time.Millisecond) {
		t.Error("with 8 connections in all, two are redirected at once")
	}
	first.Close()
	if !answered(second, time.Minute) {
		t.Error("the next one is not served after the first")
	}
}
