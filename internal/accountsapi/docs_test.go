package accountsapi

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/doorward/doorward/internal/apidocs"
)

var docsSite = apidocs.Site{
	Name: "Shop", BaseURL: "https://auth.example.com", PublicURL: "https://auth.example.com", Parameters: map[string]string{"X-Project-Id": "shop", "project": "shop"},
}

// TestDocsPage: every operation is on the page, every link within it leads somewhere, nothing in it is script or style, and it is no burden.
func TestDocsPage(t *testing.T) {
	page, err := Docs().Page(docsSite, apidocs.Links{Stylesheet: "/assets/docs.css", OpenAPI: "/shop/openapi.json", Postman: "/shop/postman.json"})
	if err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	ids, level := map[string]bool{}, 0
	var targets []string
	for node := range root.Descendants() {
		if node.Type != html.ElementNode {
			continue
		}
		if slices.Contains([]string{"script", "style", "iframe", "form", "img"}, node.Data) {
			t.Errorf("there is a %s", node.Data)
		}
		if len(node.Data) == 2 && node.Data[0] == 'h' && node.Data != "hr" {
			next := int(node.Data[1] - '0')
			if next > level+1 {
				t.Errorf("a heading h%d follows an h%d", next, level)
			}
			level = next
		}
		for _, a := range node.Attr {
			switch {
			case a.Key == "id" && ids[a.Val]:
				t.Errorf("the id %s is there twice", a.Val)
			case a.Key == "id":
				ids[a.Val] = true
			case a.Key == "style" || strings.HasPrefix(a.Key, "on"):
				t.Errorf("an attribute %s", a.Key)
			case a.Key == "href" && strings.HasPrefix(a.Val, "#"):
				targets = append(targets, a.Val[1:])
			}
		}
	}
	for _, target := range targets {
		if !ids[target] {
			t.Errorf("a link leads to #%s, which is nowhere", target)
		}
	}
	for _, rt := range routes {
		if !ids[rt.name] {
			t.Errorf("the page has no operation %s", rt.name)
		}
	}
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, _ = w.Write(page)
	_ = w.Close()
	if total := zipped.Len() + len(apidocs.Styles); total > 100_000 {
		t.Errorf("the page weighs %d bytes", total)
	}
}

var postmanVariable = regexp.MustCompile(`\{\{([a-zA-Z]+)\}\}`)

// TestPostmanHasEveryOperation: each is in a folder of the plan, and each variable that a request names is there.
func TestPostmanHasEveryOperation(t *testing.T) {
	plan := Postman("shop")
	planned := map[string]bool{"openAPI": true}
	for _, folder := range plan.Folders {
		for _, step := range folder.Steps {
			planned[step.Operation] = true
		}
	}
	for _, rt := range routes {
		if !planned[rt.name] {
			t.Errorf("no folder has %s", rt.name)
		}
	}
	text, err := Docs().Postman(docsSite, plan)
	if err != nil {
		t.Fatal(err)
	}
	var collection struct {
		Variable []struct{ Key string }
		Item     []struct{ Name string }
	}
	if err := json.Unmarshal(text, &collection); err != nil {
		t.Fatal(err)
	}
	if len(collection.Item) != len(plan.Folders) {
		t.Errorf("%d folders, %d in the plan", len(collection.Item), len(plan.Folders))
	}
	known := map[string]bool{}
	for _, v := range collection.Variable {
		known[v.Key] = true
	}
	for _, used := range postmanVariable.FindAllSubmatch(text, -1) {
		if name := string(used[1]); !known[name] {
			t.Errorf("a request uses {{%s}}, which is no variable", name)
		}
	}
	for _, folder := range plan.Folders {
		for _, step := range folder.Steps {
			for _, name := range step.Needs {
				if !known[name] {
					t.Errorf("%s needs %s, which is no variable", step.Operation, name)
				}
			}
		}
	}
}
