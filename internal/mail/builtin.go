package mail

import (
	"fmt"
	texttemplate "text/template"
	"text/template/parse"

	"golang.org/x/text/language"

	"github.com/doorward/doorward/internal/auth"
)

// BuiltIn gives a built-in template as a project's own, for whoever wants to begin with it: what the built-in ones share stands in its place, so that it renders to
// the same. Where there is none in the language or its base language, it is the English one. It fails where the kind is unknown or the language is none.
func BuiltIn(kind auth.MailKind, lang string) (auth.MailTemplate, error) {
	tag, err := language.Parse(lang)
	if err != nil {
		return auth.MailTemplate{}, fmt.Errorf("built-in mail template: language %q: %w", lang, err)
	}
	folder := lastLanguage
	for _, name := range Languages() {
		if have := language.Make(name); have == tag || (folder == lastLanguage && have == baseOf(tag)) {
			folder = name
		}
	}
	own := auth.MailTemplate{Kind: kind, Language: lang}
	for file, parts := range map[string]map[part]*string{
		"layout.txt.tmpl":  {subjectPart: &own.Subject, textPart: &own.Text},
		"layout.html.tmpl": {htmlPart: &own.HTML},
	} {
		// text/template for the HTML, too: html/template escapes when it renders, and the source is what is asked for.
		t, err := texttemplate.New("").ParseFS(templateFiles, "templates/"+file, "templates/"+folder+"/shared.tmpl", "templates/"+folder+"/"+string(kind)+".tmpl")
		if err != nil {
			return auth.MailTemplate{}, fmt.Errorf("built-in mail template: %w", err)
		}
		for p, source := range parts {
			*source = inlined(t, t.Lookup(string(p)).Root).String()
		}
	}
	return own, nil
}

// inlined gives a list with the templates that it calls in the place of the calls. All are called with the same dot.
func inlined(t *texttemplate.Template, list *parse.ListNode) *parse.ListNode {
	if list == nil {
		return nil
	}
	flat := list.CopyList()
	flat.Nodes = nil
	for _, n := range list.Nodes {
		switch n := n.Copy().(type) {
		case *parse.TemplateNode:
			flat.Nodes = append(flat.Nodes, inlined(t, t.Lookup(n.Name).Root).Nodes...)
		case *parse.IfNode:
			n.List, n.ElseList = inlined(t, n.List), inlined(t, n.ElseList)
			flat.Nodes = append(flat.Nodes, n)
		case *parse.WithNode:
			n.List, n.ElseList = inlined(t, n.List), inlined(t, n.ElseList)
			flat.Nodes = append(flat.Nodes, n)
		default:
			flat.Nodes = append(flat.Nodes, n)
		}
	}
	return flat
}
