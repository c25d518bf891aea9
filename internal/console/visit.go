package console

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ui"
	"github.com/doorward/doorward/internal/web"
)

// page is one page of the console with its forms.
type page struct {
	path  string // below root; a wildcard {project} makes it a page about that project
	room  string // the entry of the menu that it belongs to
	entry bool   // the menu leads here
	show  func(*visit) error
	// forms are what the page's forms do, by the value of the button named do. Each ends with visit.back, or shows something else.
	forms map[string]func(*visit) error
	// fromElsewhere answers what other sites' pages post here, with nobody's cookie. It changes nothing.
	fromElsewhere func(*visit) error
	rules         ui.FormRules
	upload        int64 // the forms bring a file along, of at most so many bytes; rules do not count then
	policy        ui.Policy
	scripts       []string          // modules of ui's assets that the page is better with
	notices       map[string]string // what the page says first when something led back to it, by the word in its address
}

// The names of fields that every form may have.
const (
	fieldDo     = "do"
	fieldNotice = "notice" // in the query
)

// visit is one request to a page, with what is known so far.
type visit struct {
	*Console
	page    *page
	w       http.ResponseWriter
	r       *http.Request
	session string      // what the browser's cookie holds; the secret of the forms' tokens
	caller  auth.Caller // the operator; its Project is that of the path
	fields  url.Values  // what was submitted; nil for GET
	file    *ui.Upload  // likewise; nil where none was chosen
	problem *problem    // what was wrong with that
}

// signIn finds out who the operator is, and which project the page is about. Whoever is not signed in is led to where that is done, and back.
func (v *visit) signIn() error {
	home, err := v.Admin.HostedProject(v.r.Context(), auth.ConsoleProject)
	if err != nil {
		return err
	}
	v.session = v.site.Session(v.r, string(auth.ConsoleProject))
	signedIn, err := v.Admin.AuthenticateBrowser(v.r.Context(), v.Caller(v.r, home), v.session)
	if err != nil {
		return err
	}
	if v.caller, err = v.Admin.AuthenticateConsole(v.r.Context(), v.Caller(v.r, nil), signedIn); err != nil {
		return err
	}
	if id := v.r.PathValue("project"); id != "" {
		if v.caller.Project, err = v.Admin.HostedProject(v.r.Context(), auth.ProjectID(id)); err != nil {
			return err
		}
		web.SetProject(v.r.Context(), id)
	}
	return nil
}

// show answers GET and HEAD.
func (v *visit) show() error { return v.page.show(v) }

// submit answers POST. What a form gets wrong is shown on its page, where it can be put right.
func (v *visit) submit() error {
	fields, err := v.readForm()
	if err != nil {
		return err
	}
	if err := v.site.CheckForm(v.r, fields, v.session, v.formPurpose()); err != nil {
		return err
	}
	do, ok := v.page.forms[fields.Get(fieldDo)]
	if !ok {
		return &web.Error{Status: http.StatusBadRequest, Detail: "There is no such form"}
	}
	v.fields = fields
	if err := do(v); err != nil {
		v.file.Discard()
		return v.again(err)
	}
	return nil
}

// readForm reads what was submitted, but of a file only the name: it is read once the rest is found right.
func (v *visit) readForm() (fields url.Values, err error) {
	if v.page.upload == 0 {
		return ui.ReadForm(v.w, v.r, v.page.rules)
	}
	fields, v.file, err = ui.ReadUpload(v.w, v.r, v.page.upload)
	return fields, err
}

// formPurpose ties the tokens of a page's forms to the page.
func (v *visit) formPurpose() string { return v.r.URL.Path }

// again shows the page once more, with what was wrong.
func (v *visit) again(err error) error {
	var plumbing *web.Error
	if errors.As(err, &plumbing) {
		return err
	}
	web.SetError(v.r.Context(), err)
	v.problem = problemOf(err, v.w.Header())
	return v.page.show(v)
}

// field gives what was submitted in a field, trimmed; "" for GET.
func (v *visit) field(name string) string { return strings.TrimSpace(v.fields.Get(name)) }

// value is what a field shows: what was submitted where that was refused, else what is so now.
func (v *visit) value(name, now string) string {
	if v.fields.Has(name) {
		return v.fields.Get(name)
	}
	return now
}

// wantStill refuses a form that was made before somebody else changed what it is about. The hidden field that goes with the named one has what was so then. A form that
// is shown again has what is so now, so whoever sends it once more means it.
func (v *visit) wantStill(name, now, what string) error {
	if v.field(fieldWas+name) == now {
		return nil
	}
	return &auth.Error{Code: auth.CodeConflict, Field: name, Message: "somebody else changed " + what + " since the page was opened, so nothing was saved; " +
		"open the page again to see what is so now, or send the form once more where yours is right"}
}

// versionOf tells states of a thing apart by when it was changed; "" where there is none yet.
func versionOf(updated time.Time) string {
	if updated.IsZero() {
		return ""
	}
	return strconv.FormatInt(updated.UnixMilli(), 10)
}

// query gives a parameter of the address.
func (v *visit) query(name string) string {
	value := v.r.URL.Query().Get(name)
	if !ui.IsText(value) {
		return ""
	}
	return value
}

// path gives a page's path from its segments below root, escaped.
func (v *visit) path(segments ...string) string {
	path := v.site.Path(root)
	for _, segment := range segments {
		path += "/" + url.PathEscape(segment)
	}
	return path
}

// projectPath is path for a page about the project.
func (v *visit) projectPath(segments ...string) string {
	return v.path(append([]string{"projects", string(v.caller.Project.ID)}, segments...)...)
}

// back leads to a page after a form did what it was to do. notice is one of that page's words, or "".
func (v *visit) back(path, notice string) error {
	if notice != "" {
		separator := "?"
		if strings.Contains(path, "?") {
			separator = "&"
		}
		path += separator + fieldNotice + "=" + url.QueryEscape(notice)
	}
	v.w.Header().Set("Location", path)
	v.w.WriteHeader(http.StatusSeeOther)
	return nil
}
