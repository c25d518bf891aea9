package pages

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

const (
	appCallback = "https://app.example.com/signed-in?from=doorward"
	appVerifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
)

func appChallenge() string {
	sum := sha256.Sum256([]byte(appVerifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// appQuery is an app's request, with more or other values.
func appQuery(more ...string) string {
	query := url.Values{"callBackUri": {appCallback}, "state": {"a state & more"}, "codeChallenge": {appChallenge()}, "codeChallengeMethod": {"S256"}}
	for i := 0; i < len(more); i += 2 {
		query.Set(more[i], more[i+1])
	}
	return "?" + query.Encode()
}

// wantCode checks that the tab left for the app with a code, and that the code is good for tokens of the user.
func (b *tab) wantCode(c auth.Caller) {
	b.Helper()
	back, err := url.Parse(b.gone)
	if err != nil || !strings.HasPrefix(b.gone, appCallback+"&") || back.Query().Get("state") != "a state & more" {
		b.Fatalf("left for %q from %s %q", b.gone, b.path, b.at.heading())
	}
	c.Browser = false
	tokens, err := b.s.service.ExchangeCode(b.Context(), c, auth.CodeExchange{Code: back.Query().Get("code"), CodeVerifier: appVerifier, RedirectURI: appCallback})
	if err != nil || tokens.IDToken == "" || tokens.User.Email != testEmail {
		b.Errorf("the code is good for %+v, %v", tokens, err)
	}
}

// TestSignInForAnApp: the app's request lasts through every step, and ends with a code.
func TestSignInForAnApp(t *testing.T) {
	s := newServer(t)
	c := s.project(t, "acme", "Acme", "callbackURLs", appCallback, "secondFactor", "required")
	s.signUp(t, c)
	b := s.tab(t).visit("/acme/sign-in" + appQuery("lang", "en"))
	if policy := b.at.header.Get("Content-Security-Policy"); !strings.Contains(policy, "form-action 'self' https://app.example.com; ") {
		t.Errorf("policy %s", policy)
	}
	b.press("Sign in", "email", string(testEmail), "password", "wrong").want(422, "sign-in.title")
	if b.at.switchTo("de") == "" || !strings.Contains(b.at.switchTo("de"), "codeChallenge="+appChallenge()) {
		t.Errorf("another language loses the app: %s", b.at.switchTo("de"))
	}
	b.press("Sign in", "email", string(testEmail), "password", testPassword)
	b.enrollApp()
	b.press("I have kept them").wantCode(c)
	b.visit("/acme/sign-in"+appQuery()).want(200, "sign-in/continue.title").press("Continue as " + string(testEmail)).wantCode(c)

	for _, page := range []string{"sign-in", "sign-up", "forgot-password", "sign-in?again=1&"} {
		name, extra, _ := strings.Cut(page, "?")
		if b.visit("/acme/" + name + appQuery() + "&" + extra).follow("Back to the app"); b.gone != appCallback+"&error=access_denied&state=a+state+%26+more" {
			t.Errorf("%s: back to %q", page, b.gone)
		}
	}
}

// TestAppsAtIPv6: no policy can name such an address, so the app is reached by a page.
func TestAppsAtIPv6(t *testing.T) {
	s := newServer(t)
	s.signUp(t, s.project(t, "acme", "Acme", "callbackURLs", "loopback"))
	b := s.tab(t).visit("/acme/sign-in" + appQuery("callBackUri", "http://[::1]:3000/back"))
	b.press("Sign in", "email", string(testEmail), "password", testPassword)
	if to := b.at.header.Get("Refresh"); !strings.HasPrefix(to, "0; url=http://[::1]:3000/back?") || !strings.Contains(to, "code=") || b.at.heading() != "On to http://[::1]:3000" {
		t.Errorf("%q leads to %q", b.at.heading(), to)
	}
	if b.follow("Continue to http://[::1]:3000"); !strings.HasPrefix(b.gone, "http://[::1]:3000/back?") {
		t.Errorf("the button leads to %q", b.gone)
	}
}

// TestAppsWithSchemes: an app on a phone is named by its scheme.
func TestAppsWithSchemes(t *testing.T) {
	s := newServer(t)
	s.signUp(t, s.project(t, "acme", "Acme", "callbackURLs", "com.example.app:/signed-in"))
	b := s.tab(t).visit("/acme/sign-in" + appQuery("callBackUri", "com.example.app:/signed-in"))
	if policy := b.at.header.Get("Content-Security-Policy"); !strings.Contains(policy, "form-action 'self' com.example.app:; ") {
		t.Errorf("policy %s", policy)
	}
	b.press("Sign in", "email", string(testEmail), "password", testPassword)
	if !strings.HasPrefix(b.gone, "com.example.app:/signed-in?code=") {
		t.Errorf("left for %q", b.gone)
	}
}

// TestBadAppRequests: nobody is sent to a callback of a request that is not in order, on no page and by no form (P13).
func TestBadAppRequests(t *testing.T) {
	s := newServer(t)
	s.signUp(t, s.project(t, "acme", "Acme", "callbackURLs", appCallback))
	bad := map[string]string{
		"another callback":   appQuery("callBackUri", "https://evil.example.com/"),
		"no callback":        appQuery("callBackUri", ""),
		"a longer callback":  appQuery("callBackUri", appCallback+"&x=y"),
		"plain challenge":    appQuery("codeChallengeMethod", "plain"),
		"no method":          appQuery("codeChallengeMethod", ""),
		"no challenge":       appQuery("codeChallenge", ""),
		"a state of letters": appQuery("state", "ä"),
		"twice":              appQuery() + "&state=x",
		"a script":           appQuery("callBackUri", "javascript:alert(1)"),
	}
	for name, query := range bad {
		for _, page := range []string{"sign-in", "sign-up", "forgot-password", "sign-in/second-factor", "sign-in/enroll"} {
			b := s.tab(t).visit("/acme/" + page + query)
			if b.at.status != 400 || b.gone != "" || strings.Contains(b.at.body, `"https://evil`) {
				t.Errorf("%s on %s: %d, %s", name, page, b.at.status, b.gone)
			}
			b.follow("Sign in").want(200, "sign-in.title")
		}
	}
	b := s.tab(t).visit("/acme/sign-in" + appQuery())
	r := b.request("Sign in", "email", string(testEmail), "password", testPassword, "callBackUri", "https://evil.example.com/")
	if b.send(r); b.at.status != 400 || b.gone != "" || b.session("acme") != "" {
		t.Errorf("a changed form: %d, %s", b.at.status, b.gone)
	}
}

func TestLocalTargets(t *testing.T) {
	s := newServer(t)
	s.project(t, "acme", "Acme")
	for next, want := range map[string]string{
		"/acme/account/security?lang=de": "/acme/account/security?lang=de", "/acme/account": "/acme/account", "": "/acme/account", "/acme": "/acme/account",
		"/other/account": "/acme/account", "//evil.example.com/acme/": "/acme/account", "https://evil.example.com/acme/x": "/acme/account", "/acme/../other/x": "/acme/account",
		"/acme/./x": "/acme/account", "/acme//evil.example.com": "/acme/account", `/acme/\evil.example.com`: "/acme/account", "/acme/x#y": "/acme/account",
		"/acme/\r\nLocation: x": "/acme/account", "/acme/%2e%2e/x": "/acme/account", "/acme/ä": "/acme/account", "/console/x": "/acme/account",
	} {
		v := &visit{Pages: New(Options{PublicURL: &url.URL{Scheme: "https", Host: "auth.example.com"}}), project: &auth.Project{ID: "acme"}}
		if got := v.localPath(next); got != want {
			t.Errorf("%q leads to %s, want %s", next, got, want)
		}
	}
	v := &visit{Pages: New(Options{PublicURL: &url.URL{Scheme: "https", Host: "example.com", Path: "/auth"}}), project: &auth.Project{ID: auth.ConsoleProject}}
	for next, want := range map[string]string{"": "/console", "/console": "/console", "/auth/console/users?a=b": "/console/users?a=b", "/console/x": "/console/x", "/consolex": "/console"} {
		if got := v.localPath(next); got != want {
			t.Errorf("console: %q leads to %s, want %s", next, got, want)
		}
	}
}

// forge gives what another site could send.
func forge(r *http.Request) *http.Request {
	r.Header.Set("Origin", "https://evil.example.com")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	return r
}

// TestForgedForms: no form is taken from another site, from another browser, or with another form's token (P39).
func TestForgedForms(t *testing.T) {
	s := newServer(t)
	c := s.project(t, "acme", "Acme", "secondFactor", "optional")
	s.signUp(t, c)
	forms := map[string][]string{
		"sign-in": {"Sign in", "email", string(testEmail), "password", testPassword}, "sign-up": {"Create the account", "email", "new@example.com", "newPassword", newPassword},
		"forgot-password": {"Send the link", "email", string(testEmail)},
	}
	for page, form := range forms {
		fresh := func() (*tab, *http.Request) {
			b := s.tab(t).visit("/acme/" + page)
			return b, b.request(form[0], form[1:]...)
		}
		b, r := fresh()
		b.send(forge(r))
		b.want(403, "error.stale.title").says("error.stale.text")
		b, r = fresh()
		b.cookies = map[string]string{}
		b.send(r)
		b.want(403, "error.stale.title")
		b, r = fresh()
		s.tab(t).visit("/acme/" + page).send(r) // another browser
		other := s.tab(t).visit("/acme/" + page)
		other.send(b.request(form[0], form[1:]...))
		other.want(403, "error.stale.title")
		b, _ = fresh()
		wrong := b.request(form[0], append(form[1:], "formToken", "AAAA")...)
		b.send(wrong)
		b.want(403, "error.stale.title")
		if b.session("acme") != "" {
			t.Errorf("%s: signed in", page)
		}
	}
	if n := s.countMails(t, c, auth.MailResetPassword); n != 0 {
		t.Errorf("%d mails sent", n)
	}

	b := s.tab(t).signIn("/acme/sign-in").visit("/acme/sign-in")
	b.send(forge(b.request("Continue as " + string(testEmail))))
	b.want(403, "error.stale.title")
	r := formRequest("/acme/sign-out", "formToken=AAAA")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	b.send(r)
	b.want(403, "error.stale.title")
	b.wantSession(c)
}
