package server

import (
	"net/url"
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

// TestAPISite: a project's own host where a domain was chosen, and the public URL with the header where it was not.
func TestAPISite(t *testing.T) {
	for _, c := range []struct{ public, domain, base, header string }{
		{"https://auth.example.com", "api.auth.example.com", "https://auth.example.com", "shop"},
		{"http://localhost:8080", "api.localhost", "http://localhost:8080", "shop"},
		{"https://auth.example.com", "", "https://auth.example.com", "shop"},
		{"https://auth.example.com", "apps.example.com", "https://shop.apps.example.com", ""},
		{"https://auth.example.com:8443", "apps.example.com", "https://shop.apps.example.com:8443", ""},
	} {
		public, err := url.Parse(c.public)
		if err != nil {
			t.Fatal(err)
		}
		site := apiSite(public, c.domain, &auth.Project{ID: "shop", DisplayName: "Shop"})
		if site.BaseURL != c.base || site.Parameters["X-Project-Id"] != c.header || site.Parameters["project"] != "shop" || site.PublicURL != c.public || site.Name != "Shop" {
			t.Errorf("%s with the domain %q: %+v", c.public, c.domain, site)
		}
	}
}
