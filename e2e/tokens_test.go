package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// idTokenClaims are the contract's claims of a password sign-in. sid is the server's own handle of the
// session, which the contract neither lists nor forbids.
func idTokenClaims(p project, a account, verified bool) M {
	return M{"iss": p.srv.publicURL + "/" + p.id, "aud": p.id, "sub": a.uid, "user_id": a.uid,
		"auth_time": isAny, "iat": isAny, "exp": isAny, "email": a.email, "email_verified": verified,
		"firebase": M{"identities": M{"email": L{a.email}}, "sign_in_provider": "password"},
		"sid":      optional(isText)}
}

func TestIDToken(t *testing.T) {
	t.Parallel()
	p := plain(t)
	before := time.Now().Unix()
	a := p.signUp(t)
	after := time.Now().Unix()
	header, claims := jwtParts(t, a.idToken)
	for _, d := range diff("header", M{"alg": "RS256", "kid": isText, "typ": "JWT"}, header) {
		t.Error(d)
	}
	for _, d := range diff("claims", idTokenClaims(p, a, false), claims) {
		t.Error(d)
	}
	iat, _ := claims["iat"].(float64)
	exp, _ := claims["exp"].(float64)
	began, _ := claims["auth_time"].(float64)
	if began < float64(before) || began > iat || iat > float64(after) || exp != iat+3600 {
		t.Errorf("iat %v, exp %v, auth_time %v; the sign-up was at %d to %d", iat, exp, claims["auth_time"], before, after)
	}
	if err := verify(a.idToken, p.keys(t)); err != nil {
		t.Error(err)
	}
	if verify(a.idToken, plain(t, "errorEnvelope=nested").keys(t)) == nil {
		t.Error("two projects share a signing key")
	}
}

func TestIDTokenLifetime(t *testing.T) {
	t.Parallel()
	p := plain(t, "idTokenTTL=20m")
	r := p.client().post(t, signup, M{"email": newEmail(), "password": newPassword()})
	a := account{}.fill(t, r)
	_, claims := jwtParts(t, a.idToken)
	if claims["exp"].(float64)-claims["iat"].(float64) != 1200 {
		t.Errorf("claims %s, want a life of 1200 s", compact(claims))
	}
	if body := parseJSON(t, r.what, r.body).(M); text(t, body["data"], "expiresIn") != "1200" {
		t.Errorf("expiresIn of a token of 20 minutes: %s", compact(body["data"]))
	}
}

// TestIDTokenName: name and picture are claims where known.
func TestIDTokenName(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a := p.signUp(t)
	p.client().bearer(a.idToken).patch(t, users+"/"+a.uid, M{"name": "Ada Lovelace"}).wantStatus(t, 200)
	a = p.signIn(t, a.email, a.password)
	want := idTokenClaims(p, a, false)
	want["name"] = "Ada Lovelace"
	_, claims := jwtParts(t, a.idToken)
	for _, d := range diff("claims", want, claims) {
		t.Error(d)
	}
}

func TestJWKS(t *testing.T) {
	t.Parallel()
	p := plain(t)
	r := p.wellKnown(t, "jwks.json")
	wantJSON(t, r.what, r.body, M{"keys": L{M{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": isText,
		"n": matches(`^[A-Za-z0-9_-]{342,}$`), "e": "AQAB"}}}) // 342 characters hold 2048 bits
	if !strings.Contains(r.header.Get("Content-Type"), "json") {
		t.Errorf("%s: Content-Type %q", r.what, r.header.Get("Content-Type"))
	}
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	p := plain(t)
	r := p.wellKnown(t, "openid-configuration")
	document := parseJSON(t, r.what, r.body).(M)
	issuer := p.srv.publicURL + "/" + p.id
	fixed := M{"issuer": issuer, "jwks_uri": issuer + "/.well-known/jwks.json",
		"id_token_signing_alg_values_supported": L{"RS256"}, "subject_types_supported": L{"public"}}
	for name, want := range fixed {
		for _, d := range diff(name, want, document[name]) {
			t.Errorf("%s: %s", r.what, d)
		}
	}
	if _, ok := document["response_types_supported"].(L); !ok {
		t.Errorf("%s: no response_types_supported", r.what)
	}
}

func TestWellKnownOfUnknownProject(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"jwks.json", "openid-configuration"} {
		r := suite.shared.bareHost().do(t, http.MethodGet, "/nosuchproject/.well-known/"+name, nil)
		if r.status != http.StatusNotFound {
			t.Errorf("%s: status %d", r.what, r.status)
		}
	}
}

// TestKeyRotation: after a rotation new tokens use the new key, while the old one stays published
// and the tokens it signed stay good.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	a := p.signUp(t)
	header, _ := jwtParts(t, a.idToken)
	p.srv.cli(t, "key", "rotate", "--project", p.id)

	var newer account
	eventually(t, 90*time.Second, func() error {
		newer = p.signIn(t, a.email, a.password)
		newHeader, _ := jwtParts(t, newer.idToken)
		if newHeader["kid"] == header["kid"] {
			return fmt.Errorf("new tokens still use key %v", newHeader["kid"])
		}
		return nil
	})
	keys := p.keys(t)
	if len(keys) != 2 {
		t.Errorf("%d keys are published after one rotation", len(keys))
	}
	for name, token := range map[string]string{"old": a.idToken, "new": newer.idToken} {
		if err := verify(token, keys); err != nil {
			t.Errorf("%s token: %v", name, err)
		}
		p.client().bearer(token).get(t, users+"/"+a.uid).wantStatus(t, 200)
	}
	p.refresh(t, a.uid, a.refreshToken)
	if list := p.srv.cli(t, "key", "list", "--project", p.id); !strings.Contains(list, fmt.Sprint(header["kid"])) {
		t.Errorf("`key list` does not name key %v:\n%s", header["kid"], list)
	}
}
