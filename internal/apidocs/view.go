package apidocs

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

var (
	//go:embed docs.html.tmpl
	pageSource   string
	pageTemplate = sync.OnceValues(func() (*template.Template, error) { // parsed when it is first looked at
		return template.New("docs").Funcs(template.FuncMap{"prose": prose, "code": code}).Parse(pageSource)
	})

	// Styles is the stylesheet of the page. It needs no other one, and its rules hold below .api-docs only but for the page's own frame.
	//
	//go:embed docs.css
	Styles []byte
)

// Links are what the page refers to, as paths or URLs. Empty ones are left out.
type Links struct {
	Stylesheet string
	OpenAPI    string // the document
	Postman    string // the collection
}

// Page renders the whole page. Nothing in it needs script, and nothing comes from elsewhere.
func (d *Document) Page(site Site, links Links) ([]byte, error) { return d.render("page", site, links) }

// Body renders what is in the page's body, for a surface that has a frame of its own around it.
func (d *Document) Body(site Site, links Links) (template.HTML, error) {
	text, err := d.render("body", site, links)
	return template.HTML(text), err //nolint:gosec // the output of html/template
}

func (d *Document) render(name string, site Site, links Links) ([]byte, error) {
	shown, err := d.view(site, links)
	if err != nil {
		return nil, err
	}
	parsed, err := pageTemplate()
	if err != nil {
		return nil, err
	}
	var page bytes.Buffer
	if err := parsed.ExecuteTemplate(&page, name, shown); err != nil {
		return nil, fmt.Errorf("render API docs: %w", err)
	}
	return page.Bytes(), nil
}

// view is what the template shows.
type view struct {
	Title, Description, Version string
	Site                        Site
	Fixed                       []fixedHeader
	Links                       Links
	Security                    members[securityScheme]
	Groups                      []group
	Responses                   []responseView // shared ones that an operation refers to
	Schemas                     []schemaView   // likewise
}

// fixedHeader is one that every request to the site carries.
type fixedHeader struct{ Name, Value string }

type group struct {
	Name, ID, Description string
	Operations            []operationView
}

type operationView struct {
	ID, Method, Path, Summary, Description string
	Auth                                   string
	Parameters                             []row
	Body                                   *bodyView
	Curl                                   string
	Successes                              []responseView
	Errors                                 []responseView
	Shared                                 []link // answers that other operations have too
}

type bodyView struct {
	MediaType string
	Optional  bool
	Type      []part
	Note      string
	Rows      []row
	Examples  []exampleView
}

type exampleView struct{ Summary, Text string }

type responseView struct {
	ID, Status, Description string
	Body                    *bodyView
	Says                    []string // of an error: the texts that it has
}

type schemaView struct {
	Name, Note string
	Type       []part
	Rows       []row
}

// row is a parameter, or a member of an object.
type row struct {
	Name, In    string
	Required    bool
	Type        []part
	Description string
	Limits      string
}

// part is a piece of a type's text; it may lead to a schema.
type part struct{ Text, Schema string }

type link struct{ Status, Target string }

// viewer collects what the operations refer to while they are looked at.
type viewer struct {
	*Document
	site      Site
	responses map[string][]string // name of a shared one to the statuses that it comes with
	schemas   []string            // names, in the order in which they are met
}

func (d *Document) view(site Site, links Links) (*view, error) {
	v := &viewer{Document: d, site: site, responses: map[string][]string{}}
	shown := &view{
		Title: d.info.Title, Description: d.info.Description, Version: d.info.Version, Site: site, Links: links, Security: d.components.SecuritySchemes,
	}
	for _, p := range d.components.Parameters {
		if value, ok := site.Parameters[p.Value.Name]; ok && p.Value.In == "header" {
			shown.Fixed = append(shown.Fixed, fixedHeader{p.Value.Name, value})
		}
	}
	for _, tag := range d.tags {
		g := group{Name: tag.Name, ID: "tag-" + anchor(tag.Name), Description: tag.Description}
		for _, op := range d.operations {
			if op.Tags[0] != tag.Name {
				continue
			}
			one, err := v.operationView(op)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", op.ID, err)
			}
			g.Operations = append(g.Operations, one)
		}
		shown.Groups = append(shown.Groups, g)
	}
	for _, r := range d.components.Responses {
		if statuses, ok := v.responses[r.Name]; ok {
			one, err := v.responseView(strings.Join(statuses, ", "), r.Value)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", r.Name, err)
			}
			one.ID = r.Name
			shown.Responses = append(shown.Responses, one)
		}
	}
	for i := 0; i < len(v.schemas); i++ { // a schema may refer to more of them
		s, _ := d.components.Schemas.get(v.schemas[i])
		shown.Schemas = append(shown.Schemas, schemaView{Name: v.schemas[i], Note: s.Description, Type: v.typeOf(s), Rows: v.rows(s, "")})
	}
	slices.SortFunc(shown.Schemas, func(a, b schemaView) int { return strings.Compare(a.Name, b.Name) })
	return shown, nil
}

func anchor(name string) string { return strings.ReplaceAll(strings.ToLower(name), " ", "-") }

func (v *viewer) operationView(op *operation) (operationView, error) {
	shown := operationView{ID: op.ID, Method: op.method, Path: v.pathOf(op, false), Summary: op.Summary, Description: op.Description, Auth: v.authOf(op)}
	for _, p := range op.Parameters {
		if _, fixed := v.site.Parameters[p.Name]; fixed || isProjectHeader(p) {
			continue
		}
		r := v.rowOf(p.Name, p.Schema, p.Required)
		r.In, r.Description = p.In, p.Description
		shown.Parameters = append(shown.Parameters, r)
		if s := v.schemaOf(p.Schema); len(s.Properties) > 0 {
			shown.Parameters = append(shown.Parameters, v.deepObject(p, s)...)
		}
	}
	var err error
	if op.RequestBody != nil && len(op.RequestBody.Content) > 0 {
		if shown.Body, err = v.bodyView(op.RequestBody.Content); err != nil {
			return shown, err
		}
		shown.Body.Optional = !op.RequestBody.Required
	}
	if shown.Curl, err = v.curl(op); err != nil {
		return shown, err
	}
	for _, r := range op.Responses {
		if r.Value.Ref != "" {
			name := refName(r.Value.Ref)
			shown.Shared = append(shown.Shared, link{r.Name, name})
			if !slices.Contains(v.responses[name], r.Name) {
				v.responses[name] = append(v.responses[name], r.Name)
			}
			continue
		}
		one, err := v.responseView(r.Name, r.Value)
		if err != nil {
			return shown, err
		}
		if strings.HasPrefix(r.Name, "2") || strings.HasPrefix(r.Name, "3") {
			shown.Successes = append(shown.Successes, one)
		} else {
			shown.Errors = append(shown.Errors, one)
		}
	}
	return shown, nil
}

// isProjectHeader tells the header that chooses the project: where the site has no value for it, the host name says the same.
func isProjectHeader(p parameter) bool { return p.In == "header" && p.Name == "X-Project-Id" }

// deepObject lists the parts of a parameter that is an object, as a query spells them.
func (v *viewer) deepObject(p parameter, s *schema) (rows []row) {
	for _, property := range s.Properties {
		r := v.rowOf(p.Name+"["+property.Name+"]", property.Value, false)
		r.In = p.In
		rows = append(rows, r)
	}
	return rows
}

// pathOf fills in what the site knows; in a request, also what the document has examples of.
func (v *viewer) pathOf(op *operation, filled bool) string {
	path := op.path
	for _, p := range op.Parameters {
		if p.In != "path" {
			continue
		}
		value, fixed := v.site.Parameters[p.Name]
		if !fixed && filled {
			value = exampleText(p)
		}
		if fixed || filled {
			path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(value))
		}
	}
	return path
}

// exampleText is the example of a parameter, or a word that asks for a value.
func exampleText(p parameter) string {
	example := p.Example
	if len(example) == 0 && p.Schema != nil {
		example = p.Schema.Example
	}
	var text string
	if json.Unmarshal(example, &text) != nil || text == "" {
		return strings.ToUpper(p.Name)
	}
	return text
}

// authOf says which credentials an operation takes.
func (v *viewer) authOf(op *operation) string {
	var names []string
	optional := len(op.Security) == 0
	for _, alternative := range op.Security {
		if len(alternative) == 0 {
			optional = true
		}
		for _, scheme := range alternative {
			names = append(names, "`"+scheme.Name+"`")
		}
	}
	switch {
	case len(names) == 0:
		return "none"
	case optional:
		return strings.Join(names, " or ") + ", as the project's settings ask"
	}
	return strings.Join(names, " or ")
}

func (v *viewer) responseView(status string, r response) (responseView, error) {
	shown := responseView{Status: status, Description: r.Description}
	if len(r.Content) == 0 {
		return shown, nil
	}
	if strings.HasPrefix(status, "2") {
		body, err := v.bodyView(r.Content)
		shown.Body = body
		return shown, err
	}
	content := r.Content[0].Value
	for _, e := range content.examplesOf() {
		text, err := errorText(e.Value)
		if err != nil {
			return shown, err
		}
		if !slices.Contains(shown.Says, text) {
			shown.Says = append(shown.Says, text)
		}
	}
	if content.Schema != nil && content.Schema.Ref != "" {
		v.meet(refName(content.Schema.Ref))
	}
	return shown, nil
}

// errorText gives what an error says, out of whatever envelope it comes in.
func errorText(example json.RawMessage) (string, error) {
	var tree any
	if err := json.Unmarshal(example, &tree); err != nil {
		return "", err
	}
	if text := find(tree, "detail"); text != "" {
		return text, nil
	}
	var compact bytes.Buffer
	err := json.Compact(&compact, example)
	return compact.String(), err
}

// find looks for the first text under the name.
func find(tree any, name string) string {
	switch tree := tree.(type) {
	case []any:
		for _, element := range tree {
			if text := find(element, name); text != "" {
				return text
			}
		}
	case map[string]any:
		if text, ok := tree[name].(string); ok {
			return text
		}
		for _, value := range tree {
			if text := find(value, name); text != "" {
				return text
			}
		}
	}
	return ""
}

func (v *viewer) bodyView(content members[media]) (*bodyView, error) {
	types := make([]string, 0, len(content))
	for _, m := range content {
		types = append(types, m.Name)
	}
	m := content[0].Value
	resolved := v.schemaOf(m.Schema)
	shown := &bodyView{MediaType: strings.Join(types, " or "), Note: resolved.Description, Rows: v.rows(resolved, "")}
	if len(shown.Rows) == 0 && m.Schema != nil {
		shown.Type = v.typeOf(m.Schema)
	}
	for _, e := range m.examplesOf() {
		var indented bytes.Buffer
		if err := json.Indent(&indented, e.Value, "", "  "); err != nil {
			return nil, err
		}
		shown.Examples = append(shown.Examples, exampleView{e.Summary, indented.String()})
	}
	return shown, nil
}

// rows lists the members of an object; those of objects within it, unless they have a schema of their own, are listed with the path to them.
func (v *viewer) rows(s *schema, prefix string) (rows []row) {
	for _, property := range s.Properties {
		rows = append(rows, v.rowOf(prefix+property.Name, property.Value, slices.Contains(s.Required, property.Name)))
		switch inner := property.Value; {
		case inner.Ref != "":
		case inner.Items != nil && inner.Items.Ref == "":
			rows = append(rows, v.rows(inner.Items, prefix+property.Name+"[].")...)
		default:
			rows = append(rows, v.rows(inner, prefix+property.Name+".")...)
		}
	}
	return rows
}

func (v *viewer) rowOf(name string, s *schema, required bool) row {
	resolved := v.schemaOf(s)
	r := row{Name: name, Required: required, Type: v.typeOf(s), Description: resolved.Description, Limits: limits(resolved)}
	if s != nil && s.Ref != "" {
		r.Description, r.Limits = "", "" // they stand at the schema
	}
	return r
}

// typeOf says what a value is.
func (v *viewer) typeOf(s *schema) []part {
	switch {
	case s == nil:
		return []part{{Text: "anything"}}
	case s.Ref != "":
		name := refName(s.Ref)
		v.meet(name)
		return []part{{Text: name, Schema: name}}
	case len(s.OneOf) > 0:
		var parts []part
		for i, one := range s.OneOf {
			if i > 0 {
				parts = append(parts, part{Text: " or "})
			}
			parts = append(parts, v.typeOf(one)...)
		}
		return parts
	case s.Items != nil:
		return append([]part{{Text: "array of "}}, v.typeOf(s.Items)...)
	case s.AdditionalProperties.schema != nil:
		return append([]part{{Text: "object of "}}, v.typeOf(s.AdditionalProperties.schema)...)
	case len(s.Const) > 0:
		return []part{{Text: string(s.Const)}}
	case len(s.Type) == 0:
		return []part{{Text: "anything"}}
	case s.Format != "":
		return []part{{Text: strings.Join(s.Type, " or ") + " (" + s.Format + ")"}}
	}
	return []part{{Text: strings.Join(s.Type, " or ")}}
}

func (v *viewer) meet(schema string) {
	if _, ok := v.components.Schemas.get(schema); ok && !slices.Contains(v.schemas, schema) {
		v.schemas = append(v.schemas, schema)
	}
}

// limits says what else holds of a value, in words.
func limits(s *schema) string {
	var all []string
	add := func(text string, n *json.Number) {
		if n != nil {
			all = append(all, fmt.Sprintf(text, *n))
		}
	}
	if len(s.Enum) > 0 {
		values := make([]string, 0, len(s.Enum))
		for _, value := range s.Enum {
			values = append(values, "`"+strings.Trim(string(value), `"`)+"`")
		}
		all = append(all, "One of "+strings.Join(values, ", ")+".")
	}
	add("At least %s.", s.Minimum)
	add("At most %s.", s.Maximum)
	if s.MinLength != nil && *s.MinLength != "1" {
		add("At least %s characters.", s.MinLength)
	}
	add("At most %s characters.", s.MaxLength)
	add("At most %s elements.", s.MaxItems)
	if len(s.Default) > 0 {
		all = append(all, "Default: `"+strings.Trim(string(s.Default), `"`)+"`.")
	}
	return strings.Join(all, " ")
}

// curl gives the operation's first example as a command for a POSIX shell.
func (v *viewer) curl(op *operation) (string, error) {
	words := []string{"curl"}
	if op.method != http.MethodGet {
		words = append(words, "-X "+op.method)
	}
	lines := []string{strings.Join(words, " ") + " " + quote(v.site.base(op)+v.pathOf(op, true))}
	for _, p := range op.Parameters {
		if value, ok := v.site.Parameters[p.Name]; ok && p.In == "header" {
			lines = append(lines, "-H "+quote(p.Name+": "+value))
		}
	}
	if header := v.credentials(op); header != "" {
		lines = append(lines, "-H "+quote(header))
	}
	if op.RequestBody != nil && len(op.RequestBody.Content) > 0 {
		content := op.RequestBody.Content[0]
		examples := content.Value.examplesOf()
		if content.Name == "application/json" && len(examples) == 0 && !op.RequestBody.Required {
			return strings.Join(lines, " \\\n  "), nil
		}
		lines = append(lines, "-H "+quote("content-type: "+content.Name))
		data := "--data-binary @FILE"
		if content.Name == "application/json" {
			text, err := v.exampleBody(content.Value)
			if err != nil {
				return "", err
			}
			data = "-d " + quote(text)
		}
		lines = append(lines, data)
	}
	return strings.Join(lines, " \\\n  "), nil
}

// exampleBody is the first example, or one made of the required members.
func (v *viewer) exampleBody(m media) (string, error) {
	var compact bytes.Buffer
	if examples := m.examplesOf(); len(examples) > 0 {
		err := json.Compact(&compact, examples[0].Value)
		return compact.String(), err
	}
	text, err := marshal(v.sample(m.Schema))
	return string(text), err
}

// sample makes a value that a schema allows, as far as its type goes.
func (d *Document) sample(s *schema) any {
	s = d.schemaOf(s)
	switch {
	case len(s.Example) > 0:
		return s.Example
	case len(s.Enum) > 0:
		return s.Enum[0]
	case len(s.Const) > 0:
		return s.Const
	case len(s.Default) > 0:
		return s.Default
	case slices.Contains(s.Type, "array"):
		return []any{}
	case slices.Contains(s.Type, "boolean"):
		return true
	case slices.Contains(s.Type, "integer"), slices.Contains(s.Type, "number"):
		return 1
	case slices.Contains(s.Type, "string"):
		return ""
	}
	object := members[any]{}
	for _, property := range s.Properties {
		if slices.Contains(s.Required, property.Name) {
			value := d.sample(property.Value)
			if value == "" {
				value = strings.ToUpper(property.Name)
			}
			object = append(object, member[any]{property.Name, value})
		}
	}
	return object
}

// credentials gives the header of the first credentials that an operation takes, with a word that asks for them.
func (v *viewer) credentials(op *operation) string {
	for _, alternative := range op.Security {
		for _, named := range alternative {
			scheme, ok := v.components.SecuritySchemes.get(named.Name)
			switch {
			case !ok:
			case scheme.Type == "http" && scheme.Scheme == "bearer":
				return "authorization: Bearer " + shout(named.Name)
			case scheme.In == "header":
				return scheme.Name + ": " + shout(named.Name)
			}
		}
	}
	return ""
}

// shout writes idToken as ID_TOKEN.
func shout(name string) string {
	var b strings.Builder
	for _, r := range name {
		if r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToUpper(b.String())
}

// quote makes one word of a POSIX shell (XCU section 2.2.2).
func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// escape is for text between elements. It leaves quotes as they are, of which the examples are full; in attributes the template escapes.
func escape(text string) string { return escaper.Replace(text) }

func code(text string) template.HTML {
	return template.HTML("<code>" + escape(text) + "</code>") //nolint:gosec // the text is escaped
}

// prose shows what of CommonMark the documents use: paragraphs apart by empty lines, and code between backticks.
func prose(text string) template.HTML {
	var b strings.Builder
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		if paragraph == "" {
			continue
		}
		b.WriteString("<p>")
		for i, piece := range strings.Split(paragraph, "`") {
			if i%2 == 1 {
				b.WriteString("<code>" + escape(piece) + "</code>")
			} else {
				b.WriteString(escape(piece))
			}
		}
		b.WriteString("</p>")
	}
	return template.HTML(b.String()) //nolint:gosec // all of the text is escaped above
}
