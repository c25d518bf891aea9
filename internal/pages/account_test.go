package pages

import (
	"encoding/base32"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/authtest"
	"github.com/doorward/doorward/internal/totp"
	"github.com/doorward/doorward/internal/ui"
)

func accountKeys() []string {
	keys := []string{
		"account.title", "account.signed-in", "account.sign-out", "account.sign-in", "account.cancel", "account.console",
		"account.profile.heading", "account.profile.fixed", "account.name.label", "account.picture.label", "account.picture.hint",
		"account.email.label", "account.email.hint", "account.email.hint-now", "account.email.none", "account.email.confirmed", "account.email.unconfirmed",
		"account.password.heading", "account.password.current", "account.password.none", "account.password.no-address",
		"account.providers.heading", "account.providers.text", "account.providers.linked", "account.providers.as",
		"account.factors.heading", "account.factors.text", "account.factors.none", "account.factors.added", "account.factors.name",
		"account.factors.totp", "account.factors.passkey", "account.add-app.heading", "account.add-app.text", "account.add-passkey.heading", "account.add-passkey.text",
		"account.app.text", "account.app.picture", "account.app.secret", "account.codes.heading", "account.codes.left", "account.codes.text", "account.codes.kept",
		"account.sessions.heading", "account.sessions.text", "account.sessions.began", "account.sessions.used", "account.sessions.from", "account.sessions.this",
		"account.sessions.unknown", "account.delete.heading", "account.delete.text", "account.delete.confirm",
		"account.recent.title", "account.recent.text", "account.recent.button", "account.problem.last-operator",
	}
	for _, tab := range accountTabs() {
		keys = append(keys, "account."+tab.name+".title")
		for name := range tab.deeds {
			keys = append(keys, "account."+name+".button")
		}
	}
	for word := range notices {
		keys = append(keys, "account.notice."+word)
	}
	for _, word := range endings {
		keys = append(keys, "account.ended."+word+".title", "account.ended."+word+".text")
	}
	for _, p := range accountProblems {
		keys = append(keys, p.key)
	}
	for _, p := range accountArguments {
		keys = append(keys, p.key)
	}
	return keys
}

// visitor is a browser that is signed in to a project.
type visitor struct {
	*server
	t     *testing.T
	c     auth.Caller // of nobody
	id    auth.UserID
	token string
}

// visitor signs up in a browser, in a project with the settings.
func (s *server) visitor(t *testing.T, settings ...string) *visitor {
	t.Helper()
	b := &visitor{server: s, t: t, c: s.project(t, "acme", "Acme", settings...)}
	page := b.c
	page.Browser = true
	tokens, err := s.service.SignUp(t.Context(), page, auth.SignUpParams{Email: string(testEmail), Password: testPassword})
	if err != nil {
		t.Fatal(err)
	}
	b.id, b.token = tokens.User.ID, tokens.BrowserToken
	return b
}

func (b *visitor) send(r *http.Request) answered {
	b.t.Helper()
	r.AddCookie(&http.Cookie{Name: "__Host-doorward-acme", Value: b.token})
	return b.do(b.t, r)
}

func (b *visitor) open(path string) answered {
	b.t.Helper()
	return b.send(httptest.NewRequest(http.MethodGet, publicURL+path, nil))
}

// deedForm finds the form of a deed; about is "" or in its hidden fields.
func (a answered) deedForm(t *testing.T, do, about string) (action string, fields url.Values) {
	t.Helper()
	for _, form := range a.all("form") {
		fields := url.Values{}
		for node := range form.Descendants() {
			if name := attribute(node, "name"); node.Data == "input" && name != "" {
				fields.Set(name, attribute(node, "value"))
			}
		}
		if fields.Get("do") == do && (about == "" || strings.Contains(fields.Encode(), about)) {
			return attribute(form, "action"), fields
		}
	}
	t.Fatalf("no form %s in %d\n%s", do, a.status, a.body)
	return "", nil
}

// deed sends the form of a deed as a browser does, with what is typed into it.
func (b *visitor) deed(from answered, do, about string, typed ...string) answered {
	b.t.Helper()
	action, fields := from.deedForm(b.t, do, about)
	for i := 0; i < len(typed); i += 2 {
		if !fields.Has(typed[i]) {
			b.t.Fatalf("the form %s has no field %s", do, typed[i])
		}
		fields.Set(typed[i], typed[i+1])
	}
	r := formRequest(action, fields.Encode())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.send(r)
}

// follow opens what an answer redirects to, which must be the path with the notice.
func (b *visitor) follow(a answered, path, notice string) answered {
	b.t.Helper()
	if want := path + "?notice=" + notice; a.status != 303 || a.header.Get("Location") != want {
		b.t.Fatalf("got %d to %q, want %q\n%s", a.status, a.header.Get("Location"), want, textOf(a.root))
	}
	page := b.open(a.header.Get("Location"))
	key := "account.notice." + notice
	if path == "/acme/account/ended" {
		key = "account.ended." + notice + ".title"
	}
	page.wantText(b.t, key)
	return page
}

// later moves the clock until the sign-in is no longer recent.
func (b *visitor) later() { b.now = b.now.Add(b.c.Project.Settings.RecentSignIn + time.Second) }

// signInAnew begins a session with a password alone.
func (b *visitor) signInAnew(pw string) {
	b.t.Helper()
	page := b.c
	page.Browser = true
	tokens, err := b.service.SignIn(b.t.Context(), page, auth.SignInParams{Email: string(testEmail), Password: pw})
	if err != nil || tokens.BrowserToken == "" {
		b.t.Fatalf("%+v, %v", tokens, err)
	}
	b.token = tokens.BrowserToken
}

func (b *visitor) self() auth.User { b.t.Helper(); return b.user(b.t, b.c, b.id) }

func accountPaths() (paths []string) {
	for _, tab := range accountTabs() {
		paths = append(paths, "/acme"+tab.path)
	}
	return paths
}

// TestAccountNeedsItsCookie: without one, with another project's, and with one whose session has ended, each page leads to the sign-in page and back.
func TestAccountNeedsItsCookie(t *testing.T) {
	s := newServer(t)
	b := s.visitor(t)
	other := s.project(t, "other", "Other")
	other.Browser = true
	theirs, err := s.service.SignUp(t.Context(), other, auth.SignUpParams{Email: string(testEmail), Password: testPassword})
	if err != nil {
		t.Fatal(err)
	}
	ended := *b
	page := b.c
	page.Browser = true
	gone, err := s.service.SignIn(t.Context(), page, auth.SignInParams{Email: string(testEmail), Password: testPassword})
	if err != nil {
		t.Fatal(err)
	}
	ended.token = gone.BrowserToken
	b.follow(b.deed(b.open("/acme/account/sessions"), "end-others", ""), "/acme/account/sessions", "sessions-ended")

	for name, cookie := range map[string]string{
		"none": "", "another project's, as ours": "__Host-doorward-acme=" + theirs.BrowserToken, "another project's": "__Host-doorward-other=" + theirs.BrowserToken,
		"ended": "__Host-doorward-acme=" + ended.token, "without prefix": "doorward-acme=" + b.token, "twice": "__Host-doorward-acme=" + b.token + "; __Host-doorward-acme=" + b.token,
	} {
		for _, path := range accountPaths() {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				r := httptest.NewRequest(method, publicURL+path, nil)
				if method == http.MethodPost {
					r = formRequest(path, "do=delete&confirm=ada@example.com")
				}
				r.Header.Set("Cookie", cookie)
				got := s.do(t, r)
				to, err := url.Parse(got.header.Get("Location"))
				if err != nil || got.status != 303 || to.Path != "/acme/sign-in" || (to.Query().Get("next") != path && path != "/acme/account") {
					t.Errorf("%s: %s %s: got %d to %s", name, method, path, got.status, to)
				}
			}
		}
	}
	if b.self().Email != testEmail {
		t.Error("the user is gone")
	}
}

// TestAccountForms: no form is taken from another site, without its token, with that of another browser or of another form (P39).
func TestAccountForms(t *testing.T) {
	s := newServer(t)
	b := s.visitor(t)
	elsewhere := *b
	elsewhere.signInAnew(testPassword)
	for _, tab := range accountTabs() {
		path := "/acme" + tab.path
		for do := range tab.deeds {
			proper := url.Values{"do": {do}, ui.FieldToken: {ui.FormToken(b.token, "account/"+tab.name+"/"+do)}, "confirm": {string(testEmail)}, "name": {"Eve"}, "email": {"eve@example.com"}}
			with := func(token string) string {
				forged := url.Values{}
				for name, values := range proper {
					forged[name] = values
				}
				forged.Set(ui.FieldToken, token)
				return forged.Encode()
			}
			for name, body := range map[string]string{
				"no token": with(""), "another browser's": with(ui.FormToken(elsewhere.token, "account/"+tab.name+"/"+do)), "another form's": with(ui.FormToken(b.token, "account/"+tab.name+"/x")),
				"sign-out's": with(ui.FormToken(b.token, ui.PurposeSignOut)),
			} {
				if got := b.send(formRequest(path, body)); got.status != 403 {
					t.Errorf("%s, %s: status %d", do, name, got.status)
				}
			}
			r := formRequest(path, proper.Encode())
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			if got := b.send(r); got.status != 403 {
				t.Errorf("%s from another site: status %d", do, got.status)
			}
		}
	}
	if got := b.send(formRequest("/acme/account/factors/options", "do=add-passkey&name=x")); got.status != 403 {
		t.Errorf("options without a token: status %d", got.status)
	}
	token := ui.FormToken(b.token, "account/profile/nothing")
	if got := b.send(formRequest("/acme/account", "do=nothing&formToken="+token)); got.status != 404 {
		t.Errorf("an unknown deed: status %d", got.status)
	}
	if u := b.self(); u.Name != "" || u.Email != testEmail {
		t.Errorf("a forged form was taken: %+v", u)
	}
}

func TestAccountProfile(t *testing.T) {
	s := newServer(t)
	b := s.visitor(t)
	const path = "/acme/account"
	page := b.open(path)
	page.want(t, 200, "account.profile.title")
	saved := b.deed(page, "profile", "", "name", "Ada <b>", "picture", "https://img.example.com/ada.png")
	page = b.follow(saved, path, "profile")
	if u := b.self(); u.Name != "Ada <b>" || u.Picture != "https://img.example.com/ada.png" {
		t.Errorf("saved %+v", u)
	}
	for field, value := range map[string]string{"picture": "javascript://img.example.com/%0aalert(1)", "name": strings.Repeat("x", 2000)} {
		refused := b.deed(page, "profile", "", field, value)
		refused.want(t, 422, "account.profile.title")
		wantProblem(t, refused, field)
	}
	for _, query := range []string{"?notice=nonsense", "?notice=", "?notice=title"} {
		if len(b.open(path+query).withRole("status")) != 0 {
			t.Errorf("%s shows a notice", query)
		}
	}
	b.deed(b.open(path+"?lang=de"), "profile", "")
	german := b.deed(b.open(path+"?lang=de"), "profile", "")
	if to := german.header.Get("Location"); to != path+"?lang=de&notice=profile" {
		t.Errorf("the chosen language is lost: %s", to)
	}
}

// wantProblem checks that what is wrong is told at the one field.
func wantProblem(t *testing.T, page answered, field string) {
	t.Helper()
	told := 0
	for _, input := range page.all("input") {
		if attribute(input, "aria-invalid") == "true" {
			told++
			if id := attribute(input, "id"); id != field || !strings.Contains(attribute(input, "aria-describedby"), id+"-problem") {
				t.Errorf("the problem is told at %v, want %s", input.Attr, field)
			}
		}
	}
	if told != 1 {
		t.Errorf("%d problems, want one at %s\n%s", told, field, page.body)
	}
}

func (a answered) withRole(role string) (nodes []*html.Node) {
	for node := range a.root.Descendants() {
		if node.Type == html.ElementNode && attribute(node, "role") == role && !hasAttribute(node, "hidden") {
			nodes = append(nodes, node)
		}
	}
	return nodes
}

// TestAccountProfileOfOthers: where the project keeps profiles itself there is no form.
func TestAccountProfileOfOthers(t *testing.T) {
	s := newServer(t)
	b := s.visitor(t, "usersUpdatePermission", "admin")
	page := b.open("/acme/account")
	page.wantText(t, "account.profile.fixed")
	if strings.Contains(page.body, `name="picture"`) {
		t.Error("the profile has a form")
	}
}

func TestAccountEmail(t *testing.T) {
	for mode, notice := range map[string]string{auth.EmailChangeImmediate: "email-changed", auth.EmailChangeVerified: "email-asked"} {
		t.Run(mode, func(t *testing.T) {
			s := newServer(t)
			b := s.visitor(t, "emailChange", mode)
			const path = "/acme/account"
			wantProblem(t, b.deed(b.open(path), "email", "", "email", "nonsense"), "email")
			b.follow(b.deed(b.open(path), "email", "", "email", "ada.new@example.com"), path, notice)
			if mode == auth.EmailChangeImmediate {
				if b.self().Email != "ada.new@example.com" {
					t.Error("the address is as it was")
				}
				b.follow(b.deed(b.open(path), "verification", ""), path, "verification")
				return
			}
			s.submit(t, s.get(t, s.link(t, b.c, auth.MailChangeEmail))).want(t, 200, "confirm-email.done.title")
			if b.self().Email != "ada.new@example.com" {
				t.Error("the address is as it was")
			}
			b.signInAnewAs("ada.new@example.com")
			page := b.open(path)
			b.later()
			again := b.deed(page, "email", "", "email", "ada.newer@example.com")
			again.want(t, 403, "account.recent.title")
			b.wantWayBack(again, path)
			stale := b.open(path) // asks before anything is typed
			stale.wantText(t, "account.recent.text")
			b.wantWayBack(stale, path)
			if strings.Contains(stale.body, `name="email"`) {
				t.Error("the page has a form that would fail")
			}
		})
	}
}

func (b *visitor) signInAnewAs(email string) {
	b.t.Helper()
	page := b.c
	page.Browser = true
	tokens, err := b.service.SignIn(b.t.Context(), page, auth.SignInParams{Email: email, Password: testPassword})
	if err != nil {
		b.t.Fatal(err)
	}
	b.token = tokens.BrowserToken
}

// wantWayBack checks that the page leads to a new sign-in, and from there back.
func (b *visitor) wantWayBack(page answered, path string) {
	b.t.Helper()
	for _, link := range page.all("a") {
		to, err := url.Parse(attribute(link, "href"))
		if err == nil && to.Path == "/acme/sign-in" && to.Query().Get("again") == "1" {
			if next := to.Query().Get("next"); next != path && (next != "" || path != "/acme/account") {
				b.t.Errorf("the sign-in leads to %q, want %q", next, path)
			}
			return
		}
	}
	b.t.Errorf("no way to sign in again\n%s", page.body)
}

func TestAccountPassword(t *testing.T) {
	s := newServer(t)
	b := s.visitor(t, "passwordMinLength", "8")
	const path = "/acme/account/security"
	page := b.open(path)
	page.want(t, 200, "account.security.title")
	for _, test := range []struct{ current, fresh, field string }{{"wrong horse 12", newPassword, "password"}, {testPassword, "short", "newPassword"}, {testPassword, "", "newPassword"}} {
		refused := b.deed(page, "password", "", "password", test.current, "newPassword", test.fresh)
		if refused.status != 422 || strings.Contains(refused.body, test.current) {
			t.Errorf("status %d, or the password is sent back", refused.status)
		}
		wantProblem(t, refused, test.field)
	}
	changed := b.deed(page, "password", "", "password", testPassword, "newPassword", newPassword)
	if cookie := changed.header.Get("Set-Cookie"); !strings.HasPrefix(cookie, "__Host-doorward-acme=;") || !strings.Contains(cookie, "Max-Age=0") {
		t.Errorf("the cookie of the ended session stays: %q", cookie)
	}
	b.follow(changed, "/acme/account/ended", "password")
	if s.signInCode(t, b.c, testEmail, newPassword) != "" || b.open(path).status != 303 {
		t.Error("the password is as it was, or the session goes on")
	}
	s.get(t, "/acme/account/ended?notice=other").want(t, 404, "error.not-found.title")
}

// TestAccountWithoutPasswords: where the project has no passwords there is no form for one.
func TestAccountWithoutPasswords(t *testing.T) {
	s := newServer(t)
	b := s.visitor(t)
	b.set("passwordProvider", "false")
	if page := b.open("/acme/account/security"); page.status != 200 || strings.Contains(page.body, "newPassword") {
		t.Errorf("%d: a form for a password where there are none", page.status)
	}
}

func TestAccountSessions(t *testing.T) {
	s := newServer(t)
	b := s.visitor(t)
	const path = "/acme/account/sessions"
	other := *b
	phone := b.c
	phone.Browser, phone.UserAgent = true, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	tokens, err := s.service.SignIn(t.Context(), phone, auth.SignInParams{Email: string(testEmail), Password: testPassword})
	if err != nil {
		t.Fatal(err)
	}
	other.token = tokens.BrowserToken
	page := b.open(path)
	page.want(t, 200, "account.sessions.title")
	if text := textOf(page.root); !strings.Contains(text, "Firefox · Linux") || !strings.Contains(text, "Unknown device") || strings.Count(page.body, `class="badge"`) != 1 {
		t.Errorf("the sessions are\n%s", text)
	}
	b.follow(b.deed(page, "end-session", ""), path, "session-ended")
	if other.open(path).status != 303 || b.open(path).status != 200 {
		t.Error("the wrong session ended")
	}
	gone := b.deed(page, "end-session", "", "sessionId", "nosuch")
	if gone.status != 422 || len(gone.withRole("alert")) != 1 {
		t.Errorf("a session that is not there: %d\n%s", gone.status, gone.body)
	}
}

// code is what an app with the secret on the page shows after the next half minute.
func (b *visitor) code(page answered) string {
	b.t.Helper()
	shown := page.all("code")
	if len(shown) != 1 {
		b.t.Fatalf("no secret on the page\n%s", page.body)
	}
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(textOf(shown[0]))
	if err != nil {
		b.t.Fatal(err)
	}
	b.now = b.now.Add(30 * time.Second)
	return totp.Code(secret, totp.Step(b.now))
}

func recoveryCodesOn(page answered) []string {
	shown := page.all("textarea")
	if len(shown) != 1 {
		return nil
	}
	return strings.Fields(textOf(shown[0]))
}

func TestAccountFactors(t *testing.T) {
	s := newServer(t)
	b := s.visitor(t)
	const path = "/acme/account/factors"
	page := b.open(path)
	page.want(t, 200, "account.factors.title")
	page.wantText(t, "account.factors.none")
	secret := b.deed(page, "add-app", "", "app", "My phone")
	secret.want(t, 200, "account.factors.title")
	if images := secret.all("img"); len(images) != 1 || !strings.HasPrefix(attribute(images[0], "src"), "data:image/png;base64,") || attribute(images[0], "alt") == "" {
		t.Error("no QR code")
	}
	code := b.code(secret)
	for _, wrong := range []string{"000000", ""} {
		refused := b.deed(secret, "confirm-app", "", "code", wrong)
		refused.want(t, 422, "account.factors.title")
		wantProblem(t, refused, "code")
		secret = refused
	}
	codes := b.deed(secret, "confirm-app", "", "code", code)
	codes.want(t, 200, "account.factors.title")
	if got := recoveryCodesOn(codes); len(got) != 10 || codes.header.Get("Cache-Control") != "no-store" {
		t.Errorf("recovery codes %v", got)
	}
	page = b.open(path)
	if text := textOf(page.root); !strings.Contains(text, "My phone") || !strings.Contains(text, "10") {
		t.Errorf("the page says\n%s", text)
	}
	renewed := recoveryCodesOn(b.deed(page, "new-codes", ""))
	if len(renewed) != 10 || slices.Equal(renewed, recoveryCodesOn(codes)) {
		t.Errorf("new recovery codes %v", renewed)
	}

	key := authtest.NewSecurityKey(t, publicURL)
	b.addPasskey(key, page)
	page = b.open(path)
	if n := len(page.all("strong")); n != 2 {
		t.Fatalf("%d factors", n)
	}
	b.follow(b.deed(page, "remove-factor", ""), path, "factor-removed")
	gone := b.deed(page, "remove-factor", "") // once more
	if gone.status != 422 || len(gone.withRole("alert")) != 1 {
		t.Errorf("removed once more: %d\n%s", gone.status, gone.body)
	}
	page = b.open(path)
	b.later()
	for do, typed := range map[string][]string{"add-app": {"app", "x"}, "remove-factor": nil, "new-codes": nil} {
		again := b.deed(page, do, "", typed...)
		again.want(t, 403, "account.recent.title")
		b.wantWayBack(again, path)
	}
	stale := b.open(path)
	b.wantWayBack(stale, path)
	if len(stale.all("form")) != 1 { // to sign out
		t.Error("the page has forms that would fail")
	}
}

// addPasskey does what the script does.
func (b *visitor) addPasskey(key *authtest.SecurityKey, page answered) {
	b.t.Helper()
	_, fields := page.deedForm(b.t, "add-passkey", "")
	if policy := page.header.Get("Content-Security-Policy"); !strings.Contains(policy, "script-src 'self'") || len(page.all("script")) != 1 {
		b.t.Errorf("the page has no script, or its policy forbids it: %s", policy)
	}
	fields.Set("name", "My key")
	r := formRequest("/acme/account/factors/options", fields.Encode())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	answer := b.send(r)
	var begun struct {
		Options json.RawMessage
		Factor  string
	}
	if err := json.Unmarshal([]byte(answer.body), &begun); err != nil || answer.status != 200 || !strings.HasPrefix(answer.header.Get("Content-Type"), "application/json") {
		b.t.Fatalf("options: %d %s", answer.status, answer.body)
	}
	wrong := b.deed(page, "add-passkey", "", "factor", begun.Factor, "credential", "{}")
	if wrong.status != 422 || len(wrong.withRole("alert")) != 1 {
		b.t.Errorf("an answer that proves nothing: %d\n%s", wrong.status, wrong.body)
	}
	answer = b.send(formRequest("/acme/account/factors/options", fields.Encode()))
	if err := json.Unmarshal([]byte(answer.body), &begun); err != nil {
		b.t.Fatal(err)
	}
	added := b.deed(page, "add-passkey", "", "factor", begun.Factor, "credential", string(key.Create(begun.Options)))
	b.follow(added, "/acme/account/factors", "factor-added")
}

// TestAccountFactorsRequired: the last one stays where the project requires one, and where second factors are off there is no such page.
func TestAccountFactorsRequired(t *testing.T) {
	s := newServer(t)
	b := s.visitor(t)
	const path = "/acme/account/factors"
	secret := b.deed(b.open(path), "add-app", "")
	b.deed(secret, "confirm-app", "", "code", b.code(secret)).want(t, 200, "account.factors.title")
	b.set("secondFactor", "required")
	refused := b.deed(b.open(path), "remove-factor", "")
	refused.want(t, 422, "account.factors.title")
	refused.wantText(t, "account.problem.last-factor")
	b.set("secondFactor", "off")
	b.open(path).want(t, 404, "error.not-found.title")
	if strings.Contains(b.open("/acme/account").body, path) {
		t.Error("a tab leads to a page that is not there")
	}
}

// TestAccountWithoutRequiredFactor: a session that began before a second factor was required is good for nothing.
func TestAccountWithoutRequiredFactor(t *testing.T) {
	s := newServer(t)
	b := s.visitor(t)
	b.set("secondFactor", "required")
	for _, path := range accountPaths() {
		if got := b.open(path); got.status != 303 || !strings.HasPrefix(got.header.Get("Location"), "/acme/sign-in") {
			t.Errorf("%s: %d", path, got.status)
		}
	}
}

func (b *visitor) set(key, value string) {
	b.t.Helper()
	if _, err := b.admin.UpdateProject(b.t.Context(), b.service.LocalOperator(b.c), auth.ProjectChange{Set: map[string]string{key: value}}); err != nil {
		b.t.Fatal(err)
	}
}

func TestAccountDelete(t *testing.T) {
	s := newServer(t)
	b := s.visitor(t)
	const path = "/acme/account/delete"
	page := b.open(path)
	page.want(t, 200, "account.delete.title")
	for _, typed := range []string{"", "eve@example.com", "delete"} {
		refused := b.deed(page, "delete", "", "confirm", typed)
		refused.want(t, 422, "account.delete.title")
		wantProblem(t, refused, "confirm")
	}
	began := b.now
	b.later()
	b.deed(page, "delete", "", "confirm", string(testEmail)).want(t, 403, "account.recent.title")
	b.wantWayBack(b.open(path), path)
	b.now = began
	b.follow(b.deed(page, "delete", "", "confirm", " ADA@example.com"), "/acme/account/ended", "deleted")
	if s.signInCode(t, b.c, testEmail, testPassword) == "" {
		t.Error("the account is there still")
	}
}

// TestAccountHeaders: the pages keep what all pages keep (P40).
func TestAccountHeaders(t *testing.T) {
	s := newServer(t)
	b := s.visitor(t)
	for _, path := range accountPaths() {
		page := b.open(path)
		h := page.header
		if page.status != 200 || h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "no-referrer" || !strings.Contains(h.Get("Content-Security-Policy"), "form-action 'self'; frame-ancestors 'none'") {
			t.Errorf("%s: %d %v", path, page.status, h)
		}
		if strings.Contains(page.body, b.token) {
			t.Errorf("%s holds the session's token", path)
		}
	}
}
