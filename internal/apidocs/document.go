package apidocs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Document is an OpenAPI document, read once and safe for concurrent use.
type Document struct {
	raw        members[json.RawMessage]
	info       info
	tags       []tag
	components components
	operations []*operation // in the document's order
}

type info struct {
	Title, Summary, Description, Version string
}

type tag struct{ Name, Description string }

type components struct {
	Schemas         members[*schema]
	Parameters      members[parameter]
	Responses       members[response]
	SecuritySchemes members[securityScheme]
}

type securityScheme struct{ Type, Scheme, In, Name, Description string }

type operation struct {
	method, path string
	elsewhere    bool // its path has servers of its own: the public URL instead of the base URL

	ID                   string `json:"operationId"`
	Tags                 []string
	Summary, Description string
	Parameters           []parameter // with those of the path before them
	Security             []members[json.RawMessage]
	RequestBody          *body
	Responses            members[response]
}

type body struct {
	Required bool
	Content  members[media]
}

type response struct {
	Ref         string `json:"$ref"`
	Description string
	Content     members[media]
}

type media struct {
	Schema   *schema
	Example  json.RawMessage
	Examples members[example]
}

type example struct {
	Summary string
	Value   json.RawMessage
}

type parameter struct {
	Ref                   string `json:"$ref"`
	Name, In, Description string
	Required              bool
	Schema                *schema
	Example               json.RawMessage
}

type schema struct {
	Ref                         string `json:"$ref"`
	Type                        types
	Format, Description         string
	Properties                  members[*schema]
	Required                    []string
	Items                       *schema
	OneOf                       []*schema
	AdditionalProperties        anySchema
	Enum                        []json.RawMessage
	Const, Default, Example     json.RawMessage
	Minimum, Maximum, MaxLength *json.Number
	MinLength, MaxItems         *json.Number
}

// types are one type or several (JSON Schema 2020-12 validation, section 6.1.1).
type types []string

func (t *types) UnmarshalJSON(text []byte) error {
	if text[0] == '[' {
		return json.Unmarshal(text, (*[]string)(t))
	}
	*t = types{""}
	return json.Unmarshal(text, &(*t)[0])
}

// anySchema is a schema, where it is no boolean.
type anySchema struct{ *schema }

func (a *anySchema) UnmarshalJSON(text []byte) error {
	if text[0] != '{' {
		return nil
	}
	return json.Unmarshal(text, &a.schema)
}

// members is a JSON object in its order, which people chose for people.
type members[T any] []member[T]

type member[T any] struct {
	Name  string
	Value T
}

func (m *members[T]) UnmarshalJSON(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return fmt.Errorf("no object where one is due: %w", err)
	}
	*m = nil
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return err
		}
		var value T
		if err := decoder.Decode(&value); err != nil {
			return fmt.Errorf("%v: %w", name, err)
		}
		*m = append(*m, member[T]{name.(string), value})
	}
	return nil
}

// MarshalJSON writes the members in their order.
func (m members[T]) MarshalJSON() ([]byte, error) {
	text := bytes.NewBufferString("{")
	for i, member := range m {
		if i > 0 {
			text.WriteByte(',')
		}
		name, err := json.Marshal(member.Name)
		if err != nil {
			return nil, err
		}
		value, err := marshal(member.Value)
		if err != nil {
			return nil, err
		}
		text.Write(name)
		text.WriteByte(':')
		text.Write(value)
	}
	text.WriteByte('}')
	return text.Bytes(), nil
}

// marshal leaves <, > and & as they are: what it writes is shown by a template, which escapes, or is a JSON document of its own.
func marshal(value any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}

func (m members[T]) get(name string) (value T, ok bool) {
	for _, member := range m {
		if member.Name == name {
			return member.Value, true
		}
	}
	return value, false
}

// set replaces or adds a member, in a copy.
func (m members[T]) set(name string, value T) members[T] {
	changed := slices.Clone(m)
	for i := range changed {
		if changed[i].Name == name {
			changed[i].Value = value
			return changed
		}
	}
	return append(changed, member[T]{name, value})
}

// Parse reads an OpenAPI 3.1 document in JSON. It fails where a reference leads nowhere, or an operation has no id.
func Parse(document []byte) (*Document, error) {
	var read struct {
		Info       info
		Tags       []tag
		Components components
		Paths      members[members[json.RawMessage]]
	}
	if err := json.Unmarshal(document, &read); err != nil {
		return nil, fmt.Errorf("OpenAPI document: %w", err)
	}
	d := &Document{info: read.Info, tags: read.Tags, components: read.Components}
	if err := json.Unmarshal(document, &d.raw); err != nil {
		return nil, fmt.Errorf("OpenAPI document: %w", err)
	}
	for _, path := range read.Paths {
		if err := d.addPath(path.Name, path.Value); err != nil {
			return nil, fmt.Errorf("OpenAPI document: %s: %w", path.Name, err)
		}
	}
	return d, nil
}

func (d *Document) addPath(path string, item members[json.RawMessage]) error {
	var shared []parameter
	if raw, ok := item.get("parameters"); ok {
		if err := json.Unmarshal(raw, &shared); err != nil {
			return err
		}
	}
	_, elsewhere := item.get("servers")
	for _, member := range item {
		if !slices.Contains([]string{"get", "put", "post", "delete", "patch", "head", "options"}, member.Name) {
			continue
		}
		op := &operation{method: strings.ToUpper(member.Name), path: path, elsewhere: elsewhere}
		if err := json.Unmarshal(member.Value, op); err != nil {
			return fmt.Errorf("%s: %w", member.Name, err)
		}
		if op.ID == "" || len(op.Tags) == 0 {
			return fmt.Errorf("%s has no operationId or tag", member.Name)
		}
		op.Parameters = append(slices.Clone(shared), op.Parameters...)
		if err := d.resolve(op); err != nil {
			return fmt.Errorf("%s: %w", member.Name, err)
		}
		d.operations = append(d.operations, op)
	}
	return nil
}

// resolve puts parameters in place of references to them, and checks those to responses; those to schemas become links where there is no room for the schema.
func (d *Document) resolve(op *operation) error {
	for i, p := range op.Parameters {
		if p.Ref == "" {
			continue
		}
		found, ok := d.components.Parameters.get(refName(p.Ref))
		if !ok {
			return fmt.Errorf("there is no %s", p.Ref)
		}
		op.Parameters[i] = found
	}
	for _, r := range op.Responses {
		if _, ok := d.components.Responses.get(refName(r.Value.Ref)); r.Value.Ref != "" && !ok {
			return fmt.Errorf("there is no %s", r.Value.Ref)
		}
	}
	return nil
}

// refName gives the last part of a reference.
func refName(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

// schemaOf follows a reference; an empty schema stands for none.
func (d *Document) schemaOf(s *schema) *schema {
	for s != nil && s.Ref != "" {
		s, _ = d.components.Schemas.get(refName(s.Ref))
	}
	if s == nil {
		return &schema{}
	}
	return s
}

func (d *Document) operation(id string) *operation {
	for _, op := range d.operations {
		if op.ID == id {
			return op
		}
	}
	return nil
}

// examplesOf gives the examples of a body, the only or the named ones.
func (m media) examplesOf() []example {
	if len(m.Example) > 0 {
		return []example{{Value: m.Example}}
	}
	var all []example
	for _, e := range m.Examples {
		all = append(all, e.Value)
	}
	return all
}
