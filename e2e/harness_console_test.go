package e2e

import (
	"encoding/base32"
	"strings"
	"sync"
	"testing"

	"github.com/doorward/doorward/e2e/browser"
)

// settingUp guards set-up links: a new one voids the one before.
var settingUp sync.Mutex

// operator is somebody with an account of the console.
type consoleOperator struct {
	email, password string
	app             *authenticatorApp
}

// consolePage gives the test a browser page that is signed in to the server's console, at its list of projects, with an operator of its own.
func consolePage(t *testing.T, s *server) (*browser.Page, consoleOperator) {
	t.Helper()
	page, o := openBrowser(t, s, ""), consoleOperator{email: newEmail(), password: newPassword()}
	setUp(t, s, page, o)
	page.WantHeading("Add a second factor")
	page.Follow("Set up an authenticator app")
	page.WantHeading("Set up your authenticator app")
	o.app = &authenticatorApp{secret: typedSecret(t, browser.Evaluate[string](page, `document.querySelector("dl code").innerText`))}
	page.Fill("Code from your authenticator app", o.app.code())
	page.Follow("Confirm")
	page.WantHeading("Keep your recovery codes")
	for _, code := range strings.Fields(browser.Evaluate[string](page, `document.querySelector("#codes").value`)) {
		remember("recovery code", code)
	}
	page.Follow("I have kept them")
	page.WantHeading("Projects")
	return page, o
}

// setUp makes the operator's account under a link of the command line.
func setUp(t *testing.T, s *server, page *browser.Page, o consoleOperator) {
	t.Helper()
	settingUp.Lock()
	defer settingUp.Unlock() // also where the test ends here
	link := strings.TrimSpace(s.cli(t, "console", "link"))
	remember("set-up code", link[strings.Index(link, "=")+1:])
	page.Visit(link)
	page.WantHeading("Set up the console")
	page.Fill("Your name", "Ada")
	page.Fill("Email address", o.email)
	page.Fill("Choose a password", o.password)
	page.Follow("Create the account")
}

// typedSecret decodes the key that a page shows for an authenticator app.
func typedSecret(t *testing.T, shown string) []byte {
	t.Helper()
	shown = strings.ReplaceAll(shown, " ", "")
	remember("TOTP secret", shown)
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(shown)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}
