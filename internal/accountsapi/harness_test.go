package accountsapi

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/authtest"
	"github.com/doorward/doorward/internal/web"
)

const (
	testPublicURL  = authtest.PublicURL
	testDomain     = "api.auth.example.com"
	testAdminToken = "admin-token-of-the-tests"
	testPassword   = "correct horse battery"
)

// testServer is the surface over the real domain and store.
type testServer struct {
	t       testing.TB
	store   auth.Store
	service *auth.Service
	admin   *auth.Admin
	clock   *authtest.Clock
	idp     *fakeProviders
	api     *API
	handler http.Handler
}

// newTestServer makes a server whose project "default" has the documented preset and the given settings over it.
func newTestServer(t testing.TB, settings map[string]string) *testServer {
	t.Helper()
	s := &testServer{t: t, clock: authtest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)), idp: newFakeProviders()}
	config := authtest.Config(t, s.clock.Now)
	config.Providers = s.idp
	s.store, s.service = config.Store, auth.NewService(config)
	s.admin = auth.NewAdmin(s.service)
	api := New(Options{Service: s.service, Hosts: Hosts{Domain: testDomain}})
	s.api = api
	s.handler = web.Mounts([]web.Mount{
		{Prefix: basePath, Handler: api.Handler()},
		{Prefix: "", Handler: web.NewRouter(api.WellKnown(), writeError)},
	}, http.NotFoundHandler())
	s.createProject("default", settings)
	return s
}

// createProject makes a project of the documented preset with fast hashing and fast keys, unless settings say otherwise.
func (s *testServer) createProject(id string, settings map[string]string) {
	s.t.Helper()
	all := map[string]string{"passwordHashMemory": "8192", "passwordHashTime": "1", "signingAlgorithm": "ES256"}
	for key, value := range settings {
		all[key] = value
	}
	_, _, err := s.admin.CreateProject(s.t.Context(), s.operator(nil), auth.NewProject{
		ID: id, Preset: auth.PresetDocumented, Settings: all, AdminToken: testAdminToken,
	})
	if err != nil {
		s.t.Fatalf("create project %s: %v", id, err)
	}
}

func (s *testServer) operator(p *auth.Project) auth.Caller {
	return s.service.LocalOperator(auth.Caller{Project: p})
}

func (s *testServer) project() *auth.Project {
	s.t.Helper()
	p, err := s.service.Project(s.t.Context(), auth.DefaultProject)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// set changes settings of the project "default", given as key and value in turn.
func (s *testServer) set(pairs ...string) {
	s.t.Helper()
	change := auth.ProjectChange{Set: map[string]string{}}
	for i := 0; i < len(pairs); i += 2 {
		change.Set[pairs[i]] = pairs[i+1]
	}
	if _, err := s.admin.UpdateProject(s.t.Context(), s.operator(s.project()), change); err != nil {
		s.t.Fatalf("set %v: %v", pairs, err)
	}
}

// reply is one whole answer.
type reply struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   string
}

type requestOption func(r *http.Request)

func header(name, value string) requestOption {
	return func(r *http.Request) { r.Header.Add(name, value) }
}

func host(name string) requestOption  { return func(r *http.Request) { r.Host = name } }
func bearerOf(t string) requestOption { return header("Authorization", "Bearer "+t) }
func asAdmin() requestOption          { return header("Deskree-Admin", testAdminToken) }
func contentType(v string) requestOption {
	return func(r *http.Request) { r.Header.Set("Content-Type", v) }
}

// do sends a request. A body that is a string goes out as it is, any other as JSON.
func (s *testServer) do(method, path string, body any, options ...requestOption) reply {
	s.t.Helper()
	var sent io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		sent = strings.NewReader(b)
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			s.t.Fatal(err)
		}
		sent = bytes.NewReader(encoded)
	}
	r := httptest.NewRequest(method, "http://localhost:8080"+path, sent)
	if sent != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, option := range options {
		option(r)
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	got := reply{t: s.t, what: method + " " + path, status: w.Code, header: w.Header(), body: w.Body.String()}
	checkDocumented(s.t, method, r.URL.Path, got)
	return got
}

func (s *testServer) post(path string, body any, options ...requestOption) reply {
	s.t.Helper()
	return s.do(http.MethodPost, basePath+"/auth/accounts"+path, body, options...)
}

// checkDocumented fails where an operation answers with a status that the OpenAPI document does not give it.
func checkDocumented(t testing.TB, method, path string, got reply) {
	t.Helper()
	for pattern, item := range readDocument(t).Paths {
		operation, ok := item.operations()[method]
		if !ok || !matches(pattern, path) {
			continue
		}
		if _, ok := operation.Responses[strconv.Itoa(got.status)]; !ok {
			t.Errorf("%s: the OpenAPI document does not know status %d of %s", got.what, got.status, operation.OperationID)
		}
	}
}

func matches(pattern, path string) bool {
	want, have := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return false
	}
	for i := range want {
		if want[i] != have[i] && !strings.HasPrefix(want[i], "{") {
			return false
		}
	}
	return true
}

// wantError checks a whole error answer in the array envelope.
func (r reply) wantError(status int, detail string) {
	r.t.Helper()
	want := envelopeOf(status, detail)
	if r.status != status || r.body != want {
		r.t.Errorf("%s: got %d %s\nwant %d %s", r.what, r.status, r.body, status, want)
	}
	r.wantJSONHeaders()
}

func envelopeOf(status int, detail string) string {
	encoded, _ := json.Marshal(detail)
	return `{"errors":[{"code":"` + strconv.Itoa(status) + `","title":"` + http.StatusText(status) + `","detail":` + string(encoded) + `}]}`
}

func (r reply) wantJSONHeaders() {
	r.t.Helper()
	for name, want := range map[string]string{"Content-Type": "application/json; charset=utf-8", "X-Content-Type-Options": "nosniff", "Content-Length": strconv.Itoa(len(r.body))} {
		if got := r.header.Get(name); got != want {
			r.t.Errorf("%s: %s is %q, want %q", r.what, name, got, want)
		}
	}
}

func (r reply) wantNoContent() {
	r.t.Helper()
	if r.status != http.StatusNoContent || r.body != "" {
		r.t.Fatalf("%s: got %d %s, want 204 and nothing", r.what, r.status, r.body)
	}
}

// object decodes the answer of a success.
func (r reply) object() map[string]any {
	r.t.Helper()
	if r.status != http.StatusOK {
		r.t.Fatalf("%s: got %d %s, want 200", r.what, r.status, r.body)
	}
	r.wantJSONHeaders()
	var v map[string]any
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		r.t.Fatalf("%s: %v", r.what, err)
	}
	return v
}

// data decodes the data of a success that holds an object and nothing beside it.
func (r reply) data() map[string]any {
	r.t.Helper()
	whole := r.object()
	data, ok := whole["data"].(map[string]any)
	if !ok || len(whole) != 1 {
		r.t.Fatalf("%s: got %s, want {\"data\": {…}}", r.what, r.body)
	}
	return data
}

func (r reply) wantData(want map[string]any) {
	r.t.Helper()
	if diff := cmp.Diff(want, r.data()); diff != "" {
		r.t.Errorf("%s: (-want +got)\n%s", r.what, diff)
	}
}

// signedUp is an account with its tokens.
type signedUp struct{ uid, email, idToken, refreshToken string }

func (s *testServer) signUp(email string) signedUp {
	s.t.Helper()
	data := s.post("/signup", map[string]any{"email": email, "password": testPassword}).data()
	return signedUp{uid: text(data, "uid"), email: text(data, "email"), idToken: text(data, "idToken"), refreshToken: text(data, "refreshToken")}
}

func text(data map[string]any, name string) string {
	value, _ := data[name].(string)
	return value
}

var linkPattern = regexp.MustCompile(`https?://[^\s<>"]+`)

// link gives the link of the newest mail of a kind to an address. Mails of one instant have no order, so the test moves the clock between them.
func (s *testServer) link(kind auth.MailKind, to string) *url.URL {
	s.t.Helper()
	mails, err := s.store.ListMail(s.t.Context(), auth.DefaultProject, "", "", 100)
	if err != nil {
		s.t.Fatal(err)
	}
	mails = slices.DeleteFunc(mails, func(m auth.OutboxMail) bool { return m.Kind != kind || string(m.To) != to })
	if len(mails) == 0 {
		s.t.Fatalf("no mail %s to %s", kind, to)
	}
	if len(mails) > 1 && mails[0].CreatedAt.Equal(mails[1].CreatedAt) {
		s.t.Fatalf("two mails %s to %s at one instant", kind, to)
	}
	newest, err := s.store.GetMail(s.t.Context(), auth.DefaultProject, mails[0].ID)
	if err != nil {
		s.t.Fatal(err)
	}
	message, err := s.service.OpenMail(newest)
	if err != nil {
		s.t.Fatal(err)
	}
	u, err := url.Parse(linkPattern.FindString(message.Text))
	if err != nil || u.Query().Get("oobCode") == "" {
		s.t.Fatalf("mail %s to %s has no link with a code:\n%s", kind, to, message.Text)
	}
	return u
}

// code gives the one-time code of the newest mail of a kind to an address.
func (s *testServer) code(kind auth.MailKind, to string) string {
	s.t.Helper()
	return s.link(kind, to).Query().Get("oobCode")
}
