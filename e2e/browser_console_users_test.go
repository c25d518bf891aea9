package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorward/doorward/e2e/browser"
)

// What imported users sign in with, and its hash as another system made it.
const (
	importedPassword = "correct horse"
	importedBcrypt   = "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"
)

// TestBrowserConsoleUsers: an operator makes, finds, changes and deletes users, one and many at once.
func TestBrowserConsoleUsers(t *testing.T) {
	t.Parallel()
	p := hosted(t)
	p.srv.cli(t, "role", "create", "editor", "--project", p.id)
	page, _ := consolePage(t, p.srv)
	home := "/console/projects/" + p.id
	page.Visit(home + "/users")
	page.WantText("There are no users yet.")
	page.Check()
	page.Follow("New user")
	page.Check()
	page.Screenshot("console-new-user")
	ada, invited := newEmail(), newEmail()
	page.Fill("Email to invite", invited)
	page.Follow("Send the invitation")
	page.WantHeading(invited)
	page.WantText("The user is invited")
	if mail := p.mailbox(invited).next(t, p.srv.publicURL); mail.link(p.srv.publicURL) == "" {
		t.Error("the invitation has no link")
	}
	page.Visit(home + "/new-user")
	page.Fill("Email", ada)
	page.Fill("Password (optional)", "short")
	if status := page.Follow("Create the user"); status != 422 {
		t.Errorf("a short password: status %d", status)
	}
	password := newPassword()
	page.Fill("Password (optional)", password)
	page.Fill("Name (optional)", "Ada")
	page.Press("The address is known to be theirs")
	page.Follow("Create the user")
	page.WantHeading(ada)
	p.signIn(t, ada, password)

	var others []account
	for range 3 {
		others = append(others, p.signUp(t))
	}
	page.Visit(home + "/users")
	page.WantText(others[2].email)
	page.Check()
	page.Screenshot("console-users")
	page.Press("Choose " + others[0].email)
	page.Press("Choose " + others[1].email)
	page.Choose("Do", "Give the role")
	if status := page.Follow("Do it"); status != 422 {
		t.Errorf("a role that is not named: status %d", status)
	}
	page.WantText("Choose the role.")
	page.Check()
	page.Choose("The role, if it is about one", "editor")
	page.Follow("Do it")
	page.WantText("Done, for everybody you chose.")
	page.Choose("Role", "editor")
	page.Follow("Search")
	page.WantText(others[0].email)
	if text := page.Text(); strings.Contains(text, ada) || !strings.Contains(text, others[1].email) {
		t.Errorf("the search for a role found\n%s", text)
	}
	page.Press("Choose " + others[0].email)
	page.Press("Choose " + others[1].email)
	page.Choose("Do", "Delete")
	page.Follow("Do it")
	page.WantHeading("Delete 2 users?")
	page.Check()
	page.Screenshot("console-users-delete")
	page.Follow("Delete 2 users")
	page.WantText("Nobody matches.")
	p.client().post(t, signin, others[0].credentials()).wantError(t, 400, "EMAIL_NOT_FOUND")

	page.Visit(home + "/users?email=" + ada)
	page.Press("Choose " + ada)
	page.Choose("Do", "Send a mail to prove the address")
	page.Follow("Do it")
	page.WantHeading("Not for everybody")
	page.Check()
	page.Follow("Back to the list")
	page.Follow(ada)
	page.WantText("User: sign in")
	page.Check()
	page.Screenshot("console-user")
	page.Fill("Name", "Ada Lovelace")
	page.Follow("Save the profile")
	page.WantText("Saved.")
	page.Fill("Claims of the user's id tokens, as a JSON object", `{"plan": }`)
	if status := page.Follow("Save the claims"); status != 422 {
		t.Errorf("claims that are no JSON: status %d", status)
	}
	page.WantText("This is no JSON: line 1")
	page.Check()
	page.Screenshot("console-user-refused")
	page.Fill("Claims of the user's id tokens, as a JSON object", `{"plan": "gold"}`)
	page.Follow("Save the claims")
	page.WantText("Saved.")
	page.Press("editor")
	page.Follow("Save the roles")
	page.WantText("Saved.")
	page.Follow("Sign out everywhere")
	page.WantText("The user is signed in nowhere.")
	page.Follow("Send a link to a new password")
	page.WantText("is on its way")
	page.Follow("Disable")
	page.WantText("The user is disabled")
	p.client().post(t, signin, M{"email": ada, "password": password}).wantError(t, 400, "USER_DISABLED")
	page.Follow("Enable")
	p.signIn(t, ada, password)
	page.Fill("To be sure, type "+ada, ada)
	page.Follow("Delete the user")
	page.WantText("The user is deleted.")
	p.client().post(t, signin, M{"email": ada, "password": password}).wantError(t, 400, "EMAIL_NOT_FOUND")
}

// TestBrowserConsoleImport: a table with a thousand users comes in through the page, after a dry run that says who does not.
func TestBrowserConsoleImport(t *testing.T) {
	t.Parallel()
	const users = 1000
	p := hosted(t)
	var table strings.Builder
	table.WriteString("uid,email,emailVerified,name,passwordHash,roles\n")
	domain := newEmail()
	domain = domain[strings.Index(domain, "@"):]
	for i := range users {
		fmt.Fprintf(&table, "import-%d,reader%d%s,true,Reader %d,%s,reader;member\n", i, i, domain, i, importedBcrypt)
	}
	fmt.Fprintf(&table, "import-again,reader7%s,true,,,\nimport-bad,nobody,,,,\n", domain)
	file := filepath.Join(t.TempDir(), "readers.csv")
	if err := os.WriteFile(file, []byte(table.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	page, _ := consolePage(t, p.srv)
	page.Visit("/console/projects/" + p.id + "/imports")
	page.Check()
	page.Screenshot("console-imports")
	page.Upload("File, 20 MiB at most", file)
	page.Follow("Upload and check")
	if browser.Evaluate[bool](page, `(() => { for (let id = setTimeout(() => 0); id > 0; id--) clearTimeout(id); return document.querySelector("progress") !== null })()`) { // it may be over already
		page.WantText("of 1002 checked")
		page.Check()
		page.Follow("Show how far it is now")
	}
	page.WantHeading("Ready to import")
	page.WantText("1000 users would be made")
	page.WantText("the email address stands twice in the file")
	page.Visit(page.URL()) // what the page asked for while it waited is no part of what it weighs
	page.Check()
	page.Screenshot("console-import-checked")
	page.Follow("Import 1000 users")
	page.WantHeading("Import done")
	page.WantText("1000 users were made")
	page.Visit(page.URL())
	page.Check()
	page.Screenshot("console-import-done")
	p.signIn(t, "reader999"+domain, importedPassword)
	page.Follow("Look at the users")
	page.Follow("Next page")
	page.WantText("First page")
	page.Check()
}

// TestBrowserConsoleOperators: an operator invites another one, who comes in by the link that is shown, and is removed again.
func TestBrowserConsoleOperators(t *testing.T) {
	t.Parallel()
	s := hosted(t).srv
	page, o := consolePage(t, s)
	page.Visit("/console/operators")
	page.WantText(o.email)
	page.Check()
	email := newEmail()
	page.Fill("Email", email)
	page.Follow("Invite")
	page.WantText(email + " is invited")
	page.Check()
	link := browser.Evaluate[string](page, `document.querySelector("main pre code").innerText`)
	remember("invitation", link)
	page.Visit(strings.TrimSpace(link))
	page.WantHeading("Accept your invitation")
	page.Fill("New password", newPassword())
	page.Follow("Accept the invitation")
	page.WantHeading("Welcome")
	page.Visit("/console/operators")
	page.Screenshot("console-operators")
	page.Follow(email)
	page.WantHeading(email)
	page.Check()
	page.Screenshot("console-operator")
	page.Follow("Disable")
	page.WantText("The operator is disabled")
	page.Follow("Enable")
	page.WantText("The operator may sign in again.")
	page.Fill("To be sure, type "+email, "somebody")
	if status := page.Follow("Remove the operator"); status != 422 {
		t.Errorf("another address: status %d", status)
	}
	page.Fill("To be sure, type "+email, email)
	page.Follow("Remove the operator")
	page.WantText("The operator is removed")
	if strings.Contains(page.Text(), email) {
		t.Error("the operator is still there")
	}
}
