package pages

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"sync"
)

var (
	//go:embed page.html.tmpl
	pageSource string
	//go:embed account.html.tmpl
	accountSource string
	//go:embed flow.html.tmpl
	flowSource string
	//go:embed typed.html.tmpl
	typedSource string
)

// pageTemplate is parsed when the first page is asked for.
var pageTemplate = sync.OnceValues(func() (*template.Template, error) {
	all := template.New("")
	for name, source := range map[string]string{"page": pageSource, "account": accountSource, "flow": flowSource, "typed": typedSource} {
		if _, err := all.New(name).Parse(source); err != nil {
			return nil, fmt.Errorf("parse the pages: %w", err)
		}
	}
	return all.Lookup("page"), nil
})

// view is what the template shows.
type view struct {
	Lang, Dir   string
	Stylesheets []string
	Icon        string
	Project     string // display name; "" where there is no such project
	Logo        string // path; "" where the project has none
	Heading     string
	Text        []string // paragraphs
	Form        *formView
	Reference   *field // of an error: what an operator finds it by
	Parts       []part // of a flow page
	Account     *accountView
	Script      string // path of the page's module; "" for none

	LanguageLabel, LanguageName string
	Languages                   []languageLink // empty where the page cannot be opened again
}

// formView is a form; it has the parts of a link, or asks for an address.
type formView struct {
	Action       string
	Code, User   string
	Password     *field
	Email        *field
	Typed        *typedView
	Error        string // what was wrong with the last try
	Button       string
	PasswordRule string
	MinLength    int
	Language     string // that the reader has chosen, or ""
}

// field is an input, or what is shown, with its label.
type field struct{ Label, Value string }

// textPage shows the messages key.title and key.text.
func (v *visit) textPage(key string) view {
	shown := view{
		Lang: v.texts.lang, Dir: v.texts.get("dir"), Stylesheets: []string{v.site.Asset("ui.css")}, Icon: v.site.Asset("icon.svg"),
		Heading: v.texts.get(key + ".title"), Text: []string{v.texts.get(key + ".text")},
		LanguageLabel: v.texts.get("language.label"), LanguageName: v.texts.get("language.name"),
	}
	v.brand(&shown)
	return shown
}

// formPage shows the page's form; problem is "" or what was wrong with the last try. A password is never sent back.
func (v *visit) formPage(problem string) view {
	shown := v.textPage(v.page.name)
	shown.Form = &formView{
		Action: v.action(), Code: v.form.code, User: string(v.form.user), Error: problem, Button: v.texts.get(v.page.name + ".button"),
	}
	if v.page.password {
		least := v.project.Settings.PasswordMinLength
		shown.Form.Password = &field{Label: v.texts.get("password.label")}
		shown.Form.PasswordRule, shown.Form.MinLength = v.texts.number("password.rule", least), least
	}
	return shown
}

// resendPage shows the messages key.title and key.text over the form that asks for a new mail.
func (v *visit) resendPage(key, problem string) view {
	shown := v.textPage(key)
	if key != "resend" {
		shown.Text = append(shown.Text, v.texts.get("resend.text"))
	}
	shown.Form = &formView{
		Action: v.action(), Error: problem, Button: v.texts.get("resend.button"),
		Email: &field{Label: v.texts.get("email.label"), Value: v.form.email},
	}
	return shown
}

// action is the page's path without the query.
func (v *visit) action() string { return v.site.Path("/" + string(v.project.ID) + "/" + v.page.name) }

func (v *visit) writePage(w http.ResponseWriter, status int, shown view) error {
	if shown.Form != nil {
		shown.Form.Language = v.language
	}
	shown.Languages = v.languageLinks(shown.Form)
	parsed, err := pageTemplate()
	if err != nil {
		return err
	}
	var page bytes.Buffer
	if err := parsed.Execute(&page, shown); err != nil {
		return fmt.Errorf("render page %s: %w", v.page.name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", v.texts.lang)
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes()) // fails only where the reader is gone
	return nil
}
