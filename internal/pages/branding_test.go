package pages

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

const logo = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><path d="M0 0h1v1z"/></svg>`

// TestBranding: a project's logo and colour are on each of its pages, at paths that change with them.
func TestBranding(t *testing.T) {
	s := newServer(t)
	logoURL := "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString([]byte(logo))
	c := s.project(t, "acme", "Acme", "accentColor", "#7c2d12", "logo", logoURL)
	s.project(t, "plain", "Plain")
	page := s.get(t, "/acme/reset-password?oobCode=x&uid=y")
	src, theme := attribute(page.all("img")[0], "src"), attribute(page.files()[1], "href")

	picture := s.get(t, src)
	if picture.status != 200 || picture.body != logo || picture.header.Get("Content-Type") != "image/svg+xml" || picture.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%s: %d %v", src, picture.status, picture.header)
	}
	if policy := picture.header.Get("Content-Security-Policy"); !strings.Contains(policy, "sandbox") || !strings.HasPrefix(policy, "default-src 'none'") {
		t.Errorf("a picture may do more than draw: %q", policy)
	}
	styles := s.get(t, theme)
	if styles.status != 200 || !strings.Contains(styles.body, "--accent:#7c2d12;") || styles.header.Get("Content-Type") != "text/css; charset=utf-8" {
		t.Errorf("%s: %d %q", theme, styles.status, styles.body)
	}
	if attribute(s.get(t, "/acme/reset-password").all("img")[0], "src") != src {
		t.Error("an error page has no logo")
	}

	change := auth.ProjectChange{Set: map[string]string{"accentColor": "#134e4a"}, Reset: []string{"logo"}}
	if _, err := s.admin.UpdateProject(t.Context(), s.service.LocalOperator(c), change); err != nil {
		t.Fatal(err)
	}
	page = s.get(t, "/acme/reset-password?oobCode=x&uid=y")
	if len(page.all("img")) != 0 || attribute(page.files()[1], "href") == theme {
		t.Error("the page keeps the look of before")
	}
	for _, gone := range []string{src, theme, "/plain/theme/x.css", "/plain/logo/x.png", "/nobody/theme/x.css", "/acme/theme/.css", "/plain/logo/.png"} {
		if got := s.get(t, gone); got.status != http.StatusNotFound {
			t.Errorf("%s: %d", gone, got.status)
		}
	}
	if links := s.get(t, "/plain/reset-password?oobCode=x&uid=y").files(); len(links) != 2 {
		t.Errorf("a plain project's page has %d links to files", len(links))
	}
}
