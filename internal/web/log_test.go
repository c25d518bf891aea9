package web

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
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

// TestLogOfClientsThatLeft: a request that its client gave up is no failure of the server's; every other 500 is.
func TestLogOfClientsThatLeft(t *testing.T) {
	for _, tt := range []struct {
		name string
		left bool
		err  error
		want string
	}{
		{"left", true, fmt.Errorf("users: %w", context.Canceled), "level=INFO msg=request request_id=\"\" method=GET route=/x status=499"},
		{"left, but failed for another reason", true, errors.New("disk"), "level=ERROR msg=request request_id=\"\" method=GET route=/x status=500"},
		{"stayed", false, context.Canceled, "level=ERROR msg=request request_id=\"\" method=GET route=/x status=500"},
		{"left, and was refused", true, &Error{Status: 404}, "level=INFO msg=request request_id=\"\" method=GET route=/x status=404"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			var log bytes.Buffer
			metrics := NewMetrics(fixedClock(0))
			router := NewRouter([]Route{{Method: "GET", Pattern: "/x", Name: "x", Handler: func(http.ResponseWriter, *http.Request) error {
				if tt.left {
					leave()
				}
				return tt.err
			}}}, writeTestError)
			handler := Chain(router, Log(slog.New(slog.NewTextHandler(&log, nil)), fixedClock(0)), metrics.Middleware("test"))
			handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/x", nil))
			if !strings.Contains(log.String(), tt.want) {
				t.Errorf("got %s", &log)
			}
			scraped := httptest.NewRecorder()
			metrics.Handler().ServeHTTP(scraped, httptest.NewRequest("GET", "/metrics", nil))
			class := `status="5xx"`
			if strings.Contains(tt.want, "status=4") {
				class = `status="4xx"`
			}
			if !strings.Contains(scraped.Body.String(), `doorward_http_requests_total{method="GET",route="/x",`+class) {
				t.Errorf("the metrics have no %s", class)
			}
		})
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
