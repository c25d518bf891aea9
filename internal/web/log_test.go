package web

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// syncBuffer is a log that a server's goroutines may share.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func TestLogLine(t *testing.T) {
	var log bytes.Buffer
	proxies, err := ParseProxies([]string{"192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
	router := NewRouter([]Route{{
		Method: "POST", Pattern: "/users/{uid}", Name: "sign\nup",
		Handler: func(w http.ResponseWriter, r *http.Request) error {
			SetProject(r.Context(), "acme\nlevel=ERROR")
			return &Error{Status: 409, Detail: "Taken", Cause: errors.New("line one\nline two")}
		},
	}}, writeTestError)
	handler := Chain(router,
		RequestIDs(strings.NewReader("0123456789abcdef")), proxies.Middleware,
		Log(slog.New(slog.NewJSONHandler(&log, nil)), fixedClock(1500*time.Microsecond)))

	r := httptest.NewRequest("POST", "/users/s3cret?token=s3cret", strings.NewReader("s3cret"))
	r.Header.Set("Authorization", "Bearer s3cret")
	r.Header.Set("X-Forwarded-For", "203.0.113.9")
	r.Header.Set("User-Agent", "s3cret")
	handler.ServeHTTP(httptest.NewRecorder(), r)

	if strings.Contains(log.String(), "s3cret") || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("a secret, or more than one line:\n%s", &log)
	}
	var line map[string]any
	if err := json.Unmarshal(log.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	delete(line, "time")
	want := map[string]any{
		"level": "INFO", "msg": "request", "request_id": "60RK-4CSM-6MV3", "method": "POST",
		"route": "/users/{uid}", "operation": "sign\nup", "status": 409.0, "bytes": 5.0, "duration_ms": 1.5,
		"client": "203.0.113.9", "project": "acme\nlevel=ERROR", "error": "409 Taken: line one\nline two",
	}
	if diff := cmp.Diff(want, line); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestLogOfUnknownRouteAndMethod(t *testing.T) {
	var log bytes.Buffer
	handler := Log(slog.New(slog.NewTextHandler(&log, nil)), fixedClock(0))(NewRouter(nil, writeTestError))
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("SECRET", "/s3cret", nil))
	if text := log.String(); !strings.Contains(text, "method=other route=none status=404") || strings.Contains(strings.ToLower(text), "s3cret") {
		t.Errorf("got %s", text)
	}
}

func TestRequestIDs(t *testing.T) {
	var seen []string
	handler := RequestIDs(rand.Reader)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, RequestID(r.Context()))
	}))
	for range 2 {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("X-Request-Id", "forged")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		id := w.Header().Get("X-Request-Id")
		if !regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){2}$`).MatchString(id) || id != seen[len(seen)-1] {
			t.Errorf("header %q, context %q", id, seen[len(seen)-1])
		}
	}
	if seen[0] == seen[1] {
		t.Errorf("both requests are %s", seen[0])
	}
	if id := RequestID(httptest.NewRequest("GET", "/", nil).Context()); id != "" {
		t.Errorf("without the middleware: %q", id)
	}
}

func TestRequestIDsWithoutRandomness(t *testing.T) {
	defer func() {
		if err, _ := recover().(error); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got %v, want a panic with the reader's error", err)
		}
	}()
	handler := RequestIDs(strings.NewReader("short"))(http.NotFoundHandler())
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	t.Error("a request was served without an id")
}
