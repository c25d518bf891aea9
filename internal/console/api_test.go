package console

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAPI(t *testing.T) {
	r := newRig(t)
	r.project("acme", "Acme")
	a := r.get("/console/projects/acme/api").wantPage(200, "https://api.example.com", "X-Project-Id: acme", "https://auth.example.com/acme/.well-known/jwks.json",
		"curl https://api.example.com/api/v1/auth/accounts/signup", "'Content-Type: application/json'")
	for text, want := range map[string]string{"Documentation of the AUTH API": "/acme/docs", "Postman collection": "/acme/postman.json", "OpenAPI document": "/acme/openapi.json"} {
		if got := a.link(text); got != want {
			t.Errorf("%s is at %s", text, got)
		}
	}
	r.project("closed", "Closed", "apiDocs", "false")
	if a := r.get("/console/projects/closed/api").wantPage(200, "is off"); strings.Contains(a.Body.String(), "/closed/docs") {
		t.Error("a page is linked that is not there")
	}
	const page = "/console/instance/api"
	plain := r.get(page).wantPage(200, "Toy API", "List toys", "OpenAPI document")
	req := httptest.NewRequest(http.MethodGet, page, nil)
	req.Header.Set("Accept-Encoding", "gzip")
	zipped := r.do(req)
	reader, err := gzip.NewReader(zipped.Body)
	r.must(err)
	if text, err := io.ReadAll(reader); err != nil || string(text) != plain.Body.String() || zipped.Header().Get("Content-Encoding") != "gzip" || zipped.Header().Get("Vary") != "Accept-Encoding" {
		t.Errorf("compressed: %v, %d bytes, headers %v", err, len(text), zipped.Header())
	}
}

func TestSignUpExample(t *testing.T) {
	if got := signUpExample("https://acme.example.net", ""); strings.Contains(got, headerProject) || !strings.HasPrefix(got, "curl https://acme.example.net/api/v1/") {
		t.Errorf("%s", got)
	}
}

// Pages are light: an operator may be on a telephone.
func TestWeight(t *testing.T) {
	r := newRig(t)
	r.project("acme", "Acme")
	for _, p := range allPages() {
		path := strings.ReplaceAll(root+p.path, "{project}", "acme")
		if strings.Contains(path, "{") {
			continue
		}
		if size := r.get(path).Body.Len(); size > 100_000 {
			t.Errorf("%s has %d bytes", path, size)
		}
	}
}
