package pages

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/doorward/doorward/internal/auth"
)

// flowKeys are the messages of the flow pages that no error asks for.
var flowKeys = []string{
	"flow.or", "flow.password", "flow.confirm", "flow.code", "flow.code.hint", "flow.recovery", "flow.recovery.use", "flow.recovery.button", "flow.other", "flow.cancel",
	"flow.sign-in", "flow.forgot", "flow.sign-up", "flow.name", "flow.name.hint", "flow.passkey.trouble", "flow.passkey.script",
	"sign-in.title", "sign-in.button", "sign-in.passkey", "sign-in.provider", "sign-in.none", "sign-in.says.begin-anew", "sign-in.says.signed-out", "sign-in.says.gave-up",
	"sign-in.says.confirm", "sign-in.says.recent", "flow.app-after", "sign-in/continue.title", "sign-in/continue.button", "sign-in/continue.other", "sign-in/second-factor.title", "sign-in/second-factor.text",
	"sign-in/second-factor.passkey", "sign-in/second-factor.elsewhere", "sign-in/enroll.title", "sign-in/enroll.text", "sign-in/enroll.app", "sign-in/enroll.passkey", "sign-in/enroll.app.title",
	"sign-in/enroll.app.text", "sign-in/enroll.app.again", "sign-in/enroll.app.qr", "sign-in/enroll.app.secret", "sign-in/enroll.anew", "sign-in/codes.title",
	"sign-in/codes.text", "sign-in/codes.label", "sign-in/codes.button", "sign-in/provider.title", "sign-in/provider.text", "sign-in/provider.button", "sign-up.title",
	"sign-up.button", "sign-up.password", "sign-up.have", "sign-up.done.title", "sign-up.done.text", "forgot-password.title", "forgot-password.text",
	"forgot-password.button", "forgot-password.done.title", "forgot-password.done.text", "setup.title", "setup.text", "setup.again",
	"error.form.title", "error.form.text", "error.stale.title", "error.stale.text", "error.password-empty.title", "error.password-empty.text",
	"error.taken-already.title", "error.taken-already.text", "error.name.title", "error.name.text",
}

// tab is a browser's tab without script: it keeps cookies, follows redirects within the site, and fills in forms by their buttons.
type tab struct {
	*testing.T
	s       *server
	cookies map[string]string
	at      answered
	path    string // with query
	gone    string // where a redirect led to that leaves the site
}

func (s *server) tab(t *testing.T) *tab { return &tab{T: t, s: s, cookies: map[string]string{}} }

func (b *tab) visit(path string) *tab {
	b.Helper()
	r := httpGet(path)
	b.send(r)
	return b
}

func httpGet(path string) *http.Request {
	r, err := http.NewRequest(http.MethodGet, publicURL+path, nil)
	if err != nil {
		panic(err)
	}
	return r
}

// send makes the request with the tab's cookies, and follows where it leads.
func (b *tab) send(r *http.Request) {
	b.Helper()
	for range 6 {
		for name, value := range b.cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		b.path, b.gone = r.URL.RequestURI(), ""
		b.at = b.s.do(b.T, r)
		for _, c := range (&http.Response{Header: b.at.header}).Cookies() {
			if c.MaxAge < 0 {
				delete(b.cookies, c.Name)
				continue
			}
			if !strings.HasPrefix(c.Name, "__Host-") || !c.HttpOnly || !c.Secure || c.Path != "/" || c.SameSite != http.SameSiteLaxMode {
				b.Errorf("cookie %v", c)
			}
			b.cookies[c.Name] = c.Value
		}
		if b.at.status != http.StatusSeeOther {
			return
		}
		location := b.at.header.Get("Location")
		if !strings.HasPrefix(location, "/") || strings.HasPrefix(location, "//") {
			b.gone = location
			return
		}
		r = httpGet(location)
	}
	b.Fatal("redirects without end")
}

// form finds the form with the button.
func (b *tab) form(button string) *html.Node {
	b.Helper()
	for _, form := range b.at.all("form") {
		for node := range form.Descendants() {
			if node.Data == "button" && strings.TrimSpace(textOf(node)) == button {
				return form
			}
		}
	}
	b.Fatalf("no button %q in %d %q\n%s", button, b.at.status, b.at.heading(), b.at.body)
	return nil
}

// request is what pressing the button sends.
func (b *tab) request(button string, typed ...string) *http.Request {
	b.Helper()
	form := b.form(button)
	fields := url.Values{}
	for node := range form.Descendants() {
		if name := attribute(node, "name"); node.Data == "input" && name != "" {
			fields.Set(name, attribute(node, "value"))
		}
	}
	for i := 0; i < len(typed); i += 2 {
		if !fields.Has(typed[i]) {
			b.Fatalf("no field %s\n%s", typed[i], b.at.body)
		}
		fields.Set(typed[i], typed[i+1])
	}
	r := formRequest(attribute(form, "action"), fields.Encode())
	r.Header.Set("Origin", "null")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return r
}

func (b *tab) press(button string, typed ...string) *tab {
	b.Helper()
	b.send(b.request(button, typed...))
	return b
}

// follow opens the link with the text.
func (b *tab) follow(label string) *tab {
	b.Helper()
	for _, link := range b.at.all("a") {
		if textOf(link) == label {
			target := attribute(link, "href")
			if !strings.HasPrefix(target, "/") {
				b.gone = target
				return b
			}
			return b.visit(target)
		}
	}
	b.Fatalf("no link %q\n%s", label, b.at.body)
	return nil
}

func (b *tab) want(status int, key string) *tab {
	b.Helper()
	b.at.want(b.T, status, key)
	return b
}

func (b *tab) says(key string) *tab {
	b.Helper()
	b.at.wantText(b.T, key)
	return b
}

// session is the token of the tab's session.
func (b *tab) session(project string) string { return b.cookies["__Host-doorward-"+project] }

// wantSession checks that the tab is signed in, and gives as whom.
func (b *tab) wantSession(c auth.Caller) auth.User {
	b.Helper()
	c.Browser = true
	in, err := b.s.service.AuthenticateBrowser(b.Context(), c, b.session(string(c.Project.ID)))
	if err != nil {
		b.Fatalf("not signed in: %v; at %s %q", err, b.path, b.at.heading())
	}
	u, _ := in.User()
	return u
}

// totpCode is what an app with the secret shows (RFC 6238).
func (s *server) totpCode(t *testing.T, secret string) string {
	t.Helper()
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(secret, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, s.now.Unix()/30)
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[offset:])&0x7fffffff%1_000_000)
}

// shownSecret is the key that the enrolment page shows.
func (b *tab) shownSecret() string {
	b.Helper()
	for _, node := range b.at.all("code") {
		return textOf(node)
	}
	b.Fatalf("no key in %q", b.at.heading())
	return ""
}

// enrollApp goes through the page that adds an authenticator app; it ends at the recovery codes.
func (b *tab) enrollApp() (secret string, codes []string) {
	b.Helper()
	b.want(200, "sign-in/enroll.title").press("Set up an authenticator app").want(200, "sign-in/enroll.app.title")
	secret = b.shownSecret()
	b.press("Confirm", "code", b.s.totpCode(b.T, secret)).want(200, "sign-in/codes.title")
	for _, node := range b.at.all("textarea") {
		codes = strings.Fields(textOf(node))
	}
	if len(codes) != 10 {
		b.Fatalf("%d recovery codes", len(codes))
	}
	return secret, codes
}

func (b *tab) signIn(path string) *tab {
	b.Helper()
	return b.visit(path).want(200, "sign-in.title").press("Sign in", "email", string(testEmail), "password", testPassword)
}

func TestSignInWithPassword(t *testing.T) {
	s := newServer(t)
	c := s.project(t, "acme", "Acme")
	s.signUp(t, c)
	b := s.tab(t).visit("/acme/sign-in").want(200, "sign-in.title")
	b.press("Sign in", "email", string(testEmail), "password", "wrong").want(422, "sign-in.title").says("error.credentials.text")
	b.press("Sign in", "email", string(testEmail), "password", "").want(422, "sign-in.title").says("error.password-empty.text")
	b.press("Sign in", "email", "nobody@example.com", "password", testPassword).want(422, "sign-in.title").says("error.credentials.text")
	b.press("Sign in", "email", string(testEmail), "password", testPassword)
	if u := b.wantSession(c); u.Email != testEmail || b.path != "/acme/account" {
		t.Errorf("%s at %s", u.Email, b.path)
	}

	first := b.session("acme")
	b.visit("/acme/sign-in").want(200, "sign-in/continue.title").press("Continue as " + string(testEmail))
	if b.path != "/acme/account" || b.session("acme") != first {
		t.Errorf("went on to %s", b.path)
	}
	b.visit("/acme/sign-in").follow("Use another account").want(200, "sign-in.title").press("Sign in", "email", string(testEmail), "password", testPassword)
	if b.wantSession(c); b.session("acme") == first {
		t.Error("a new sign-in keeps the cookie")
	}
	c.Browser = true
	if _, err := s.service.AuthenticateBrowser(t.Context(), c, first); auth.CodeOf(err) != auth.CodeTokenInvalid {
		t.Errorf("the session that nobody has the cookie of lives on: %v", err)
	}
}

// TestSecondFactorOnPages: enrolment where it is required, then sign-ins with a code of the app and a recovery code.
func TestSecondFactorOnPages(t *testing.T) {
	s := newServer(t)
	c := s.project(t, "acme", "Acme", "secondFactor", "required")
	s.signUp(t, c)
	b := s.tab(t).signIn("/acme/sign-in")
	b.want(200, "sign-in/enroll.title").press("Set up an authenticator app").want(200, "sign-in/enroll.app.title")
	b.press("Confirm", "code", "000000").want(422, "sign-in/enroll.app.title").says("error.factor.text").says("sign-in/enroll.app.again")
	secret, codes := b.follow("Begin again").enrollApp()
	u := b.wantSession(c)
	b.press("I have kept them")
	if b.path != "/acme/account" {
		t.Errorf("led to %s", b.path)
	}

	s.now = s.now.Add(time.Minute)
	b = s.tab(t).signIn("/acme/sign-in").want(200, "sign-in/second-factor.title")
	b.press("Confirm", "code", "").want(422, "sign-in/second-factor.title").says("error.factor.text")
	b.press("Confirm", "code", "000000").want(422, "sign-in/second-factor.title").says("error.factor.text")
	b.press("Confirm", "code", s.totpCode(t, secret))
	if b.wantSession(c).ID != u.ID {
		t.Error("somebody else is signed in")
	}
	b = s.tab(t).signIn("/acme/sign-in")
	b.press("Sign in with the recovery code", "recoveryCode", "aaaa-bbbb").want(422, "sign-in/second-factor.title")
	if len(b.at.all("details")) < 1 || attribute(b.at.all("details")[0], "open") != "" && !strings.Contains(b.at.body, "<details open>") {
		t.Error("the wrong recovery code is folded away")
	}
	b.press("Sign in with the recovery code", "recoveryCode", codes[0])
	b.wantSession(c)
	b = s.tab(t).signIn("/acme/sign-in")
	b.press("Sign in with the recovery code", "recoveryCode", codes[0]).want(422, "sign-in/second-factor.title")
}

// TestPendingEnds: a sign-in that waits ends with its time or its tries, and leads back to the beginning.
func TestPendingEnds(t *testing.T) {
	s := newServer(t)
	s.signUp(t, s.project(t, "acme", "Acme", "secondFactor", "required"))
	enrolled := s.tab(t).signIn("/acme/sign-in")
	enrolled.enrollApp()

	b := s.tab(t).signIn("/acme/sign-in").want(200, "sign-in/second-factor.title")
	for range 5 {
		b.press("Confirm", "code", "000000")
	}
	b.press("Confirm", "code", "000000").want(200, "sign-in.title").says("sign-in.says.begin-anew")

	b = s.tab(t).signIn("/acme/sign-in").want(200, "sign-in/second-factor.title")
	s.now = s.now.Add(6 * time.Minute)
	b.press("Confirm", "code", "000000").want(200, "sign-in.title").says("sign-in.says.begin-anew")
	s.tab(t).visit("/acme/sign-in/second-factor").want(200, "sign-in.title")
	s.tab(t).visit("/acme/sign-in/enroll").want(200, "sign-in.title")
}

// TestConsoleSignIn: an invited operator accepts, signs in, enrolls a second factor, and is an operator.
func TestConsoleSignIn(t *testing.T) {
	s := newServer(t)
	_, link, err := s.admin.InviteOperator(t.Context(), s.service.LocalOperator(auth.Caller{}), string(testEmail))
	if err != nil {
		t.Fatal(err)
	}
	b := s.tab(t).visit(strings.TrimPrefix(link, publicURL)).press("Accept the invitation", "newPassword", testPassword).want(200, "accept-invite.done.title")
	b.signIn("/console/sign-in?next=/console/projects/shop%3Ftab=users").enrollApp()
	project, err := s.service.HostedProject(t.Context(), auth.ConsoleProject)
	if err != nil {
		t.Fatal(err)
	}
	c := testCaller(httpGet("/"), project)
	b.wantSession(c)
	in, err := s.service.AuthenticateBrowser(t.Context(), c, b.session("console"))
	if err != nil {
		t.Fatal(err)
	}
	if operator, err := s.service.AuthenticateConsole(t.Context(), auth.Caller{}, in); err != nil || operator.Actor() != auth.ActorOperator {
		t.Errorf("%v, %v", operator.Actor(), err)
	}
	if b.press("I have kept them"); b.path != "/console/projects/shop?tab=users" {
		t.Errorf("led to %s", b.path)
	}
	s.tab(t).visit("/console/sign-in?callBackUri=http://localhost:3000/&codeChallengeMethod=S256&codeChallenge="+strings.Repeat("A", 43)).want(400, "error.app.title")
}

// wellMade checks a page's markup: one heading, ids once, labels and descriptions that are there, and nothing of another site or in the page that runs.
func (b *tab) wellMade() {
	b.Helper()
	if len(b.at.all("h1")) != 1 || len(b.at.all("style"))+len(b.at.all("iframe")) > 0 {
		b.Errorf("%s: headings, or elements that should not be", b.at.heading())
	}
	ids := map[string]bool{}
	for node := range b.at.root.Descendants() {
		if id := attribute(node, "id"); id != "" {
			if ids[id] {
				b.Errorf("%s: id %s is there twice", b.at.heading(), id)
			}
			ids[id] = true
		}
	}
	for node := range b.at.root.Descendants() {
		for _, id := range strings.Fields(attribute(node, "aria-describedby")) {
			if !ids[id] {
				b.Errorf("%s: described by nothing: %s", b.at.heading(), id)
			}
		}
		if (node.Data == "input" && attribute(node, "type") != "hidden" || node.Data == "textarea") && !labelled(b.at, attribute(node, "id")) {
			b.Errorf("%s: an input without label", b.at.heading())
		}
		if node.Data == "input" && attribute(node, "type") == "password" && attribute(node, "value") != "" {
			b.Errorf("%s: a password is sent back", b.at.heading())
		}
		if node.Data == "script" && (attribute(node, "type") != "module" || !strings.HasPrefix(attribute(node, "src"), "/assets/") || textOf(node) != "") {
			b.Errorf("%s: a script", b.at.heading())
		}
		for _, a := range node.Attr {
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
				b.Errorf("%s: attribute %s", b.at.heading(), a.Key)
			}
		}
	}
}

// TestFlowPagesAreWellMade: their markup and headers are those of every page, and no language of theirs leads nowhere.
func TestFlowPagesAreWellMade(t *testing.T) {
	s := newServer(t)
	s.signUp(t, s.project(t, "acme", "Acme <b>&amp;", "callbackURLs", appCallback, "secondFactor", "required"))
	b := s.tab(t)
	check := func(languages bool) {
		t.Helper()
		b.wellMade()
		h := b.at.header
		if h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "no-referrer" || !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") ||
			strings.Contains(h.Get("Content-Security-Policy"), "unsafe") || b.at.status == http.StatusOK && !strings.Contains(h.Get("Content-Security-Policy"), "form-action 'self' https://app.example.com;") {
			t.Errorf("%s: headers %v", b.at.heading(), h)
		}
		to := b.at.switchTo("de")
		if (to != "") != languages {
			t.Errorf("%s: languages %q", b.at.heading(), to)
		}
		if to != "" && s.do(t, httpGet(to)).status >= 404 {
			t.Errorf("%s: German leads to %s", b.at.heading(), to)
		}
	}
	for _, page := range []string{"sign-in", "sign-up", "forgot-password"} {
		b.visit("/acme/" + page + appQuery())
		check(true)
		button := map[string]string{"sign-in": "Sign in", "sign-up": "Create the account", "forgot-password": "Send the link"}[page]
		b.press(button, "email", "<script>x")
		check(true)
	}
	b.visit("/acme/sign-in" + appQuery()).press("Sign in with a passkey")
	check(true)
	b.visit("/acme/sign-in"+appQuery()).press("Sign in", "email", string(testEmail), "password", testPassword).want(200, "sign-in/enroll.title")
	check(true)
	b.press("Set up an authenticator app").want(200, "sign-in/enroll.app.title")
	check(true)
	secret := b.shownSecret()
	b.press("Confirm", "code", "000000")
	check(true)
	b.press("Confirm", "code", s.totpCode(t, secret)).want(200, "sign-in/codes.title")
	check(false)
	b.visit("/acme/sign-in" + appQuery())
	check(true)
	s.now = s.now.Add(time.Minute)
	b.follow("Use another account").press("Sign in", "email", string(testEmail), "password", testPassword).want(200, "sign-in/second-factor.title")
	check(true)
	b.press("Sign in with the recovery code", "recoveryCode", "x")
	check(true)
}
