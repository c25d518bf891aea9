package pages

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/authtest"
)

// TestStaleFormKeepsTheApp: the page about a form that is no longer good leads on to the app that asked, and back to it.
func TestStaleFormKeepsTheApp(t *testing.T) {
	s := newServer(t)
	c := s.project(t, "acme", "Acme", "callbackURLs", appCallback)
	s.signUp(t, c)
	b := s.tab(t).visit("/acme/sign-in" + appQuery())
	b.cookies = map[string]string{}
	b.press("Sign in", "email", string(testEmail), "password", testPassword).want(403, "error.stale.title")
	if b.follow("Back to the app"); b.gone != appCallback+"&error=access_denied&state=a+state+%26+more" {
		t.Errorf("back to %q", b.gone)
	}
	b.follow("Sign in").press("Sign in", "email", string(testEmail), "password", testPassword).wantCode(c)
}

// TestForeignAnswers: what answers no sign-in of this browser, as any site can make it open, leaves the one that is on its way as it is.
func TestForeignAnswers(t *testing.T) {
	s, c, p := withProvider(t, "callbackURLs", appCallback)
	b := s.tab(t).visit("/acme/sign-in" + appQuery()).press("Continue with work")
	for _, query := range []string{"", "?code=ada&state=other", "?error=access_denied", "?error=access_denied&state=other", "?state=", "?code=ada&code=ada&state=" + p.begun.State} {
		if b.visit("/acme/sign-in/callback" + query); b.at.status < 400 {
			t.Errorf("%q: %d", query, b.at.status)
		}
	}
	b.visit("/acme/sign-in/callback?" + url.Values{"code": {"ada"}, "state": {p.begun.State}}.Encode()).wantCode(c)
}

// TestLinkNeedsRecentSignIn: where the project wants a recent sign-in, it is asked for before anybody goes to the provider, and said where it got too old there.
func TestLinkNeedsRecentSignIn(t *testing.T) {
	s, c, p := withProvider(t, "recentSignInForProviders", "true")
	s.signUp(t, c)
	const path = "/acme/account/security"
	callback := func() string {
		return "/acme/sign-in/callback?" + url.Values{"code": {"ada"}, "state": {p.begun.State}}.Encode()
	}
	later := func() { s.now = s.now.Add(c.Project.Settings.RecentSignIn + time.Second) }
	b := s.tab(t).signIn(path).want(200, "account.security.title")
	later()
	b.press("Link work").want(403, "account.recent.title").follow("Sign in again").press("Sign in", "email", string(testEmail), "password", testPassword)
	b.want(200, "account.security.title").press("Link work")
	later()
	b.visit(callback()).want(200, "sign-in.title").says("sign-in.says.recent")
	b.press("Sign in", "email", string(testEmail), "password", testPassword).want(200, "account.security.title").press("Link work")
	b.visit(callback()).want(200, "account.security.title").says("account.notice.linked")
}

// TestFormAddresses: who opens the address of a form comes to the sign-in page, for the same app.
func TestFormAddresses(t *testing.T) {
	s := newServer(t)
	c := s.project(t, "acme", "Acme", "callbackURLs", appCallback)
	s.signUp(t, c)
	for _, name := range []string{"sign-in/continue", "sign-in/passkey", "sign-in/provider", "sign-out"} {
		b := s.tab(t).visit("/acme/"+name+appQuery("lang", "de")).press("Anmelden", "email", string(testEmail), "password", testPassword)
		b.wantCode(c)
		b.visit("/acme/"+name).want(200, "sign-in/continue.title").wantSession(c) // opening an address signs nobody out
		s.tab(t).visit("/acme/"+name+appQuery("callBackUri", "https://evil.example.com/")).want(400, "error.app.title")
	}
}

// TestMailSentForAnApp: who has to read a mail first is told to go back to the app then, and can.
func TestMailSentForAnApp(t *testing.T) {
	s := newServer(t)
	s.project(t, "acme", "Acme", "callbackURLs", appCallback, "signUpByMail", "true", "emailEnumerationProtection", "true")
	for page, press := range map[string][]string{
		"sign-up": {"Create the account", "email", string(testEmail), "newPassword", testPassword}, "forgot-password": {"Send the link", "email", string(testEmail)},
	} {
		b := s.tab(t).visit("/acme/"+page+appQuery()).press(press[0], press[1:]...).want(200, page+".done.title").says("flow.app-after")
		if b.follow("Back to the app"); b.gone != appCallback+"&error=access_denied&state=a+state+%26+more" {
			t.Errorf("%s: back to %q", page, b.gone)
		}
		if b.visit("/acme/" + page + "?sent=1"); strings.Contains(textOf(b.at.root), textsByLanguage["en"].get("flow.app-after")) {
			t.Errorf("%s: an app is named where none asked", page)
		}
	}
}

// TestCeremoniesKnowTheirPage: the module opens the page again, for the same app, where the server refuses options; a reload would send the last form once more.
func TestCeremoniesKnowTheirPage(t *testing.T) {
	s := newServer(t)
	s.signUp(t, s.project(t, "acme", "Acme", "callbackURLs", appCallback, "secondFactor", "required"))
	key := authtest.NewSecurityKey(t, publicURL)
	b := s.tab(t).visit("/acme/sign-in" + appQuery())
	opens := func(b *tab, button, title string) {
		t.Helper()
		again := attribute(b.form(button), "data-again")
		if !strings.Contains(again, "codeChallenge="+appChallenge()) {
			t.Errorf("%s: the page again is %q", button, again)
		}
		b.visit(again).want(200, title)
	}
	opens(b, "Sign in with a passkey", "sign-in.title")
	opens(b.press("Sign in", "email", string(testEmail), "password", "wrong").want(422, "sign-in.title"), "Sign in with a passkey", "sign-in.title")
	opens(b.press("Sign in", "email", string(testEmail), "password", testPassword), "Create a passkey", "sign-in/enroll.title")
	b.prove("Create a passkey", key)
	b = s.tab(t).signIn("/acme/sign-in" + appQuery())
	opens(b, "Use a passkey", "sign-in/second-factor.title")
	b.visit("/acme/sign-in/second-factor").prove("Use a passkey", key)
	b.want(200, "account.profile.title").visit("/acme/account/factors?lang=en")
	if again := attribute(b.form("Add a passkey now"), "data-again"); again != "/acme/account/factors?lang=en" {
		t.Errorf("the account's page again is %q", again)
	}
	s.now = s.now.Add(time.Hour)
	if status := b.prove("Add a passkey now", key); status != 403 {
		t.Errorf("options without a recent sign-in: %d", status)
	}
}
