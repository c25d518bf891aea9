package pages

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

// flow is one page with the way to its link, and how to see from outside whether it was used.
type flow struct {
	page    string
	kind    auth.MailKind
	ttl     time.Duration
	typed   []string
	prepare func(*testing.T, *server, auth.Caller) auth.UserID
	// used tells whether the page's deed is done.
	used func(*testing.T, *server, auth.Caller, auth.UserID) bool
}

var flows = []flow{
	{
		page: auth.PageVerifyEmail, kind: auth.MailVerifyEmail, ttl: 24 * time.Hour,
		prepare: func(t *testing.T, s *server, c auth.Caller) auth.UserID { return s.signUp(t, c).User.ID },
		used: func(t *testing.T, s *server, c auth.Caller, id auth.UserID) bool {
			return s.user(t, c, id).EmailVerified
		},
	},
	{
		page: auth.PageInvite, kind: auth.MailInvite, ttl: 168 * time.Hour, typed: []string{"newPassword", newPassword},
		prepare: func(t *testing.T, s *server, c auth.Caller) auth.UserID {
			u, err := s.service.Invite(t.Context(), c, auth.InviteParams{Email: string(testEmail)})
			if err != nil {
				t.Fatal(err)
			}
			return u.ID
		},
		used: func(t *testing.T, s *server, c auth.Caller, id auth.UserID) bool {
			return s.signInCode(t, c, testEmail, newPassword) == ""
		},
	},
	{
		page: auth.PageResetPassword, kind: auth.MailResetPassword, ttl: time.Hour, typed: []string{"newPassword", newPassword},
		prepare: func(t *testing.T, s *server, c auth.Caller) auth.UserID {
			id := s.signUp(t, c).User.ID
			if err := s.service.SendPasswordReset(t.Context(), c, string(testEmail)); err != nil {
				t.Fatal(err)
			}
			return id
		},
		used: func(t *testing.T, s *server, c auth.Caller, id auth.UserID) bool {
			return s.signInCode(t, c, testEmail, newPassword) == ""
		},
	},
	{
		page: auth.PageChangeEmail, kind: auth.MailChangeEmail, ttl: 24 * time.Hour,
		prepare: changeEmail(auth.EmailChangeVerified),
		used: func(t *testing.T, s *server, c auth.Caller, id auth.UserID) bool {
			return s.user(t, c, id).Email == "ada.new@example.com"
		},
	},
	{
		page: auth.PageTakeBackEmail, kind: auth.MailEmailChanged, ttl: 30 * 24 * time.Hour,
		prepare: changeEmail(auth.EmailChangeImmediate),
		used: func(t *testing.T, s *server, c auth.Caller, id auth.UserID) bool {
			return s.user(t, c, id).Email == testEmail
		},
	},
	{
		page: auth.PageTakeBack, kind: auth.MailPasswordChanged, ttl: 7 * 24 * time.Hour,
		prepare: func(t *testing.T, s *server, c auth.Caller) auth.UserID {
			tokens := s.signUp(t, c)
			user, err := s.service.AuthenticateUser(t.Context(), c, tokens.IDToken)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.service.ChangePassword(t.Context(), user, testPassword, newPassword); err != nil {
				t.Fatal(err)
			}
			return tokens.User.ID
		},
		used: func(t *testing.T, s *server, c auth.Caller, id auth.UserID) bool {
			return s.user(t, c, id).PasswordHash == ""
		},
	},
}

func changeEmail(mode string) func(*testing.T, *server, auth.Caller) auth.UserID {
	return func(t *testing.T, s *server, c auth.Caller) auth.UserID {
		tokens := s.signUp(t, c)
		p, err := s.admin.UpdateProject(t.Context(), s.service.LocalOperator(c), auth.ProjectChange{Set: map[string]string{"emailChange": mode}})
		if err != nil {
			t.Fatal(err)
		}
		c.Project = p
		user, err := s.service.AuthenticateUser(t.Context(), c, tokens.IDToken)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.service.ChangeEmail(t.Context(), user, "ada.new@example.com"); err != nil {
			t.Fatal(err)
		}
		return tokens.User.ID
	}
}

func TestFlowsCoverThePages(t *testing.T) {
	for i, page := range pageTable {
		if i >= len(flows) || flows[i].page != page.name {
			t.Errorf("no flow tests the page %s", page.name)
		}
	}
}

// TestPagesWorkOnce: opening changes nothing (P8), the form does it, and a second time the link is used up.
func TestPagesWorkOnce(t *testing.T) {
	for _, f := range flows {
		t.Run(f.page, func(t *testing.T) {
			s := newServer(t)
			c := s.project(t, "acme", "Acme")
			id := f.prepare(t, s, c)
			link := s.link(t, c, f.kind)

			before := s.user(t, c, id)
			s.do(t, httptest.NewRequest(http.MethodHead, publicURL+link, nil)).want(t, 200, f.page+".title")
			s.get(t, link)
			page := s.get(t, link)
			page.want(t, 200, f.page+".title")
			if f.used(t, s, c, id) {
				t.Fatal("opening the link used it")
			}
			if diff := cmp.Diff(before, s.user(t, c, id)); diff != "" {
				t.Fatalf("opening the link changed the user:\n%s", diff)
			}
			if !strings.Contains(textOf(page.root), "Acme") {
				t.Error("the page does not name the project")
			}

			request := page.request(t, f.typed...)
			if request.URL.Path != "/acme/"+f.page || request.URL.RawQuery != "" {
				t.Errorf("the form goes to %s", request.URL)
			}
			done := s.do(t, request)
			done.want(t, 200, f.page+".done.title")
			if len(done.all("form")) != 0 || strings.Contains(done.body, newPassword) {
				t.Error("the result has a form, or the password")
			}
			if !f.used(t, s, c, id) {
				t.Fatal("the form changed nothing")
			}

			again := s.submit(t, page, f.typed...)
			again.want(t, 400, "error.used.title")
			if !f.used(t, s, c, id) {
				t.Error("the second time undid the first")
			}
		})
	}
}

func TestExpiredLinks(t *testing.T) {
	for _, f := range flows {
		t.Run(f.page, func(t *testing.T) {
			s := newServer(t)
			c := s.project(t, "acme", "Acme")
			id := f.prepare(t, s, c)
			page := s.get(t, s.link(t, c, f.kind))
			s.now = s.now.Add(f.ttl)
			expired := s.submit(t, page, f.typed...)
			expired.want(t, 410, "error.expired.title")
			if f.page == auth.PageVerifyEmail {
				expired.wantText(t, "resend.text")
			} else {
				expired.wantText(t, f.page+".again")
			}
			if f.used(t, s, c, id) {
				t.Error("an expired link works")
			}
		})
	}
}

// TestWrongProject: a code is good for its own project only (P35).
func TestWrongProject(t *testing.T) {
	for _, f := range flows {
		t.Run(f.page, func(t *testing.T) {
			s := newServer(t)
			c := s.project(t, "acme", "Acme")
			s.project(t, "other", "Other")
			id := f.prepare(t, s, c)
			page := s.get(t, strings.Replace(s.link(t, c, f.kind), "/acme/", "/other/", 1))
			if got := s.submit(t, page, f.typed...); got.status != 400 && got.status != 404 {
				t.Errorf("got %d %q", got.status, got.heading())
			}
			if f.used(t, s, c, id) {
				t.Error("the code works through another project")
			}
		})
	}
}

func TestUnusableLinks(t *testing.T) {
	s := newServer(t)
	s.project(t, "acme", "Acme")
	for _, page := range pageTable {
		base := "/acme/" + page.name
		for _, query := range []string{"?oobCode=x", "?uid=x", "?oobCode=&uid=x", "?oobCode=x&uid=", "?oobCode=x&oobCode=y&uid=z", "?oobCode=%FF&uid=x"} {
			got := s.get(t, base+query)
			got.want(t, 400, "error.incomplete.title")
			if len(got.all("form")) != 0 {
				t.Errorf("%s%s: the page has a form", base, query)
			}
		}
		s.do(t, formRequest(base, "newPassword="+newPassword)).want(t, 400, "error.incomplete.title")
		s.get(t, "/nobody/"+page.name+"?oobCode=x&uid=y").want(t, 404, "error.not-found.title")
		s.do(t, formRequest("/nobody/"+page.name, "oobCode=x&uid=y")).want(t, 404, "error.not-found.title")
	}
	s.do(t, formRequest("/acme/verify-email", "oobCode=x&uid=y")).want(t, 404, "error.account.title")
	s.do(t, formRequest("/acme/confirm-email", "oobCode=x&uid=y")).want(t, 400, "error.used.title")
}

// TestPasswordRefused: the reason is said, the code is kept, and another password gets through.
func TestPasswordRefused(t *testing.T) {
	tests := []struct{ name, password, want string }{
		{"empty", "", "Please enter a new password."},
		{"short", "äöüéèêç", "This password is too short. It needs at least 8 characters."},
		{"long", strings.Repeat("long enough ", 11), "This password is too long. It may have at most 128 characters."},
		{"common", "password1", "This password is too easy to guess, or known from a data leak."},
		{"address", "ada@example.com", "This password is too easy to guess, or known from a data leak."},
	}
	for _, f := range flows {
		if len(f.typed) == 0 {
			continue
		}
		t.Run(f.page, func(t *testing.T) {
			s := newServer(t)
			c := s.project(t, "acme", "Acme", "passwordMinLength", "8", "passwordMaxLength", "128", "passwordRefuseCommon", "true", "passwordRefuseContext", "true")
			id := f.prepare(t, s, c)
			page := s.get(t, s.link(t, c, f.kind))
			if !strings.Contains(textOf(page.root), "At least 8 characters") {
				t.Error("the rule is not said beforehand")
			}
			for _, test := range tests {
				page = s.submit(t, page, "newPassword", test.password)
				page.want(t, 422, f.page+".title")
				if text := textOf(page.root); !strings.Contains(text, test.want) {
					t.Errorf("%s: the page does not say %q:\n%s", test.name, test.want, text)
				}
				if test.password != "" && strings.Contains(page.body, test.password) {
					t.Errorf("%s: the password is sent back", test.name)
				}
			}
			s.submit(t, page, f.typed...).want(t, 200, f.page+".done.title")
			if !f.used(t, s, c, id) {
				t.Error("the password was not set")
			}
		})
	}
}

// TestPasswordIsTakenAsTyped: no trimming, folding or truncation on the way (P26).
func TestPasswordIsTakenAsTyped(t *testing.T) {
	s := newServer(t)
	c := s.project(t, "acme", "Acme")
	f := flows[2]
	f.prepare(t, s, c)
	typed := " +%41é\u0065\u0301" + strings.Repeat("𝔭", 240) + " "
	s.submit(t, s.get(t, s.link(t, c, f.kind)), "newPassword", typed).want(t, 200, f.page+".done.title")
	if code := s.signInCode(t, c, testEmail, typed); code != "" {
		t.Errorf("sign-in with the password as typed: %s", code)
	}
}

func TestPasswordProviderOff(t *testing.T) {
	s := newServer(t)
	c := s.project(t, "acme", "Acme")
	f := flows[2]
	f.prepare(t, s, c)
	link := s.link(t, c, f.kind)
	if _, err := s.admin.UpdateProject(t.Context(), s.service.LocalOperator(c), auth.ProjectChange{Set: map[string]string{"passwordProvider": "false"}}); err != nil {
		t.Fatal(err)
	}
	s.submit(t, s.get(t, link), f.typed...).want(t, 403, "error.password-off.title")
}

// TestAddressTakenMeanwhile: somebody else signed up with it before it was confirmed.
func TestAddressTakenMeanwhile(t *testing.T) {
	s := newServer(t)
	c := s.project(t, "acme", "Acme")
	f := flows[3]
	f.prepare(t, s, c)
	if _, err := s.service.SignUp(t.Context(), c, auth.SignUpParams{Email: "ada.new@example.com", Password: testPassword}); err != nil {
		t.Fatal(err)
	}
	s.submit(t, s.get(t, s.link(t, c, f.kind))).want(t, 409, "error.taken.title")
}

// TestBusy: the form is there again with the code, which works once the server has time.
func TestBusy(t *testing.T) {
	s := newServer(t)
	c := s.project(t, "acme", "Acme")
	f := flows[2]
	id := f.prepare(t, s, c)
	page := s.get(t, s.link(t, c, f.kind))

	started, release, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		done <- s.hashing.Do(t.Context(), "acme", func() { close(started); <-release })
	}()
	<-started
	busy := s.submit(t, page, f.typed...)
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}

	busy.want(t, 503, f.page+".title")
	busy.wantText(t, "error.busy.text")
	if got := busy.header.Get("Retry-After"); got != "1" {
		t.Errorf("Retry-After %q", got)
	}
	s.submit(t, busy, f.typed...).want(t, 200, f.page+".done.title")
	if !f.used(t, s, c, id) {
		t.Error("the second try changed nothing")
	}
}

func TestResend(t *testing.T) {
	s := newServer(t)
	c := s.project(t, "acme", "Acme", "mailAddressBurst", "2")
	f := flows[0]
	id := f.prepare(t, s, c)
	page := s.get(t, s.link(t, c, f.kind))
	s.now = s.now.Add(f.ttl)
	expired := s.submit(t, page)

	missing := s.submit(t, expired, "email", "no address")
	missing.want(t, 422, "resend.title")
	missing.wantText(t, "error.email.text")
	unknown := s.submit(t, expired, "email", "eve@example.com")
	unknown.want(t, 404, "error.account.title")

	sent := s.submit(t, missing, "email", " Ada@Example.com ")
	sent.want(t, 200, "resend.done.title")
	if n := s.countMails(t, c, f.kind); n != 2 {
		t.Fatalf("%d mails, want 2", n)
	}
	s.now = s.now.Add(time.Second) // mails sort by time
	s.submit(t, expired, "email", string(testEmail)).want(t, 200, "resend.done.title")
	limited := s.submit(t, expired, "email", string(testEmail))
	limited.want(t, 429, "resend.title")
	limited.wantText(t, "error.attempts.text")
	if got := limited.header.Get("Retry-After"); got != "59" {
		t.Errorf("Retry-After %q", got)
	}

	s.submit(t, s.get(t, s.link(t, c, f.kind))).want(t, 200, "verify-email.done.title")
	if !f.used(t, s, c, id) {
		t.Error("the new link changed nothing")
	}
}

// TestResendTellsNothing: with enumeration protection an unknown address gets the same page (P28).
func TestResendTellsNothing(t *testing.T) {
	s := newServer(t)
	c := s.project(t, "acme", "Acme", "emailEnumerationProtection", "true")
	flows[0].prepare(t, s, c)
	known := s.do(t, formRequest("/acme/verify-email", "send=1&email=ada@example.com"))
	unknown := s.do(t, formRequest("/acme/verify-email", "send=1&email=eve@example.com"))
	known.want(t, 200, "resend.done.title")
	if diff := cmp.Diff(known.body, unknown.body); diff != "" || known.status != unknown.status {
		t.Errorf("the pages differ:\n%s", diff)
	}
}

// TestResendElsewhere: only the verification page sends mails.
func TestResendElsewhere(t *testing.T) {
	s := newServer(t)
	c := s.project(t, "acme", "Acme")
	flows[0].prepare(t, s, c)
	for _, page := range pageTable[1:] {
		s.do(t, formRequest("/acme/"+page.name, "send=1&email=ada@example.com")).want(t, 400, "error.incomplete.title")
	}
	if n := s.countMails(t, c, auth.MailVerifyEmail); n != 1 {
		t.Errorf("%d mails, want 1", n)
	}
}

func TestOrigin(t *testing.T) {
	tests := []struct {
		name, origin, site, host string
		refused                  bool
	}{
		{name: "our form", origin: "null", site: "same-origin"},
		{name: "our form over plain HTTP", origin: "null"},
		{name: "no browser"},
		{name: "origin named", origin: publicURL, site: "same-origin"},
		{name: "old browser", origin: publicURL},
		{name: "old browser behind a proxy that renames the host", origin: publicURL, host: "10.0.0.7:8080"},
		{name: "another site", origin: "https://evil.example", site: "cross-site", refused: true},
		{name: "another site without an origin", origin: "null", site: "cross-site", refused: true},
		{name: "a sister site", origin: "https://app.example.com", site: "same-site", refused: true},
		{name: "old browser from another site", origin: "https://evil.example", refused: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t)
			c := s.project(t, "acme", "Acme")
			f := flows[0]
			id := f.prepare(t, s, c)
			r := s.get(t, s.link(t, c, f.kind)).request(t)
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Del("Origin")
			if test.origin != "" {
				r.Header.Set("Origin", test.origin)
			}
			if test.site != "" {
				r.Header.Set("Sec-Fetch-Site", test.site)
			}
			if test.host != "" {
				r.Host = test.host
			}
			got := s.do(t, r)
			if test.refused {
				got.want(t, 403, "error.origin.title")
			} else {
				got.want(t, 200, "verify-email.done.title")
			}
			if f.used(t, s, c, id) == test.refused {
				t.Error("the answer and the deed differ")
			}
		})
	}
}

func TestUnusableForms(t *testing.T) {
	s := newServer(t)
	s.project(t, "acme", "Acme")
	const form = "application/x-www-form-urlencoded"
	tests := []struct {
		name, contentType, body string
		status                  int
	}{
		{"no type", "", "oobCode=x&uid=y", 415},
		{"another type", "application/json", `{"oobCode":"x","uid":"y"}`, 415},
		{"multipart", "multipart/form-data; boundary=b", "--b--", 415},
		{"twice", form, "oobCode=x&oobCode=x&uid=y", 400},
		{"bad escape", form, "oobCode=%zz&uid=y", 400},
		{"semicolon", form, "oobCode=x;uid=y", 400},
		{"no UTF-8", form, "oobCode=x&uid=y&newPassword=%ff%fe", 400},
		{"NUL", form, "oobCode=x&uid=y&newPassword=violet%00anchor", 400},
		{"at the limit", form + "; charset=utf-8", pad("oobCode=x&uid=y&newPassword=violet+anchor&pad=", 16<<10), 400},
		{"over the limit", form, pad("oobCode=x&uid=y&newPassword=violet+anchor&pad=", 16<<10+1), 413},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := formRequest("/acme/reset-password", test.body)
			r.Header.Set("Content-Type", test.contentType)
			want := "error.request.title"
			if test.name == "at the limit" {
				want = "error.used.title" // it was read
			}
			s.do(t, r).want(t, test.status, want)
		})
	}
}

// TestBodyThatBreaksOff: a form that does not arrive is the sender's fault, not ours.
func TestBodyThatBreaksOff(t *testing.T) {
	s := newServer(t)
	s.project(t, "acme", "Acme")
	for err, status := range map[error]int{os.ErrDeadlineExceeded: 408, io.ErrUnexpectedEOF: 400} {
		r := formRequest("/acme/verify-email", "")
		r.Body = io.NopCloser(iotest.ErrReader(err))
		s.do(t, r).want(t, status, "error.request.title")
	}
}

func pad(body string, n int) string { return body + strings.Repeat("x", n-len(body)) }

func TestHeaders(t *testing.T) {
	s := newServer(t)
	c := s.project(t, "acme", "Acme")
	flows[0].prepare(t, s, c)
	want := map[string]string{
		"Content-Security-Policy":   "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
		"X-Content-Type-Options":    "nosniff",
		"Referrer-Policy":           "no-referrer",
		"Cache-Control":             "no-store",
		"Strict-Transport-Security": "max-age=31536000",
		"Content-Type":              "text/html; charset=utf-8",
		"Content-Language":          "en",
		"Vary":                      "Accept-Language",
	}
	page := s.get(t, s.link(t, c, auth.MailVerifyEmail))
	for name, got := range map[string]answered{
		"form": page, "result": s.submit(t, page), "used": s.submit(t, page), "no such project": s.get(t, "/nobody/verify-email"),
		"refused": s.do(t, formRequest("/acme/verify-email", "%")),
	} {
		for header, value := range want {
			if got := got.header.Values(header); !slices.Equal(got, []string{value}) {
				t.Errorf("%s: %s %q, want %q", name, header, got, value)
			}
		}
	}
}

// TestPlainHTTP: without TLS nothing asks browsers for it, and a public URL's path leads all paths of a page.
func TestPlainHTTP(t *testing.T) {
	s := newServer(t)
	s.project(t, "acme", "Acme")
	public := &url.URL{Scheme: "http", Host: "localhost:8080", Path: "/auth"}
	s.handler = web.NewRouter(New(Options{Service: s.service, PublicURL: public, Caller: testCaller}).Routes(), otherErrors)
	got := s.get(t, "/acme/verify-email?oobCode=x&uid=y")
	got.want(t, 200, "verify-email.title")
	if hsts := got.header.Get("Strict-Transport-Security"); hsts != "" {
		t.Errorf("Strict-Transport-Security %q", hsts)
	}
	if action := attribute(got.all("form")[0], "action"); action != "/auth/acme/verify-email" {
		t.Errorf("form action %s", action)
	}
	if href := attribute(got.files()[0], "href"); !strings.HasPrefix(href, "/auth/assets/ui-") {
		t.Errorf("stylesheet %s", href)
	}
}

func TestStylesheet(t *testing.T) {
	s := newServer(t)
	s.project(t, "acme", "Acme")
	for _, link := range s.get(t, "/acme/verify-email?oobCode=x&uid=y").files() {
		got := s.get(t, attribute(link, "href"))
		if got.status != 200 || got.body == "" || !strings.Contains(got.header.Get("Cache-Control"), "immutable") {
			t.Errorf("%v: %d, %d bytes, Cache-Control %q", link.Attr, got.status, len(got.body), got.header.Get("Cache-Control"))
		}
	}
}

// TestEscaping: a project's name, a link's parts and typed text are shown as text.
func TestEscaping(t *testing.T) {
	const hostile = `"><script>alert(1)</script><b title='`
	s := newServer(t)
	s.project(t, "acme", hostile)
	query := url.Values{"oobCode": {hostile}, "uid": {hostile}}.Encode()
	pages := map[string]answered{
		"form":   s.get(t, "/acme/verify-email?"+query),
		"error":  s.do(t, formRequest("/acme/confirm-email", query)),
		"typed":  s.do(t, formRequest("/acme/verify-email", url.Values{"send": {"1"}, "email": {hostile}}.Encode())),
		"nobody": s.get(t, "/"+url.PathEscape(`"><script>alert(1)<`)+"/verify-email"),
	}
	for name, page := range pages {
		if strings.Contains(page.body, "<script") || len(page.all("b")) != 0 {
			t.Errorf("%s: not escaped:\n%s", name, page.body)
		}
		if name != "nobody" && !strings.Contains(textOf(page.root), hostile) {
			t.Errorf("%s: the project's name is not shown", name)
		}
	}
	hidden := 0
	for _, input := range pages["form"].all("input") {
		if attribute(input, "value") == hostile {
			hidden++
		}
	}
	if hidden != 2 {
		t.Errorf("%d hidden fields keep their value, want 2", hidden)
	}
	if got := attribute(pages["typed"].all("input")[0], "value"); got != hostile {
		t.Errorf("the typed address is kept as %q", got)
	}
}

// TestMarkup: labels, language, one heading; nothing from elsewhere, no script and no inline style.
func TestMarkup(t *testing.T) {
	s := newServer(t)
	s.project(t, "acme", "Acme")
	for _, page := range []answered{
		s.get(t, "/acme/reset-password?oobCode=x&uid=y"),
		s.do(t, formRequest("/acme/reset-password", "oobCode=x&uid=y&newPassword=")),
		s.do(t, formRequest("/acme/verify-email", "send=1&email=x")),
		s.get(t, "/acme/accept-invite"),
		s.do(t, formRequest("/acme/reset-password", "email=ada@example.com&code=K7QM-4T9X&newPassword=violet+anchor")),
		s.get(t, "/nobody/verify-email"),
	} {
		if len(page.all("h1")) != 1 || len(page.all("main")) != 1 || len(page.all("title")) != 1 {
			t.Errorf("%s: not one h1, main and title", page.heading())
		}
		ids := map[string]bool{}
		for node := range page.root.Descendants() {
			if id := attribute(node, "id"); id != "" {
				if ids[id] {
					t.Errorf("%s: id %s is there twice", page.heading(), id)
				}
				ids[id] = true
			}
		}
		for node := range page.root.Descendants() {
			for _, a := range node.Attr {
				switch {
				case a.Key == "style" || strings.HasPrefix(a.Key, "on") || a.Key == "src":
					t.Errorf("%s: attribute %s", page.heading(), a.Key)
				case a.Key == "href" && strings.HasPrefix(a.Val, "#") && ids[a.Val[1:]]:
				case (a.Key == "href" || a.Key == "action") && (!strings.HasPrefix(a.Val, "/") || strings.HasPrefix(a.Val, "//")):
					t.Errorf("%s: %s leads elsewhere: %s", page.heading(), a.Key, a.Val)
				case a.Key == "for" && !ids[a.Val]:
					t.Errorf("%s: a label for nothing", page.heading())
				case a.Key == "aria-describedby":
					for _, id := range strings.Fields(a.Val) {
						if !ids[id] {
							t.Errorf("%s: described by nothing: %s", page.heading(), id)
						}
					}
				}
			}
			visible := node.Data == "input" && attribute(node, "type") != "hidden"
			if visible && (node.PrevSibling == nil || !labelled(page, attribute(node, "id"))) {
				t.Errorf("%s: an input without label", page.heading())
			}
			if node.Data == "script" || node.Data == "style" || node.Data == "img" || node.Data == "iframe" {
				t.Errorf("%s: element %s", page.heading(), node.Data)
			}
		}
	}
	input := s.get(t, "/acme/reset-password?oobCode=x&uid=y").all("input")[2]
	if attribute(input, "autocomplete") != "new-password" || attribute(input, "type") != "password" || attribute(input, "value") != "" {
		t.Errorf("the password field is %v", input.Attr)
	}
}

func labelled(page answered, id string) bool {
	for _, label := range page.all("label") {
		if id != "" && attribute(label, "for") == id && textOf(label) != "" {
			return true
		}
	}
	return false
}

// TestPanic: it costs one request, and is a page of ours too (P46).
func TestPanic(t *testing.T) {
	s := newServer(t)
	s.project(t, "acme", "Acme")
	public, err := url.Parse(publicURL)
	if err != nil {
		t.Fatal(err)
	}
	broken := New(Options{Service: s.service, PublicURL: public, Caller: func(*http.Request, *auth.Project) auth.Caller { panic("secret") }})
	s.handler = web.NewRouter(broken.Routes(), otherErrors)
	got := s.do(t, formRequest("/acme/confirm-email", "oobCode=x&uid=y"))
	got.want(t, 500, "confirm-email.title")
	got.wantText(t, "error.internal.text")
	if strings.Contains(got.body, "secret") {
		t.Error("the page tells what panicked")
	}
}

func TestNewRefuses(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic on a public URL without host")
		}
	}()
	New(Options{PublicURL: &url.URL{Path: "/auth"}})
}
