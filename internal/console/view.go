package console

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ui"
	"github.com/doorward/doorward/internal/web"
)

//go:embed html/*.html
var templateFiles embed.FS

// templates are the pages, each within the layout, by the names of their files. A page is parsed when it is first asked for: all of them are megabytes, and many a
// server is never looked at.
var templates = lazyTemplates()

var templateFunctions = template.FuncMap{
	"rfc3339": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"instant": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
	"join":    strings.Join,
	"event":   eventName,

	"duration": duration,
	"args":     args,
}

// duration says how long in the largest unit that counts: days from two of them on, then hours, minutes and seconds.
func duration(d time.Duration) string {
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if n := int64(d / unit.length); n > 1 {
			return fmt.Sprintf("%d %ss", n, unit.name)
		}
	}
	return fmt.Sprintf("%d seconds", int64(d/time.Second))
}

// args names what a part of a page is given.
func args(pairs ...string) map[string]string {
	named := make(map[string]string, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		named[pairs[i]] = pairs[i+1]
	}
	return named
}

// lazyTemplates gives the pages. Names that begin with an underscore are parts for all of them.
func lazyTemplates() map[string]func() (*template.Template, error) {
	files, err := templateFiles.ReadDir("html")
	if err != nil {
		panic(fmt.Sprintf("console: templates: %v", err)) // they are part of the program
	}
	all := map[string]func() (*template.Template, error){}
	for _, file := range files {
		if name := strings.TrimSuffix(file.Name(), ".html"); !strings.HasPrefix(name, "_") {
			all[name] = sync.OnceValues(func() (*template.Template, error) {
				return template.New("").Funcs(templateFunctions).ParseFS(templateFiles, "html/_*.html", path.Join("html", file.Name()))
			})
		}
	}
	return all
}

// view is what a page's template sees.
type view struct {
	visit *visit

	Title      string
	Stylesheet string
	Scripts    []string // modules
	Icon       string
	Operator   string
	Project    *auth.Project // nil on pages about the instance
	Menu       []menuPart
	Notice     string
	Problem    *problem // what was wrong with the form
	Token      string   // of the page's forms
	SignOut    string   // the token of that form
	Data       any
}

// menuPart is a list of entries under a heading.
type menuPart struct {
	Heading string
	Entries []menuEntry
}

type menuEntry struct {
	Label, URL string
	Current    bool
}

// The rooms, in the menu's order. Those of no page yet are left out of the menu.
const (
	roomProjects  = "Projects"
	roomOperators = "Operators"
	roomInstance  = "Instance"

	roomOverview  = "Overview"
	roomUsers     = "Users"
	roomRoles     = "Roles"
	roomProviders = "Sign-in methods"
	roomMail      = "Mail"
	roomWebhooks  = "Webhooks"
	roomKeys      = "Keys and tokens"
	roomSettings  = "Settings"
	roomAudit     = "Audit log"
	roomAPI       = "API"
)

var (
	instanceRooms = []string{roomProjects, roomOperators, roomInstance}
	projectRooms  = []string{roomOverview, roomUsers, roomRoles, roomProviders, roomMail, roomWebhooks, roomKeys, roomSettings, roomAudit, roomAPI}
	// consoleRooms are those that the instance's own project has: its users are in the room for operators.
	consoleRooms = []string{roomOverview, roomMail, roomSettings, roomAudit}
)

// Href is the path of a page about the project, from its segments.
func (v view) Href(segments ...string) string { return v.visit.projectPath(segments...) }

// Root is the path of a page of the console, from its segments.
func (v view) Root(segments ...string) string { return v.visit.path(segments...) }

// Asset is the path of one of ui's assets.
func (v view) Asset(name string) string { return v.visit.site.Asset(name) }

// Value is what a field shows: what was submitted where that was refused, else what is so now.
func (v view) Value(name, now string) string { return v.visit.value(name, now) }

// Checked tells whether a check box of the form with the button do is to be checked, in the same way. A box that is not checked is not sent, so that other forms
// of the page tell nothing about it.
func (v view) Checked(do, name string, now bool) bool {
	if v.refused(do) {
		return v.visit.fields.Has(name)
	}
	return now
}

// refused tells whether the form with the button do is the one that was sent, and was refused.
func (v view) refused(do string) bool { return v.Problem != nil && v.visit.fields.Get(fieldDo) == do }

// Wrong gives the attributes that tie a field to what was wrong with it.
func (v view) Wrong(field string) template.HTMLAttr {
	if v.Problem == nil || v.Problem.Field != field {
		return ""
	}
	return `aria-invalid="true" aria-describedby="problem"` // no part of it comes from outside
}

// Described is Wrong for a field that has a hint, by its id.
func (v view) Described(field, hint string) template.HTMLAttr {
	if v.Wrong(field) == "" {
		return template.HTMLAttr(`aria-describedby="` + hint + `"`) // ids are those of our templates
	}
	return template.HTMLAttr(`aria-invalid="true" aria-describedby="` + hint + ` problem"`)
}

// WrongField names the field that was wrong; "" where none was.
func (v view) WrongField() string {
	if v.Problem == nil {
		return ""
	}
	return v.Problem.Field
}

// Picked tells whether one of the radio buttons of a name is chosen: as submitted, else as it is now.
func (v view) Picked(name, value string, now bool) bool {
	if v.visit.fields.Has(name) {
		return v.visit.fields.Get(name) == value
	}
	return now
}

// TokenOf is the token of a form that is sent to another page about the project, named by the segments of its path.
func (v view) TokenOf(segments ...string) string {
	path := append([]string{root, "projects", string(v.Project.ID)}, segments...) // as formPurpose has it: not escaped, and without the public URL's own path
	return ui.FormToken(v.visit.session, strings.Join(path, "/"))
}

// render answers with a page: its template, its heading, and what it shows.
func (v *visit) render(name, title string, data any) error {
	shown := view{
		visit: v, Title: title, Stylesheet: v.site.Asset("ui.css"), Icon: v.site.Asset("icon.svg"), Operator: v.caller.OperatorName(), Project: v.caller.Project,
		Menu: v.menu(), Notice: v.page.notices[v.query(fieldNotice)], Problem: v.problem, Data: data,
	}
	if v.session != "" {
		shown.Token, shown.SignOut = ui.FormToken(v.session, v.formPurpose()), ui.FormToken(v.session, ui.PurposeSignOut)
	}
	for _, script := range v.page.scripts {
		shown.Scripts = append(shown.Scripts, v.site.Asset(script))
	}
	status := http.StatusOK
	if v.problem != nil {
		status, shown.Notice, v.problem.Reference = v.problem.Status, "", web.RequestID(v.r.Context())
	}
	page, err := templates[name]()
	if err != nil {
		return fmt.Errorf("parse page %s: %w", name, err)
	}
	var text bytes.Buffer
	if err := page.ExecuteTemplate(&text, "layout", shown); err != nil {
		return fmt.Errorf("render page %s: %w", name, err)
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", "en")
	v.w.WriteHeader(status)
	_, _ = v.w.Write(text.Bytes()) // fails only where the reader is gone
	return nil
}

// menu is the way around. Whoever is not known to be an operator sees none.
func (v *visit) menu() []menuPart {
	if v.caller.OperatorName() == "" {
		return nil
	}
	parts := []menuPart{{"Doorward", v.entries(instanceRooms)}}
	switch {
	case v.caller.Project == nil:
	case v.caller.Project.ID == auth.ConsoleProject:
		parts = append(parts, menuPart{v.caller.Project.DisplayName, v.entries(consoleRooms)})
	default:
		parts = append(parts, menuPart{v.caller.Project.DisplayName, v.entries(projectRooms)})
	}
	return parts
}

func (v *visit) entries(rooms []string) []menuEntry {
	var entries []menuEntry
	for _, room := range rooms {
		for _, p := range v.pages {
			if p.entry && p.room == room {
				target := strings.Replace(p.path, "{project}", v.r.PathValue("project"), 1)
				entries = append(entries, menuEntry{Label: room, URL: v.site.Path(root + target), Current: v.page.room == room})
			}
		}
	}
	return entries
}
