package pages

import "testing"

// TestStaleFormKeepsTheApp: the page about a form that is no longer good leads on to the app that asked, and back to it.
func TestStaleFormKeepsTheApp(t *testing.T) {
	s := newServer(t)
	c := s.project(t, "acme", "Acme", "callbackURLs", appCallback)
	s.signUp(t, c)
	b := s.tab(t).visit("/acme/sign-in" + appQuery())
	b.cookies = map[string]string{}
	b.press("Sign in", "email", string(testEmail), "password", testPassword).want(403, "error.stale.title")
	if b.follow("Back to the app"); b.gone != appCallback+"&error=access_denied&state=a+state+%26+more" {
		t.Errorf("back to %q", b.gone)
	}
	b.follow("Sign in").press("Sign in", "email", string(testEmail), "password", testPassword).wantCode(c)
}
