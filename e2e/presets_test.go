package e2e

import (
	"strings"
	"testing"
)

// TestDefaultProject: the default project of a first start answers as documented.
func TestDefaultProject(t *testing.T) {
	t.Parallel()
	c := suite.shared.bareHost()
	email, password := newEmail(), "123456" // six characters and nothing else
	r := c.post(t, signup, M{"email": email, "password": password})
	r.wantData(t, session(email, false))
	a := account{email: email, password: password}.fill(t, r)
	_, claims := jwtParts(t, a.idToken)
	want := idTokenClaims(project{srv: suite.shared, id: "default"}, a, false)
	for _, d := range diff("claims", want, claims) {
		t.Error(d)
	}
	c.post(t, signin, M{"email": newEmail(), "password": password}).wantError(t, 400, "EMAIL_NOT_FOUND")
	c.post(t, providers, M{"email": email}).wantData(t, M{"allProviders": L{"password"}, "registered": true})
	c.post(t, inviteePath, M{"email": newEmail()}).want204(t)
	data := c.post(t, refreshPath, M{"refresh_token": a.refreshToken}).wantData(t,
		refreshAnswer(project{id: "default"}, a.uid, a.refreshToken))
	c.bearer(text(t, data, "id_token")).delete(t, accountPath).want204(t)
	c.admin(suite.shared.opts.adminToken).get(t, rolesPath).wantData(t, L{})
	c.admin("wrong").get(t, rolesPath).wantError(t, 403, isText)
}

// TestHardenedPreset: the preset of every project an operator creates.
func TestHardenedPreset(t *testing.T) {
	t.Parallel()
	p := suite.shared.newProject(t, "", "selfSignUp=true", "verifyEmailEnforced=false", "signUpByMail=false") // no --preset: hardened
	sameAs := suite.shared.newProject(t, "hardened")
	if p.adminToken == sameAs.adminToken {
		t.Error("two projects share an admin token")
	}
	local := "marguerite" + strings.ToLower(randomText(4))
	for _, weak := range []string{"1234567", "password", "12345678", "password1", "qwertyuiop", "iloveyou", local} {
		p.client().post(t, signup, M{"email": local + "@example.test", "password": weak}).wantError(t, 400, isWeakPassword)
	}
	a := p.signUp(t)
	p.client().post(t, signin, M{"email": newEmail(), "password": a.password}).wantError(t, 400, "INVALID_LOGIN_CREDENTIALS")
	p.client().post(t, signin, M{"email": a.email, "password": "wrong-password"}).wantError(t, 400, "INVALID_LOGIN_CREDENTIALS")
	p.client().post(t, resetPath, M{"email": newEmail()}).want204(t)
	if r := p.client().post(t, inviteePath, M{"email": newEmail()}); !fits(refused, r.status) {
		t.Errorf("%s without authority: %d", r.what, r.status)
	}
	if next := text(t, p.refresh(t, a.uid, a.refreshToken), "refresh_token"); next == a.refreshToken {
		t.Error("a refresh in the hardened preset does not rotate the token")
	}
}

func TestPasswordMinLength(t *testing.T) {
	t.Parallel()
	p := plain(t, "passwordMinLength=12")
	p.client().post(t, signup, M{"email": newEmail(), "password": "elevenchars"}).wantError(t, 400, isWeakPassword)
	email := newEmail()
	p.client().post(t, signup, M{"email": email, "password": "twelve chars"}).wantData(t, session(email, false))
}
