package pages

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ui"
)

// TestSignUpByMail: the answer is the same for every address; the mail's link makes the account work.
func TestSignUpByMail(t *testing.T) {
	s := newServer(t)
	c := s.project(t, "acme", "Acme", "signUpByMail", "true", "emailEnumerationProtection", "true")
	bodies := map[string]bool{}
	for range 2 { // the second time there is an account
		b := s.tab(t).visit("/acme/sign-in").follow("Create an account").want(200, "sign-up.title")
		b.press("Create the account", "name", "Ada Lovelace", "email", string(testEmail), "newPassword", testPassword).want(200, "sign-up.done.title")
		bodies[b.at.body] = true
		if b.path != "/acme/sign-up?sent=1" || b.session("acme") != "" {
			t.Errorf("at %s", b.path)
		}
	}
	if len(bodies) != 1 {
		t.Errorf("the answers differ: %v", bodies)
	}
	b := s.tab(t).visit(s.link(t, c, auth.MailVerifyEmail)).press("Confirm email address").want(200, "verify-email.done.title").follow("Sign in")
	b.press("Sign in", "email", string(testEmail), "password", testPassword)
	if u := b.wantSession(c); u.Name != "Ada Lovelace" || !u.EmailVerified {
		t.Errorf("%+v", u)
	}
}

// TestSignUpAtOnce: where the project says so the account works at once, and the app gets its code.
func TestSignUpAtOnce(t *testing.T) {
	s := newServer(t)
	c := s.project(t, "acme", "Acme", "callbackURLs", appCallback, "passwordMinLength", "9")
	b := s.tab(t).visit("/acme/sign-up" + appQuery())
	if !strings.Contains(textOf(b.at.root), "At least 9 characters") {
		t.Error("the rule is not said beforehand")
	}
	b.press("Create the account", "email", string(testEmail), "newPassword", "12345678").want(422, "sign-up.title")
	if !strings.Contains(textOf(b.at.root), "It needs at least 9 characters") || strings.Contains(b.at.body, "12345678") {
		t.Error(b.at.body)
	}
	b.press("Create the account", "email", "nobody", "newPassword", testPassword).want(422, "sign-up.title").says("error.email.text")
	b.press("Create the account", "name", strings.Repeat("x", 3000), "email", string(testEmail), "newPassword", testPassword).want(422, "sign-up.title").says("error.name.text")
	b.press("Create the account", "name", "", "email", string(testEmail), "newPassword", testPassword)
	b.wantSession(c)
	b.wantCode(c)
	b = s.tab(t).visit("/acme/sign-up").press("Create the account", "email", string(testEmail), "newPassword", testPassword)
	b.want(409, "sign-up.title").says("error.taken-already.text")
}

func TestSignUpIsOff(t *testing.T) {
	s := newServer(t)
	s.project(t, "acme", "Acme", "selfSignUp", "false", "invitePermission", "admin")
	b := s.tab(t).visit("/acme/sign-in")
	if strings.Contains(textOf(b.at.root), "Create an account") {
		t.Error("sign-up is offered")
	}
	b.visit("/acme/sign-up").want(403, "error.sign-up-off.title")
	if err := s.admin.EnsureConsole(t.Context(), s.service.LocalOperator(auth.Caller{})); err != nil {
		t.Fatal(err)
	}
	b.visit("/console/sign-up").want(403, "error.sign-up-off.title")
	s.project(t, "social", "Social", "passwordProvider", "false", "secondFactor", "off")
	b.visit("/social/sign-in").want(200, "sign-in.title").says("sign-in.none")
	b.visit("/social/sign-up").want(403, "error.sign-up-off.title")
	b.visit("/social/forgot-password").want(403, "error.password-off.title")
}

// TestForgottenPassword: the answer is the same for every address, and the link brings the account back.
func TestForgottenPassword(t *testing.T) {
	s := newServer(t)
	c := s.project(t, "acme", "Acme") // not even protected against enumeration
	s.signUp(t, c)
	bodies := map[string]bool{}
	for _, email := range []string{string(testEmail), "nobody@example.com"} {
		b := s.tab(t).visit("/acme/sign-in").follow("Forgot your password?").want(200, "forgot-password.title")
		b.press("Send the link", "email", "x").want(422, "forgot-password.title").says("error.email.text")
		b.press("Send the link", "email", email).want(200, "forgot-password.done.title")
		bodies[b.path+b.at.body] = true
	}
	if len(bodies) != 1 || s.countMails(t, c, auth.MailResetPassword) != 1 {
		t.Errorf("%d answers, %d mails", len(bodies), s.countMails(t, c, auth.MailResetPassword))
	}
	b := s.tab(t).visit(s.link(t, c, auth.MailResetPassword)).press("Save the new password", "newPassword", newPassword).follow("Sign in")
	b.press("Sign in", "email", string(testEmail), "password", newPassword).wantSession(c)
}

func TestSignOut(t *testing.T) {
	s := newServer(t)
	c := s.project(t, "acme", "Acme")
	s.signUp(t, c)
	b := s.tab(t).signIn("/acme/sign-in")
	token := b.session("acme")
	out := func(secret string) *http.Request {
		r := formRequest("/acme/sign-out", url.Values{ui.FieldToken: {ui.FormToken(secret, ui.PurposeSignOut)}}.Encode())
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		return r
	}
	b.send(out(token))
	b.want(200, "sign-in.title").says("sign-in.says.signed-out")
	if b.session("acme") != "" {
		t.Error("the cookie stays")
	}
	c.Browser = true
	if _, err := s.service.AuthenticateBrowser(t.Context(), c, token); auth.CodeOf(err) != auth.CodeTokenInvalid {
		t.Errorf("the session lives on: %v", err)
	}
	b.send(out(""))
	b.want(200, "sign-in.title")
	b.cookies["__Host-doorward-acme"] = token // a stale page in another tab
	b.send(out(token))
	b.want(200, "sign-in.title").says("sign-in.says.signed-out")
}

// TestSetup: the first operator comes in by a link, which works once, and ends up signed in with a second factor.
func TestSetup(t *testing.T) {
	s := newServer(t)
	link, err := s.admin.SetupLink(t.Context(), s.service.LocalOperator(auth.Caller{}))
	if err != nil {
		t.Fatal(err)
	}
	path := strings.TrimPrefix(link, publicURL)
	b := s.tab(t).visit(path).want(200, "setup.title")
	b.visit(path).press("Create the account", "email", string(testEmail), "newPassword", "short").want(422, "setup.title")
	b.press("Create the account", "email", "ada", "newPassword", testPassword).want(422, "setup.title").says("error.email.text")
	b.press("Create the account", "name", "Ada", "email", string(testEmail), "newPassword", testPassword)
	if strings.Contains(b.path, "code") {
		t.Errorf("the code is in the address still: %s", b.path)
	}
	b.enrollApp()
	project, _ := s.service.HostedProject(t.Context(), auth.ConsoleProject)
	if u := b.wantSession(testCaller(httpGet("/"), project)); u.Name != "Ada" {
		t.Errorf("%+v", u)
	}
	if b.press("I have kept them"); b.path != "/console" {
		t.Errorf("led to %s", b.path)
	}
	s.tab(t).visit(path).want(400, "error.used.title").says("setup.again")
	s.tab(t).visit("/console/setup").want(400, "error.incomplete.title")

	link, _ = s.admin.SetupLink(t.Context(), s.service.LocalOperator(auth.Caller{}))
	s.now = s.now.Add(time.Hour)
	s.tab(t).visit(strings.TrimPrefix(link, publicURL)).want(410, "error.expired.title").says("setup.again")
	s.project(t, "acme", "Acme")
	s.tab(t).visit("/acme/setup?code=x").want(404, "error.not-found.title")
}
