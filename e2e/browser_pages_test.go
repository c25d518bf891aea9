package e2e

import (
	"encoding/base64"
	"testing"
)

const testLogo = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40"><rect width="40" height="40" rx="10" fill="#0f766e"/><path d="M12 27V14l8 7 8-7v13" fill="none" stroke="#fff" stroke-width="4"/></svg>`

// branded is a project with a name, a logo and a colour of its own, whose mails lead to the hosted pages.
func branded(t *testing.T, settings ...string) project {
	t.Helper()
	p := hosted(t, append([]string{"accentColor=#0f766e", "logo=data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString([]byte(testLogo))}, settings...)...)
	p.srv.cli(t, "project", "set", p.id, "--display-name", "Meridian Books")
	return p
}

// TestBrowserLinks walks every link of a mail in a real browser, from the mail to what it does, and judges each page on the way.
func TestBrowserLinks(t *testing.T) {
	t.Parallel()
	t.Run("verify email", func(t *testing.T) {
		t.Parallel()
		p := branded(t, "verifyEmailEnforced=true")
		a := account{email: newEmail(), password: newPassword()}
		p.client().post(t, signup, a.credentials()).wantStatus(t, 200)
		page := openBrowser(t, p.srv, "")
		page.Visit(p.mailbox(a.email).next(t, p.srv.publicURL).link(p.srv.publicURL))
		page.WantHeading("Confirm your email address")
		page.Check()
		page.Screenshot("verify-email")
		p.client().post(t, signin, a.credentials()).wantError(t, 400, "USER_DISABLED") // opening it changed nothing
		page.Follow("Confirm email address")
		page.WantHeading("Email address confirmed")
		page.Check()
		page.Screenshot("verify-email-done")
		p.signIn(t, a.email, a.password)
	})
	t.Run("accept invite", func(t *testing.T) {
		t.Parallel()
		p := branded(t)
		email, password := newEmail(), newPassword()
		p.client().post(t, inviteePath, M{"email": email}).want204(t)
		page := openBrowser(t, p.srv, "")
		page.Visit(p.mailbox(email).next(t, p.srv.publicURL).link(p.srv.publicURL))
		page.WantHeading("Accept your invitation")
		page.Check()
		page.Screenshot("accept-invite")
		page.Fill("New password", password)
		page.Follow("Accept the invitation")
		page.WantHeading("Welcome")
		page.Check()
		p.signIn(t, email, password)
	})
	t.Run("reset password", func(t *testing.T) {
		t.Parallel()
		p := branded(t, "passwordRefuseCommon=true")
		a := p.signUp(t)
		mails := p.mailbox(a.email)
		mails.next(t, p.srv.publicURL) // the verification mail
		p.client().post(t, resetPath, M{"email": a.email}).want204(t)
		link := mails.next(t, p.srv.publicURL).link(p.srv.publicURL)
		page := openBrowser(t, p.srv, "")
		page.Visit(link)
		page.WantHeading("Choose a new password")
		page.Check()
		page.Screenshot("reset-password")
		page.Fill("New password", "password1")
		if status := page.Follow("Save the new password"); status != 422 {
			t.Errorf("a common password: status %d", status)
		}
		page.WantText("This password is too easy to guess")
		page.Check()
		page.Screenshot("reset-password-refused")
		password := newPassword()
		page.Fill("New password", password) // by keyboard alone this time
		page.EnterKey()
		page.WantHeading("Password changed")
		page.Check()
		p.signIn(t, a.email, password)
		if status := page.Visit(link); status != 200 {
			t.Errorf("the used link: status %d", status)
		}
		page.Fill("New password", newPassword())
		if status := page.Follow("Save the new password"); status != 400 {
			t.Errorf("the used link's form: status %d", status)
		}
		page.WantHeading("This link no longer works")
		page.Check()
		page.Screenshot("link-used")
	})
	t.Run("change email and take it back", func(t *testing.T) {
		t.Parallel()
		p := branded(t, "emailChange=verified")
		a := p.signUp(t)
		after := newEmail()
		p.client().bearer(a.idToken).post(t, updateEmail, M{"email": after}).want204(t)
		page := openBrowser(t, p.srv, "")
		page.Visit(p.mailbox(after).next(t, p.srv.publicURL).link(p.srv.publicURL))
		page.WantHeading("Confirm your new email address")
		page.Check()
		page.Screenshot("confirm-email")
		page.Follow("Confirm the new address")
		page.WantHeading("Email address changed")
		page.Check()

		old := p.mailbox(a.email)
		for {
			link := old.next(t, p.srv.publicURL).link(p.srv.publicURL + "/" + p.id + "/take-back-email")
			if link == "" {
				continue
			}
			page.Visit(link)
			break
		}
		page.WantHeading("Keep your email address")
		page.Check()
		page.Screenshot("take-back-email")
		page.Follow("Keep this address")
		page.WantHeading("The address is yours again")
		page.Check()
	})
}

// TestBrowserErrors: pages of what goes wrong say what to do next, and are as well made as the others.
func TestBrowserErrors(t *testing.T) {
	t.Parallel()
	p := branded(t)
	page := openBrowser(t, p.srv, "")
	if status := page.Visit("/" + p.id + "/accept-invite?oobCode=x"); status != 400 {
		t.Errorf("a link that was cut off: status %d", status)
	}
	page.WantHeading("This link is incomplete")
	page.Check()
	page.Screenshot("link-incomplete")
	page.Visit("/" + p.id + "/accept-invite") // for the code in the mail
	page.WantHeading("Accept your invitation")
	page.Check()
	page.Screenshot("accept-invite-by-code")
	if status := page.Visit("/nobody-has-this/verify-email?oobCode=x&uid=y"); status != 404 {
		t.Errorf("no such project: status %d", status)
	}
	page.WantHeading("Page not found")
	page.Check()
}

// TestBrowserLanguages: the reader's language is the browser's, until another one is chosen.
func TestBrowserLanguages(t *testing.T) {
	t.Parallel()
	p := branded(t)
	page := openBrowser(t, p.srv, "ar")
	page.Visit("/" + p.id + "/reset-password?oobCode=x&uid=y")
	page.WantHeading("اختيار كلمة مرور جديدة")
	page.Check()
	page.Screenshot("reset-password-ar")
	page.Press("اللغة: العربية")
	page.Check()
	page.Follow("日本語")
	page.Check()
	page.Screenshot("reset-password-ja")
	page.Press("言語: 日本語")
	page.Follow("Deutsch")
	page.Press("Sprache: Deutsch")
	page.Screenshot("languages")
}
