package e2e

import (
	"net/http"
	"testing"
)

// TestUnknownRoutes: what is no route is 404 in the envelope, however it is spelled, and never a redirect.
func TestUnknownRoutes(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a := p.signUp(t)
	for _, path := range []string{
		"/nothing", "/auth", "/auth/accounts/", "/auth/accounts/signup/", "/auth/accounts//signup", "//auth/accounts/signup",
		"/auth/./accounts/signup", "/auth/x/../accounts/signup", "/auth%2Faccounts/signup", "/auth/accounts/Signup",
		"/auth/accounts/sign-in", "/auth/accounts/signup;x=1", "/auth/accounts/signup%00", "/rest/collections/other",
		"/rest/collections/users/", "/rest/collections/users/a/b", "/rest/collections/Users",
	} {
		for _, method := range []string{http.MethodPost, http.MethodGet} {
			r := p.client().bearer(a.idToken).do(t, method, apiBase+path, bodyFor(method, M{"email": newEmail(), "password": newPassword()}))
			if r.status != http.StatusNotFound {
				t.Errorf("%s: want 404, got %d %s", r.what, r.status, r.body)
			}
		}
	}
	r := p.client().get(t, "")
	if r.status != http.StatusNotFound {
		t.Errorf("%s: want 404, got %d", r.what, r.status)
	}
}

func bodyFor(method string, body any) any {
	if method == http.MethodPost || method == http.MethodPatch || method == http.MethodPut {
		return body
	}
	return nil
}

// TestWrongMethods: 405 in the envelope, with an Allow header that names the right method.
func TestWrongMethods(t *testing.T) {
	t.Parallel()
	c := plain(t).client()
	for _, route := range routes("uid") {
		allowed := map[string]bool{}
		for _, other := range routes("uid") {
			if other.path == route.path {
				allowed[other.method] = true
			}
		}
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, "PROPFIND"} {
			if allowed[method] {
				continue
			}
			r := c.do(t, method, apiBase+route.path, bodyFor(method, M{}))
			if r.status != http.StatusMethodNotAllowed {
				t.Errorf("%s: want 405, got %d %s", r.what, r.status, r.body)
				continue
			}
			r.wantError(t, 405, isText)
			for right := range allowed {
				if !containsToken(r.header.Values("Allow"), right) {
					t.Errorf("%s: Allow %q does not name %s", r.what, r.header.Values("Allow"), right)
				}
			}
		}
	}
}

// TestNestedEnvelope: the same errors in the other envelope, for every kind of error; client.nested makes
// the harness check the whole body of each.
func TestNestedEnvelope(t *testing.T) {
	t.Parallel()
	p := plain(t, "errorEnvelope=nested")
	a := p.signUp(t)
	c := p.client()
	c.post(t, signup, M{}).wantError(t, 422, needEmailAndPassword)
	c.post(t, signup, "[").wantError(t, 422, isText)
	c.post(t, signin, M{"email": a.email, "password": "wrong-password"}).wantError(t, 400, "INVALID_PASSWORD")
	c.get(t, users+"/"+a.uid).wantError(t, 401, isText)
	c.get(t, users).wantError(t, 403, isText)
	c.get(t, "/nothing").wantError(t, 404, isText)
	c.get(t, signup).wantError(t, 405, isText)
	c.post(t, signin, a.credentials()).wantData(t, session(a.email, false))
}

// TestHealth: the two probes are outside every project.
func TestHealth(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/healthz", "/readyz"} {
		for _, c := range []client{suite.shared.bareHost(), plain(t).client()} {
			c.do(t, http.MethodGet, path, nil).wantStatus(t, 200)
		}
	}
}
