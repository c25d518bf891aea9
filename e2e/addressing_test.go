package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// serves tells which project answered, by signing up there and reading the token's audience.
func serves(t *testing.T, c client) string {
	t.Helper()
	a := account{}.fill(t, c.fresh().post(t, signup, M{"email": newEmail(), "password": newPassword()}))
	_, claims := jwtParts(t, a.idToken)
	return text(t, claims, "aud")
}

func TestAddressing(t *testing.T) {
	t.Parallel()
	p := plain(t)
	port := ":" + suite.shared.port
	for name, c := range map[string]struct {
		client client
		want   string
	}{
		"project host":                  {p.client(), p.id},
		"project host, other case":      {p.client().at(strings.ToUpper(p.id) + ".API.Localhost" + port), p.id},
		"project host, no port":         {p.client().at(p.id + ".api.localhost"), p.id},
		"project host and header agree": {p.client().with("X-Project-Id", p.id), p.id},
		"localhost":                     {suite.shared.bareHost(), "default"},
		"127.0.0.1":                     {suite.shared.bareHost().at("127.0.0.1" + port), "default"},
		"unknown host":                  {suite.shared.bareHost().at("elsewhere.example.test"), "default"},
		"the domain itself":             {suite.shared.bareHost().at("api.localhost" + port), "default"},
		"two labels before the domain":  {suite.shared.bareHost().at("a." + p.id + ".api.localhost" + port), "default"},
		"bare host and header":          {suite.shared.bareHost().with("X-Project-Id", p.id), p.id},
		"default by its host":           {suite.shared.bareHost().at("default.api.localhost" + port), "default"},
		"default by header":             {suite.shared.bareHost().with("X-Project-Id", "default"), "default"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := serves(t, c.client); got != c.want {
				t.Errorf("project %q answered, want %q", got, c.want)
			}
		})
	}
}

func TestAddressingRefusals(t *testing.T) {
	t.Parallel()
	p := plain(t)
	other := plain(t, "errorEnvelope=nested")
	body := M{"email": newEmail(), "password": newPassword()}
	p.client().with("X-Project-Id", other.id).post(t, signup, body).wantError(t, 422, isText)
	p.client().with("X-Project-Id", "nosuchproject").post(t, signup, body).wantError(t, 422, isText)
	suite.shared.bareHost().with("X-Project-Id", "nosuchproject").post(t, signup, body).wantError(t, 404, isText)
	suite.shared.bareHost().at("nosuchproject.api.localhost").post(t, signup, body).wantError(t, 404, isText)
	suite.shared.bareHost().with("X-Project-Id", "../default").post(t, signup, body).wantError(t, 404, isText)
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		suite.shared.bareHost().at("nosuchproject.api.localhost").do(t, method, apiBase+users+"/x", nil).wantError(t, 404, isText)
	}
	p.client().post(t, signin, body).wantError(t, 400, "EMAIL_NOT_FOUND") // none of these made the account
}

// TestProjectsAreApart: the same address is another user in another project, and no token crosses over.
func TestProjectsAreApart(t *testing.T) {
	t.Parallel()
	p, other := plain(t), plain(t, "errorEnvelope=nested")
	a := p.signUp(t)
	data := other.client().post(t, signup, M{"email": a.email, "password": newPassword()}).wantData(t, session(a.email, false))
	if text(t, data, "uid") == a.uid {
		t.Error("one uid in two projects")
	}
	other.client().bearer(a.idToken).get(t, users+"/"+a.uid).wantError(t, 403, tokenInvalid)
	other.asAdmin().get(t, users+"/"+a.uid).wantError(t, 404, isText)
	suite.shared.bareHost().with("X-Project-Id", p.id).bearer(a.idToken).get(t, users+"/"+a.uid).wantStatus(t, 200)
	suite.shared.bareHost().bearer(a.idToken).get(t, users+"/"+a.uid).wantError(t, 403, tokenInvalid)
}

// TestPublicURLDecides: domain, issuer and links come from the configured public URL and never from a
// Host header (P12).
func TestPublicURLDecides(t *testing.T) {
	t.Parallel()
	s := ownServer(t, serverOptions{publicURL: "https://auth.example.test", viaEnv: true, adminToken: randomSecret("admin")})
	p := s.newProject(t, "documented")
	for _, host := range []string{p.id + ".api.auth.example.test", p.id + ".api.localhost"} {
		c := p.client().at(host).with("X-Forwarded-Host", "evil.example.test").with("X-Forwarded-Proto", "gopher")
		a := account{}.fill(t, c.post(t, signup, M{"email": newEmail(), "password": newPassword()}))
		if _, claims := jwtParts(t, a.idToken); claims["iss"] != "https://auth.example.test/"+p.id {
			t.Errorf("on host %s: iss %v", host, claims["iss"])
		}
	}
	if got := serves(t, s.bareHost().at("evil.example.test")); got != "default" {
		t.Errorf("an unknown host served %q", got)
	}
	a := p.signUp(t)
	p.client().at(p.id+".api.localhost:1").post(t, resetPath, M{"email": a.email}).want204(t)
	mail := p.mailbox(a.email).next(t, "https://auth.example.test/")
	for _, link := range mail.links {
		if !strings.HasPrefix(link, "https://auth.example.test/") {
			t.Errorf("link %q does not begin with the public URL", link)
		}
	}
}
