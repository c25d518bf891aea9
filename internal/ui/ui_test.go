package ui

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/web"
)

func site(t *testing.T, public string) *Site {
	t.Helper()
	u, err := url.Parse(public)
	if err != nil {
		t.Fatal(err)
	}
	return NewSite(u, nil)
}

func TestSite(t *testing.T) {
	s := site(t, "https://id.example.com/auth")
	if s.Path("/acme") != "/auth/acme" || !s.HTTPS() || !strings.HasPrefix(s.Asset("ui.css"), "/auth/assets/ui-") {
		t.Errorf("%s, %v, %s", s.Path("/acme"), s.HTTPS(), s.Asset("ui.css"))
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic on a public URL without host")
		}
	}()
	NewSite(&url.URL{Path: "/auth"}, nil)
}

func TestPolicies(t *testing.T) {
	const plain = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
	tests := []struct {
		policy Policy
		want   string
	}{
		{Policy{}, plain},
		{Policy{Script: true}, strings.Replace(plain, "form-action", "script-src 'self'; connect-src 'self'; form-action", 1)},
		{Policy{FormTargets: []string{"https://accounts.example.com", "http://localhost:5173", "com.example.app"}},
			strings.Replace(plain, "form-action 'self'", "form-action 'self' https://accounts.example.com http://localhost:5173 com.example.app:", 1)},
		{Policy{FormTargets: []string{"", "*", "https:", "https://", "https://*.example.com", "https://a.example/path", "https://a.example; script-src *", "javascript:", "data:", "'unsafe-inline'", "https://u@a.example", "http://[::1]:3000", "https://a.example?x", "x y", "localhost"}}, plain},
	}
	for _, test := range tests {
		h := http.Header{}
		site(t, "https://id.example.com").SetHeaders(h, test.policy)
		if diff := cmp.Diff(test.want, h.Get("Content-Security-Policy")); diff != "" {
			t.Errorf("%+v:\n%s", test.policy, diff)
		}
	}
}

func TestSetHeaders(t *testing.T) {
	for public, want := range map[string]string{"https://id.example.com": "max-age=31536000", "http://localhost:8080": ""} {
		h := http.Header{}
		site(t, public).SetHeaders(h, Policy{})
		got := map[string]string{}
		for _, name := range []string{"X-Content-Type-Options", "Referrer-Policy", "Cache-Control", "Cross-Origin-Opener-Policy", "Strict-Transport-Security"} {
			got[name] = h.Get(name)
		}
		all := map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "Cross-Origin-Opener-Policy": "same-origin", "Strict-Transport-Security": want}
		if diff := cmp.Diff(all, got); diff != "" {
			t.Errorf("%s:\n%s", public, diff)
		}
	}
}

func formRequest(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func statusOf(err error) int {
	var plumbing *web.Error
	if errors.As(err, &plumbing) {
		return plumbing.Status
	}
	return 0
}

func TestReadForm(t *testing.T) {
	tests := []struct {
		body   string
		rules  FormRules
		status int
	}{
		{"a=1&b=2", FormRules{}, 0},
		{"", FormRules{}, 0},
		{"a=1&a=2", FormRules{}, 400},
		{"a=1&a=2&b=3", FormRules{Repeated: []string{"a"}}, 0},
		{"a=1&b=2&b=3", FormRules{Repeated: []string{"a"}}, 400},
		{"a=1&a=%ff", FormRules{Repeated: []string{"a"}}, 400},
		{"a=%00", FormRules{}, 400},
		{"%ff=1", FormRules{}, 400},
		{"a=%zz", FormRules{}, 400},
		{"a=" + strings.Repeat("x", 16<<10-2), FormRules{}, 0},
		{"a=" + strings.Repeat("x", 16<<10-1), FormRules{}, 413},
		{"a=" + strings.Repeat("x", 16<<10-1), FormRules{MaxBytes: 32 << 10}, 0},
	}
	for _, test := range tests {
		fields, err := ReadForm(httptest.NewRecorder(), formRequest(test.body), test.rules)
		if (err == nil) != (test.status == 0) || statusOf(err) != test.status {
			t.Errorf("%.40q %+v: %v, want %d", test.body, test.rules, err, test.status)
		}
		if want, _ := url.ParseQuery(test.body); err == nil && !cmp.Equal(want, fields) {
			t.Errorf("%.40q: got %v", test.body, fields)
		}
	}
	r := formRequest("a=1")
	r.Header.Set("Content-Type", "text/plain")
	if _, err := ReadForm(httptest.NewRecorder(), r, FormRules{}); statusOf(err) != 415 {
		t.Errorf("text/plain: %v", err)
	}
}

// TestCookies: as strict as the public URL allows, and read only where there is exactly one.
func TestCookies(t *testing.T) {
	for public, name := range map[string]string{"https://id.example.com/auth": "__Host-doorward-acme", "http://localhost:8080": "doorward-acme"} {
		s := site(t, public)
		w := httptest.NewRecorder()
		s.SetSession(w, "acme", "token", 36*time.Hour)
		cookie := w.Result().Cookies()[0]
		if cookie.Name != name || cookie.Value != "token" || cookie.Path != "/" || cookie.Domain != "" || cookie.MaxAge != 129600 ||
			!cookie.HttpOnly || cookie.Secure != s.HTTPS() || cookie.SameSite != http.SameSiteLaxMode {
			t.Errorf("%s: %+v", public, cookie)
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if got := s.Session(r, "acme"); got != "" {
			t.Errorf("no cookie: %q", got)
		}
		r.AddCookie(cookie)
		if got := s.Session(r, "acme"); got != "token" || s.Session(r, "other") != "" {
			t.Errorf("%s: read %q", public, got)
		}
		r.AddCookie(&http.Cookie{Name: name, Value: "planted"})
		if got := s.Session(r, "acme"); got != "" {
			t.Errorf("two cookies: %q", got)
		}
		w = httptest.NewRecorder()
		s.ClearSession(w, "acme")
		if gone := w.Result().Cookies()[0]; gone.Name != name || gone.MaxAge >= 0 || gone.Value != "" || gone.Path != "/" {
			t.Errorf("%s: cleared by %+v", public, gone)
		}
	}
}

// TestFormTokens: a form counts only from the browser, and for the purpose, that it was made for (P39).
func TestFormTokens(t *testing.T) {
	s := site(t, "https://id.example.com")
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
	secret, err := s.Browser(w, r)
	if err != nil || len(secret) != 43 {
		t.Fatalf("%q, %v", secret, err)
	}
	r.AddCookie(w.Result().Cookies()[0])
	w = httptest.NewRecorder()
	if again, _ := s.Browser(w, r); again != secret || len(w.Result().Cookies()) != 0 || s.KnownBrowser(r) != secret {
		t.Errorf("a known browser gets another secret: %q", again)
	}
	other, _ := s.Browser(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))

	check := func(r *http.Request, token, secret, purpose string) int {
		return statusOf(s.CheckForm(r, url.Values{FieldToken: {token}}, secret, purpose))
	}
	ours := formRequest("")
	ours.Header.Set("Sec-Fetch-Site", "same-origin")
	crossSite := formRequest("")
	crossSite.Header.Set("Sec-Fetch-Site", "cross-site")
	withoutOrigin := formRequest("")
	withoutOrigin.Header.Set("Origin", "null")
	right := FormToken(secret, "sign-in")
	for name, got := range map[string][2]int{
		"right":                  {check(ours, right, secret, "sign-in"), 0},
		"right, by an old one":   {check(withoutOrigin, right, secret, "sign-in"), 0},
		"forged, by an old one":  {check(withoutOrigin, "", secret, "sign-in"), 403},
		"another site":           {check(crossSite, right, secret, "sign-in"), 403},
		"another purpose":        {check(ours, right, secret, "delete"), 403},
		"another browser":        {check(ours, right, other, "sign-in"), 403},
		"no token":               {check(ours, "", secret, "sign-in"), 403},
		"no cookie":              {check(ours, FormToken("", "sign-in"), "", "sign-in"), 403},
		"neither":                {check(ours, "", "", "sign-in"), 403},
		"part of the right one":  {check(ours, right[:10], secret, "sign-in"), 403},
		"right with more behind": {check(ours, right+"x", secret, "sign-in"), 403},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %d, want %d", name, got[0], got[1])
		}
	}
}

func TestKnownBrowserRefuses(t *testing.T) {
	s := site(t, "https://id.example.com")
	for _, value := range []string{"", "x", strings.Repeat("A", 42), strings.Repeat("A", 44), strings.Repeat("A", 600)} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.AddCookie(&http.Cookie{Name: "__Host-doorward.browser", Value: value})
		if got := s.KnownBrowser(r); got != "" {
			t.Errorf("%.50q is taken", value)
		}
	}
	public, _ := url.Parse("https://id.example.com")
	broken := NewSite(public, iotest.ErrReader(errors.New("no randomness")))
	if secret, err := broken.Browser(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)); err == nil || secret != "" {
		t.Errorf("without randomness: %q, %v", secret, err)
	}
}

func TestAssets(t *testing.T) {
	s := site(t, "https://id.example.com")
	router := web.NewRouter(AssetRoutes(), func(w http.ResponseWriter, _ *http.Request, err error) { w.WriteHeader(statusOf(err)) })
	for name, file := range assets {
		w := httptest.NewRecorder()
		router.ServeHTTP(w, httptest.NewRequest(http.MethodGet, s.Asset(name), nil))
		h := w.Header()
		if w.Code != 200 || w.Body.String() != string(file.content) || h.Get("Content-Type") != assetKinds[path.Ext(name)] ||
			h.Get("Cache-Control") != "public, max-age=31536000, immutable" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", name, w.Code, h)
		}
	}
	for _, missing := range []string{"/assets/ui.css", "/assets/ui-0000000000000000.css", "/assets/x"} {
		w := httptest.NewRecorder()
		router.ServeHTTP(w, httptest.NewRequest(http.MethodGet, missing, nil))
		if w.Code != 404 {
			t.Errorf("%s: %d", missing, w.Code)
		}
	}
	if ContentHash([]byte("a")) == ContentHash([]byte("b")) {
		t.Error("the name does not change with the content")
	}
	defer func() {
		if recover() == nil {
			t.Error("an unknown asset has a path")
		}
	}()
	s.Asset("nothing.css")
}

// TestStylesheetIsAlone: it loads nothing, and is small.
func TestStylesheetIsAlone(t *testing.T) {
	css := string(assets["ui.css"].content)
	if strings.Contains(css, "url(") || strings.Contains(css, "@import") || strings.Contains(css, "!important") {
		t.Error("the stylesheet loads something, or fights with itself")
	}
	if len(css) > 30<<10 {
		t.Errorf("%d bytes", len(css))
	}
}

// TestFrameHeaders: what others wrote does nothing but look as it says, in a frame of ours; its page stays strict.
func TestFrameHeaders(t *testing.T) {
	h := http.Header{}
	site(t, "https://id.example.com").SetFrameHeaders(h)
	want := "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src data:; form-action 'none'; frame-ancestors 'self'; base-uri 'none'; sandbox"
	if got := h.Get("Content-Security-Policy"); got != want || h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("%v", h)
	}
	around := Policy{Frames: true}.contentSecurityPolicy()
	if !strings.Contains(around, "; frame-src 'self';") || strings.Contains(around, "unsafe") || strings.Contains(Policy{}.contentSecurityPolicy(), "frame-src") {
		t.Errorf("%s", around)
	}
}
