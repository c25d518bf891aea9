package pages

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
)

var (
	//go:embed page.html.tmpl
	pageSource   string
	pageTemplate = template.Must(template.New("page").Parse(pageSource))

	//go:embed pages.css
	styles []byte
	// stylesheet is its path, which changes with its content, so that caches may keep it for ever.
	stylesheet = "assets/pages-" + contentHash(styles) + ".css"
)

func contentHash(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:8])
}

func serveStylesheet(w http.ResponseWriter, _ *http.Request) error {
	h := w.Header()
	h.Set("Content-Type", "text/css; charset=utf-8")
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(styles) // fails only where the reader is gone
	return nil
}

// view is what the template shows.
type view struct {
	Lang, Dir  string
	Stylesheet string
	Project    string // display name; "" where there is no such project
	Heading    string
	Text       []string // paragraphs
	Form       *formView
	Reference  *field // of an error: what an operator finds it by
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
}

// field is an input, or what is shown, with its label.
type field struct{ Label, Value string }

// textPage shows the messages key.title and key.text.
func (v *visit) textPage(key string) view {
	shown := view{
		Lang: v.texts.lang, Dir: v.texts.get("dir"), Stylesheet: v.basePath + "/" + stylesheet,
		Heading: v.texts.get(key + ".title"), Text: []string{v.texts.get(key + ".text")},
	}
	if v.project != nil {
		shown.Project = v.project.DisplayName
	}
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
func (v *visit) action() string { return v.basePath + "/" + string(v.project.ID) + "/" + v.page.name }

func (v *visit) writePage(w http.ResponseWriter, status int, shown view) error {
	var page bytes.Buffer
	if err := pageTemplate.Execute(&page, shown); err != nil {
		return fmt.Errorf("render page %s: %w", v.page.name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", v.texts.lang)
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes()) // fails only where the reader is gone
	return nil
}
