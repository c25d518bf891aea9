package pages

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"golang.org/x/net/html"
)

// switchTo gives the link to the page in another language.
func (a answered) switchTo(lang string) string {
	for _, link := range a.all("a") {
		if attribute(link, "hreflang") == lang {
			return attribute(link, "href")
		}
	}
	return ""
}

// TestLanguageSwitch: the reader's choice comes before the browser's, keeps the link's parts, and lasts through the form.
func TestLanguageSwitch(t *testing.T) {
	s := newServer(t)
	c := s.project(t, "acme", "Acme", "language", "ja")
	f := flows[2]
	f.prepare(t, s, c)
	request := httptest.NewRequest(http.MethodGet, publicURL+s.link(t, c, f.kind), nil)
	request.Header.Set("Accept-Language", "fr")
	page := s.do(t, request)
	if len(page.all("a")) != len(languages) {
		t.Fatalf("%d languages to choose from", len(page.all("a")))
	}

	page = s.get(t, page.switchTo("de"))
	german := textsByLanguage["de"].messages
	if page.heading() != german["reset-password.title"] {
		t.Fatalf("chose German, got %q", page.heading())
	}
	refused := s.submit(t, page, "newPassword", "x")
	if refused.status != 422 || refused.heading() != german["reset-password.title"] {
		t.Fatalf("%d %q", refused.status, refused.heading())
	}
	again := s.get(t, refused.switchTo("ar"))
	if attribute(again.all("html")[0], "dir") != "rtl" {
		t.Error("the choice after a try does not lead to the form")
	}
	done := s.submit(t, refused, f.typed...)
	if done.status != 200 || done.heading() != german["reset-password.done.title"] {
		t.Errorf("%d %q", done.status, done.heading())
	}
	if done.switchTo("ar") != "" {
		t.Error("the result offers languages, and has nothing to open again")
	}
}

func TestLanguageSwitchRefuses(t *testing.T) {
	s := newServer(t)
	s.project(t, "acme", "Acme", "language", "ja")
	for _, lang := range []string{"", "xx", "DE", "de-AT", "%22%3E%3Cscript%3E", "%FF"} {
		page := s.get(t, "/acme/reset-password?oobCode=x&uid=y&lang="+lang)
		if got := attribute(page.all("html")[0], "lang"); got != "ja" {
			t.Errorf("lang=%s: %s", lang, got)
		}
		for _, link := range page.all("a") {
			if marked := hasAttribute(link, "aria-current"); marked != (attribute(link, "lang") == "ja") {
				t.Errorf("lang=%s: %v", lang, link.Attr)
			}
		}
	}
	unknown := s.get(t, "/nobody/reset-password?lang=de")
	if unknown.heading() != textsByLanguage["de"].messages["error.not-found.title"] {
		t.Errorf("a project that is not there: %q", unknown.heading())
	}
}

func hasAttribute(node *html.Node, name string) bool {
	for _, a := range node.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}
