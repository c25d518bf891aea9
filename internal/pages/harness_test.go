package pages

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/authtest"
	"github.com/doorward/doorward/internal/mail"
	"github.com/doorward/doorward/internal/password"
	"github.com/doorward/doorward/internal/web"
)

const (
	publicURL    = authtest.PublicURL
	testEmail    = auth.Email("ada@example.com")
	testPassword = "violet anchor 41"
	newPassword  = "copper lantern 97"
)

// server is the domain over a real store, with the pages behind a router whose own errors are no HTML.
type server struct {
	service *auth.Service
	admin   *auth.Admin
	hashing *password.Queue
	handler http.Handler
	now     time.Time
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{hashing: password.NewQueue(1, 0), now: time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)}
	config := authtest.Config(t, func() time.Time { return s.now })
	config.Hashing = s.hashing
	s.service = auth.NewService(config)
	s.admin = auth.NewAdmin(s.service)
	s.handler = web.NewRouter(New(Options{Service: s.service, PublicURL: config.PublicURL, Caller: testCaller}).Routes(), otherErrors)
	return s
}

// otherErrors stands for the envelope of another surface, which must never be seen here.
func otherErrors(w http.ResponseWriter, _ *http.Request, _ error) {
	http.Error(w, "another surface's error", http.StatusTeapot)
}

func testCaller(r *http.Request, p *auth.Project) auth.Caller {
	return auth.Caller{Project: p, Addr: netip.MustParseAddr("192.0.2.1"), UserAgent: r.UserAgent()}
}

// project makes a documented project with the settings, as key and value.
func (s *server) project(t *testing.T, id, name string, settings ...string) auth.Caller {
	t.Helper()
	overrides := map[string]string{"passwordHashMemory": "8192", "passwordHashTime": "1"}
	for i := 0; i < len(settings); i += 2 {
		overrides[settings[i]] = settings[i+1]
	}
	np := auth.NewProject{ID: id, DisplayName: name, Preset: auth.PresetDocumented, Settings: overrides}
	p, _, err := s.admin.CreateProject(t.Context(), s.service.LocalOperator(auth.Caller{}), np)
	if err != nil {
		t.Fatal(err)
	}
	return auth.Caller{Project: p, Addr: netip.MustParseAddr("192.0.2.1")}
}

func (s *server) signUp(t *testing.T, c auth.Caller) auth.Tokens {
	t.Helper()
	tokens, err := s.service.SignUp(t.Context(), c, auth.SignUpParams{Email: string(testEmail), Password: testPassword})
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// signInCode is "" where the password is right.
func (s *server) signInCode(t *testing.T, c auth.Caller, email auth.Email, plain string) auth.Code {
	t.Helper()
	_, err := s.service.SignIn(t.Context(), c, auth.SignInParams{Email: string(email), Password: plain})
	return auth.CodeOf(err)
}

func (s *server) user(t *testing.T, c auth.Caller, id auth.UserID) auth.User {
	t.Helper()
	users, err := s.admin.SearchUsers(t.Context(), s.service.LocalOperator(c), auth.UserSearch{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range users {
		if u.ID == id {
			return u
		}
	}
	t.Fatalf("no user %s", id)
	return auth.User{}
}

// link gives the link of the newest mail of the kind, from its path on.
func (s *server) link(t *testing.T, c auth.Caller, kind auth.MailKind) string {
	t.Helper()
	operator := s.service.LocalOperator(c)
	mails, err := s.admin.ListMail(t.Context(), operator, "", "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mails {
		if m.Kind != kind {
			continue
		}
		_, msg, err := s.admin.ReadMail(t.Context(), operator, m.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range mail.Links(msg) {
			if path, ok := strings.CutPrefix(link, publicURL); ok {
				return path
			}
		}
	}
	t.Fatalf("no mail %s with a link", kind)
	return ""
}

func (s *server) countMails(t *testing.T, c auth.Caller, kind auth.MailKind) (n int) {
	t.Helper()
	mails, err := s.admin.ListMail(t.Context(), s.service.LocalOperator(c), "", "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mails {
		if m.Kind == kind {
			n++
		}
	}
	return n
}

// answered is an answer, with its page parsed.
type answered struct {
	status int
	header http.Header
	body   string
	root   *html.Node
}

func (s *server) do(t *testing.T, r *http.Request) answered {
	t.Helper()
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	root, err := html.Parse(strings.NewReader(w.Body.String()))
	if err != nil {
		t.Fatal(err)
	}
	return answered{w.Code, w.Header(), w.Body.String(), root}
}

func (s *server) get(t *testing.T, path string) answered {
	t.Helper()
	return s.do(t, httptest.NewRequest(http.MethodGet, publicURL+path, nil))
}

// submit sends the answer's only form as a browser does, with what the reader types into it.
func (s *server) submit(t *testing.T, from answered, typed ...string) answered {
	t.Helper()
	return s.do(t, from.request(t, typed...))
}

func (a answered) request(t *testing.T, typed ...string) *http.Request {
	t.Helper()
	forms := a.all("form")
	if len(forms) != 1 {
		t.Fatalf("%d forms in %d\n%s", len(forms), a.status, a.body)
	}
	fields := url.Values{}
	for node := range forms[0].Descendants() {
		if name := attribute(node, "name"); node.Data == "input" && name != "" {
			fields.Set(name, attribute(node, "value"))
		}
	}
	for i := 0; i < len(typed); i += 2 {
		if !fields.Has(typed[i]) {
			t.Fatalf("the form has no field %s\n%s", typed[i], a.body)
		}
		fields.Set(typed[i], typed[i+1])
	}
	r := formRequest(attribute(forms[0], "action"), fields.Encode())
	r.Header.Set("Origin", "null") // what no-referrer makes browsers send
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return r
}

func formRequest(path, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, publicURL+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func (a answered) all(element string) (nodes []*html.Node) {
	for node := range a.root.Descendants() {
		if node.Type == html.ElementNode && node.Data == element {
			nodes = append(nodes, node)
		}
	}
	return nodes
}

// files are the page's links to stylesheets and pictures; one other link is to a place in the page itself.
func (a answered) files() []*html.Node {
	return slices.DeleteFunc(a.all("link"), func(link *html.Node) bool { return attribute(link, "rel") == "expect" })
}

func (a answered) heading() string {
	for _, node := range a.all("h1") {
		return textOf(node)
	}
	return ""
}

// want checks the status and the heading, which is an English message's.
func (a answered) want(t *testing.T, status int, key string) {
	t.Helper()
	message, ok := textsByLanguage["en"].messages[key]
	if !ok {
		t.Fatalf("there is no message %s", key)
	}
	if a.status != status || a.heading() != message {
		t.Fatalf("got %d %q, want %d %q", a.status, a.heading(), status, message)
	}
}

// wantText checks that the page says an English message.
func (a answered) wantText(t *testing.T, key string) {
	t.Helper()
	message, ok := textsByLanguage["en"].messages[key]
	if !ok || !strings.Contains(textOf(a.root), message) {
		t.Errorf("page %q does not say %s %q", a.heading(), key, message)
	}
}

func attribute(node *html.Node, name string) string {
	for _, a := range node.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func textOf(node *html.Node) string {
	var b strings.Builder
	for n := range node.Descendants() {
		if n.Type == html.TextNode {
			b.WriteString(n.Data)
		}
	}
	return b.String()
}
