package pages

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/doorward/doorward/internal/authtest"
)

// prove does what the page's module does with the passkey form of the button, and gives what the server answers to the request for options.
func (b *tab) prove(button string, key *authtest.SecurityKey) int {
	b.Helper()
	form := b.form(button)
	ask := b.request(button)
	ask.URL.Path = attribute(form, "data-options")
	for name, value := range b.cookies {
		ask.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	answer := b.s.do(b.T, ask)
	if answer.status != 200 {
		return answer.status
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(answer.body), &fields); err != nil {
		b.Fatal(err)
	}
	var typed []string
	for name, raw := range fields {
		var value string
		switch {
		case name != "options":
			if err := json.Unmarshal(raw, &value); err != nil {
				b.Fatal(err)
			}
			typed = append(typed, name, value)
		case attribute(form, "data-passkey") == "create":
			typed = append(typed, "credential", string(key.Create(raw)))
		default:
			typed = append(typed, "credential", string(key.Get(raw)))
		}
	}
	b.press(button, typed...)
	return b.at.status
}

// TestPasskeysSignIn: a passkey is enrolled where a second factor is required, is the second factor, and signs in alone.
func TestPasskeysSignIn(t *testing.T) {
	s := newServer(t)
	c := s.project(t, "acme", "Acme", "secondFactor", "required")
	s.signUp(t, c)
	key, another := authtest.NewSecurityKey(t, publicURL), authtest.NewSecurityKey(t, publicURL)
	b := s.tab(t).signIn("/acme/sign-in")
	b.prove("Create a passkey", key)
	b.want(200, "sign-in/codes.title").press("I have kept them")
	b.wantSession(c)

	b = s.tab(t).signIn("/acme/sign-in").want(200, "sign-in/second-factor.title")
	if policy := b.at.header.Get("Content-Security-Policy"); len(b.at.all("script")) != 1 || policy == "" {
		t.Error("no module")
	}
	b.prove("Use a passkey", key)
	b.wantSession(c)

	b = s.tab(t).visit("/acme/sign-in")
	b.prove("Sign in with a passkey", key)
	b.wantSession(c)

	stranger := s.tab(t).visit("/acme/sign-in")
	other := s.project(t, "other", "Other", "secondFactor", "required")
	s.signUp(t, other)
	elsewhere := s.tab(t).signIn("/other/sign-in")
	elsewhere.prove("Create a passkey", another)
	stranger.prove("Sign in with a passkey", another)
	stranger.want(422, "sign-in.title").says("error.passkey.text")
	if stranger.session("acme") != "" {
		t.Error("signed in with another project's passkey")
	}
}

// TestPasskeyOptionsAreOurs: no other site has options made, and nobody for a sign-in of another browser.
func TestPasskeyOptionsAreOurs(t *testing.T) {
	s := newServer(t)
	s.signUp(t, s.project(t, "acme", "Acme", "secondFactor", "required"))
	b := s.tab(t).visit("/acme/sign-in")
	b.cookies = map[string]string{}
	if status := b.prove("Sign in with a passkey", nil); status != 403 {
		t.Errorf("without cookies: %d", status)
	}
	b = s.tab(t).signIn("/acme/sign-in").want(200, "sign-in/enroll.title")
	delete(b.cookies, "__Host-doorward-acme.second")
	if status := b.prove("Create a passkey", nil); status != 403 {
		t.Errorf("without the pending sign-in: %d", status)
	}
	b.cookies["__Host-doorward-acme.second"] = "AAAA"
	if status := b.prove("Create a passkey", nil); status != 403 {
		t.Errorf("with another pending sign-in: %d", status)
	}
}
