package apidocs

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const small = `{
	"openapi": "3.1.0",
	"info": {"title": "Toys & Co", "version": "1", "description": "First <b>.\n\nThen ` + "`a<b`" + `."},
	"servers": [{"url": "https://example.com"}],
	"tags": [{"name": "Big toys"}],
	"paths": {
		"/toys/{id}": {
			"parameters": [{"$ref": "#/components/parameters/Project"}, {"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}],
			"put": {
				"operationId": "putToy", "tags": ["Big toys"], "summary": "Put a toy", "security": [{"key": []}],
				"parameters": [{"name": "sorted", "in": "query", "schema": {"type": "object", "properties": {"how": {"type": "string", "enum": ["up", "down"]}}}, "example": {"how": "up"}}],
				"requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Toy"}, "examples": {
					"one": {"value": {"name": "it's", "size": 3}}, "two": {"value": {"name": "x", "parts": []}}}}}},
				"responses": {
					"200": {"description": "The toy.", "content": {"application/json": {"schema": {"type": "object", "properties": {"data": {"$ref": "#/components/schemas/Toy"}}}}}},
					"400": {"description": "No.", "content": {"application/json": {"example": {"errors": [{"detail": "NO_TOY"}]}}}},
					"default": {"$ref": "#/components/responses/Other"}
				}
			}
		},
		"/{project}/keys": {
			"servers": [{"url": "https://example.com"}],
			"get": {"operationId": "keys", "tags": ["Big toys"], "summary": "Keys", "parameters": [{"name": "project", "in": "path", "required": true, "schema": {"type": "string"}}],
				"security": [], "responses": {"204": {"description": "Done."}}}
		}
	},
	"components": {
		"securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "A key."}},
		"parameters": {"Project": {"name": "X-Project-Id", "in": "header", "schema": {"type": "string"}}},
		"responses": {"Other": {"description": "Else."}},
		"schemas": {"Toy": {"type": "object", "required": ["name"], "properties": {
			"name": {"type": "string", "maxLength": 9}, "size": {"type": ["integer", "null"], "default": 1},
			"parts": {"type": "array", "items": {"type": "object", "properties": {"weight": {"type": "number"}}}}}}}
	}
}`

var shop = Site{
	Name: "The <Shop>", BaseURL: "https://shop.example.net", PublicURL: "https://auth.example.net", Parameters: map[string]string{"X-Project-Id": "shop", "project": "shop"},
}

func parse(t *testing.T, text string) *Document {
	t.Helper()
	d, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestParseRefusesBrokenDocuments(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":         `{`,
		"no object":       `[]`,
		"lost parameter":  strings.Replace(small, "parameters/Project", "parameters/Gone", 1),
		"lost response":   strings.Replace(small, "responses/Other", "responses/Gone", 1),
		"no operation id": strings.Replace(small, `"operationId": "keys", `, "", 1),
	} {
		if _, err := Parse([]byte(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestViewSaysWhatTheDocumentSays(t *testing.T) {
	shown, err := parse(t, small).view(shop, Links{})
	if err != nil {
		t.Fatal(err)
	}
	put := shown.Groups[0].Operations[0]
	if want := "curl -X PUT 'https://shop.example.net/toys/ID' \\\n  -H 'X-Project-Id: shop' \\\n  -H 'authorization: Bearer KEY' \\\n" +
		"  -H 'content-type: application/json' \\\n  -d '{\"name\":\"it'\\''s\",\"size\":3}'"; put.Curl != want {
		t.Errorf("curl:\n%s\nwant:\n%s", put.Curl, want)
	}
	if keys := shown.Groups[0].Operations[1]; keys.Curl != "curl 'https://auth.example.net/shop/keys'" || keys.Path != "/shop/keys" || len(keys.Parameters) != 0 || keys.Auth != "none" {
		t.Errorf("an operation under the public URL: %+v", keys)
	}
	text := []part{{Text: "string"}}
	if diff := cmp.Diff([]row{
		{Name: "id", In: "path", Required: true, Type: text},
		{Name: "sorted", In: "query", Type: []part{{Text: "object"}}},
		{Name: "sorted[how]", In: "query", Type: text, Limits: "One of `up`, `down`."},
	}, put.Parameters, cmp.Transformer("type", func(p []part) []part { return append([]part{}, p...) })); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
	rows := []row{
		{Name: "name", Required: true, Type: text, Limits: "At most 9 characters."},
		{Name: "size", Type: []part{{Text: "integer or null"}}, Limits: "Default: `1`."},
		{Name: "parts", Type: []part{{Text: "array of "}, {Text: "object"}}},
		{Name: "parts[].weight", Type: []part{{Text: "number"}}},
	}
	if diff := cmp.Diff(rows, put.Body.Rows); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]schemaView{{Name: "Toy", Type: []part{{Text: "object"}}, Rows: rows}}, shown.Schemas); diff != "" {
		t.Errorf("schemas (-want +got):\n%s", diff)
	}
	if got := put.Successes[0].Body.Rows[0].Type[0]; got != (part{"Toy", "Toy"}) {
		t.Errorf("the answer's data: %v", got)
	}
	if got := put.Errors[0].Says; len(got) != 1 || got[0] != "NO_TOY" {
		t.Errorf("the error says %q", got)
	}
	if len(put.Shared) != 1 || put.Shared[0] != (link{"default", "Other"}) || len(shown.Responses) != 1 || shown.Responses[0].ID != "Other" {
		t.Errorf("shared answers %v, %v", put.Shared, shown.Responses)
	}
	if diff := cmp.Diff([]fixedHeader{{"X-Project-Id", "shop"}}, shown.Fixed); diff != "" {
		t.Errorf("headers of every request:\n%s", diff)
	}
}

// TestPageEscapes: what the project and the document say stays text (P40).
func TestPageEscapes(t *testing.T) {
	d := parse(t, small)
	page, err := d.Page(shop, Links{Stylesheet: "/a.css", Postman: "/p", OpenAPI: "/o"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"The &lt;Shop&gt;", "<h1>Toys &amp; Co", "<p>First &lt;b&gt;.</p><p>Then <code>a&lt;b</code>.</p>", `href="/a.css"`, `href="/p" download`, `href="/o"`, "https://shop.example.net",
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	body, err := d.Body(shop, Links{})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(body), "<html") || !strings.Contains(string(body), "Put a toy") || strings.Contains(string(body), " download>") {
		t.Errorf("the body without links:\n%s", body)
	}
	if got := prose("`a` & <b>\n\n\n\n`<x>`"); got != "<p><code>a</code> &amp; &lt;b&gt;</p><p><code>&lt;x&gt;</code></p>" {
		t.Errorf("prose: %s", got)
	}
}

func TestOpenAPIHasTheSitesAddresses(t *testing.T) {
	text, err := parse(t, small).OpenAPI(shop)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Servers []server
		Paths   map[string]struct {
			Servers []server
		}
		Components struct{ Parameters map[string]map[string]any }
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Servers) != 1 || got.Servers[0] != (server{"https://shop.example.net", "The <Shop>"}) {
		t.Errorf("servers %v", got.Servers)
	}
	if keys := got.Paths["/{project}/keys"].Servers; len(keys) != 1 || keys[0].URL != "https://auth.example.net" || got.Paths["/toys/{id}"].Servers != nil {
		t.Errorf("servers of paths: %v", got.Paths)
	}
	if header := got.Components.Parameters["Project"]; header["example"] != "shop" || header["required"] != true {
		t.Errorf("the header %v", header)
	}
	if order := []int{strings.Index(string(text), `"info"`), strings.Index(string(text), `"servers"`), strings.Index(string(text), `"tags"`), strings.Index(string(text), `"components"`)}; order[0] > order[1] || order[1] > order[2] || order[2] > order[3] {
		t.Errorf("the members are in another order: %v", order)
	}
}

func TestPostman(t *testing.T) {
	d := parse(t, small)
	text, err := d.Postman(shop, Collection{
		Bearer: "key", Variables: []Variable{{Name: "projectId", Value: "shop"}}, Members: map[string]string{"name": `"{{name}}"`},
		Folders: []Folder{{Name: "Run", Steps: []Step{{
			Operation: "putToy", Needs: []string{"name"}, Path: map[string]string{"id": "{{toy}}"}, Body: map[string]string{"parts": "[1]", "more": "2"}, After: []string{"keep(answer)"},
		}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got postmanCollection
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Item) != 2 || got.Item[0].Name != "Run" || got.Item[1].Name != "Big toys" {
		t.Fatalf("folders: %+v", got.Item)
	}
	put := got.Item[0].Item[0]
	want := postmanItem{
		Name: "Put a toy",
		Events: []postmanEvent{
			{"prerequest", postmanScript{"text/javascript", []string{`if (!pm.variables.get("name")) pm.execution.skipRequest()`}}},
			{"test", postmanScript{"text/javascript", []string{"const answer = pm.response.code === 204 ? {} : pm.response.json()", "keep(answer)"}}},
		},
		Request: &postmanRequest{
			Method: "PUT", Header: []postmanVariable{{Key: "X-Project-Id", Value: "{{projectId}}"}, {Key: "Content-Type", Value: "application/json"}},
			URL: postmanURL{
				Raw: "{{baseUrl}}/toys/:id", Host: []string{"{{baseUrl}}"}, Path: []string{"toys", ":id"}, Query: []postmanVariable{{Key: "sorted[how]", Value: "up", Disabled: true}},
				Variable: []postmanVariable{{Key: "id", Value: "{{toy}}"}},
			},
			Body: put.Request.Body,
		},
	}
	if diff := cmp.Diff(want, put); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	if body := put.Request.Body.Raw; body != "{\n  \"name\": \"{{name}}\",\n  \"size\": 3,\n  \"more\": 2,\n  \"parts\": [1]\n}" {
		t.Errorf("body %s", body)
	}
	keys := got.Item[1].Item[0].Request
	if keys.Auth == nil || keys.Auth.Type != "noauth" || keys.URL.Raw != "{{publicUrl}}/:project/keys" || keys.URL.Variable[0].Value != "{{projectId}}" {
		t.Errorf("the other request: %+v", keys)
	}
	if _, err := d.Postman(shop, Collection{Folders: []Folder{{Steps: []Step{{Operation: "gone"}}}}}); err == nil {
		t.Error("an unknown operation: no error")
	}
}
