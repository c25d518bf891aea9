package accountsapi

import (
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

func TestHostsProject(t *testing.T) {
	hosts := Hosts{Domain: "api.example.com"}
	for host, want := range map[string]string{
		"shop.api.example.com":         "shop",
		"shop.api.example.com:8443":    "shop",
		"shop.api.example.com.":        "shop",
		"shop.api.example.com.:443":    "shop",
		"SHOP.Api.Example.COM":         "shop",
		"a-1.api.example.com":          "a-1",
		"shop.api.localhost":           "shop",
		"shop.api.localhost:8080":      "shop",
		"Shop.API.localhost.:8080":     "shop",
		"":                             "",
		"localhost":                    "",
		"localhost:8080":               "",
		"api.localhost:8080":           "",
		".api.localhost":               "",
		"api.example.com":              "",
		".api.example.com":             "",
		"example.com":                  "",
		"a.b.api.example.com":          "",
		"a..api.example.com":           "",
		"a.api.localhost.example.com":  "",
		"shopapi.example.com":          "",
		"shop.api.example.com.evil.io": "",
		"shop.api.example.org":         "",
		"127.0.0.1:8080":               "",
		"[::1]":                        "",
		"[::1]:8080":                   "",
		"[::1%25lo]:8080":              "",
		"[fe80::api.localhost]":        "",
	} {
		label, ok := hosts.Project(host)
		if label != want || ok != (want != "") {
			t.Errorf("host %q: got %q %v, want %q", host, label, ok, want)
		}
	}
}

func TestHostsWithoutADomain(t *testing.T) {
	for host, want := range map[string]string{"shop.api.localhost": "shop", "shop.": "", "shop.api.example.com": ""} {
		if label, _ := (Hosts{}).Project(host); label != want {
			t.Errorf("host %q: got %q, want %q", host, label, want)
		}
	}
}

func TestHostsProjectOf(t *testing.T) {
	const contradiction, twice = "The header X-Project-Id contradicts the project of the host name", "The header X-Project-Id must come once"
	for _, tt := range []struct {
		host    string
		headers []string
		want    auth.ProjectID
		refusal string
	}{
		{"localhost:8080", nil, "default", ""},
		{"localhost:8080", []string{""}, "default", ""},
		{"localhost:8080", []string{"shop"}, "shop", ""},
		{"[::1]:8080", []string{"shop"}, "shop", ""},
		{"api.example.com", []string{"shop"}, "shop", ""},
		{"shop.api.example.com", nil, "shop", ""},
		{"shop.api.example.com", []string{""}, "shop", ""},
		{"shop.api.example.com", []string{"shop"}, "shop", ""},
		{"shop.api.example.com", []string{"other"}, "", contradiction},
		{"shop.api.example.com", []string{"SHOP"}, "", contradiction},
		{"shop.api.localhost", []string{"default"}, "", contradiction},
		{"default.api.localhost", []string{"shop"}, "", contradiction},
		{"localhost", []string{"shop", "shop"}, "", twice},
		{"localhost", []string{"", "shop"}, "", twice},
		{"shop.api.example.com", []string{"shop", "other"}, "", twice},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = tt.host
		for _, value := range tt.headers {
			r.Header.Add("X-Project-Id", value)
		}
		got, err := Hosts{Domain: "api.example.com"}.ProjectOf(r)
		var refused *web.Error
		if tt.refusal != "" && (!errors.As(err, &refused) || refused.Status != 422 || refused.Detail != tt.refusal) {
			t.Errorf("%s %q: got %v, want 422 %s", tt.host, tt.headers, err, tt.refusal)
		}
		if tt.refusal == "" && err != nil || got != tt.want {
			t.Errorf("%s %q: got %q %v, want %q", tt.host, tt.headers, got, err, tt.want)
		}
	}
}

// TestAddressing: the project is found before the route, and its absence is told in the envelope.
func TestAddressing(t *testing.T) {
	s := newTestServer(t, nil)
	s.createProject("shop", map[string]string{"errorEnvelope": "nested"})
	const array = `{"errors":[{"code":"404","title":"Not Found","detail":"Not found"}]}`
	const nested = `{"data":null,"errors":` + array + `}`
	for _, tt := range []struct {
		what    string
		options []requestOption
		body    string
	}{
		{"bare", nil, array},
		{"bare with header", []requestOption{header("X-Project-Id", "shop")}, nested},
		{"project host", []requestOption{host("shop." + testDomain)}, nested},
		{"local project host", []requestOption{host("shop.api.localhost:8080")}, nested},
		{"default's host", []requestOption{host("default.api.localhost:8080")}, array},
	} {
		if r := s.do("GET", "/api/v1/no/such/path", nil, tt.options...); r.status != 404 || r.body != tt.body {
			t.Errorf("%s: got %d %s, want 404 %s", tt.what, r.status, r.body, tt.body)
		}
	}
	for name, options := range map[string][]requestOption{
		"host":          {host("nobody.api.localhost")},
		"header":        {header("X-Project-Id", "nobody")},
		"no id":         {header("X-Project-Id", "No Id")},
		"no text":       {header("X-Project-Id", "\xff")},
		"reserved word": {host("console.api.localhost")},
	} {
		r := s.post("/signup", map[string]any{"email": "a@example.com", "password": testPassword}, options...)
		t.Log(name)
		r.wantError(404, "Project not found")
	}
	s.post("/signup", "{}", host("shop.api.localhost"), header("X-Project-Id", "default")).
		wantError(422, "The header X-Project-Id contradicts the project of the host name")
}
