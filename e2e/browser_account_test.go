package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/doorward/doorward/e2e/browser"
)

// accountPage signs the account in at one of its own pages, to which the sign-in page leads back.
func accountPage(t *testing.T, p project, a account, path, heading string) *browser.Page {
	t.Helper()
	page := openBrowser(t, p.srv, "")
	page.Visit("/" + p.id + path)
	page.WantHeading("Sign in")
	signInOn(page, a)
	page.WantHeading(heading)
	return page
}

// TestBrowserAccount does each task of the account pages in a real browser, and judges each page on the way.
func TestBrowserAccount(t *testing.T) {
	t.Parallel()
	t.Run("profile and address", func(t *testing.T) {
		t.Parallel()
		p := branded(t, "emailChange=verified")
		a := p.signUp(t)
		page := accountPage(t, p, a, "/account", "Profile")
		page.Check()
		page.Screenshot("account")
		page.Fill("Your name", "Ada Lovelace")
		page.Fill("Web address of your picture", "ftp://example.com/ada")
		if status := page.Follow("Save the profile"); status != http.StatusUnprocessableEntity {
			t.Errorf("a picture that no page could show: status %d", status)
		}
		page.WantText("Please enter a complete web address")
		page.Check()
		page.Screenshot("account-refused")
		page.Fill("Web address of your picture", "https://example.com/ada.png")
		page.EnterKey()
		page.WantText("Your profile is saved.")
		if u := p.user(t, a.uid); u["name"] != "Ada Lovelace" {
			t.Errorf("the user is %v", u)
		}

		after := newEmail()
		page.Fill("New email address", after)
		page.Follow("Change the address")
		page.WantText("We have sent a mail to the new address.")
		page.Visit(p.mailbox(after).next(t, p.srv.publicURL).link(p.srv.publicURL))
		page.Follow("Confirm the new address")
		page.WantHeading("Email address changed")
		page.Visit("/" + p.id + "/account") // all sessions have ended
		a.email = after
		signInOn(page, a)
		page.WantText(after)
		page.Follow("Sign out")
		page.WantText("You have been signed out.")
		page.Visit("/" + p.id + "/account")
		page.WantHeading("Sign in")
	})
	t.Run("password and deletion", func(t *testing.T) {
		t.Parallel()
		p := branded(t)
		a := p.signUp(t)
		page := accountPage(t, p, a, "/account/security", "Ways to sign in")
		page.Screenshot("account-security") // judged below, with an account that is linked
		fresh := newPassword()
		page.Fill("Current password", "not my password 7")
		page.Fill("New password", fresh)
		page.Follow("Change the password")
		page.WantText("This is not your current password.")
		page.Fill("Current password", a.password)
		page.Fill("New password", fresh)
		page.EnterKey()
		page.WantHeading("Password changed")
		page.Check()
		page.Screenshot("account-password-changed")
		p.wantDeadSession(t, a)
		page.Follow("Sign in")
		a.password = fresh
		signInOn(page, a)
		page.WantHeading("Profile")

		page.Follow("Delete account")
		page.Check()
		page.Screenshot("account-delete")
		page.Fill("To confirm, type this:", "yes")
		page.Follow("Delete my account")
		page.WantText("Nothing was deleted.")
		page.Fill("To confirm, type this:", a.email)
		page.Follow("Delete my account")
		page.WantHeading("Account deleted")
		p.client().post(t, signin, a.credentials()).wantError(t, 400, "EMAIL_NOT_FOUND")
	})
	t.Run("second factors", func(t *testing.T) {
		t.Parallel()
		p := branded(t)
		a := p.signUp(t)
		page := accountPage(t, p, a, "/account/factors", "Second factor")
		page.Check()
		page.Screenshot("account-factors-none")
		page.AddAuthenticator()
		page.Follow("Set up an app")
		page.WantText("Scan the picture with the app")
		page.Check()
		app := appOn(t, page)
		page.Fill("Code from your authenticator app", "000000")
		page.Follow("Confirm the code")
		page.WantText("This code is wrong, or was used already.")
		page.Fill("Code from your authenticator app", app.code())
		page.EnterKey()
		codes := recoveryCodesShown(t, page)
		page.Check()
		p.wantDeadSession(t, a)
		page.Follow("I have kept them")
		page.WantText("Recovery codes that are left: 10.")

		page.Follow("Add a passkey now") // the script submits the form
		page.WantText("The second factor is added.")
		page.Check()
		page.Screenshot("account-factors")
		page.Follow("Make new recovery codes")
		if renewed := recoveryCodesShown(t, page); renewed[0] == codes[0] {
			t.Error("the new recovery codes are the old ones")
		}
		page.Follow("I have kept them")
		page.Follow("Remove Authenticator app")
		page.WantText("The second factor is removed.")
		page.Follow("Remove Passkey")
		page.WantText("You have none yet.")
		p.signIn(t, a.email, a.password)
	})
	t.Run("linked accounts", func(t *testing.T) {
		t.Parallel()
		p, github := branded(t), newFakeProvider(t)
		github.useGitHub(t, p)
		a := p.signUp(t)
		page := accountPage(t, p, a, "/account/security", "Ways to sign in")
		page.Follow("Link GitHub")
		eventually(t, requestLimit, func() error {
			if !strings.HasPrefix(page.URL(), github.URL) {
				return fmt.Errorf("at %s", page.Heading())
			}
			return nil
		})
		begun := flow{authURI: page.URL()}
		answer := url.Values{"state": {begun.asked(t, "state")}, "code": {github.code(t, begun, gitHubPerson(github, L{address(newEmail(), true, true)}), "")}}
		page.Visit(begun.asked(t, "redirect_uri") + "?" + answer.Encode())
		page.AllowOrigin(github.URL)
		page.WantText("The account is linked.")
		page.Check()
		page.Screenshot("account-linked")
		p.ways(t, a.email, "password", "github.com")
		page.Follow("Remove the link GitHub")
		page.WantText("The link is removed.")
		p.ways(t, a.email, "password")
	})
	t.Run("devices", func(t *testing.T) {
		t.Parallel()
		p := branded(t)
		a := p.signUp(t)
		page := accountPage(t, p, a, "/account/sessions", "Devices")
		page.Check()
		page.Screenshot("account-sessions")
		page.Follow("Sign it out Go-http-client")
		page.WantText("That device is signed out.")
		p.wantDeadSession(t, a)
		a = p.signIn(t, a.email, a.password)
		p.signIn(t, a.email, a.password)
		page.Visit("/" + p.id + "/account/sessions")
		page.Follow("Sign out all other devices")
		page.WantText("All other devices are signed out.")
		p.wantDeadSession(t, a)

		a = p.signIn(t, a.email, a.password)
		page.Visit("/" + p.id + "/account/sessions?lang=ar")
		page.WantHeading("الأجهزة")
		page.Check()
		page.Screenshot("account-sessions-ar")
		page.Follow("تسجيل خروج جميع الأجهزة الأخرى")
		page.WantText("تم تسجيل خروج جميع الأجهزة الأخرى.")
		page.Follow("الملف الشخصي")
		page.WantHeading("الملف الشخصي")
	})
}

// recoveryCodesShown reads the codes off the page, where they can be selected and copied.
func recoveryCodesShown(t *testing.T, page *browser.Page) []string {
	t.Helper()
	page.WantText("They are shown only now.")
	codes := strings.Fields(browser.Evaluate[string](page, `document.querySelector("textarea").value`))
	for _, code := range codes {
		remember("recovery code", code)
	}
	if len(codes) != 10 {
		t.Fatalf("%d recovery codes", len(codes))
	}
	return codes
}
