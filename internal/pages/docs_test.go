package pages

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/apidocs"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

const docsDocument = `{"info": {"title": "Toy API"}, "servers": [], "tags": [{"name": "Toys"}], "components": {},
	"paths": {"/toys": {"get": {"operationId": "toys", "tags": ["Toys"], "summary": "List toys", "responses": {"204": {"description": "Done."}}}}}}`

// newDocsServer is newServer with pages about an API of one operation.
func newDocsServer(t *testing.T) *server {
	t.Helper()
	s := newServer(t)
	document, err := apidocs.Parse([]byte(docsDocument))
	if err != nil {
		t.Fatal(err)
	}
	public, err := url.Parse(publicURL)
	if err != nil {
		t.Fatal(err)
	}
	s.handler = web.NewRouter(New(Options{Service: s.service, PublicURL: public, Caller: testCaller, APIDocs: &APIDocs{
		Document:   func() *apidocs.Document { return document },
		Collection: func(string) apidocs.Collection { return apidocs.Collection{} },
		Site: func(p *auth.Project) apidocs.Site {
			return apidocs.Site{Name: p.DisplayName, BaseURL: "https://" + string(p.ID) + ".example.net", PublicURL: publicURL}
		},
	}}).Routes(), otherErrors)
	return s
}

func TestDocsPage(t *testing.T) {
	s := newDocsServer(t)
	c := s.project(t, "shop", "Shop")
	page := s.get(t, "/shop/docs")
	if page.status != http.StatusOK || page.heading() != "Toy API " || !strings.Contains(page.body, "https://shop.example.net") || !strings.Contains(page.body, "Shop") {
		t.Fatalf("%d %q\n%s", page.status, page.heading(), page.body)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Content-Language": "en", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
	} {
		if got := page.header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, link := range page.files() {
		sheet := s.get(t, strings.TrimPrefix(attribute(link, "href"), publicURL))
		if sheet.status != http.StatusOK || !strings.HasPrefix(sheet.header.Get("Content-Type"), "text/css") || sheet.body != string(apidocs.Styles) {
			t.Errorf("stylesheet %s: %d", attribute(link, "href"), sheet.status)
		}
	}
	const name = "Corner shop"
	if _, err := s.admin.UpdateProject(t.Context(), s.service.LocalOperator(c), auth.ProjectChange{DisplayName: name}); err != nil {
		t.Fatal(err)
	}
	if page := s.get(t, "/shop/docs"); !strings.Contains(page.body, name) {
		t.Error("the page has the project's former name")
	}
}

func TestDocsFiles(t *testing.T) {
	s := newDocsServer(t)
	s.project(t, "shop", "Shop")
	for path, want := range map[string]string{"/shop/openapi.json": `"servers"`, "/shop/postman.json": "v2.1.0"} {
		file := s.get(t, path)
		if file.status != http.StatusOK || !json.Valid([]byte(file.body)) || !strings.Contains(file.body, want) || !strings.Contains(file.body, "https://shop.example.net") {
			t.Errorf("%s: %d %s", path, file.status, file.body)
		}
		if file.header.Get("Content-Type") != "application/json; charset=utf-8" || file.header.Get("Access-Control-Allow-Origin") != "*" || file.header.Get("Cache-Control") != "public, max-age=300" {
			t.Errorf("%s: %v", path, file.header)
		}
	}
	if got := s.get(t, "/shop/postman.json").header.Get("Content-Disposition"); got != `attachment; filename="shop.postman_collection.json"` {
		t.Errorf("Content-Disposition %q", got)
	}
}

// TestDocsOff: neither a project that does not want them nor one that is not there has any.
func TestDocsOff(t *testing.T) {
	s := newDocsServer(t)
	s.project(t, "shop", "Shop", "apiDocs", "false")
	for _, project := range []string{"shop", "nobody"} {
		for _, file := range docsFiles {
			if got := s.get(t, "/"+project+"/"+file.name); got.status != http.StatusNotFound || strings.Contains(got.body, "example.net") {
				t.Errorf("%s/%s: %d", project, file.name, got.status)
			}
		}
	}
}

func TestDocsCompressed(t *testing.T) {
	s := newDocsServer(t)
	s.project(t, "shop", "Shop")
	plain := s.get(t, "/shop/docs").body
	for header, zipped := range map[string]bool{
		"": false, "br": false, "gzip": true, "br, GZIP;q=0.5": true, "gzip;q=0": false, "gzip; q=0.0, br": false, "gzip;q=x": false, "xgzip": false,
	} {
		r := httptest.NewRequest(http.MethodGet, publicURL+"/shop/docs", nil)
		r.Header.Set("Accept-Encoding", header)
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		if got := w.Header().Get("Content-Encoding") == "gzip"; got != zipped {
			t.Errorf("%q: compressed %v", header, got)
			continue
		}
		if w.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: Vary %q", header, w.Header().Values("Vary"))
		}
		if !zipped {
			continue
		}
		reader, err := gzip.NewReader(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(reader); err != nil || string(text) != plain {
			t.Errorf("%q: %v, %d bytes for %d", header, err, len(text), len(plain))
		}
	}
}

func TestDocsCacheIsBounded(t *testing.T) {
	var c docsCache
	for i := range 3 * docsCached {
		if text, err := c.get(strings.Repeat("x", i), func() ([]byte, error) { return []byte{byte(i)}, nil }); err != nil || text.plain[0] != byte(i) {
			t.Fatalf("%d: %v %v", i, text, err)
		}
	}
	if len(c.made) > docsCached {
		t.Errorf("%d texts are kept", len(c.made))
	}
	again, err := c.get(strings.Repeat("x", 3*docsCached-1), func() ([]byte, error) { t.Error("made again"); return nil, nil })
	if err != nil || len(again.plain) != 1 {
		t.Errorf("%v %v", again, err)
	}
}
