package e2e

import (
	"encoding/base32"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/doorward/doorward/e2e/browser"
)

// wantSignedIn checks that the browser has a session with the project: the sign-in page offers to go on with it.
func wantSignedIn(t *testing.T, page *browser.Page, p project, email string) {
	t.Helper()
	page.Visit("/" + p.id + "/sign-in")
	page.WantHeading("You are signed in")
	page.WantText("Continue as " + email)
}

// signInOn types email and password into the sign-in page that is open.
func signInOn(page *browser.Page, a account) int {
	page.Fill("Email address", a.email)
	page.Fill("Password", a.password)
	return page.Follow("Sign in")
}

// appOn reads the key of a new authenticator app from the page.
func appOn(t *testing.T, page *browser.Page) *authenticatorApp {
	t.Helper()
	typed := browser.Evaluate[string](page, `document.querySelector("dd code").textContent`)
	remember("TOTP secret", typed)
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(typed)
	if err != nil || len(secret) == 0 {
		t.Fatalf("the page shows the key %q", typed)
	}
	return &authenticatorApp{secret: secret}
}

// codesOn reads the recovery codes from the page.
func codesOn(t *testing.T, page *browser.Page) []string {
	t.Helper()
	page.WantHeading("Keep your recovery codes")
	codes := strings.Fields(browser.Evaluate[string](page, `document.querySelector("textarea").value`))
	if len(codes) != 10 {
		t.Fatalf("%d recovery codes", len(codes))
	}
	for _, code := range codes {
		remember("recovery code", code)
	}
	return codes
}

// TestBrowserJoin: whoever is invited, has forgotten the password, or is new, ends up signed in.
func TestBrowserJoin(t *testing.T) {
	t.Parallel()
	p := branded(t, "signUpByMail=true", "emailEnumerationProtection=true", "passwordMinLength=8")
	page := openBrowser(t, p.srv, "")

	invited := account{email: newEmail(), password: newPassword()}
	p.asAdmin().post(t, inviteePath, M{"email": invited.email}).want204(t)
	page.Visit(p.mailbox(invited.email).next(t, p.srv.publicURL).link(p.srv.publicURL))
	page.Fill("New password", invited.password)
	page.Follow("Accept the invitation")
	page.WantHeading("Welcome")
	page.Follow("Sign in")
	page.WantHeading("Sign in")
	page.Check()
	page.Screenshot("sign-in")
	if status := signInOn(page, account{email: invited.email, password: "not the password"}); status != 422 {
		t.Errorf("a wrong password: status %d", status)
	}
	page.WantText("The email address or the password is wrong.")
	page.Check()
	page.Screenshot("sign-in-refused")
	signInOn(page, invited)
	wantSignedIn(t, page, p, invited.email)
	page.Check()
	page.Screenshot("sign-in-continue")

	page.Follow("Use another account")
	page.Follow("Forgot your password?")
	page.WantHeading("Forgot your password?")
	page.Check()
	page.Screenshot("forgot-password")
	page.Fill("Email address", invited.email)
	page.Follow("Send the link")
	page.WantHeading("Check your inbox")
	page.Check()
	page.Screenshot("forgot-password-sent")
	page.Visit(p.mailbox(invited.email).next(t, p.srv.publicURL+"/"+p.id+"/reset-password").link(p.srv.publicURL))
	invited.password = newPassword()
	page.Fill("New password", invited.password)
	page.Follow("Save the new password")
	page.Follow("Sign in")
	signInOn(page, invited)
	wantSignedIn(t, page, p, invited.email)

	page = openBrowser(t, p.srv, "")
	page.Visit("/" + p.id + "/sign-in")
	page.Follow("Create an account")
	page.WantHeading("Create an account")
	page.Check()
	page.Screenshot("sign-up")
	newcomer := account{email: newEmail(), password: newPassword()}
	page.Fill("Your name", "Grace Hopper")
	page.Fill("Email address", newcomer.email)
	page.Fill("Choose a password", newcomer.password)
	page.Follow("Create the account")
	page.WantHeading("Check your inbox")
	page.Check()
	page.Screenshot("sign-up-sent")
	page.Visit(p.mailbox(newcomer.email).next(t, p.srv.publicURL).link(p.srv.publicURL))
	page.Follow("Confirm email address")
	page.Follow("Sign in")
	signInOn(page, newcomer)
	wantSignedIn(t, page, p, newcomer.email)

	page = openBrowser(t, p.srv, "ar")
	page.Visit("/" + p.id + "/sign-in")
	page.Screenshot("sign-in-ar")
}

// TestBrowserSecondFactor: enrolment where it is required, by keyboard alone; then a code of the app, a recovery code, and passkeys.
func TestBrowserSecondFactor(t *testing.T) {
	t.Parallel()
	p := branded(t, "secondFactor=required")
	a := account{email: newEmail(), password: newPassword()}
	p.client().post(t, signup, a.credentials()).wantStatus(t, 200)
	path := "/" + p.id + "/sign-in"

	page := openBrowser(t, p.srv, "")
	page.Visit(path)
	page.Fill("Email address", a.email)
	page.Fill("Password", a.password)
	page.EnterKey()
	page.WantHeading("Add a second factor")
	page.Check()
	page.Screenshot("enroll")
	focus(page, "Set up an authenticator app")
	page.EnterKey()
	page.WantHeading("Set up your authenticator app")
	page.Check()
	page.Screenshot("enroll-app")
	app := appOn(t, page)
	page.Fill("Code from your authenticator app", "000000")
	if status := page.EnterKey(); status != 422 {
		t.Errorf("a wrong code: status %d", status)
	}
	page.Check()
	page.Screenshot("enroll-app-refused")
	page.Fill("Code from your authenticator app", app.code())
	page.EnterKey()
	codes := codesOn(t, page)
	page.Check()
	focus(page, "I have kept them")
	page.EnterKey()
	wantSignedIn(t, page, p, a.email)

	page = openBrowser(t, p.srv, "")
	page.Visit(path)
	signInOn(page, a)
	page.WantHeading("Confirm that it is you")
	page.Check()
	page.Screenshot("second-factor")
	page.Press("Use a recovery code")
	page.Fill("Recovery code", "not a code")
	page.Follow("Sign in with the recovery code")
	page.WantText("This code is wrong")
	page.Check()
	page.Screenshot("second-factor-refused")
	page.Fill("Recovery code", codes[0])
	page.Follow("Sign in with the recovery code")
	wantSignedIn(t, page, p, a.email)

	page = openBrowser(t, p.srv, "")
	page.Visit(path)
	signInOn(page, a)
	page.Fill("Code from your authenticator app", app.code())
	page.EnterKey()
	wantSignedIn(t, page, p, a.email)
}

// focus moves to a control by the Tab key.
func focus(page *browser.Page, name string) {
	browser.Evaluate[bool](page, `(document.activeElement?.blur(), true)`)
	for range 30 {
		page.Key("Tab")
		if browser.Evaluate[string](page, `document.activeElement?.textContent.trim() ?? ""`) == name {
			return
		}
	}
}

// TestBrowserPasskey: a passkey is enrolled on the page, is the second factor there, and signs in alone.
func TestBrowserPasskey(t *testing.T) {
	t.Parallel()
	p := branded(t, "secondFactor=required")
	a := account{email: newEmail(), password: newPassword()}
	p.client().post(t, signup, a.credentials()).wantStatus(t, 200)
	page := openBrowser(t, p.srv, "")
	page.AddAuthenticator()
	page.Visit("/" + p.id + "/sign-in")
	page.Press("Sign in with a passkey") // there is none yet
	page.WantText("The passkey did not work")
	page.Check()
	page.Screenshot("passkey-refused")
	signInOn(page, a)
	page.WantHeading("Add a second factor")
	page.Press("Create a passkey")
	codesOn(t, page)
	page.Follow("I have kept them")
	wantSignedIn(t, page, p, a.email)

	page.Follow("Use another account")
	signInOn(page, a)
	page.WantHeading("Confirm that it is you")
	page.Check()
	page.Screenshot("second-factor-passkey")
	page.Press("Use a passkey")
	waitPath(t, page, "/account")
	page.Visit("/" + p.id + "/sign-in?again=1")
	page.Press("Sign in with a passkey")
	waitPath(t, page, "/account")
	wantSignedIn(t, page, p, a.email)
}

// waitPath waits until the page's path ends so.
func waitPath(t *testing.T, page *browser.Page, end string) {
	t.Helper()
	eventually(t, requestLimit, func() error {
		if u, err := url.Parse(page.URL()); err != nil || !strings.HasSuffix(u.Path, end) {
			return fmt.Errorf("at %s", page.Heading())
		}
		return nil
	})
}

// TestBrowserAppSignIn: an app gets its user back from the page, by password and by a real provider, and by its own wish without one.
func TestBrowserAppSignIn(t *testing.T) {
	t.Parallel()
	p := branded(t)
	d := ownDex(t, "6h", p.srv.publicURL+"/"+p.id+"/sign-in/callback")
	p.useDex(t, dexID, d, nil)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "<!doctype html><title>App</title><link rel=icon href=data:,><h1>The app: %s</h1>", strings.Join([]string{r.FormValue("state"), r.FormValue("error")}, " "))
	}))
	t.Cleanup(app.Close)
	callBack := app.URL + "/signed-in"
	request := func() (verifier, path string) {
		verifier = randomText(64)
		return verifier, "/" + p.id + "/sign-in?" + appRequest(callBack, verifier).Encode()
	}
	a := p.signUp(t)
	page := openBrowser(t, p.srv, "")
	page.AllowOrigin(app.URL)

	_, path := request()
	page.Visit(path)
	page.WantHeading("Sign in")
	page.Check()
	page.Screenshot("sign-in-app")
	page.Follow("Back to the app")
	page.WantHeading("The app: the state access_denied")
	verifier, path := request()
	page.Visit(path)
	signInOn(page, a)
	page.WantHeading("The app: the state")
	p.exchange(t, page.URL(), callBack, verifier, a.email)

	page = openBrowser(t, p.srv, "")
	page.AllowOrigin(app.URL)
	u := newDexUser(t, true)
	verifier, path = request()
	page.Visit(path)
	page.Follow("Continue with dex")
	eventually(t, requestLimit, func() error {
		if !strings.HasPrefix(page.URL(), d.issuer) {
			return fmt.Errorf("at %s", page.Heading())
		}
		return nil
	})
	login := "document.querySelector('input[name=login]')"
	eventually(t, requestLimit, func() error {
		if !browser.Evaluate[bool](page, login+" !== null") {
			return fmt.Errorf("no form at the provider: %s", page.Text())
		}
		return nil
	})
	browser.Evaluate[bool](page, fmt.Sprintf(`(%s.value = %q, document.querySelector('input[name=password]').value = %q, %s.form.submit(), true)`, login, u.email, dexPassword, login))
	eventually(t, requestLimit, func() error {
		if browser.Evaluate[bool](page, "document.querySelector('input[value=approve]') !== null") {
			browser.Evaluate[bool](page, "(document.querySelector('input[value=approve]').form.submit(), true)")
		}
		if !strings.HasPrefix(page.URL(), callBack) {
			return fmt.Errorf("at %s", page.Heading())
		}
		return nil
	})
	p.exchange(t, page.URL(), callBack, verifier, u.email)
}

// TestBrowserConsoleSetUp: the first operator comes in by the link of the command line, adds an app, and is signed in.
func TestBrowserConsoleSetUp(t *testing.T) {
	t.Parallel()
	s := ownServer(t, serverOptions{})
	link := strings.TrimSpace(s.cli(t, "console", "link"))
	link = link[strings.Index(link, s.publicURL):]
	if i := strings.IndexAny(link, " \n"); i >= 0 {
		link = link[:i]
	}
	page := openBrowser(t, s, "")
	page.Visit(link)
	page.WantHeading("Set up the console")
	page.Check()
	page.Screenshot("console-setup")
	a := account{email: newEmail(), password: newPassword()}
	page.Fill("Your name", "Olga Operator")
	page.Fill("Email address", a.email)
	page.Fill("Choose a password", a.password)
	page.Follow("Create the account")
	page.WantHeading("Add a second factor")
	page.Follow("Set up an authenticator app")
	page.WantHeading("Set up your authenticator app")
	app := appOn(t, page)
	page.Fill("Code from your authenticator app", app.code())
	page.Follow("Confirm")
	codesOn(t, page)
	page.Follow("I have kept them")
	wantSignedIn(t, page, project{srv: s, id: "console"}, a.email)
	page.Check()
	if status := page.Visit(link); status != 400 {
		t.Errorf("the used link: status %d", status)
	}
	page.WantHeading("This link no longer works")
	page.Check()

	page = openBrowser(t, s, "")
	page.Visit("/console/sign-in")
	page.Check()
	page.Screenshot("console-sign-in")
	signInOn(page, a)
	page.Fill("Code from your authenticator app", app.code())
	page.Follow("Confirm")
	wantSignedIn(t, page, project{srv: s, id: "console"}, a.email)
	page.Visit("/console/account/factors") // operators have their own pages, too
	page.WantHeading("Second factor")
	page.Check()
	page.Screenshot("console-account")
}
