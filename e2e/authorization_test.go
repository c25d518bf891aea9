package e2e

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"strings"
	"testing"
	"time"
)

func TestAuthorizationForms(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a := p.signUp(t)
	me := users + "/" + a.uid
	p.client().bearer(a.idToken).get(t, me).wantStatus(t, 200)
	p.client().with("Authorization", a.idToken).get(t, me).wantStatus(t, 200) // the bare token
	p.client().get(t, me).wantError(t, 401, isText)
	for name, header := range map[string]string{
		"empty":            "",
		"Bearer alone":     "Bearer",
		"Bearer and blank": "Bearer ",
		"not a JWT":        "Bearer nonsense",
		"bare, not a JWT":  "nonsense",
		"Basic":            "Basic dXNlcjpwYXNz",
		"two parts":        "Bearer " + a.idToken[:strings.LastIndex(a.idToken, ".")],
		"a refresh token":  "Bearer " + a.refreshToken,
		"an admin token":   "Bearer " + p.adminToken,
	} {
		t.Run(name, func(t *testing.T) {
			p.client().with("Authorization", header).get(t, me).wantError(t, 401, isText)
		})
	}
	// A token in a query or a body is no authorization (P23).
	p.client().get(t, me+"?access_token="+a.idToken).wantError(t, 401, isText)
	p.client().post(t, updateEmail, M{"email": newEmail(), "idToken": a.idToken}).wantError(t, 401, isText)
}

// TestForgedTokens: whatever has the shape of a JWT and is not ours is 403 with the fixed text, and
// never "expired", which would tell an app to refresh.
func TestForgedTokens(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a := p.signUp(t)
	elsewhere := plain(t, "errorEnvelope=nested").signUp(t)
	header, claims := jwtParts(t, a.idToken)
	foreign, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	signRSA := func(signed string) []byte {
		digest := sha256.Sum256([]byte(signed))
		signature, err := rsa.SignPKCS1v15(rand.Reader, foreign, crypto.SHA256, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return signature
	}
	modulus := p.keys(t)[header["kid"].(string)].N
	signHMAC := func(signed string) []byte {
		key, err := base64.RawURLEncoding.DecodeString(modulus)
		if err != nil {
			t.Fatal(err)
		}
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(signed))
		return mac.Sum(nil)
	}
	with := func(base M, name string, value any) M {
		changed := maps.Clone(base)
		changed[name] = value
		return changed
	}
	parts := strings.Split(a.idToken, ".")
	otherPayload := strings.Split(elsewhere.idToken, ".")[1]
	expired := with(claims, "exp", time.Now().Add(-time.Hour).Unix())
	for name, token := range map[string]string{
		"signature cut":           a.idToken[:len(a.idToken)-4],
		"signature empty":         parts[0] + "." + parts[1] + ".",
		"other payload":           parts[0] + "." + otherPayload + "." + parts[2],
		"alg none":                encodeJWT(with(header, "alg", "none"), claims, nil),
		"HS256 with the modulus":  encodeJWT(with(header, "alg", "HS256"), claims, signHMAC),
		"foreign key, our kid":    encodeJWT(header, claims, signRSA),
		"foreign key, expired":    encodeJWT(header, expired, signRSA),
		"foreign key, other kid":  encodeJWT(with(header, "kid", "other"), claims, signRSA),
		"other project's token":   elsewhere.idToken,
		"key in the header (jwk)": encodeJWT(with(header, "jwk", M{"kty": "RSA", "n": base64.RawURLEncoding.EncodeToString(foreign.N.Bytes()), "e": "AQAB"}), claims, signRSA),
	} {
		t.Run(name, func(t *testing.T) {
			p.client().bearer(token).get(t, users+"/"+a.uid).wantError(t, 403, tokenInvalid)
		})
	}
}

// TestExpiredToken: apps match the prefix of this detail and refresh.
func TestExpiredToken(t *testing.T) {
	t.Parallel()
	p := plain(t, "idTokenTTL=2s")
	a := account{email: newEmail(), password: newPassword()}
	a = a.fill(t, p.client().post(t, signup, a.credentials()))
	waitPast(2)
	p.client().bearer(a.idToken).get(t, users+"/"+a.uid).wantError(t, 403, startsWith("Auth token has expired"))
	p.client().bearer(a.idToken).delete(t, accountPath).wantError(t, 403, startsWith("Auth token has expired"))
	r := p.client().post(t, refreshPath, M{"refresh_token": a.refreshToken})
	r.wantStatus(t, 200)
	data := parseJSON(t, r.what, r.body).(M)["data"]
	p.client().bearer(text(t, data, "id_token")).get(t, users+"/"+a.uid).wantStatus(t, 200)
}

// TestAdminTokenForms: the admin token counts in its own header only.
func TestAdminTokenForms(t *testing.T) {
	t.Parallel()
	p := plain(t)
	p.client().admin(p.adminToken).get(t, users+"?limit=1").wantStatus(t, 200)
	p.client().get(t, users+"?limit=1").wantError(t, 403, isText)
	p.client().get(t, users+"?limit=1&deskree-admin="+p.adminToken).wantError(t, 403, isText)
	p.client().admin(strings.ToLower(p.adminToken)+"x").get(t, users+"?limit=1").wantError(t, 403, isText)
	p.client().admin(p.adminToken[:len(p.adminToken)-1]).get(t, users+"?limit=1").wantError(t, 403, isText)
}
