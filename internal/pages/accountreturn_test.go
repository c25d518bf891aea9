package pages

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// TestAccountReturns: where a sign-in is needed the sign-in page leads back, in the language that was chosen.
func TestAccountReturns(t *testing.T) {
	s := newServer(t)
	c := s.project(t, "acme", "Acme")
	s.signUp(t, c)
	german := s.tab(t).visit("/acme/account/security?lang=de").press("Anmelden", "email", string(testEmail), "password", testPassword)
	if german.path != "/acme/account/security?lang=de" {
		t.Errorf("the language is lost on the way: %s", german.path)
	}
	b := s.tab(t).signIn("/acme/account/delete").want(200, "account.delete.title")
	s.now = s.now.Add(c.Project.Settings.RecentSignIn + time.Second)
	b.visit("/acme/account/delete").says("account.recent.text").follow("Sign in again").want(200, "sign-in.title")
	b.press("Sign in", "email", string(testEmail), "password", testPassword).want(200, "account.delete.title")
	if b.path != "/acme/account/delete" {
		t.Errorf("back at %s", b.path)
	}
	b.press("Delete my account", "confirm", string(testEmail)).want(200, "account.ended.deleted.title")
	if b.session("acme") != "" {
		t.Error("the cookie stays")
	}
}

// TestAccountLinks: an account at a provider is linked in both directions of what can happen there, and removed.
func TestAccountLinks(t *testing.T) {
	s, c, p := withProvider(t)
	s.signUp(t, c)
	const path = "/acme/account/security"
	callback := func(code string) string {
		return "/acme/sign-in/callback?" + url.Values{"code": {code}, "state": {p.begun.State}}.Encode()
	}
	b := s.tab(t).signIn(path).want(200, "account.security.title").press("Link work")
	b.visit(callback("nobody")).want(200, "account.security.title").says("account.notice.link-failed")
	b.press("Link work").visit("/acme/sign-in/callback?error=access_denied&state="+p.begun.State).want(200, "account.security.title").says("account.notice.link-failed")
	b.press("Link work").visit(callback("ada")).want(200, "account.security.title").says("account.notice.linked")
	if b.path != path+"?notice=linked" {
		t.Errorf("the provider's code stays in the address: %s", b.path)
	}
	b.visit(callback("ada")).want(403, "error.begin-anew.title") // once more

	other, err := s.service.SignUp(t.Context(), c, auth.SignUpParams{Email: "eve@example.com", Password: testPassword})
	if err != nil {
		t.Fatal(err)
	}
	eve := s.tab(t).visit(path).press("Sign in", "email", "eve@example.com", "password", testPassword)
	eve.press("Link work").visit(callback("ada")).want(200, "account.security.title").says("account.notice.link-taken")

	// Who signs in while somebody else's account is on its way is not given it.
	p.users["new"] = auth.ExternalIdentity{Subject: "2"}
	b.visit("/acme/account/security")
	eve.press("Link work")
	eve.cookies["__Host-doorward-acme"] = b.session("acme")
	eve.visit(callback("new")).want(200, "sign-in.title").says("sign-in.says.begin-anew")
	signedOut := s.tab(t)
	signedOut.cookies = map[string]string{"__Host-doorward-acme.link": "x"}
	signedOut.visit(callback("new")).want(403, "error.begin-anew.title")
	for _, id := range []auth.UserID{other.User.ID, b.wantSession(c).ID} {
		if n := len(s.identities(t, c, id)); n > 1 {
			t.Errorf("%d identities of %s", n, id)
		}
	}

	b.visit(path).press("Remove the link work").want(200, "account.security.title").says("account.notice.unlinked")
	if n := len(s.identities(t, c, b.wantSession(c).ID)); n != 0 {
		t.Errorf("%d identities", n)
	}
	b.send(b.request("Link work", "provider", "oidc.nosuch"))
	b.want(422, "account.security.title").says("account.notice.link-failed")
	b.press("Link work", "do", "unlink").want(403, "error.stale.title") // another deed than the token's
}

func (s *server) identities(t *testing.T, c auth.Caller, id auth.UserID) []auth.Identity {
	t.Helper()
	identities, err := s.admin.UserIdentities(t.Context(), s.service.LocalOperator(c), id)
	if err != nil {
		t.Fatal(err)
	}
	return identities
}

// TestAccountOfOperator: operators have their own pages too; the last one stays, and with it a second factor.
func TestAccountOfOperator(t *testing.T) {
	s := newServer(t)
	_, link, err := s.admin.InviteOperator(t.Context(), s.service.LocalOperator(auth.Caller{}), string(testEmail))
	if err != nil {
		t.Fatal(err)
	}
	b := s.tab(t).visit(strings.TrimPrefix(link, publicURL)).press("Accept the invitation", "newPassword", testPassword).want(200, "accept-invite.done.title")
	b.signIn("/console/sign-in?next=/console/account/factors").enrollApp()
	b.press("I have kept them").want(200, "account.factors.title")
	if b.follow("Back to the console"); b.path != "/console" {
		t.Errorf("the console is at %s", b.path)
	}
	b.visit("/console/account/factors").press("Remove Authenticator app").want(422, "account.factors.title").says("account.problem.last-factor")
	b.follow("Profile").want(200, "account.profile.title").press("Save the profile", "name", "Ada").says("account.notice.profile")
	b.follow("Delete account").press("Delete my account", "confirm", string(testEmail)).want(422, "account.delete.title").says("account.problem.last-operator")
	b.follow("Devices").want(200, "account.sessions.title").press("Sign out").want(200, "sign-in.title")
	b.visit("/console/account").want(200, "sign-in.title")
}

// TestAccountFirstPassword: who came by a provider keeps that way in, and gets a mail to choose a password with.
func TestAccountFirstPassword(t *testing.T) {
	s, c, p := withProvider(t)
	p.users["nameless"] = auth.ExternalIdentity{Subject: "2"}
	come := func(code string) *tab {
		b := s.tab(t).visit("/acme/sign-in").press("Continue with work")
		return b.visit("/acme/sign-in/callback?"+url.Values{"code": {code}, "state": {p.begun.State}}.Encode()).want(200, "account.profile.title")
	}
	b := come("ada")
	b.visit("/acme/account/security").says("account.password.none").says("account.problem.last-way")
	b.send(b.request("Send me the mail", "do", "password-mail"))
	b.want(200, "account.security.title").says("account.notice.password-mail")
	s.submit(t, s.get(t, s.link(t, c, auth.MailResetPassword)), "newPassword", newPassword).want(t, 200, "reset-password.done.title")
	if s.signInCode(t, c, testEmail, newPassword) != "" {
		t.Error("the new password does not work")
	}
	come("nameless").says("account.email.none").visit("/acme/account/security").says("account.password.no-address")
}
