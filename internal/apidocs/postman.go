package apidocs

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Collection says how the operations of a document become a Postman collection that runs from its first request to its last. Operations that no folder has
// come behind its folders, by tag.
type Collection struct {
	Description string
	Bearer      string // the variable whose value is the bearer token
	Scripts     Scripts
	Variables   []Variable
	Folders     []Folder
	Members     map[string]string // member of a JSON body to what stands for its value there: {{variable}} and text around it
}

// Variable is one of the collection. Those without a value are for the requests, or for people, to fill.
type Variable struct{ Name, Value, Description string }

// Scripts are lines of JavaScript for Postman's sandbox, before each request and after each answer.
type Scripts struct{ Before, After []string }

// Folder is a list of requests that are sent in this order.
type Folder struct {
	Name, Description string
	Steps             []Step
}

// Step is one request.
type Step struct {
	Operation string            // its id
	Name      string            // "": the operation's summary
	Needs     []string          // variables without which it is skipped
	Path      map[string]string // path parameter to its value
	Body      map[string]string // as Collection.Members, for this one
	Scheme    string            // the security scheme it uses; "": the first one of the operation
	Before    []string          // lines of JavaScript
	After     []string          // likewise; `answer` is the body
}

const collectionSchema = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"

type (
	postmanCollection struct {
		Info     postmanInfo       `json:"info"`
		Auth     *postmanAuth      `json:"auth,omitempty"`
		Events   []postmanEvent    `json:"event,omitempty"`
		Variable []postmanVariable `json:"variable"`
		Item     []postmanItem     `json:"item"`
	}
	postmanInfo struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		Schema      string `json:"schema"`
	}
	postmanItem struct {
		Name        string          `json:"name"`
		Description string          `json:"description,omitempty"`
		Events      []postmanEvent  `json:"event,omitempty"`
		Request     *postmanRequest `json:"request,omitempty"`
		Item        []postmanItem   `json:"item,omitempty"`
	}
	postmanEvent struct {
		Listen string        `json:"listen"`
		Script postmanScript `json:"script"`
	}
	postmanScript struct {
		Type string   `json:"type"`
		Exec []string `json:"exec"`
	}
	postmanVariable struct {
		Key         string `json:"key"`
		Value       string `json:"value"`
		Description string `json:"description,omitempty"`
		Disabled    bool   `json:"disabled,omitempty"`
	}
	postmanRequest struct {
		Method      string            `json:"method"`
		Auth        *postmanAuth      `json:"auth,omitempty"`
		Header      []postmanVariable `json:"header"`
		Body        *postmanBody      `json:"body,omitempty"`
		URL         postmanURL        `json:"url"`
		Description string            `json:"description,omitempty"`
	}
	postmanURL struct {
		Raw      string            `json:"raw"`
		Host     []string          `json:"host"`
		Path     []string          `json:"path"`
		Query    []postmanVariable `json:"query,omitempty"`
		Variable []postmanVariable `json:"variable,omitempty"`
	}
	postmanBody struct {
		Mode    string              `json:"mode"`
		Raw     string              `json:"raw"`
		Options *postmanBodyOptions `json:"options,omitempty"`
	}
	postmanBodyOptions struct {
		Raw struct {
			Language string `json:"language"`
		} `json:"raw"`
	}
	postmanAuth struct {
		Type   string        `json:"type"`
		Bearer []postmanPair `json:"bearer,omitempty"`
		APIKey []postmanPair `json:"apikey,omitempty"`
	}
	postmanPair struct {
		Key   string `json:"key"`
		Value string `json:"value"`
		Type  string `json:"type"`
	}
)

// Postman gives the collection as JSON, in the format 2.1.0. It fails where the collection names an operation that the document has not.
func (d *Document) Postman(site Site, c Collection) ([]byte, error) {
	b := &collectionBuilder{Document: d, site: site, collection: c}
	made := postmanCollection{
		Info:   postmanInfo{Name: strings.TrimSpace(site.Name + " " + d.info.Title), Description: c.Description, Schema: collectionSchema},
		Events: events(c.Scripts.Before, c.Scripts.After), Variable: b.variables(),
	}
	if c.Bearer != "" {
		made.Auth = &postmanAuth{Type: "bearer", Bearer: []postmanPair{{"token", variable(c.Bearer), "string"}}}
	}
	for _, folder := range append(slices.Clone(c.Folders), d.otherFolders(c)...) {
		item := postmanItem{Name: folder.Name, Description: folder.Description}
		for _, step := range folder.Steps {
			request, err := b.item(step)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", step.Operation, err)
			}
			item.Item = append(item.Item, request)
		}
		made.Item = append(made.Item, item)
	}
	return marshal(made)
}

// collectionBuilder makes the requests of one collection.
type collectionBuilder struct {
	*Document
	site       Site
	collection Collection
}

func variable(name string) string { return "{{" + name + "}}" }

// variables are the site's own ones before those of the collection.
func (b *collectionBuilder) variables() []postmanVariable {
	all := []postmanVariable{{Key: "baseUrl", Value: b.site.BaseURL, Description: "Where the API is."}}
	if slices.ContainsFunc(b.operations, func(op *operation) bool { return op.elsewhere }) {
		all = append(all, postmanVariable{Key: "publicUrl", Value: b.site.PublicURL, Description: "The server's public URL."})
	}
	for _, v := range b.collection.Variables {
		all = append(all, postmanVariable{Key: v.Name, Value: v.Value, Description: v.Description})
	}
	return all
}

// otherFolders has the operations that no folder has, by tag.
func (d *Document) otherFolders(c Collection) (folders []Folder) {
	listed := map[string]bool{}
	for _, folder := range c.Folders {
		for _, step := range folder.Steps {
			listed[step.Operation] = true
		}
	}
	for _, tag := range d.tags {
		folder := Folder{Name: tag.Name, Description: tag.Description}
		for _, op := range d.operations {
			if op.Tags[0] == tag.Name && !listed[op.ID] {
				folder.Steps = append(folder.Steps, Step{Operation: op.ID})
			}
		}
		if len(folder.Steps) > 0 {
			folders = append(folders, folder)
		}
	}
	return folders
}

func (b *collectionBuilder) item(step Step) (postmanItem, error) {
	op := b.operation(step.Operation)
	if op == nil {
		return postmanItem{}, fmt.Errorf("the document has no such operation")
	}
	request := &postmanRequest{Method: op.method, Auth: b.auth(op, step.Scheme), Header: []postmanVariable{}, URL: b.url(op, step), Description: op.Description}
	for _, p := range op.Parameters {
		if value, ok := b.site.Parameters[p.Name]; ok && p.In == "header" {
			request.Header = append(request.Header, postmanVariable{Key: p.Name, Value: b.siteValue(value)})
		}
	}
	if err := b.addBody(request, op, step); err != nil {
		return postmanItem{}, err
	}
	made := postmanItem{Name: step.Name, Request: request, Events: events(append(skipWithout(step.Needs), step.Before...), after(step.After))}
	if made.Name == "" {
		made.Name = op.Summary
	}
	return made, nil
}

// siteValue puts the variable that has the site's value in its place, so that it is changed once for all requests.
func (b *collectionBuilder) siteValue(value string) string {
	for _, v := range b.collection.Variables {
		if v.Value == value && value != "" {
			return variable(v.Name)
		}
	}
	return value
}

func events(before, after []string) (all []postmanEvent) {
	if len(before) > 0 {
		all = append(all, postmanEvent{"prerequest", postmanScript{"text/javascript", before}})
	}
	if len(after) > 0 {
		all = append(all, postmanEvent{"test", postmanScript{"text/javascript", after}})
	}
	return all
}

func after(lines []string) []string {
	if len(lines) == 0 {
		return nil
	}
	return append([]string{"const answer = pm.response.code === 204 ? {} : pm.response.json()"}, lines...)
}

// skipWithout leaves a request out of a run that has not what it needs.
func skipWithout(needs []string) (lines []string) {
	for _, name := range needs {
		lines = append(lines, fmt.Sprintf("if (!pm.variables.get(%q)) pm.execution.skipRequest()", name))
	}
	return lines
}

// auth leaves out what the collection says for all: its bearer token.
func (b *collectionBuilder) auth(op *operation, wanted string) *postmanAuth {
	for _, alternative := range op.Security {
		for _, named := range alternative {
			scheme, ok := b.components.SecuritySchemes.get(named.Name)
			if !ok || (wanted != "" && named.Name != wanted) {
				continue
			}
			switch {
			case scheme.Type == "apiKey" && scheme.In == "header":
				return &postmanAuth{Type: "apikey", APIKey: []postmanPair{{"key", scheme.Name, "string"}, {"value", variable(named.Name), "string"}, {"in", "header", "string"}}}
			case named.Name == b.collection.Bearer:
				return nil
			}
			return &postmanAuth{Type: "bearer", Bearer: []postmanPair{{"token", variable(named.Name), "string"}}}
		}
	}
	return &postmanAuth{Type: "noauth"}
}

func (b *collectionBuilder) url(op *operation, step Step) postmanURL {
	host := variable("baseUrl")
	if op.elsewhere {
		host = variable("publicUrl")
	}
	made := postmanURL{Host: []string{host}}
	for segment := range strings.SplitSeq(strings.TrimPrefix(op.path, "/"), "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			segment = ":" + strings.TrimSuffix(name, "}")
		}
		made.Path = append(made.Path, segment)
	}
	made.Raw = host + "/" + strings.Join(made.Path, "/")
	for _, p := range op.Parameters {
		switch p.In {
		case "path":
			value, ok := step.Path[p.Name]
			if !ok {
				value = b.siteValue(b.site.Parameters[p.Name])
			}
			made.Variable = append(made.Variable, postmanVariable{Key: p.Name, Value: value, Description: p.Description})
		case "query":
			made.Query = append(made.Query, b.query(p)...)
		}
	}
	return made
}

// query lists what a query may have, switched off. An object has a part for each of its members.
func (b *collectionBuilder) query(p parameter) (list []postmanVariable) {
	properties := b.schemaOf(p.Schema).Properties
	if len(properties) == 0 {
		return []postmanVariable{{Key: p.Name, Value: strings.Trim(exampleQuery(p), `"`), Description: p.Description, Disabled: true}}
	}
	var values members[string]
	_ = json.Unmarshal(p.Example, &values) // without an example, the values are empty
	for _, property := range properties {
		value, _ := values.get(property.Name)
		list = append(list, postmanVariable{Key: p.Name + "[" + property.Name + "]", Value: value, Description: property.Value.Description, Disabled: true})
	}
	return list
}

func exampleQuery(p parameter) string {
	var text string
	if json.Unmarshal(p.Example, &text) == nil {
		return text
	}
	if p.Schema != nil && len(p.Schema.Default) > 0 {
		return string(p.Schema.Default)
	}
	return ""
}

func (b *collectionBuilder) addBody(request *postmanRequest, op *operation, step Step) error {
	if op.RequestBody == nil || len(op.RequestBody.Content) == 0 {
		return nil
	}
	content := op.RequestBody.Content[0]
	request.Body = &postmanBody{Mode: "raw"}
	if content.Name != "application/json" {
		request.Header = append(request.Header, postmanVariable{Key: "Content-Type", Value: content.Name})
		return nil
	}
	request.Header = append(request.Header, postmanVariable{Key: "Content-Type", Value: "application/json"})
	request.Body.Options = &postmanBodyOptions{}
	request.Body.Options.Raw.Language = "json"
	text, err := b.jsonBody(content.Value, step)
	request.Body.Raw = text
	return err
}

// jsonBody is the operation's first example that has all members of the step, with variables in place of values that a run must have of its own.
func (b *collectionBuilder) jsonBody(m media, step Step) (string, error) {
	v := &viewer{Document: b.Document, site: b.site}
	text, err := v.exampleBody(m)
	if err != nil {
		return "", err
	}
	var object members[json.RawMessage]
	for _, e := range m.examplesOf() {
		var one members[json.RawMessage]
		if err := json.Unmarshal(e.Value, &one); err != nil {
			return "", err
		}
		if object == nil || (!hasAll(object, step.Body) && hasAll(one, step.Body)) {
			object = one
		}
	}
	if object == nil {
		if err := json.Unmarshal([]byte(text), &object); err != nil {
			return "", err
		}
	}
	lines := make([]string, 0, len(object))
	for _, member := range object {
		value := string(member.Value)
		if stands, ok := step.Body[member.Name]; ok {
			value = stands
		} else if stands, ok := b.collection.Members[member.Name]; ok {
			value = stands
		}
		lines = append(lines, fmt.Sprintf("  %q: %s", member.Name, value))
	}
	for _, name := range slices.Sorted(maps.Keys(step.Body)) {
		if _, ok := object.get(name); !ok {
			lines = append(lines, fmt.Sprintf("  %q: %s", name, step.Body[name]))
		}
	}
	if len(lines) == 0 {
		return "{}", nil
	}
	return "{\n" + strings.Join(lines, ",\n") + "\n}", nil
}

func hasAll(object members[json.RawMessage], names map[string]string) bool {
	for name := range names {
		if _, ok := object.get(name); !ok {
			return false
		}
	}
	return true
}
