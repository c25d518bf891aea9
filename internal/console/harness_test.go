package console

import (
	"encoding/base32"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/authtest"
	"github.com/doorward/doorward/internal/mail"
	"github.com/doorward/doorward/internal/totp"
	"github.com/doorward/doorward/internal/ui"
	"github.com/doorward/doorward/internal/web"
)

const operatorEmail = "ada@example.com"

// rig is the console over a real store, with an operator whose browser is signed in.
type rig struct {
	t       *testing.T
	admin   *auth.Admin
	clock   *authtest.Clock
	handler http.Handler
	session string // what the browser's cookie holds
	idp     scriptedProviders
	hooks   scriptedHooks
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, clock: authtest.NewClock(time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC))}
	config := authtest.Config(t, r.clock.Now)
	config.Providers, config.Webhooks, config.MailChecker = &r.idp, &r.hooks, dnsOfTests{}
	r.admin = auth.NewAdmin(auth.NewService(config))
	r.handler = routerOf(New(r.options(config.PublicURL)))
	r.must(r.admin.EnsureConsole(t.Context(), r.operator()))
	r.session = r.signIn()
	return r
}

func (r *rig) options(publicURL *url.URL) Options {
	return Options{Admin: r.admin, PublicURL: publicURL, Caller: testCaller, Docs: testDocs, Links: mail.Links, MailLanguages: mail.Languages(), BuiltInMail: mail.BuiltIn}
}

// routerOf serves a console behind a router whose own errors are no HTML, and never a page's.
func routerOf(c *Console) http.Handler {
	return web.NewRouter(c.Routes(), func(w http.ResponseWriter, _ *http.Request, err error) {
		var plumbing *web.Error
		if errors.As(err, &plumbing) && plumbing.Status == http.StatusMethodNotAllowed {
			w.WriteHeader(plumbing.Status)
			return
		}
		http.Error(w, "another surface's error", http.StatusTeapot)
	})
}

func testCaller(r *http.Request, p *auth.Project) auth.Caller {
	return auth.Caller{Project: p, Addr: netip.MustParseAddr("192.0.2.1"), UserAgent: r.UserAgent(), RequestID: "request-1"}
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// operator is whoever holds the data directory.
func (r *rig) operator() auth.Caller { return r.admin.LocalOperator(auth.Caller{}) }

// on is the operator about a project.
func (r *rig) on(id auth.ProjectID) auth.Caller {
	r.t.Helper()
	p, err := r.admin.HostedProject(r.t.Context(), id)
	r.must(err)
	return r.admin.LocalOperator(auth.Caller{Project: p})
}

// signIn sets an operator up, and gives the token of their browser.
func (r *rig) signIn() string {
	r.t.Helper()
	ctx := r.t.Context()
	link, err := r.admin.SetupLink(ctx, r.operator())
	r.must(err)
	setup, err := url.Parse(link)
	r.must(err)
	browser := testCaller(httptest.NewRequest(http.MethodGet, "/", nil), r.on(auth.ConsoleProject).Project)
	browser.Browser = true
	pending, err := r.admin.Setup(ctx, browser, auth.SetupParams{Code: setup.Query().Get("code"), Email: operatorEmail, DisplayName: "Ada", Password: "violet anchor 41"})
	r.must(err)
	begun, err := r.admin.BeginEnrollment(ctx, browser, auth.EnrollmentParams{Kind: auth.FactorTOTP, PendingCredential: pending.PendingCredential})
	r.must(err)
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(begun.TOTPSecret)
	r.must(err)
	code := totp.Code(secret, totp.Step(r.clock.Now()))
	done, err := r.admin.FinishEnrollment(ctx, browser, auth.EnrollmentProof{ID: begun.ID, Code: code, PendingCredential: pending.PendingCredential})
	r.must(err)
	if done.Tokens == nil || done.Tokens.BrowserToken == "" {
		r.t.Fatal("setting up gave no session")
	}
	return done.Tokens.BrowserToken
}

// project makes a project with the settings, as key and value.
func (r *rig) project(id, name string, settings ...string) auth.Caller {
	r.t.Helper()
	overrides := map[string]string{"passwordHashMemory": "8192", "passwordHashTime": "1"}
	for i := 0; i < len(settings); i += 2 {
		overrides[settings[i]] = settings[i+1]
	}
	_, _, err := r.admin.CreateProject(r.t.Context(), r.operator(), auth.NewProject{ID: id, DisplayName: name, Preset: auth.PresetDocumented, Settings: overrides})
	r.must(err)
	return r.on(auth.ProjectID(id))
}

// answer is what the console said.
type answer struct {
	t    *testing.T
	path string
	*httptest.ResponseRecorder
}

func (r *rig) do(req *http.Request) *answer {
	r.t.Helper()
	if r.session != "" {
		req.AddCookie(&http.Cookie{Name: "__Host-doorward-console", Value: r.session})
	}
	a := &answer{t: r.t, path: req.URL.Path, ResponseRecorder: httptest.NewRecorder()}
	r.handler.ServeHTTP(a.ResponseRecorder, req)
	if a.Code == http.StatusTeapot {
		r.t.Fatalf("%s %s: %s", req.Method, req.URL, a.Body)
	}
	return a
}

// get opens a page.
func (r *rig) get(path string) *answer {
	r.t.Helper()
	return r.do(httptest.NewRequest(http.MethodGet, path, nil))
}

// post sends a form of the page at path: what its button does, and fields as name and value. It has the token that the page would give it.
func (r *rig) post(path, do string, fields ...string) *answer {
	r.t.Helper()
	return r.postTo(path, path, do, fields...)
}

// postTo is post for a page whose address has a query.
func (r *rig) postTo(target, path, do string, fields ...string) *answer {
	r.t.Helper()
	form := url.Values{fieldDo: {do}, ui.FieldToken: {ui.FormToken(r.session, path)}}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return r.send(target, form)
}

func (r *rig) send(path string, form url.Values) *answer {
	r.t.Helper()
	req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	return r.do(req)
}

// wantPage checks status and texts of a page, and that it is well-formed.
func (a *answer) wantPage(status int, texts ...string) *answer {
	a.t.Helper()
	if a.Code != status {
		a.t.Fatalf("%s: status %d, want %d; Location %q; body:\n%s", a.path, a.Code, status, a.Header().Get("Location"), a.Body)
	}
	said := a.text()
	for _, want := range texts {
		if !strings.Contains(said, want) {
			a.t.Errorf("%s does not say %q; it says:\n%s", a.path, want, said)
		}
	}
	return a
}

// wantBack checks that a form led to a page, whose address begins with the path.
func (a *answer) wantBack(path string) *answer {
	a.t.Helper()
	if target := a.Header().Get("Location"); a.Code != http.StatusSeeOther || !strings.HasPrefix(target, path) {
		a.t.Fatalf("%s: status %d to %q, want 303 to %s; it says:\n%s", a.path, a.Code, target, path, a.text())
	}
	return a
}

// text is what can be read on the page, with spaces folded.
func (a *answer) text() string {
	doc, err := html.Parse(strings.NewReader(a.Body.String()))
	if err != nil {
		a.t.Fatal(err)
	}
	var text strings.Builder
	for n := range doc.Descendants() {
		if n.Type == html.TextNode {
			text.WriteString(n.Data + " ")
		}
	}
	return strings.Join(strings.Fields(text.String()), " ")
}
