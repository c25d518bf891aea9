package web

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// writeTestError is the ErrorWriter of these tests: the status, and the detail as plain text.
func writeTestError(w http.ResponseWriter, r *http.Request, err error) {
	var known *Error
	if !errors.As(err, &known) {
		known = &Error{Status: 500, Detail: "internal error"}
	}
	SetError(r.Context(), err)
	known.CopyHeader(w.Header())
	w.WriteHeader(known.Status)
	fmt.Fprint(w, known.Detail)
}

func say(text string) Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

// fixedClock advances by step at each look; with step 0 it may be shared.
func fixedClock(step time.Duration) func() time.Time {
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	if step == 0 {
		return func() time.Time { return at }
	}
	return func() time.Time {
		at = at.Add(step)
		return at
	}
}

func TestHandle(t *testing.T) {
	tests := []struct {
		name    string
		handler Handler
		status  int
		body    string
		logged  []string // within the log line
	}{
		{"answer", say("hello"), 200, "hello", []string{"level=INFO", "status=200", "bytes=5"}},
		{"nothing written", func(http.ResponseWriter, *http.Request) error { return nil }, 200, "", []string{"status=200", "bytes=0"}},
		{"plumbing error", func(http.ResponseWriter, *http.Request) error { return NotFound() }, 404, "Not found",
			[]string{"level=INFO", "status=404", `error="404 Not found"`}},
		{"other error", func(http.ResponseWriter, *http.Request) error { return errors.New("disk away") }, 500, "internal error",
			[]string{"level=ERROR", "status=500", `error="disk away"`}},
		{"wrapped plumbing error", func(http.ResponseWriter, *http.Request) error {
			return fmt.Errorf("sign up: %w", Unavailable(7, errors.New("queue full")))
		}, 503, "The service is unavailable for now", []string{"level=ERROR", "queue full"}},
		{"panic", func(http.ResponseWriter, *http.Request) error { panic("s3cret") }, 500, "internal error",
			[]string{"level=ERROR", `error="panic: value of type string"`, "stack=", "handler_test.go"}},
		{"panic with an error", func(http.ResponseWriter, *http.Request) error { panic(errors.New("boom")) }, 500, "internal error",
			[]string{"panic: *errors.errorString: boom"}},
		{"run-time panic", func(_ http.ResponseWriter, r *http.Request) error {
			var empty []int
			empty[len(r.Header)]++
			return nil
		}, 500, "internal error", []string{"index out of range"}},
		{"error after the answer began", func(w http.ResponseWriter, r *http.Request) error {
			fmt.Fprint(w, "part")
			return errors.New("too late")
		}, 200, "part", []string{"status=200", `error="too late"`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var log bytes.Buffer
			handler := Log(slog.New(slog.NewTextHandler(&log, nil)), fixedClock(0))(Handle(test.handler, writeTestError))
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			if w.Code != test.status || w.Body.String() != test.body {
				t.Errorf("got %d %q", w.Code, w.Body)
			}
			for _, part := range test.logged {
				if !strings.Contains(log.String(), part) {
					t.Errorf("the log lacks %s:\n%s", part, &log)
				}
			}
			if strings.Contains(log.String(), "s3cret") {
				t.Errorf("the log tells the panic's value:\n%s", &log)
			}
		})
	}
}

// An answer that breaks in its middle must not look whole, and the next request must be served.
func TestPanicAfterTheAnswerBegan(t *testing.T) {
	var log syncBuffer
	var served atomic.Int32
	handler := Handle(func(w http.ResponseWriter, r *http.Request) error {
		if served.Add(1) == 1 {
			fmt.Fprint(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic("broken")
		}
		return say("whole")(w, r)
	}, writeTestError)
	server := httptest.NewServer(Log(slog.New(slog.NewTextHandler(&log, nil)), fixedClock(0))(handler))
	defer server.Close()

	answer, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(answer.Body); err == nil {
		t.Error("half an answer was read without an error")
	}
	answer.Body.Close()
	if body := get(t, server.URL); body != "whole" {
		t.Errorf("after the panic: got %q", body)
	}
	server.Close()
	if text := log.String(); strings.Count(text, "stack=") != 1 || !strings.Contains(text, "level=ERROR") {
		t.Errorf("the panic is not in the log once:\n%s", text)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestErrAbortHandlerPasses(t *testing.T) {
	defer func() {
		if value := recover(); value != http.ErrAbortHandler {
			t.Errorf("got %v, want http.ErrAbortHandler", value)
		}
	}()
	abort := func(http.ResponseWriter, *http.Request) error { panic(http.ErrAbortHandler) }
	Handle(abort, writeTestError).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
}

func TestInformationalStatusIsNoAnswer(t *testing.T) {
	handler := Handle(func(w http.ResponseWriter, r *http.Request) error {
		w.WriteHeader(http.StatusEarlyHints)
		return NotFound()
	}, writeTestError)
	server := httptest.NewServer(handler)
	defer server.Close()
	answer, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != 404 {
		t.Errorf("got %d, want 404", answer.StatusCode)
	}
}

func TestErrorConstructors(t *testing.T) {
	cause := errors.New("why")
	tests := []struct {
		err    *Error
		status int
		header http.Header
		text   string
	}{
		{NotFound(), 404, http.Header{}, "404 Not found"},
		{MethodNotAllowed("GET, HEAD"), 405, http.Header{"Allow": {"GET, HEAD"}}, "405 The method is not allowed here"},
		{Unavailable(3, cause), 503, http.Header{"Retry-After": {"3"}}, "503 The service is unavailable for now: why"},
		{Malformed("Bad"), 422, http.Header{}, "422 Bad"},
		{MalformedField("a.b", "a string"), 422, http.Header{}, `422 The field "a.b" must be a string`},
	}
	for _, test := range tests {
		header := http.Header{}
		test.err.CopyHeader(header)
		if test.err.Status != test.status || test.err.Error() != test.text || fmt.Sprint(header) != fmt.Sprint(test.header) {
			t.Errorf("got %d %q %v", test.err.Status, test.err, header)
		}
	}
	if !errors.Is(Unavailable(1, cause), cause) {
		t.Error("the cause is not unwrapped")
	}
}
