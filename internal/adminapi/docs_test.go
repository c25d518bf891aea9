package adminapi

import (
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/apidocs"
)

// TestDocs: the page and the collection of the admin API have every operation.
func TestDocs(t *testing.T) {
	site := apidocs.Site{BaseURL: "https://auth.example.com", PublicURL: "https://auth.example.com"}
	page, err := Docs().Page(site, apidocs.Links{})
	if err != nil {
		t.Fatal(err)
	}
	for _, rt := range routes {
		if !strings.Contains(string(page), `<article id="`+rt.Name+`"`) {
			t.Errorf("the page has no operation %s", rt.Name)
		}
	}
	if !strings.Contains(string(page), "curl 'https://auth.example.com/admin/v1/settings' \\\n  -H 'authorization: Bearer OPERATOR_TOKEN'") {
		t.Error("the page has no curl for the settings")
	}
	collection, err := Docs().Postman(site, apidocs.Collection{Bearer: "operatorToken", Variables: []apidocs.Variable{{Name: "operatorToken"}}})
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(collection), `"request":`); n != len(routes) {
		t.Errorf("the collection has %d requests for %d operations", n, len(routes))
	}
}
