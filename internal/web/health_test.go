package web

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func ask(handler http.Handler, method string) (int, string) {
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(method, "/", nil))
	return w.Code, w.Body.String()
}

func TestHealth(t *testing.T) {
	good := Check{"mail", func(context.Context) error { return nil }}
	bad := Check{"database", func(context.Context) error { return errors.New("password s3cret") }}
	panicking := Check{"signing keys", func(context.Context) error { panic("s3cret") }}
	tests := []struct {
		name    string
		handler http.Handler
		method  string
		status  int
		body    string
	}{
		{"alive", Healthz(), "GET", 200, `{"status":"ok"}`},
		{"alive, POST", Healthz(), "POST", 405, ""},
		{"ready without checks", Readyz(time.Minute), "GET", 200, `{"status":"ok"}`},
		{"ready", Readyz(time.Minute, good, good), "HEAD", 200, `{"status":"ok"}`},
		{"not ready", Readyz(time.Minute, good, bad), "GET", 503, `{"status":"unavailable","failed":["database"]}`},
		{"panic", Readyz(time.Minute, panicking, bad), "GET", 503, `{"status":"unavailable","failed":["signing keys","database"]}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if status, body := ask(test.handler, test.method); status != test.status || body != test.body {
				t.Errorf("got %d %s", status, body)
			}
		})
	}
}

func TestReadyzDeadlineIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hanging := make(chan struct{})
		var runs atomic.Int32
		handler := Readyz(time.Second, Check{"stuck", func(context.Context) error {
			runs.Add(1)
			<-hanging // ignores its context
			return nil
		}})
		start := time.Now()
		for range 3 {
			if status, body := ask(handler, "GET"); status != 503 || body != `{"status":"unavailable","failed":["stuck"]}` {
				t.Errorf("got %d %s", status, body)
			}
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("took %v", took)
		}
		if n := runs.Load(); n != 1 {
			t.Errorf("the hanging check runs %d times", n)
		}
		close(hanging)
		synctest.Wait()
		if status, body := ask(handler, "GET"); status != 200 {
			t.Errorf("after the outage: got %d %s", status, body)
		}
	})
}

func TestReadyzLogsTheCause(t *testing.T) {
	var log bytes.Buffer
	check := Check{"database", func(context.Context) error { return errors.New("disk away") }}
	ask(Log(slog.New(slog.NewTextHandler(&log, nil)), fixedClock(0))(Readyz(time.Minute, check)), "GET")
	if !strings.Contains(log.String(), `error="check database: disk away"`) {
		t.Errorf("got %s", &log)
	}
}

func TestSecureHeaders(t *testing.T) {
	for _, test := range []struct{ target, hsts string }{
		{"http://x/", ""}, {"https://x/", "max-age=31536000"},
	} {
		w := httptest.NewRecorder()
		SecureHeaders(Handle(say(""), writeTestError)).ServeHTTP(w, httptest.NewRequest("GET", test.target, nil))
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Content-Security-Policy":   "default-src 'none'; frame-ancestors 'none'",
			"Strict-Transport-Security": test.hsts,
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s %s: got %q, want %q", test.target, name, got, want)
			}
		}
	}
}

// Behind a trusted proxy that ends TLS, the scheme is the proxy's word.
func TestSecureHeadersBehindAProxy(t *testing.T) {
	proxies, err := ParseProxies([]string{"192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "http://x/", nil)
	r.Header.Set("X-Forwarded-Proto", "https")
	w := httptest.NewRecorder()
	Chain(http.NotFoundHandler(), proxies.Middleware, SecureHeaders).ServeHTTP(w, r)
	if w.Header().Get("Strict-Transport-Security") == "" {
		t.Error("no Strict-Transport-Security")
	}
}
