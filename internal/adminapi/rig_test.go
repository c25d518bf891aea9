package adminapi

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/authtest"
	"github.com/doorward/doorward/internal/mail"
	"github.com/doorward/doorward/internal/web"
)

// rig is the API over the real domain and store. Every exchange of its clients is held against the OpenAPI document.
type rig struct {
	t       *testing.T
	store   auth.Store
	admin   *auth.Admin
	clock   *authtest.Clock
	idp     *fakeProviders
	handler http.Handler
	local   http.Handler
	op      *Client // an operator
	last    string  // name of the operation that succeeded last
	refused int     // sign-ins, by refuse
}

var testStart = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, clock: authtest.NewClock(testStart), idp: &fakeProviders{}}
	config := authtest.Config(t, r.clock.Now)
	config.Providers = r.idp
	config.MailChecker = fakeMailChecker{}
	r.store, r.admin = config.Store, auth.NewAdmin(auth.NewService(config))
	r.handler = web.Chain(New(Options{Admin: r.admin, Links: mail.Links}).Handler(), web.RequestIDs(rand.Reader))
	r.local = New(Options{Admin: r.admin, Links: mail.Links, Local: true}).Handler()
	token, err := r.admin.CreateOperatorToken(t.Context(), r.admin.LocalOperator(auth.Caller{}), "tester")
	if err != nil {
		t.Fatal(err)
	}
	r.op = r.client(token)
	return r
}

func (r *rig) client(token string) *Client {
	return NewClient(&url.URL{Scheme: "http", Host: "localhost"}, token, documented{r, InProcess(r.handler)})
}

func (r *rig) localClient() *Client {
	return NewClient(&url.URL{Scheme: "http", Host: "localhost"}, "", documented{r, InProcess(r.local)})
}

// fast are settings that make keys and hashes cheap.
func fast(more ...string) map[string]string {
	settings := map[string]string{"signingAlgorithm": "ES256", "passwordHashMemory": "8192", "passwordHashTime": "1"}
	for i := 0; i < len(more); i += 2 {
		settings[more[i]] = more[i+1]
	}
	return settings
}

// project creates a project of the documented preset and gives a client with its admin token.
func (r *rig) project(id string, settings ...string) *Client {
	r.t.Helper()
	p, err := r.op.CreateProject(r.t.Context(), NewProject{ID: id, Preset: "documented", Settings: fast(settings...)})
	if err != nil {
		r.t.Fatalf("create project %s: %v", id, err)
	}
	return r.client(p.AdminToken)
}

func (r *rig) user(project, email string) User {
	r.t.Helper()
	return got(r.op.CreateUser(r.t.Context(), project, NewUser{Email: email, Password: "correct horse battery"}))(r.t)
}

// signIn gives the user a session.
func (r *rig) signIn(project, email string) {
	r.t.Helper()
	p, err := r.admin.Project(r.t.Context(), auth.ProjectID(project))
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.admin.SignIn(r.t.Context(), auth.Caller{Project: p}, auth.SignInParams{Email: email, Password: "correct horse battery"}); err != nil {
		r.t.Fatalf("sign in %s: %v", email, err)
	}
}

// got gives a result, or ends the test with its error.
func got[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantError checks that err is the server's refusal with this status, code and field.
func wantError(t *testing.T, err error, status int, code auth.Code, field string) {
	t.Helper()
	var refused *Error
	if !errors.As(err, &refused) {
		t.Fatalf("error is %v, want %d %s", err, status, code)
	}
	if refused.Status != status || refused.Code != string(code) || refused.Field != field || refused.Message == "" {
		t.Errorf("refused with %+v, want %d %s %q", *refused, status, code, field)
	}
}

// raw sends a request as it is and gives status, headers and body. It is held against the document too.
func (r *rig) raw(method, path string, header http.Header, body string) (int, http.Header, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, "http://localhost"+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header = header
	resp, err := documented{r, InProcess(r.handler)}.RoundTrip(req)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

func bearer(c *Client, more ...string) http.Header {
	h := http.Header{"Authorization": {"Bearer " + c.token}, "Content-Type": {"application/json"}}
	for i := 0; i < len(more); i += 2 {
		h.Set(more[i], more[i+1])
	}
	return h
}

// documented passes exchanges on, and fails the test where one is not as the OpenAPI document says.
type documented struct {
	r    *rig
	next http.RoundTripper
}

func (d documented) RoundTrip(req *http.Request) (*http.Response, error) {
	var sent bytes.Buffer
	if req.Body != nil {
		req.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(req.Body, &sent), req.Body}
	}
	resp, err := d.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	d.r.t.Helper()
	if name := checkExchange(d.r.t, req, sent.Bytes(), resp, body); name != "" && resp.StatusCode < 300 {
		d.r.last = name
	}
	return resp, nil
}
