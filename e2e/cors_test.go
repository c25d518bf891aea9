package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// containsToken tells whether a comma-separated header has the token, in any case.
func containsToken(values []string, token string) bool {
	for _, value := range values {
		for _, part := range strings.Split(value, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}

func preflight(t *testing.T, c client, origin, path, method string) reply {
	t.Helper()
	return c.with("Origin", origin).with("Access-Control-Request-Method", method).
		with("Access-Control-Request-Headers", "authorization,content-type").do(t, http.MethodOptions, apiBase+path, nil)
}

func TestCORSAnyOrigin(t *testing.T) {
	t.Parallel()
	p := plain(t)
	const origin = "https://app.example.test"
	for _, route := range routes("uid") {
		r := preflight(t, p.client(), origin, route.path, route.method)
		r.wantStatus(t, http.StatusNoContent)
		r.wantHeader(t, "Access-Control-Allow-Origin", "*")
		r.wantHeader(t, "Access-Control-Allow-Credentials", "")
		if !containsToken(r.header.Values("Access-Control-Allow-Methods"), route.method) {
			t.Errorf("%s: methods %q lack %s", r.what, r.header.Values("Access-Control-Allow-Methods"), route.method)
		}
		for _, name := range []string{"authorization", "content-type", "deskree-admin", "x-project-id"} {
			if !containsToken(r.header.Values("Access-Control-Allow-Headers"), name) {
				t.Errorf("%s: headers %q lack %s", r.what, r.header.Values("Access-Control-Allow-Headers"), name)
			}
		}
	}
	c := p.client().with("Origin", origin)
	a := p.signUp(t)
	for _, r := range []reply{ // a browser shows errors to the app only with the header
		c.post(t, signin, a.credentials()),
		c.post(t, signin, M{}),
		c.post(t, signin, "["),
		c.get(t, users),
		c.get(t, users+"/"+a.uid),
		c.get(t, "/nothing"),
		c.get(t, signup),
	} {
		r.wantHeader(t, "Access-Control-Allow-Origin", "*")
		r.wantHeader(t, "Access-Control-Allow-Credentials", "")
		r.wantHeader(t, "Set-Cookie", "")
	}
}

func TestCORSListedOrigin(t *testing.T) {
	t.Parallel()
	const origin = "https://app.example.test"
	p := plain(t, "corsOrigins="+origin)
	r := preflight(t, p.client(), origin, signup, http.MethodPost)
	r.wantStatus(t, http.StatusNoContent)
	r.wantHeader(t, "Access-Control-Allow-Origin", origin)
	r.wantHeader(t, "Access-Control-Allow-Credentials", "")
	answer := p.client().with("Origin", origin).post(t, signin, M{})
	answer.wantHeader(t, "Access-Control-Allow-Origin", origin)
	if !containsToken(answer.header.Values("Vary"), "Origin") {
		t.Errorf("%s: Vary %q lacks Origin", answer.what, answer.header.Values("Vary"))
	}
	for _, stranger := range []string{"https://evil.example.test", "http://app.example.test", "https://app.example.test:444",
		"https://app.example.test.evil.test", "https://APP.example.test.", "null", "https://x.app.example.test"} {
		if r := preflight(t, p.client(), stranger, signup, http.MethodPost); r.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("preflight from %s: Access-Control-Allow-Origin %q", stranger, r.header.Get("Access-Control-Allow-Origin"))
		}
		r := p.client().with("Origin", stranger).post(t, signin, M{})
		r.wantHeader(t, "Access-Control-Allow-Origin", "")
		if !containsToken(r.header.Values("Vary"), "Origin") {
			t.Errorf("%s: Vary %q lacks Origin", r.what, r.header.Values("Vary"))
		}
	}
}
