package console

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/doorward/doorward/internal/auth"
)

func projectsPages() []page {
	return []page{
		{path: "", room: roomProjects, show: (*visit).projects, notices: projectsNotices},
		{path: "/projects", room: roomProjects, entry: true, show: (*visit).projects, notices: projectsNotices},
		{path: "/new-project", room: roomProjects, show: (*visit).newProject, forms: map[string]func(*visit) error{"create": (*visit).createProject}},
		{path: "/projects/{project}/delete", room: roomSettings, show: (*visit).confirmProjectDeletion, forms: map[string]func(*visit) error{"delete": (*visit).deleteProject}},
	}
}

var projectsNotices = map[string]string{"deleted": "The project is deleted, and nobody can sign in to it any more."}

// projectsOnPage is how many projects one page of the list has.
const projectsOnPage = 50

// projectList is what the list of projects shows.
type projectList struct {
	Search   string
	Projects []auth.Project
	Next     string // the path of the next page, or ""
	First    bool
}

// projects lists the instance's projects by their ids: all, or those that begin with what is searched for.
func (v *visit) projects() error {
	after, search := v.query("after"), strings.ToLower(strings.TrimSpace(v.query("search")))
	found, err := v.Admin.FindProjects(v.r.Context(), v.caller, search, auth.ProjectID(after), projectsOnPage+1)
	if err != nil {
		return err
	}
	list := projectList{Search: search, Projects: found, First: after == ""}
	if len(found) > projectsOnPage {
		list.Projects = found[:projectsOnPage]
		next := url.Values{"after": {string(list.Projects[projectsOnPage-1].ID)}}
		if search != "" {
			next.Set("search", search)
		}
		list.Next = v.path("projects") + "?" + next.Encode()
	}
	return v.render("projects", "Projects", list)
}

// presetChoice is a preset with what it is for.
type presetChoice struct {
	Preset auth.Preset
	Help   string
}

var presets = []presetChoice{
	{auth.PresetHardened, "For a new app. Answers do not tell whether an address has an account, refresh tokens work once, sessions end after a month unused, common and leaked passwords are refused, and nothing is " +
		"open to all origins."},
	{auth.PresetDocumented, "For an app that was built against the documented API and expects its very answers, for instance that a sign-in says whether the address or the password was wrong."},
}

func (v *visit) newProject() error { return v.render("new-project", "New project", presets) }

// shownSecret is a page with something that is told this once. It is the answer to the form itself: an address never has it, and nothing keeps it.
type shownSecret struct {
	Done   string
	Label  string
	Secret string
	Hint   string
	Next   string // path
	Onward string // what is there
}

func (v *visit) createProject() error {
	p, adminToken, err := v.Admin.CreateProject(v.r.Context(), v.caller, auth.NewProject{
		ID: v.field("project"), DisplayName: v.field("displayName"), Preset: auth.Preset(v.field("preset")),
	})
	if err != nil {
		return err
	}
	return v.render("secret", p.DisplayName, shownSecret{
		Done: "The project is there.", Label: "Admin token", Secret: adminToken,
		Hint: "It may do everything in this project, for your own servers and scripts. Keep it where they keep their secrets: nobody can read it again, only make a new one.",
		Next: v.path("projects", string(p.ID)), Onward: "Go to the project",
	})
}

// confirmation is a page that asks before something that cannot be taken back.
type confirmation struct {
	Warnings []string
	Type     string // what has to be typed; "" for nothing
	Label    string // of that field
	Button   string
	Do       string
	Back     string // path
}

// fieldTyped is the field of a confirmation.
const fieldTyped = "typed"

// wantTyped refuses unless what was to be typed was.
func (v *visit) wantTyped(want string) error {
	if v.field(fieldTyped) == want {
		return nil
	}
	return &auth.Error{Code: auth.CodeInvalidArgument, Field: fieldTyped, Message: "that is not what has to be typed here, so nothing was done"}
}

func (v *visit) confirmProjectDeletion() error {
	id := string(v.caller.Project.ID)
	return v.render("confirm", "Delete "+v.caller.Project.DisplayName, confirmation{
		Warnings: []string{
			"All users of the project, their sessions, its keys, settings and audit log go for ever, and nobody can sign in to it from now on.",
			"The id " + id + " is never used again, not even by a new project.",
			"A capsule keeps all of it: doorward project export " + id,
		},
		Type: id, Label: "Type the project's id to confirm: " + id, Button: "Delete this project for ever", Do: "delete", Back: v.projectPath("settings"),
	})
}

func (v *visit) deleteProject() error {
	if err := v.wantTyped(string(v.caller.Project.ID)); err != nil {
		return err
	}
	if err := v.Admin.DeleteProject(v.r.Context(), v.caller); err != nil {
		return err
	}
	return v.back(v.path("projects"), "deleted")
}

// wants tells whether a query or form has what a check box says.
func (v *visit) wants(name string) bool {
	if v.r.Method == http.MethodPost {
		return v.field(name) == "true"
	}
	return v.query(name) == "true"
}
