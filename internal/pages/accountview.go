package pages

import (
	"html/template"
	"net/http"
	"slices"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ui"
)

// accountView is what the account pages show below their heading.
type accountView struct {
	User      row // who is signed in, with the form to sign out
	TabsLabel string
	Tabs      []tabLink
	Notice    *note  // of the deed that led here
	Problem   string // of a form that is not on the page
	Sections  []section
}

type tabLink struct {
	URL, Label string
	Current    bool
}

// section is one part of an account page: what is so, and the forms to change it.
type section struct {
	ID, Heading string
	Text        []string
	Rows        []row
	Parts       []part
	NeedsScript bool // the section is of no use without
}

// row is one thing of a list.
type row struct {
	Title, Badge string
	Facts        []fact
	Parts        []part
}

// fact is a line of a row: a text or a time, with or without a label.
type fact struct {
	Label, Value string
	Time         string // RFC 3339; "" where Value is no time
}

// writeTab shows the page.
func (a *account) writeTab(w http.ResponseWriter, status int) error {
	sections, err := a.tab.shown(a)
	if err != nil {
		return err
	}
	return a.writeSections(w, status, sections...)
}

func (a *account) writeSections(w http.ResponseWriter, status int, sections ...section) error {
	shown := a.textPage("account." + a.tab.name)
	shown.Text = nil
	signOut := a.formTo("/"+pageSignOut, ui.PurposeSignOut)
	signOut.Button, signOut.Quiet = a.texts.get("account.sign-out"), true
	who := row{Facts: []fact{{Label: a.texts.get("account.signed-in"), Value: nameOf(a.user)}}}
	if a.project.ID == auth.ConsoleProject {
		who.Parts = []part{{Away: []away{{URL: template.URL(a.address("", nil)), Label: a.texts.get("account.console")}}}}
	}
	who.Parts = append(who.Parts, part{Form: signOut})
	shown.Account = &accountView{
		User:      who,
		TabsLabel: a.texts.get("account.title"), Tabs: a.tabLinks(), Notice: a.notice(), Sections: sections,
	}
	if a.problem.text != "" && !slices.ContainsFunc(sections, section.tells) {
		shown.Account.Problem = a.problem.text
	}
	if slices.ContainsFunc(sections, func(s section) bool { return s.NeedsScript }) {
		a.site.SetHeaders(w.Header(), ui.Policy{Script: true})
		shown.Script = a.site.Asset("passkey.js")
	}
	return a.writePage(w, status, shown)
}

func (a *account) tabLinks() (links []tabLink) {
	for _, tab := range accountTabs() {
		if tab.off == nil || !tab.off(a.project) {
			links = append(links, tabLink{a.address(tab.path, nil), a.texts.get("account." + tab.name + ".title"), tab.name == a.tab.name})
		}
	}
	return links
}

// notice tells of the deed that led here.
func (a *account) notice() *note {
	word := a.request.URL.Query().Get(fieldNotice)
	kind, ok := notices[word]
	if a.request.Method == http.MethodPost || !ok {
		return nil
	}
	return &note{kind, a.texts.get("account.notice." + word)}
}

// form makes one of the page's forms; where it is the one that was sent, it says what was wrong with it.
func (a *account) form(do string, inputs ...flowInput) *flowForm {
	f := a.formTo(a.tab.path, a.purpose(do))
	f.hide(fieldDo, do)
	f.Inputs, f.Button = inputs, a.texts.get("account."+do+".button")
	if a.problem.text == "" || a.sent != do {
		return f
	}
	for i, in := range f.Inputs {
		if in.Type != "password" {
			f.Inputs[i].Value = a.fields.Get(in.Name)
		}
	}
	return f.tell(a.problem)
}

// formTo makes a form that is sent to one of the project's pages, with the token of the purpose.
func (a *account) formTo(path, purpose string) *flowForm {
	f := &flowForm{Action: a.site.Path("/" + string(a.project.ID) + path)}
	f.hide(ui.FieldToken, ui.FormToken(a.token, purpose))
	if a.language != "" {
		f.hide(fieldLanguage, a.language)
	}
	return f
}

// rowForm is the form of one row, which its hidden field names; about tells it to who only hears the button.
func (a *account) rowForm(do, name, value, about string) part {
	f := a.form(do)
	f.hide(name, value)
	f.About, f.Quiet = about, true
	if a.fields.Get(name) != value {
		f.Problem = ""
	}
	return part{Form: f}
}

// when is a time as everybody reads it: the server does not know the reader's zone.
func (a *account) when(label string, t time.Time) fact {
	return fact{Label: a.texts.get(label), Value: t.UTC().Format("2006-01-02 15:04") + " UTC", Time: t.UTC().Format(time.RFC3339)}
}

// tells tells whether one of the section's forms says what was wrong.
func (s section) tells() bool {
	wrong := func(p part) bool {
		return p.Form != nil && (p.Form.Problem != "" || slices.ContainsFunc(p.Form.Inputs, func(in flowInput) bool { return in.Problem != "" }))
	}
	return slices.ContainsFunc(s.Parts, wrong) || slices.ContainsFunc(s.Rows, func(r row) bool { return slices.ContainsFunc(r.Parts, wrong) })
}
