package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const apiBase = "/api/v1"

// requestLimit is how long an answer may take before the suite calls it a hang.
const requestLimit = 30 * time.Second

// client speaks to one host name of one server. Its methods return changed copies.
type client struct {
	srv    *server
	host   string // the Host header
	source string // the loopback address it dials from, so that tests do not share rate limits
	header http.Header
	nested bool // the project answers errors in the nested envelope
	shed   bool // 429 and 503 with Retry-After are expected among the answers
}

var lastSource atomic.Uint32

// newSource returns a loopback address that no other client of this run has.
func newSource() string {
	n := lastSource.Add(1)
	return fmt.Sprintf("127.%d.%d.%d", 77+n>>16, n>>8&255, n&255)
}

// bareHost is a client of the server's bare host, which serves the default project.
func (s *server) bareHost() client {
	return client{srv: s, host: "localhost:" + s.port, source: newSource(), header: http.Header{}}
}

func (c client) with(name, value string) client {
	c.header = c.header.Clone()
	c.header.Set(name, value)
	return c
}

func (c client) bearer(idToken string) client { return c.with("Authorization", "Bearer "+idToken) }
func (c client) admin(token string) client    { return c.with("deskree-admin", token) }
func (c client) at(host string) client        { c.host = host; return c }
func (c client) fresh() client                { c.source = newSource(); return c }
func (c client) maybeShed() client            { c.shed = true; return c }

// reply is one whole answer.
type reply struct {
	what   string // method, host and path, for messages
	status int
	header http.Header
	body   []byte
	took   time.Duration
	nested bool
}

func (c client) post(t *testing.T, path string, body any) reply {
	t.Helper()
	return c.do(t, http.MethodPost, apiBase+path, body)
}

func (c client) get(t *testing.T, path string) reply {
	t.Helper()
	return c.do(t, http.MethodGet, apiBase+path, nil)
}

func (c client) patch(t *testing.T, path string, body any) reply {
	t.Helper()
	return c.do(t, http.MethodPatch, apiBase+path, body)
}

func (c client) delete(t *testing.T, path string) reply {
	t.Helper()
	return c.do(t, http.MethodDelete, apiBase+path, nil)
}

// do sends a request and checks what holds for every answer: it comes in time, is in the project's
// envelope, and is as the OpenAPI document says. A body of type string or []byte is sent as it is.
func (c client) do(t *testing.T, method, path string, body any) reply {
	t.Helper()
	r, err := c.send(method, path, body)
	if err != nil {
		t.Fatalf("%s %s%s: %v", method, c.host, path, err)
	}
	c.checkAnswer(t, path, r)
	checkOpenAPI(t, c.srv, method, path, c.header, bodyBytes(body), r)
	return r
}

// send only sends; do and the tests with many goroutines judge the answer.
func (c client) send(method, path string, body any) (reply, error) {
	ctx, cancel := context.WithTimeout(context.Background(), requestLimit)
	defer cancel()
	var reader io.Reader
	if payload := bodyBytes(body); payload != nil {
		reader = bytes.NewReader(payload)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.srv.addr+path, reader)
	if err != nil {
		return reply{}, err
	}
	req.Header = c.header.Clone()
	if body != nil && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Host = c.host
	start := time.Now()
	transport := c.transport()
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req) // no redirects: an API answer is never one
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return reply{}, fmt.Errorf("read the body: %w", err)
	}
	return reply{what: method + " " + c.host + path, status: resp.StatusCode, header: resp.Header,
		body: text, took: time.Since(start), nested: c.nested}, nil
}

// transport dials from the client's own loopback address where the system has all of 127.0.0.0/8.
// It serves one request. Keep-alive stays on: with "Connection: close" net/http resets the connection under
// a body that is too large, and the answer may be lost.
func (c client) transport() *http.Transport {
	return &http.Transport{DisableCompression: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(c.source)}}
			conn, err := dialer.DialContext(ctx, network, addr)
			if errors.Is(err, syscall.EADDRNOTAVAIL) {
				return new(net.Dialer).DialContext(ctx, network, addr)
			}
			return conn, err
		}}
}

func bodyBytes(body any) []byte {
	switch b := body.(type) {
	case nil:
		return nil
	case []byte:
		return b
	case string:
		return []byte(b)
	}
	return mustMarshal(body)
}

// checkAnswer holds what the contract says of every answer of the API.
func (c client) checkAnswer(t *testing.T, path string, r reply) {
	t.Helper()
	if !strings.HasPrefix(path, apiBase+"/") || path == apiBase+"/openapi.json" {
		return
	}
	if c.shed && (r.status == http.StatusServiceUnavailable || r.status == http.StatusTooManyRequests) {
		r.wantRetryAfter(t)
	} else if r.status >= 500 {
		t.Errorf("%s: status %d: %s", r.what, r.status, r.body)
	}
	if r.status == http.StatusNoContent {
		if len(r.body) != 0 {
			t.Errorf("%s: 204 with a body: %q", r.what, r.body)
		}
		return
	}
	if media, _, err := mime.ParseMediaType(r.header.Get("Content-Type")); err != nil || media != "application/json" {
		t.Errorf("%s: status %d with Content-Type %q", r.what, r.status, r.header.Get("Content-Type"))
	}
	r.wantHeader(t, "X-Content-Type-Options", "nosniff")
	r.wantHeader(t, "Cache-Control", "no-store")
	switch {
	case r.status >= 400:
		r.wantError(t, r.status, isText)
	case r.status != http.StatusOK:
		t.Errorf("%s: undocumented status %d: %s", r.what, r.status, r.body)
	}
}

func (r reply) wantStatus(t *testing.T, status int) {
	t.Helper()
	if r.status != status {
		t.Fatalf("%s: want status %d, got %d: %s", r.what, status, r.status, tail(string(r.body), 600))
	}
}

func (r reply) wantHeader(t *testing.T, name, value string) {
	t.Helper()
	if got := r.header.Get(name); got != value {
		t.Errorf("%s: want header %s: %s, got %q", r.what, name, value, got)
	}
}

// wantRetryAfter checks that the answer names a whole number of seconds to wait.
func (r reply) wantRetryAfter(t *testing.T) {
	t.Helper()
	if seconds, err := strconv.Atoi(r.header.Get("Retry-After")); err != nil || seconds < 1 {
		t.Errorf("%s: status %d with Retry-After %q, want seconds", r.what, r.status, r.header.Get("Retry-After"))
	}
}

// want204 checks for the empty success.
func (r reply) want204(t *testing.T) {
	t.Helper()
	r.wantStatus(t, http.StatusNoContent)
}

// wantDeleted checks for a success; the contract does not say whether a deletion from the users table has a body.
func (r reply) wantDeleted(t *testing.T) {
	t.Helper()
	if r.status != http.StatusNoContent && r.status != http.StatusOK {
		t.Fatalf("%s: want a success, got %d %s", r.what, r.status, r.body)
	}
}

// wantData checks a 200 whose whole body is {"data": want}, and returns the data.
func (r reply) wantData(t *testing.T, want any) any {
	t.Helper()
	r.wantStatus(t, http.StatusOK)
	wantJSON(t, r.what, r.body, M{"data": want})
	body, _ := parseJSON(t, r.what, r.body).(M)
	return body["data"]
}

// wantError checks the whole error envelope; detail is the text or a matcher of it.
func (r reply) wantError(t *testing.T, status int, detail any) {
	t.Helper()
	r.wantStatus(t, status)
	wantJSON(t, r.what, r.body, envelope(r.nested, status, detail))
}

// envelope is the documented error body.
func envelope(nested bool, status int, detail any) M {
	errs := L{M{"code": strconv.Itoa(status), "title": http.StatusText(status), "detail": detail}}
	if nested {
		return M{"data": nil, "errors": M{"errors": errs}}
	}
	return M{"errors": errs}
}

// detail returns the detail of an error answer, or "" for anything else.
func (r reply) detail(t *testing.T) string {
	t.Helper()
	if r.status < 400 {
		return ""
	}
	body, _ := parseJSON(t, r.what, r.body).(M)
	if r.nested {
		body, _ = body["errors"].(M)
	}
	list, _ := body["errors"].(L)
	if len(list) == 0 {
		return ""
	}
	return text(t, list[0], "detail")
}
