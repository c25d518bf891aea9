package console

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ui"
)

// Nobody sees a page who is not signed in as an operator; they are led to the sign-in and back.
func TestPagesAreForOperators(t *testing.T) {
	r := newRig(t)
	acme := r.project("acme", "Acme")
	acme.Browser = true
	user, err := r.admin.SignUp(t.Context(), auth.Caller{Project: acme.Project, Browser: true}, auth.SignUpParams{Email: "mallory@example.com", Password: "copper lantern 97"})
	r.must(err)
	for name, session := range map[string]string{"nobody": "", "unknown": "a token that nobody made", "user of another project": user.BrowserToken} {
		r.session = session
		for _, p := range allPages() {
			path := strings.ReplaceAll(root+p.path, "{project}", "acme")
			for _, a := range []*answer{r.get(path), r.do(httptest.NewRequest(http.MethodPost, path, nil))} {
				if p.forms == nil && a.Code == http.StatusMethodNotAllowed {
					continue
				}
				if p.fromElsewhere != nil && a.Code == http.StatusUnsupportedMediaType {
					continue
				}
				a.wantBack("/console/sign-in?next=")
				if a.Body.Len() > 0 {
					t.Errorf("%s sees %s: %s", name, path, a.Body)
				}
			}
		}
	}
	a := r.get("/console/projects?after=a%26b").wantBack("/console/sign-in")
	if next := mustParse(t, a.Header().Get("Location")).Query().Get("next"); next != "/console/projects?after=a%26b" {
		t.Errorf("back to %q", next)
	}
}

func mustParse(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// A session that ended shows nothing more.
func TestSignedOut(t *testing.T) {
	r := newRig(t)
	r.get("/console").wantPage(200, "Projects", operatorEmail)
	r.clock.Advance(25 * time.Hour)
	r.get("/console").wantBack("/console/sign-in")
}

// Forms without the token of this page and this browser change nothing (P39).
func TestForgedForms(t *testing.T) {
	r := newRig(t)
	changed := false
	c := New(Options{Admin: r.admin, PublicURL: mustParse(t, "https://auth.example.com"), Caller: testCaller})
	c.pages = append(c.pages, page{path: "/test", show: (*visit).projects, forms: map[string]func(*visit) error{"change": func(v *visit) error {
		changed = true
		return v.back(v.path("projects"), "")
	}}})
	r.handler = routerOf(c)
	good := ui.FormToken(r.session, "/console/test")
	for name, form := range map[string]url.Values{
		"no token":            {fieldDo: {"change"}},
		"of another page":     {fieldDo: {"change"}, ui.FieldToken: {ui.FormToken(r.session, "/console/projects")}},
		"of another browser":  {fieldDo: {"change"}, ui.FieldToken: {ui.FormToken("another", "/console/test")}},
		"no such form":        {fieldDo: {"nothing"}, ui.FieldToken: {good}},
		"a field there twice": {fieldDo: {"change", "change"}, ui.FieldToken: {good}},
	} {
		if a := r.send("/console/test", form); a.Code != 403 && a.Code != 400 {
			t.Errorf("%s: status %d", name, a.Code)
		}
	}
	req := httptest.NewRequest(http.MethodPost, "/console/test", strings.NewReader(url.Values{fieldDo: {"change"}, ui.FieldToken: {good}}.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	r.do(req).wantPage(403, "This form is out of date")
	if changed {
		t.Fatal("a forged form changed something")
	}
	r.post("/console/test", "change").wantBack("/console/projects")
	if !changed {
		t.Error("the form does nothing")
	}
}

// A refused form shows its page once more, with what was typed and why not; what breaks is told without its cause (P46).
func TestRefusedForms(t *testing.T) {
	r := newRig(t)
	c := New(Options{Admin: r.admin, PublicURL: mustParse(t, "https://auth.example.com"), Caller: testCaller})
	var refusal error
	c.pages = append(c.pages, page{path: "/test", show: (*visit).projects, forms: map[string]func(*visit) error{"change": func(*visit) error { return refusal }}})
	r.handler = routerOf(c)
	for _, refused := range []struct {
		err    error
		status int
		text   string
	}{
		{&auth.Error{Code: auth.CodeInvalidArgument, Message: "the name is too long", Field: "name"}, 422, "The name is too long."},
		{&auth.Error{Code: auth.CodeConflict, Message: "somebody was first"}, 409, "Somebody was first."},
		{&auth.Error{Code: auth.CodeNotFound, Message: "gone"}, 404, "Gone."},
		{http.ErrBodyNotAllowed, 500, "the server's log has the cause"},
	} {
		refusal = refused.err
		a := r.post("/console/test", "change").wantPage(refused.status, refused.text)
		if strings.Contains(a.Body.String(), http.ErrBodyNotAllowed.Error()) {
			t.Error("the page tells a cause")
		}
	}
}

func TestHeaders(t *testing.T) {
	r := newRig(t)
	h := r.get("/console/projects").wantPage(200).Header()
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
		"Cache-Control":           "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestOverview(t *testing.T) {
	r := newRig(t)
	r.get("/console/projects").wantPage(200, "There are no projects.")
	acme := r.project("acme", "Acme <b>")
	for _, email := range []string{"ada@example.com", "grace@example.com"} {
		_, err := r.admin.SignUp(t.Context(), auth.Caller{Project: acme.Project}, auth.SignUpParams{Email: email, Password: "copper lantern 97"})
		r.must(err)
	}
	r.get("/console/projects").wantPage(200, "Acme <b>")
	for _, span := range []string{"", "24h", "7d", "90d", "nonsense"} {
		r.get("/console/projects/acme?span="+span).wantPage(200, "2 users", "2 sign-ups in", "Sign-ins")
	}
	r.get("/console/projects/nobody").wantPage(404, "There is nothing here")
	r.get("/console/projects/console").wantPage(200, "1 users")
}

// TestTemplates: every template parses, also those that are parsed only when somebody looks.
func TestTemplates(t *testing.T) {
	t.Parallel()
	for name, page := range templates {
		if parsed, err := page(); err != nil || parsed.Lookup("layout") == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every template is a page, and every page of the menu has one entry.
func TestPages(t *testing.T) {
	entries := map[string]int{}
	for _, p := range allPages() {
		if p.entry {
			entries[p.room]++
		}
		if p.room == "" || p.show == nil {
			t.Errorf("%s is in no room, or shows nothing", p.path)
		}
	}
	for room, n := range entries {
		if n != 1 {
			t.Errorf("%d pages are the entry of room %s", n, room)
		}
	}
}

func TestGridSteps(t *testing.T) {
	for highest, want := range map[int]int{0: 1, 1: 1, 5: 1, 6: 2, 10: 2, 11: 5, 26: 10, 50: 10, 51: 20, 1234: 500} {
		if got := gridStep(highest); got != want {
			t.Errorf("grid to %d: %d, want %d", highest, got, want)
		}
	}
}
