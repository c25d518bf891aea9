package e2e

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// form is a form of a hosted page.
type form struct {
	action string
	fields url.Values
	secret []string // names of password inputs
}

// forms returns the POST forms of a page.
func forms(t *testing.T, page []byte) (list []form) {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatalf("the page is no HTML: %v", err)
	}
	for node := range root.Descendants() {
		if node.Type != html.ElementNode || node.Data != "form" || !strings.EqualFold(attribute(node, "method"), "post") {
			continue
		}
		f := form{action: attribute(node, "action"), fields: url.Values{}}
		for input := range node.Descendants() {
			name := attribute(input, "name")
			if input.Type != html.ElementNode || name == "" || (input.Data != "input" && input.Data != "button") {
				continue
			}
			if attribute(input, "type") == "password" {
				f.secret = append(f.secret, name)
				continue
			}
			f.fields.Set(name, attribute(input, "value"))
		}
		list = append(list, f)
	}
	return list
}

func attribute(node *html.Node, name string) string {
	for _, a := range node.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// openPage gets a hosted page as a browser would, and checks what holds for every page (P40).
func (s *server) openPage(t *testing.T, link string) reply {
	t.Helper()
	if !strings.HasPrefix(link, s.publicURL+"/") {
		t.Fatalf("link %q is not under the public URL", link)
	}
	r := s.bareHost().do(t, http.MethodGet, strings.TrimPrefix(link, s.publicURL), nil)
	r.wantStatus(t, http.StatusOK)
	r.wantHeader(t, "X-Content-Type-Options", "nosniff")
	r.wantHeader(t, "Referrer-Policy", "no-referrer")
	r.wantHeader(t, "Cache-Control", "no-store")
	policy := r.header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe-") {
		t.Errorf("%s: Content-Security-Policy %q", r.what, policy)
	}
	if !strings.HasPrefix(r.header.Get("Content-Type"), "text/html") {
		t.Errorf("%s: Content-Type %q", r.what, r.header.Get("Content-Type"))
	}
	return r
}

// submit posts the page's only form as a browser would from that page, with the password filled in.
func (s *server) submit(t *testing.T, link string, page reply, password string) reply {
	t.Helper()
	list := forms(t, page.body)
	if len(list) != 1 {
		t.Fatalf("%s: %d forms with method post, want 1:\n%s", page.what, len(list), tail(string(page.body), 2000))
	}
	f := list[0]
	for _, name := range f.secret {
		f.fields.Set(name, password)
	}
	base, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	target, err := base.Parse(f.action)
	if err != nil {
		t.Fatal(err)
	}
	c := s.bareHost().with("Content-Type", "application/x-www-form-urlencoded").with("Origin", s.publicURL).
		with("Sec-Fetch-Site", "same-origin").with("Sec-Fetch-Mode", "navigate")
	if cookie := page.header.Get("Set-Cookie"); cookie != "" {
		pair, _, _ := strings.Cut(cookie, ";")
		c = c.with("Cookie", pair)
	}
	return c.do(t, http.MethodPost, target.RequestURI(), f.fields.Encode())
}

// hosted returns a project where no mail URL is set, so that all links lead to the server's own pages.
func hosted(t *testing.T, settings ...string) project {
	t.Helper()
	return suite.shared.newProject(t, "documented", append([]string{"hostedPages=true"}, settings...)...)
}

// TestHostedPages finishes every mail flow with no front end at all. Opening a link changes nothing (P8).
func TestHostedPages(t *testing.T) {
	t.Parallel()
	t.Run("password reset", func(t *testing.T) {
		p := hosted(t)
		a := p.signUp(t)
		mails := p.mailbox(a.email)
		mails.next(t, p.srv.publicURL) // the verification mail
		p.client().post(t, resetPath, M{"email": a.email}).want204(t)
		link := mails.next(t, p.srv.publicURL).link(p.srv.publicURL)
		page := p.srv.openPage(t, link)
		p.srv.openPage(t, link)
		p.signIn(t, a.email, a.password)
		password := newPassword()
		if r := p.srv.submit(t, link, page, password); r.status >= 400 {
			t.Fatalf("%s: %d %s", r.what, r.status, tail(string(r.body), 500))
		}
		p.signIn(t, a.email, password)
		p.client().post(t, signin, a.credentials()).wantError(t, 400, "INVALID_PASSWORD")
	})
	t.Run("email verification", func(t *testing.T) {
		p := hosted(t, "verifyEmailEnforced=true")
		a := account{email: newEmail(), password: newPassword()}
		p.client().post(t, signup, a.credentials()).wantStatus(t, 200)
		link := p.mailbox(a.email).next(t, p.srv.publicURL).link(p.srv.publicURL)
		page := p.srv.openPage(t, link)
		p.client().post(t, signin, a.credentials()).wantError(t, 400, "USER_DISABLED")
		if r := p.srv.submit(t, link, page, ""); r.status >= 400 {
			t.Fatalf("%s: %d %s", r.what, r.status, tail(string(r.body), 500))
		}
		p.client().post(t, signin, a.credentials()).wantData(t, session(a.email, true))
	})
	t.Run("invite", func(t *testing.T) {
		p := hosted(t)
		email, password := newEmail(), newPassword()
		p.client().post(t, inviteePath, M{"email": email}).want204(t)
		link := p.mailbox(email).next(t, p.srv.publicURL).link(p.srv.publicURL)
		page := p.srv.openPage(t, link)
		if r := p.srv.submit(t, link, page, password); r.status >= 400 {
			t.Fatalf("%s: %d %s", r.what, r.status, tail(string(r.body), 500))
		}
		p.client().post(t, signin, M{"email": email, "password": password}).wantData(t, session(email, true))
	})
}

// TestHostedPagesRefuse: a used code, a forged one and a post from another site change nothing.
func TestHostedPagesRefuse(t *testing.T) {
	t.Parallel()
	p := hosted(t)
	email, password := newEmail(), newPassword()
	p.client().post(t, inviteePath, M{"email": email}).want204(t)
	link := p.mailbox(email).next(t, p.srv.publicURL).link(p.srv.publicURL)
	page := p.srv.openPage(t, link)

	f := forms(t, page.body)
	if len(f) != 1 {
		t.Fatalf("%d forms", len(f))
	}
	stolen := f[0].fields
	for _, name := range f[0].secret {
		stolen.Set(name, password)
	}
	base, _ := url.Parse(link)
	action, err := base.Parse(f[0].action)
	if err != nil {
		t.Fatal(err)
	}
	cross := p.srv.bareHost().with("Content-Type", "application/x-www-form-urlencoded").
		with("Origin", "https://evil.example.test").with("Sec-Fetch-Site", "cross-site")
	if r := cross.do(t, http.MethodPost, action.RequestURI(), stolen.Encode()); r.status < 400 {
		t.Errorf("a post from another site: %d", r.status)
	}
	if r := p.srv.submit(t, link, page, password); r.status >= 400 {
		t.Fatalf("%s: %d %s", r.what, r.status, tail(string(r.body), 500))
	}
	p.srv.submit(t, link, page, newPassword()) // the code is used up
	p.signIn(t, email, password)
	if strings.Contains(string(page.body), "<script src=\"http") {
		t.Error("the page loads a script from elsewhere")
	}
}
