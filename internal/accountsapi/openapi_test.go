package accountsapi

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/auth"
)

// document is as much of an OpenAPI document as the tests look at.
type document struct {
	OpenAPI    string              `json:"openapi"`
	Paths      map[string]pathItem `json:"paths"`
	Components map[string]map[string]json.RawMessage
}

type pathItem struct {
	Get        *operation  `json:"get"`
	Post       *operation  `json:"post"`
	Put        *operation  `json:"put"`
	Patch      *operation  `json:"patch"`
	Delete     *operation  `json:"delete"`
	Parameters []parameter `json:"parameters"`
}

type parameter struct {
	Ref string `json:"$ref"`
}

type operation struct {
	OperationID string                     `json:"operationId"`
	Security    *[]map[string][]string     `json:"security"`
	RequestBody json.RawMessage            `json:"requestBody"`
	Responses   map[string]json.RawMessage `json:"responses"`
}

func (p pathItem) operations() map[string]*operation {
	all := map[string]*operation{http.MethodGet: p.Get, http.MethodPost: p.Post, http.MethodPut: p.Put, http.MethodPatch: p.Patch, http.MethodDelete: p.Delete}
	maps.DeleteFunc(all, func(_ string, o *operation) bool { return o == nil })
	return all
}

var parsedDocument = sync.OnceValues(func() (*document, error) {
	var d document
	err := json.Unmarshal(openAPIDocument, &d)
	return &d, err
})

func readDocument(t testing.TB) *document {
	t.Helper()
	d, err := parsedDocument()
	if err != nil {
		t.Fatalf("openapi.json: %v", err)
	}
	return d
}

// served lists what the surface serves as "METHOD /path name".
func served() []string {
	list := []string{"GET " + basePath + "/openapi.json openAPI"}
	for _, rt := range routes {
		list = append(list, rt.method+" "+basePath+rt.path+" "+rt.name)
	}
	for _, rt := range New(Options{}).WellKnown() {
		list = append(list, rt.Method+" "+rt.Pattern+" "+rt.Name)
	}
	slices.Sort(list)
	return list
}

func TestOpenAPIHasEveryRouteAndNoOther(t *testing.T) {
	d := readDocument(t)
	if !strings.HasPrefix(d.OpenAPI, "3.1.") {
		t.Errorf("openapi is %q, want 3.1", d.OpenAPI)
	}
	var documented []string
	for path, item := range d.Paths {
		for method, operation := range item.operations() {
			documented = append(documented, method+" "+path+" "+operation.OperationID)
		}
	}
	slices.Sort(documented)
	if diff := cmp.Diff(served(), documented); diff != "" {
		t.Errorf("served and documented differ (-served +documented)\n%s", diff)
	}
}

// TestOpenAPISecurity: each operation asks for what its route demands.
func TestOpenAPISecurity(t *testing.T) {
	none, user, admin := map[string][]string{}, map[string][]string{"idToken": {}}, map[string][]string{"adminToken": {}}
	want := map[access][]map[string][]string{accessOpen: {}, accessUser: {user}, accessEnroll: {none, user}, accessAdmin: {admin}, accessSetting: {none, user, admin}}
	d := readDocument(t)
	for _, rt := range routes {
		operation := d.Paths[basePath+rt.path].operations()[rt.method]
		if operation == nil || operation.Security == nil {
			t.Errorf("%s: no operation with security", rt.name)
			continue
		}
		if diff := cmp.Diff(want[rt.access], *operation.Security); diff != "" {
			t.Errorf("%s: security (-want +got)\n%s", rt.name, diff)
		}
	}
}

// TestOpenAPIStatuses: each operation has the statuses that its access and its body bring along.
func TestOpenAPIStatuses(t *testing.T) {
	always := []string{"404", "422", "500", "503"}
	byAccess := map[access][]string{accessUser: {"401", "403"}, accessEnroll: {"401", "403"}, accessAdmin: {"403"}, accessSetting: {"401", "403"}}
	d := readDocument(t)
	for _, rt := range routes {
		operation := d.Paths[basePath+rt.path].operations()[rt.method]
		if operation == nil {
			t.Errorf("%s: not documented", rt.name)
			continue
		}
		want := slices.Concat(always, byAccess[rt.access])
		hasBody := rt.method == http.MethodPost || rt.method == http.MethodPatch
		if hasBody {
			want = append(want, "400", "408", "415")
		}
		if hasBody != (operation.RequestBody != nil) && rt.name != "removeSecondFactor" { // whose body is optional
			t.Errorf("%s: documents a body: %v, want %v", rt.name, operation.RequestBody != nil, hasBody)
		}
		for _, status := range want {
			if operation.Responses[status] == nil {
				t.Errorf("%s: status %s is not documented", rt.name, status)
			}
		}
		_, content := operation.Responses["200"]
		_, empty := operation.Responses["204"]
		if content == empty {
			t.Errorf("%s: documents 200: %v and 204: %v, want one of them", rt.name, content, empty)
		}
	}
}

// TestOpenAPIReferences: every reference leads to a component, and every component is referred to.
func TestOpenAPIReferences(t *testing.T) {
	d := readDocument(t)
	used := map[string]bool{}
	for _, match := range regexp.MustCompile(`"\$ref": *"([^"]+)"`).FindAllStringSubmatch(string(openAPIDocument), -1) {
		kind, name, _ := strings.Cut(strings.TrimPrefix(match[1], "#/components/"), "/")
		if d.Components[kind][name] == nil {
			t.Errorf("%s leads nowhere", match[1])
		}
		used[kind+"/"+name] = true
	}
	for kind, components := range d.Components {
		for name := range components {
			if kind != "securitySchemes" && !used[kind+"/"+name] {
				t.Errorf("component %s/%s is not used", kind, name)
			}
		}
	}
}

// TestOpenAPIShowsEveryDetail: the fixed texts stand in examples, each under its own status. Conflicts are the admin API's.
func TestOpenAPIShowsEveryDetail(t *testing.T) {
	for code, a := range answers {
		if a.detail == "" || code == auth.CodeNotFound {
			continue
		}
		example := regexp.MustCompile(`"code": "` + strconv.Itoa(a.status) + `",\s*"title": "` + http.StatusText(a.status) + `",\s*"detail": "` + regexp.QuoteMeta(a.detail) + `"`)
		if !example.Match(openAPIDocument) {
			t.Errorf("no example shows %d %q (%s)", a.status, a.detail, code)
		}
	}
}

// TestOpenAPIProviderAccount: the document has each member of the answer, and requires those that are always there.
func TestOpenAPIProviderAccount(t *testing.T) {
	var described struct {
		Properties map[string]json.RawMessage
		Required   []string
	}
	if err := json.Unmarshal(readDocument(t).Components["schemas"]["ProviderAccount"], &described); err != nil {
		t.Fatal(err)
	}
	var all, always []string
	for _, field := range reflect.VisibleFields(reflect.TypeFor[providerAccount]()) {
		if field.Anonymous {
			continue
		}
		name, option, _ := strings.Cut(field.Tag.Get("json"), ",")
		all = append(all, name)
		if option == "" {
			always = append(always, name)
		}
	}
	slices.Sort(all)
	if diff := cmp.Diff(all, slices.Sorted(maps.Keys(described.Properties))); diff != "" {
		t.Errorf("members (-answer +documented)\n%s", diff)
	}
	if diff := cmp.Diff(always, described.Required); diff != "" {
		t.Errorf("required (-answer +documented)\n%s", diff)
	}
}

func TestOpenAPIIsServed(t *testing.T) {
	s := newTestServer(t, nil)
	r := s.do(http.MethodGet, "/api/v1/openapi.json", nil)
	if r.status != http.StatusOK || r.body != string(openAPIDocument) {
		t.Errorf("got %d and %d bytes, want 200 and the document of %d bytes", r.status, len(r.body), len(openAPIDocument))
	}
	r.wantJSONHeaders()
	if got := r.header.Get("Access-Control-Allow-Origin"); got != "*" {
		t.Errorf("Access-Control-Allow-Origin is %q, want *", got)
	}
	s.do(http.MethodPost, "/api/v1/openapi.json", "{}").wantError(405, "The method is not allowed here")
}
