package console

import (
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"

	"github.com/doorward/doorward/internal/apidocs"
	"github.com/doorward/doorward/internal/auth"
)

// testDocs are documents of an API of one operation.
var testDocs = APIDocs{
	Site: func(p *auth.Project) apidocs.Site {
		return apidocs.Site{Name: p.DisplayName, BaseURL: "https://api.example.com", PublicURL: "https://auth.example.com", Parameters: map[string]string{"X-Project-Id": string(p.ID)}}
	},
	Admin: func() *apidocs.Document {
		document, err := apidocs.Parse([]byte(`{"info": {"title": "Toy API"}, "servers": [], "tags": [{"name": "Toys"}], "components": {},
			"paths": {"/toys": {"get": {"operationId": "toys", "tags": ["Toys"], "summary": "List toys", "responses": {"204": {"description": "Done."}}}}}}`))
		if err != nil {
			panic(err)
		}
		return document
	},
	AdminSite: apidocs.Site{BaseURL: "https://auth.example.com", PublicURL: "https://auth.example.com"}, Stylesheet: "/assets/docs.css",
}

func (a *answer) document() *html.Node {
	a.t.Helper()
	doc, err := html.Parse(strings.NewReader(a.Body.String()))
	if err != nil {
		a.t.Fatal(err)
	}
	return doc
}

func attributeOf(n *html.Node, name string) (string, bool) {
	i := slices.IndexFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
	if i < 0 {
		return "", false
	}
	return n.Attr[i].Val, true
}

func textOf(n *html.Node) string {
	var text strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			text.WriteString(d.Data)
		}
	}
	return text.String()
}

// elements are those of the page with the tag.
func (a *answer) elements(tag string) (found []*html.Node) {
	for n := range a.document().Descendants() {
		if n.Type == html.ElementNode && n.Data == tag {
			found = append(found, n)
		}
	}
	return found
}

// texts are what the elements of a tag say.
func (a *answer) texts(tag string) (texts []string) {
	for _, n := range a.elements(tag) {
		texts = append(texts, textOf(n))
	}
	return texts
}

// attributes are what an attribute says, of the elements of a tag.
func (a *answer) attributes(tag, name string) (values []string) {
	for _, n := range a.elements(tag) {
		if value, ok := attributeOf(n, name); ok {
			values = append(values, value)
		}
	}
	return values
}

// link is where the link with the text leads.
func (a *answer) link(text string) string {
	a.t.Helper()
	for _, n := range a.elements("a") {
		if strings.TrimSpace(textOf(n)) == text {
			target, _ := attributeOf(n, "href")
			return target
		}
	}
	a.t.Fatalf("%s has no link %q", a.path, text)
	return ""
}

// named finds what has the id, or else the name.
func (a *answer) named(id string) *html.Node {
	for _, attribute := range []string{"id", "name"} {
		for n := range a.document().Descendants() {
			if value, ok := attributeOf(n, attribute); ok && value == id {
				return n
			}
		}
	}
	return nil
}

// attribute of what has the id or name; "" where there is none.
func (a *answer) attribute(id, name string) string {
	if n := a.named(id); n != nil {
		value, _ := attributeOf(n, name)
		return value
	}
	return ""
}

// content is the text of what has the id.
func (a *answer) content(id string) string {
	if n := a.named(id); n != nil {
		return textOf(n)
	}
	return ""
}

// form is what the page's form for the content would send as it stands: that of the last one that is a POST.
func (a *answer) form() url.Values {
	a.t.Helper()
	var values url.Values
	for _, form := range a.elements("form") {
		if method, _ := attributeOf(form, "method"); method != "post" {
			continue
		}
		if action, ok := attributeOf(form, "action"); ok && strings.HasSuffix(action, "sign-out") {
			continue
		}
		values = url.Values{}
		for n := range form.Descendants() {
			name, ok := attributeOf(n, "name")
			if _, disabled := attributeOf(n, "disabled"); !ok || disabled {
				continue
			}
			kind, _ := attributeOf(n, "type")
			_, checked := attributeOf(n, "checked")
			switch {
			case n.Data == "textarea":
				values.Set(name, strings.TrimPrefix(textOf(n), "\n"))
			case n.Data == "select":
				values.Set(name, selected(n))
			case n.Data == "input" && (checked || kind != "checkbox" && kind != "radio"):
				value, _ := attributeOf(n, "value")
				values.Set(name, value)
			}
		}
	}
	return values
}

func selected(list *html.Node) string {
	first := ""
	for n := range list.Descendants() {
		value, ok := attributeOf(n, "value")
		if n.Type != html.ElementNode || n.Data != "option" || !ok {
			continue
		}
		if _, chosen := attributeOf(n, "selected"); chosen {
			return value
		}
		if first == "" {
			first = value
		}
	}
	return first
}
