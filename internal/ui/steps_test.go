package ui

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestSteps: what a flow keeps in the browser is as strict a cookie as the session's, is never taken for one, and has a limit.
func TestSteps(t *testing.T) {
	for public, name := range map[string]string{"https://id.example.com/auth": "__Host-doorward-acme.second", "http://localhost:8080": "doorward-acme.second"} {
		s := site(t, public)
		w := httptest.NewRecorder()
		if !s.SetStep(w, "acme", "second", "credential", 5*time.Minute) {
			t.Fatal("it does not fit")
		}
		cookie := w.Result().Cookies()[0]
		if cookie.Name != name || cookie.Value != "credential" || cookie.Path != "/" || cookie.Domain != "" || cookie.MaxAge != 300 || !cookie.HttpOnly ||
			cookie.Secure != s.HTTPS() || cookie.SameSite != http.SameSiteLaxMode {
			t.Errorf("%s: %+v", public, cookie)
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.AddCookie(cookie)
		if s.Step(r, "acme", "second") != "credential" || s.Step(r, "acme", "provider") != "" || s.Step(r, "other", "second") != "" || s.Session(r, "acme") != "" {
			t.Errorf("%s: read back wrongly", public)
		}
		r.AddCookie(&http.Cookie{Name: name, Value: "planted"})
		if got := s.Step(r, "acme", "second"); got != "" {
			t.Errorf("two cookies: %q", got)
		}
		w = httptest.NewRecorder()
		s.ClearStep(w, "acme", "second")
		if gone := w.Result().Cookies()[0]; gone.Name != name || gone.MaxAge >= 0 {
			t.Errorf("cleared by %+v", gone)
		}
		long := strings.Repeat("x", maxStep)
		if w = httptest.NewRecorder(); !s.SetStep(w, "acme", "second", long, time.Minute) || s.SetStep(w, "acme", "second", long+"x", time.Minute) || len(w.Result().Cookies()) != 1 {
			t.Error("the limit is not kept")
		}
	}
}
