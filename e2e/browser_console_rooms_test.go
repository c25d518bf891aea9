package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/doorward/doorward/e2e/browser"
)

// shownSecret is what a page of the console tells this once.
func shownSecret(page *browser.Page, kind string) string {
	secret := browser.Evaluate[string](page, `document.querySelector("#secret").innerText`)
	remember(kind, secret)
	return secret
}

// at is the console's page of the project.
func (p project) at(room string) string { return "/console/projects/" + p.id + "/" + room }

func TestBrowserConsoleProjects(t *testing.T) {
	t.Parallel()
	page, _ := consolePage(t, suite.shared)
	p := project{srv: suite.shared, id: "t" + strings.ToLower(randomText(11))}
	page.Follow("New project")
	page.WantHeading("New project")
	page.Check()
	page.Screenshot("console-new-project")
	page.Fill("Id", "Not an id!")
	page.Fill("Name", "Meridian Books")
	page.Press("documented")
	if status := page.Follow("Create the project"); status != http.StatusUnprocessableEntity {
		t.Errorf("a wrong id: status %d", status)
	}
	page.WantText("A project id has 1 to 40 of a-z")
	page.Fill("Id", p.id) // the rest is still there
	page.Follow("Create the project")
	page.WantHeading("Meridian Books")
	page.WantText("This is shown once.")
	p.adminToken = shownSecret(page, "admin token")
	page.Check()
	if got := parseJSON(t, "project show", []byte(p.srv.cli(t, "project", "show", p.id, "--json"))); got.(M)["preset"] != "documented" {
		t.Errorf("the project has the preset %v", got.(M)["preset"])
	}
	p.asAdmin().get(t, rolesPath).wantStatus(t, 200)

	page.Follow("Go to the project")
	page.Follow("Settings")
	page.Fill("Name", "Meridian Bookshop")
	page.Follow("Rename")
	page.WantText("The name is changed.")
	page.Follow("Roles")
	page.Fill("Name", "editor")
	page.Follow("Create a role")
	page.WantText("editor")
	page.Check()
	page.Screenshot("console-roles")
	page.Follow("API")
	page.WantText("curl ")
	page.Check()
	page.Screenshot("console-api")

	page.Follow("Projects")
	page.Fill("Project id, or its beginning", p.id[:9])
	page.Follow("Search")
	page.Check()
	page.Screenshot("console-projects")
	page.Follow("Meridian Bookshop")
	page.Follow("Settings")
	page.Follow("Delete this project…")
	page.Check()
	page.Screenshot("console-delete-project")
	page.Fill("Type the project's id to confirm: "+p.id, p.id)
	page.Follow("Delete this project for ever")
	page.WantText("The project is deleted")
	if status := page.Visit("/console/projects/" + p.id); status != http.StatusNotFound {
		t.Errorf("the deleted project's page: status %d", status)
	}
}

func TestBrowserConsoleSettings(t *testing.T) {
	t.Parallel()
	p := newProject(t, "passwordMinLength=7")
	page, _ := consolePage(t, p.srv)
	page.Visit(p.at("settings"))
	page.WantHeading("Settings")
	page.Check()
	page.Screenshot("console-settings")
	page.Choose("Preset", "hardened")
	page.Follow("Show what would change")
	page.WantHeading("Preset hardened")
	page.WantText("Nothing has yet.")
	page.Check()
	page.Screenshot("console-preset")
	changes := browser.Evaluate[[]string](page, `[...document.querySelectorAll("tbody tr")].map(r => [r.cells[0], r.querySelector("del"), r.querySelector("ins")].map(e => e.innerText).join(" "))`)
	if joined := strings.Join(changes, "\n"); !strings.Contains(joined, "refreshTokenRotation false true") || strings.Contains(joined, "passwordMinLength") {
		t.Errorf("the difference is\n%s", joined)
	}
	if got := p.setting(t, "refreshTokenRotation"); got != "false" {
		t.Errorf("looking at a preset applied it: %s", got)
	}
	page.Follow("Apply the preset hardened")
	page.WantText("The preset is applied.")
	for key, want := range map[string]string{"refreshTokenRotation": "true", "passwordMinLength": "7"} {
		if got := p.setting(t, key); got != want {
			t.Errorf("%s is %s", key, got)
		}
	}

	page.Visit(p.at("settings/passwords"))
	page.WantHeading("Passwords")
	page.Check()
	page.Screenshot("console-settings-passwords")
	page.Fill("passwordMinLength", "2")
	page.Fill("passwordMaxLength", "300")
	if status := page.Follow("Save"); status != http.StatusUnprocessableEntity {
		t.Errorf("a password of two characters: status %d", status)
	}
	page.WantText("not a whole number from 6 to 64")
	page.Check()
	page.Screenshot("console-settings-refused")
	page.Fill("passwordMinLength", "12")
	page.Follow("Save")
	page.WantText("The settings are saved.")
	for key, want := range map[string]string{"passwordMinLength": "12", "passwordMaxLength": "300"} {
		if got := p.setting(t, key); got != want {
			t.Errorf("%s is %s", key, got)
		}
	}
}

// setting gives a setting as the command line tells it.
func (p project) setting(t *testing.T, key string) string {
	t.Helper()
	for _, s := range parseJSON(t, "project settings", []byte(p.srv.cli(t, "project", "settings", p.id, "--json"))).([]any) {
		if s.(M)["key"] == key {
			return text(t, s, "value")
		}
	}
	t.Fatalf("there is no setting %s", key)
	return ""
}

func TestBrowserConsoleKeys(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	a := p.signUp(t)
	page, _ := consolePage(t, p.srv)
	page.Visit(p.at("keys"))
	page.WantHeading("Keys and tokens")
	kid := browser.Evaluate[string](page, `document.querySelector("tbody code").innerText`)
	page.Follow("Rotate the signing key")
	page.WantText("A new key signs from now on.")
	page.Check()
	page.Screenshot("console-keys")
	after := p.signIn(t, a.email, a.password)
	p.client().bearer(a.idToken).get(t, sessionsPath).wantStatus(t, 200) // the key before signed it
	page.Follow("Withdraw the key " + kid)
	page.WantHeading("Withdraw a signing key")
	page.Check()
	page.Screenshot("console-withdraw-key")
	page.Fill("Type the key's id to confirm: "+kid, kid)
	page.Follow("Withdraw this key")
	page.WantText("The key is withdrawn")
	p.client().bearer(a.idToken).get(t, sessionsPath).wantError(t, 403, isText)
	p.client().bearer(after.idToken).get(t, sessionsPath).wantStatus(t, 200)

	page.Follow("Make a new one…")
	page.WantHeading("New admin token")
	page.Follow("Make a new admin token")
	former := p.adminToken
	p.adminToken = shownSecret(page, "admin token")
	p.asAdmin().get(t, rolesPath).wantStatus(t, 200)
	p.client().admin(former).get(t, rolesPath).wantError(t, 403, isText)

	page.Visit("/console/instance")
	page.Check()
	page.Screenshot("console-instance")
	name := "t" + strings.ToLower(randomText(8))
	page.Fill("Name", name)
	page.Follow("Create an operator token")
	operatorToken := shownSecret(page, "operator token")
	list := p.srv.bareHost().with("Authorization", "Bearer "+operatorToken)
	list.do(t, http.MethodGet, "/admin/v1/projects?limit=1", nil).wantStatus(t, 200)
	page.Follow("Back to the instance")
	page.Follow("Delete the token " + name)
	page.Follow("Delete this token")
	page.WantText("The token is deleted")
	list.do(t, http.MethodGet, "/admin/v1/projects?limit=1", nil).wantStatus(t, 403)
	page.Follow("Admin API")
	page.WantText("Base URL")
	page.Check()
}

func TestBrowserConsoleAudit(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	a := p.signUp(t)
	wrong := newPassword()
	remember("password", wrong)
	refused := p.client().post(t, signin, M{"email": a.email, "password": wrong})
	page, _ := consolePage(t, p.srv)
	page.Visit(p.at("audit"))
	page.WantHeading("Audit log")
	page.WantText("user.sign_up")
	page.Check()
	page.Screenshot("console-audit")
	page.Choose("Outcome", "denied")
	page.Fill("About the user (uid)", a.uid)
	page.Follow("Search")
	rows := browser.Evaluate[int](page, `document.querySelectorAll("tbody tr").length`)
	if rows != 1 {
		t.Errorf("%d records of refusals", rows)
	}
	page.Follow("explain it")
	page.Fill("Reference", strings.ToLower(refused.reference(t)))
	page.EnterKey()
	page.WantText("A sign-in was refused")
	page.WantText("the password is wrong")
	page.Check()
	page.Screenshot("console-explain")
	page.Visit("/console/instance/audit")
	page.WantText("operator.set_up")
	page.Check()
}
