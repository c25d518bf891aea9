package adminapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/userfile"
)

// apiDoc is as much of the OpenAPI document as the tests look at.
type apiDoc struct {
	OpenAPI    string
	Paths      map[string]map[string]json.RawMessage
	Components struct {
		Schemas    map[string]*schema
		Parameters map[string]parameter
		Responses  map[string]response
	}
}

type parameter struct {
	Ref      string `json:"$ref"`
	Name, In string
	Schema   schema
}

type operation struct {
	OperationID string
	Security    *[]map[string][]string
	Parameters  []parameter
	RequestBody *struct{ Content map[string]content }
	Responses   map[string]response
}

type response struct {
	Ref     string `json:"$ref"`
	Headers map[string]any
	Content map[string]content
}

type content struct{ Schema *schema }

// schema is the part of JSON Schema that the document uses.
type schema struct {
	Ref                  string `json:"$ref"`
	Type                 string
	Format               string
	Enum                 []string
	Const                *string
	Minimum              *float64
	Required             []string
	Properties           map[string]*schema
	PropertyNames        *schema
	AdditionalProperties json.RawMessage
	Items                *schema
}

var doc = func() apiDoc {
	var d apiDoc
	if err := json.Unmarshal(document, &d); err != nil {
		panic(err)
	}
	return d
}()

func docOperation(t *testing.T, method, pattern string) (operation, bool) {
	t.Helper()
	raw, ok := doc.Paths[pattern][strings.ToLower(method)]
	if !ok {
		return operation{}, false
	}
	var o operation
	must(t, json.Unmarshal(raw, &o))
	return o, true
}

// docParameters gives the names of an operation's parameters in the query or path.
func docParameters(t *testing.T, pattern, method, in string) []string {
	t.Helper()
	o, _ := docOperation(t, method, pattern)
	list := o.Parameters
	if raw, ok := doc.Paths[pattern]["parameters"]; ok {
		var shared []parameter
		must(t, json.Unmarshal(raw, &shared))
		list = append(list, shared...)
	}
	names := []string{}
	for _, p := range list {
		resolved, ok := doc.Components.Parameters[strings.TrimPrefix(p.Ref, "#/components/parameters/")]
		if !ok {
			t.Errorf("%s %s: parameter %q is not in the document", method, pattern, p.Ref)
		}
		if resolved.In == in {
			names = append(names, resolved.Name)
		}
	}
	slices.Sort(names)
	return names
}

func pathParameters(pattern string) []string {
	names := []string{}
	for segment := range strings.SplitSeq(pattern, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			names = append(names, strings.TrimSuffix(name, "}"))
		}
	}
	slices.Sort(names)
	return names
}

func TestDocumentHasEveryRouteAndNoOther(t *testing.T) {
	if !strings.HasPrefix(doc.OpenAPI, "3.1.") {
		t.Errorf("openapi is %q", doc.OpenAPI)
	}
	var served, described []string
	for _, rt := range routes {
		served = append(served, rt.Method+" "+rt.Pattern+" "+rt.Name)
	}
	for pattern, item := range doc.Paths {
		for method := range item {
			if method == "parameters" {
				continue
			}
			o, _ := docOperation(t, method, pattern)
			described = append(described, strings.ToUpper(method)+" "+pattern+" "+o.OperationID)
		}
	}
	slices.Sort(served)
	slices.Sort(described)
	if diff := cmp.Diff(served, described); diff != "" {
		t.Errorf("routes and document differ (-routes +document):\n%s", diff)
	}
}

func TestDocumentSaysWhatRoutesDo(t *testing.T) {
	security := map[Access][]string{
		AccessOpen: {}, AccessAdmin: {"operatorToken", "adminToken", "adminHeader"}, AccessOperator: {"operatorToken"}, AccessLocal: {"operatorToken"},
	}
	for _, rt := range routes {
		t.Run(rt.Name, func(t *testing.T) {
			o, ok := docOperation(t, rt.Method, rt.Pattern)
			if !ok {
				t.Fatal("not in the document")
			}
			if diff := cmp.Diff(append([]string{}, slices.Sorted(slices.Values(rt.Query))...), docParameters(t, rt.Pattern, rt.Method, "query")); diff != "" {
				t.Errorf("query parameters (-route +document):\n%s", diff)
			}
			if diff := cmp.Diff(pathParameters(rt.Pattern), docParameters(t, rt.Pattern, rt.Method, "path")); diff != "" {
				t.Errorf("path parameters (-route +document):\n%s", diff)
			}
			named := []string{}
			for _, alternative := range *o.Security {
				named = append(named, slices.Collect(maps.Keys(alternative))...)
			}
			if diff := cmp.Diff(security[rt.Access], named); diff != "" {
				t.Errorf("security (-route +document):\n%s", diff)
			}
			if diff := cmp.Diff([]string{fmt.Sprint(rt.status), "default"}, slices.Sorted(maps.Keys(o.Responses))); diff != "" {
				t.Errorf("statuses (-route +document):\n%s", diff)
			}
			if rt.in != nil {
				matchesType(t, o.RequestBody.Content["application/json"].Schema, rt.in)
			}
			if rt.out != nil {
				matchesType(t, o.Responses[fmt.Sprint(rt.status)].Content["application/json"].Schema, rt.out)
			}
			if rt.status == http.StatusNoContent && len(o.Responses["204"].Content) > 0 {
				t.Error("a 204 with a body")
			}
		})
	}
}

// TestDocumentMatchesClientTypes: what clients encode, and the lines of import and export, are what the document says.
func TestDocumentMatchesClientTypes(t *testing.T) {
	for _, value := range []any{
		NewProject{}, ProjectPatch{}, NewUser{}, UserPatch{}, Bulk{}, Invite{}, NewRole{}, RoleRef{}, NewOperator{}, MailTemplateParts{},
		MailTest{}, PortableUser{}, PortableIdentity{}, ProviderChange{}, WebhookChange{}, HashConfigLine{}, FirebaseHashConfig{}, FirebaseUser{}, FirebaseIdentity{}, ErrorDetail{},
	} {
		of := reflect.TypeOf(value)
		s, ok := doc.Components.Schemas[of.Name()]
		if !ok {
			t.Errorf("the document has no schema %s", of.Name())
			continue
		}
		matchesType(t, s, of)
	}
	matchesType(t, doc.Components.Schemas["PortableUser"], reflect.TypeFor[userfile.PortableUserBody]())
	matchesType(t, doc.Components.Schemas["ProviderChange"], reflect.TypeFor[providerChangeBody]())
	matchesType(t, doc.Components.Schemas["WebhookChange"], reflect.TypeFor[webhookChangeBody]())
	matchesType(t, doc.Components.Schemas["Error"], reflect.TypeFor[ErrorAnswer]())
}

// matchesType checks a schema against the struct that is encoded or decoded: the same names, and fitting types, all the way down.
func matchesType(t *testing.T, s *schema, of reflect.Type) {
	t.Helper()
	matchesAt(t, s, of, of.Name())
}

func matchesAt(t *testing.T, s *schema, of reflect.Type, at string) {
	t.Helper()
	if s == nil {
		t.Errorf("%s: the document has no schema", at)
		return
	}
	s = resolve(t, s)
	for of.Kind() == reflect.Pointer || strings.HasPrefix(of.Name(), "Optional[") {
		if of.Kind() == reflect.Pointer {
			of = of.Elem()
		} else {
			field, _ := of.FieldByName("Value")
			of = field.Type
		}
	}
	kind := jsonKind(of)
	if kind != s.Type && !(s.Const != nil && kind == "string") {
		t.Errorf("%s: %s is %q in the document, want %q", at, of, s.Type, kind)
		return
	}
	switch {
	case of == reflect.TypeFor[time.Time]() && s.Format != "date-time":
		t.Errorf("%s: an instant without the format date-time", at)
	case of.Kind() == reflect.Slice && kind == "array":
		matchesAt(t, s.Items, of.Elem(), at+"[]")
	case of.Kind() == reflect.Struct && kind == "object":
		fields := jsonFields(of)
		if diff := cmp.Diff(slices.Sorted(maps.Keys(fields)), slices.Sorted(maps.Keys(s.Properties))); diff != "" {
			t.Errorf("%s: fields (-struct +document):\n%s", at, diff)
		}
		for name, field := range fields {
			if property, ok := s.Properties[name]; ok {
				matchesAt(t, property, field, at+"."+name)
			}
		}
	}
}

func jsonKind(of reflect.Type) string {
	switch {
	case of == reflect.TypeFor[time.Time]():
		return "string"
	case of == reflect.TypeFor[json.RawMessage]():
		return "object"
	}
	switch of.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int64:
		return "integer"
	case reflect.Slice:
		return "array"
	}
	return "object"
}

func jsonFields(of reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for i := range of.NumField() {
		field := of.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" && field.Anonymous {
			maps.Copy(fields, jsonFields(field.Type))
			continue
		}
		fields[name] = field.Type
	}
	return fields
}

func resolve(t *testing.T, s *schema) *schema {
	t.Helper()
	for s.Ref != "" {
		next, ok := doc.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
		if !ok {
			t.Fatalf("the document has no %s", s.Ref)
		}
		s = next
	}
	return s
}

// TestDocumentListsTheDomainsWords: enumerations that come from the domain are complete.
func TestDocumentListsTheDomainsWords(t *testing.T) {
	codes := []string{CodeMethodNotAllowed, CodeUnsupportedMediaType, CodeRequestTimeout, CodeBadRequest}
	for _, c := range auth.Codes() {
		codes = append(codes, string(c))
	}
	kinds, types := []string{}, []string{}
	for _, k := range auth.MailKinds() {
		kinds = append(kinds, string(k))
	}
	for _, s := range auth.SettingTable() {
		if !slices.Contains(types, s.Type) {
			types = append(types, s.Type)
		}
	}
	for _, c := range []struct {
		schema, property string
		want             []string
	}{
		{"ErrorDetail", "code", codes},
		{"Mail", "kind", kinds},
		{"MailMessage", "kind", kinds},
		{"Mail", "state", words(mailStates)},
		{"MailMessage", "state", words(mailStates)},
		{"AuditRecord", "outcome", words(outcomes)},
		{"WebhookDelivery", "state", words(deliveryStates)},
		{"WebhookDelivery", "event", words(auth.WebhookEventsOf(auth.WebhookEvents))},
		{"ProjectSetting", "source", []string{SourcePreset, SourceOverride}},
		{"Setting", "type", types},
		{"ProjectSetting", "type", types},
	} {
		listed := doc.Components.Schemas[c.schema].Properties[c.property].Enum
		if diff := cmp.Diff(slices.Sorted(slices.Values(c.want)), slices.Sorted(slices.Values(listed))); diff != "" {
			t.Errorf("%s.%s (-domain +document):\n%s", c.schema, c.property, diff)
		}
	}
	for name, want := range map[string][]string{
		"mailState": words(mailStates), "deliveryState": words(deliveryStates), "userState": words(userStates), "outcome": words(outcomes), "format": words(importFormats), "kind": kinds,
		"step": words(activitySteps), "actor": words(actors),
	} {
		if diff := cmp.Diff(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(doc.Components.Parameters[name].Schema.Enum))); diff != "" {
			t.Errorf("parameter %s (-domain +document):\n%s", name, diff)
		}
	}
}

// words are the values of a parameter that may be absent.
func words[T ~string](values []T) (list []string) {
	for _, v := range values {
		if v != "" {
			list = append(list, string(v))
		}
	}
	return list
}

// TestDocumentListsEndpointNames: the names that endpoints may have are the domain's, for change and answer.
func TestDocumentListsEndpointNames(t *testing.T) {
	for _, name := range []string{"ProviderChange", "Provider"} {
		names := doc.Components.Schemas[name].Properties["endpoints"].PropertyNames
		if names == nil {
			t.Errorf("%s.endpoints may have any name", name)
			continue
		}
		if diff := cmp.Diff(auth.EndpointNames(), names.Enum); diff != "" {
			t.Errorf("%s.endpoints (-domain +document):\n%s", name, diff)
		}
	}
}

func TestDocumentReferencesResolve(t *testing.T) {
	var tree any
	must(t, json.Unmarshal(document, &tree))
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, element := range v {
				walk(element)
			}
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok && !refersTo(tree, ref) {
				t.Errorf("%s refers to nothing", ref)
			}
			for _, member := range v {
				walk(member)
			}
		}
	}
	walk(tree)
}

func refersTo(tree any, ref string) bool {
	path, ok := strings.CutPrefix(ref, "#/")
	for name := range strings.SplitSeq(path, "/") {
		object, isObject := tree.(map[string]any)
		if !isObject || object[name] == nil {
			return false
		}
		tree = object[name]
	}
	return ok
}

// checkExchange holds one request and its answer against the document, and gives the name of the operation.
func checkExchange(t *testing.T, req *http.Request, sent []byte, resp *http.Response, body []byte) string {
	t.Helper()
	what := req.Method + " " + req.URL.Path
	rt, ok := routeOf(req)
	if !ok {
		if resp.StatusCode < 400 {
			t.Errorf("%s succeeds, and is no route", what)
		}
		return ""
	}
	o, _ := docOperation(t, rt.Method, rt.Pattern)
	described, ok := o.Responses[fmt.Sprint(resp.StatusCode)]
	if !ok && resp.StatusCode >= 400 {
		described, ok = doc.Components.Responses["Error"], true
	}
	if !ok {
		t.Errorf("%s: the document has no answer %d", what, resp.StatusCode)
		return rt.Name
	}
	if resp.Header.Get(NextHeader) != "" && described.Headers[NextHeader] == nil {
		t.Errorf("%s: header %s is not in the document", what, NextHeader)
	}
	conforms(t, what+": answer", described.Content, resp.Header.Get("Content-Type"), body)
	if resp.StatusCode < 300 && o.RequestBody != nil {
		conforms(t, what+": request", o.RequestBody.Content, req.Header.Get("Content-Type"), sent)
	}
	return rt.Name
}

// routeOf finds the route of a request; literal segments win, as in the router.
func routeOf(req *http.Request) (found route, ok bool) {
	segments := strings.Split(req.URL.EscapedPath(), "/")
	fewest := len(segments) + 1
	for _, rt := range routes {
		pattern := strings.Split(rt.Pattern, "/")
		if rt.Method != req.Method || len(pattern) != len(segments) {
			continue
		}
		params, matches := 0, true
		for i, segment := range pattern {
			if strings.HasPrefix(segment, "{") {
				params++
			} else if segment != segments[i] {
				matches = false
			}
		}
		if matches && params < fewest {
			found, ok, fewest = rt, true, params
		}
	}
	return found, ok
}

func conforms(t *testing.T, what string, described map[string]content, contentType string, body []byte) {
	t.Helper()
	if len(described) == 0 {
		if len(body) > 0 {
			t.Errorf("%s has a body that the document does not have: %s", what, body)
		}
		return
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		t.Errorf("%s: content type %q", what, contentType)
		return
	}
	of, ok := described[mediaType]
	if !ok {
		t.Errorf("%s: the document has no %s", what, mediaType)
		return
	}
	if mediaType != "application/json" {
		return
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	for _, complaint := range violations(t, of.Schema, value, "body") {
		t.Errorf("%s: %s", what, complaint)
	}
}

// violations says where a value is not what the schema describes. Objects hold no more than the schema names.
func violations(t *testing.T, s *schema, value any, at string) (list []string) {
	t.Helper()
	s = resolve(t, s)
	complain := func(format string, args ...any) { list = append(list, at+" "+fmt.Sprintf(format, args...)) }
	text, isText := value.(string)
	switch s.Type {
	case "string":
		if !isText {
			complain("is no string: %v", value)
		} else if len(s.Enum) > 0 && !slices.Contains(s.Enum, text) {
			complain("is %q, which is not among %v", text, s.Enum)
		} else if _, err := time.Parse(time.RFC3339, text); s.Format == "date-time" && (err != nil || !strings.HasSuffix(text, "Z")) {
			complain("is %q, which is no RFC 3339 instant in UTC", text)
		}
	case "boolean":
		if _, ok := value.(bool); !ok {
			complain("is no boolean: %v", value)
		}
	case "integer":
		if n, ok := value.(float64); !ok || n != float64(int64(n)) || (s.Minimum != nil && n < *s.Minimum) {
			complain("is no such integer: %v", value)
		}
	case "array":
		elements, ok := value.([]any)
		if !ok {
			complain("is no array: %v", value)
		}
		for i, element := range elements {
			list = append(list, violations(t, s.Items, element, fmt.Sprintf("%s[%d]", at, i))...)
		}
	case "object":
		members, ok := value.(map[string]any)
		if !ok {
			complain("is no object: %v", value)
		}
		for _, name := range s.Required {
			if _, ok := members[name]; !ok {
				complain("lacks %s", name)
			}
		}
		for name, member := range members {
			if s.PropertyNames != nil && !slices.Contains(s.PropertyNames.Enum, name) {
				complain("has %s, which is not among %v", name, s.PropertyNames.Enum)
			}
			switch property, known := s.Properties[name]; {
			case known:
				list = append(list, violations(t, property, member, at+"."+name)...)
			case string(s.AdditionalProperties) == "true":
			case len(s.AdditionalProperties) > 0:
				var each schema
				must(t, json.Unmarshal(s.AdditionalProperties, &each))
				list = append(list, violations(t, &each, member, at+"."+name)...)
			default:
				complain("has %s, which the document does not know", name)
			}
		}
	}
	return list
}
