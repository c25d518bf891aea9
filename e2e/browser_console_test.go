package e2e

import (
	"testing"
)

// TestBrowserConsole: an operator sets the console up, looks at a project, signs out, and comes back to the page that was asked for.
func TestBrowserConsole(t *testing.T) {
	t.Parallel()
	p := hosted(t)
	p.signUp(t)
	page, o := consolePage(t, p.srv)
	page.Check()
	page.Screenshot("console-projects")
	page.Visit("/console/projects/" + p.id)
	page.WantText("sign-ups in 30 days")
	page.Check()
	page.Screenshot("console-overview")
	page.Press("The same as a table")
	page.Check()
	page.Follow("Sign out")
	page.WantHeading("Sign in")
	page.WantText("You have been signed out.")
	page.Visit("/console/projects/" + p.id)
	page.WantHeading("Sign in")
	page.Check()
	page.Screenshot("console-sign-in")
	page.Fill("Email address", o.email)
	page.Fill("Password", o.password)
	page.EnterKey()
	page.Check()
	page.Screenshot("console-second-factor")
	page.Fill("Code from your authenticator app", o.app.code())
	page.EnterKey()
	page.WantText("sign-ups in 30 days")
	if status := page.Visit("/console/projects/nobody-has-this"); status != 404 {
		t.Errorf("no such project: status %d", status)
	}
	page.WantHeading("There is nothing here")
	page.Check()
}
