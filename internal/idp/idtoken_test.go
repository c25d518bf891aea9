package idp

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/google/go-cmp/cmp"
)

func TestIDTokenHandedIn(t *testing.T) {
	f := newFake(t)
	other := newFake(t)
	f.publish(rsaKey, pssKey, p256Key, p384Key, p521Key, edKey, weakRSAKey)
	c, _ := newClient()

	with := func(changes map[string]any) string { return rsaKey.sign(f.claims(changes), nil) }
	good := with(nil)
	parts := strings.Split(good, ".")
	tests := map[string]struct {
		token string
		want  string // part of the refusal; "" for none
	}{
		"RS256":                     {good, ""},
		"PS256":                     {pssKey.sign(f.claims(nil), nil), ""},
		"ES256":                     {p256Key.sign(f.claims(nil), nil), ""},
		"ES384":                     {p384Key.sign(f.claims(nil), nil), ""},
		"ES512":                     {p521Key.sign(f.claims(nil), nil), ""},
		"EdDSA":                     {edKey.sign(f.claims(nil), nil), ""},
		"audience in a list":        {with(map[string]any{"aud": []string{clientID}}), ""},
		"several audiences and azp": {with(map[string]any{"aud": []string{"other", clientID}, "azp": clientID}), ""},
		"no access token to hold against at_hash": {with(map[string]any{"at_hash": "x"}), ""},

		"alg none":                      {b64([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".", "not signed by the provider"},
		"alg none with the kid":         {b64([]byte(`{"alg":"none","kid":"rsa-1"}`)) + "." + parts[1] + "." + parts[2], "not signed by the provider"},
		"HS256 with the public key":     {signHS256(f.claims(nil), rsaKey.jwk(), nil), "not signed by the provider"},
		"RS256 key used as PS256":       {testKey{"rsa-1", "PS256", rsaKey.private}.sign(f.claims(nil), nil), "does not publish"},
		"alg of another key type":       {rsaKey.sign(f.claims(nil), map[string]any{"alg": "ES256"}), "does not publish"},
		"key too short":                 {weakRSAKey.sign(f.claims(nil), nil), "does not publish"},
		"another's key under our kid":   {testKey{"rsa-1", "RS256", rsaKey2.private}.sign(f.claims(nil), nil), "not signed by the provider"},
		"key in the header":             {testKey{"rsa-1", "RS256", rsaKey2.private}.sign(f.claims(nil), map[string]any{"jwk": rsaKey2.jwk()}), "not signed by the provider"},
		"unknown kid":                   {rsaKey2.sign(f.claims(nil), nil), "does not publish"},
		"no kid among several keys":     {p256Key.sign(f.claims(nil), map[string]any{"kid": nil, "alg": "RS256"}), "not signed by the provider"},
		"kid of another type":           {rsaKey.sign(f.claims(nil), map[string]any{"kid": 7}), "unable to parse"},
		"crit":                          {rsaKey.sign(f.claims(nil), map[string]any{"crit": []string{"exp"}}), "extension"},
		"changed payload":               {parts[0] + "." + b64(toJSON(f.claims(map[string]any{"sub": "x"}))) + "." + parts[2], "not signed by the provider"},
		"no signature":                  {parts[0] + "." + parts[1] + ".", "not signed by the provider"},
		"another serialization":         {`{"protected":"` + parts[0] + `","payload":"` + parts[1] + `","signature":"` + parts[2] + `"}`, "unable to parse"},
		"garbage":                       {"garbage", "unable to parse"},
		"payload is no object":          {rsaKey.sign([]int{1}, nil), "unable to parse"},
		"too long":                      {with(map[string]any{"name": strings.Repeat("x", maxIDTokenBytes)}), "unable to parse"},
		"foreign audience":              {with(map[string]any{"aud": "other"}), "not signed by the provider for this application"},
		"no audience":                   {with(map[string]any{"aud": nil}), "not signed by the provider for this application"},
		"several audiences without azp": {with(map[string]any{"aud": []string{"other", clientID}}), "another application"},
		"foreign azp":                   {with(map[string]any{"azp": "other"}), "another application"},
		"azp is null":                   {rsaKey.sign(nullable(f.claims(nil), "azp"), nil), "another application"},
		"foreign issuer":                {with(map[string]any{"iss": other.URL}), "another issuer"},
		"issuer with a slash more":      {with(map[string]any{"iss": f.URL + "/"}), "another issuer"},
		"no issuer":                     {with(map[string]any{"iss": nil}), "another issuer"},
		"expired":                       {with(map[string]any{"exp": start.Unix() - 1}), "expired"},
		"expires now":                   {with(map[string]any{"exp": start.Unix()}), "expired"},
		"no exp":                        {with(map[string]any{"exp": nil}), "expired"},
		"not valid yet":                 {with(map[string]any{"nbf": start.Unix() + 3600}), "not signed by the provider"},
		"issued in the future":          {with(map[string]any{"iat": start.Unix() + 120}), "issued"},
		"no iat":                        {with(map[string]any{"iat": nil}), "issued"},
		"no nonce":                      {with(map[string]any{"nonce": nil}), "nonce"},
		"empty nonce":                   {with(map[string]any{"nonce": ""}), "nonce"},
		"wrong nonce":                   {with(map[string]any{"nonce": "another flow's"}), "nonce"},
		"no subject":                    {with(map[string]any{"sub": nil}), "no usable subject"},
		"empty subject":                 {with(map[string]any{"sub": ""}), "no usable subject"},
		"blank subject":                 {with(map[string]any{"sub": " "}), "no usable subject"},
		"numeric subject":               {with(map[string]any{"sub": 12345}), "not signed by the provider"},
		"subject in a list":             {with(map[string]any{"sub": []string{"subject-1"}}), "not signed by the provider"},
		"subject under another case":    {with(map[string]any{"sub": nil, "SUB": "subject-1"}), "no usable subject"},
		"long subject":                  {with(map[string]any{"sub": strings.Repeat("s", 256)}), "no usable subject"},
		"subject with NUL":              {with(map[string]any{"sub": "a\x00b"}), "no usable subject"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			identity, err := c.Identify(t.Context(), f.settings("oidc.acme"), auth.ProviderSecrets{}, byToken(test.token))
			if test.want != "" {
				wantRefusal(t, err, test.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			identity.Raw = nil
			want := auth.ExternalIdentity{
				Subject: "subject-1", Email: "ann@example.com", EmailVerified: true,
				Name: "Ann Lee", GivenName: "Ann", FamilyName: "Lee", Picture: "https://img.example.com/a.png",
			}
			if diff := cmp.Diff(want, identity); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func nullable(claims map[string]any, name string) map[string]any {
	claims[name] = nil
	return claims
}

func TestIDTokenWithoutNonceCheck(t *testing.T) {
	f := newFake(t)
	c, _ := newClient()
	_, err := c.Identify(t.Context(), f.settings("oidc.acme"), secrets, auth.CompletionParams{Token: rsaKey.sign(f.claims(nil), nil)})
	wantRefusal(t, err, "nonce")

	// No nonce is wrong whatever the check would say to it.
	in := auth.CompletionParams{Token: rsaKey.sign(f.claims(map[string]any{"nonce": nil}), nil), CheckNonce: func(string) bool { return true }}
	_, err = c.Identify(t.Context(), f.settings("oidc.acme"), secrets, in)
	wantRefusal(t, err, "nonce")
}

func TestTokenWithoutKeyID(t *testing.T) {
	f := newFake(t)
	c, clock := newClient()
	token := rsaKey.sign(f.claims(nil), map[string]any{"kid": nil})
	if _, err := c.Identify(t.Context(), f.settings("oidc.acme"), secrets, byToken(token)); err != nil {
		t.Errorf("with a single key: %v", err)
	}
	f.publish(rsaKey, rsaKey2)
	clock.Move(maxCacheAge)
	token = rsaKey.sign(f.claims(map[string]any{"exp": clock.Now().Unix() + 60}), map[string]any{"kid": nil})
	_, err := c.Identify(t.Context(), f.settings("oidc.acme"), secrets, byToken(token))
	wantRefusal(t, err, "does not publish")
}

func TestClaimsOfTheUser(t *testing.T) {
	tests := map[string]struct {
		changes map[string]any
		want    auth.ExternalIdentity
	}{
		"no email": {
			map[string]any{"email": nil},
			auth.ExternalIdentity{Name: "Ann Lee", GivenName: "Ann", FamilyName: "Lee", Picture: "https://img.example.com/a.png"},
		},
		"email not verified": {
			map[string]any{"email_verified": false, "name": nil, "given_name": nil, "family_name": nil, "picture": nil},
			auth.ExternalIdentity{Email: "ann@example.com"},
		},
		"nothing said of verification": {
			map[string]any{"email_verified": nil, "name": nil, "given_name": nil, "family_name": nil, "picture": nil},
			auth.ExternalIdentity{Email: "ann@example.com"},
		},
		"verified is a string": {
			map[string]any{"email_verified": "true", "name": nil, "given_name": nil, "family_name": nil, "picture": nil},
			auth.ExternalIdentity{Email: "ann@example.com"},
		},
		"verified is a number": {
			map[string]any{"email_verified": 1, "name": nil, "given_name": nil, "family_name": nil, "picture": nil},
			auth.ExternalIdentity{Email: "ann@example.com"},
		},
		"wrong types and dangerous values": {
			map[string]any{"email": []string{"ann@example.com"}, "name": 7, "given_name": "a\nb", "family_name": strings.Repeat("x", 513), "picture": "javascript:alert(1)"},
			auth.ExternalIdentity{},
		},
	}
	f := newFake(t)
	c, _ := newClient()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			identity, err := c.Identify(t.Context(), f.settings("oidc.acme"), secrets, byToken(rsaKey.sign(f.claims(test.changes), nil)))
			if err != nil {
				t.Fatal(err)
			}
			if identity.Raw["sub"] != "subject-1" || identity.Raw["nonce"] != nil {
				t.Errorf("raw is %v", identity.Raw)
			}
			identity.Raw, identity.Subject = nil, ""
			if diff := cmp.Diff(test.want, identity); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestKeysRotate(t *testing.T) {
	f := newFake(t)
	c, clock := newClient()
	identify := func(k testKey) error {
		token := k.sign(f.claims(map[string]any{"exp": clock.Now().Unix() + 60}), nil)
		_, err := c.Identify(t.Context(), f.settings("oidc.acme"), secrets, byToken(token))
		return err
	}
	if err := identify(rsaKey); err != nil {
		t.Fatal(err)
	}
	f.publish(rsaKey2)
	if err := identify(rsaKey2); err != nil {
		t.Errorf("the new key: %v", err)
	}
	wantRefusal(t, identify(rsaKey), "does not publish")

	// Without any unknown key id, a withdrawn key stops at the end of the cache's age.
	f.publish(p256Key)
	clock.Move(maxCacheAge - time.Second)
	if err := identify(rsaKey2); err != nil {
		t.Errorf("a cached key: %v", err)
	}
	clock.Move(time.Second)
	wantRefusal(t, identify(rsaKey2), "does not publish")
}

func TestUnknownKeyIDsAreThrottled(t *testing.T) {
	f := newFake(t)
	c, clock := newClient()
	flood := func() {
		for range 20 {
			_, err := c.Identify(t.Context(), f.settings("oidc.acme"), secrets, byToken(rsaKey2.sign(f.claims(nil), nil)))
			wantRefusal(t, err, "does not publish")
		}
	}
	flood()
	if got := f.count("/keys"); got != 2 {
		t.Errorf("keys were fetched %d times, want once and once anew", got)
	}
	clock.Move(refetchPause)
	flood()
	if got := f.count("/keys"); got != 3 {
		t.Errorf("keys were fetched %d times, want once more after the pause", got)
	}
	// The tokens that no key can be for do not get that far.
	clock.Move(refetchPause)
	_, err := c.Identify(t.Context(), f.settings("oidc.acme"), secrets, byToken(signHS256(f.claims(nil), "x", map[string]any{"kid": "new"})))
	wantRefusal(t, err, "not signed")
	if got := f.count("/keys"); got != 3 {
		t.Errorf("keys were fetched for a token with a wrong algorithm")
	}
}

func TestKeySetOddities(t *testing.T) {
	change := func(k testKey, changes map[string]any) map[string]any { return merged(k.jwk(), changes) }
	usable := rsaKey.jwk()
	tests := map[string]struct {
		body any
		want string
	}{
		"keys of unknown kinds beside": {map[string]any{"keys": []any{map[string]any{"kty": "AKP"}, "text", change(p256Key, map[string]any{"x": "AA"}), usable}}, ""},
		"for encryption":               {map[string]any{"keys": []any{change(rsaKey, map[string]any{"use": "enc"})}}, "no key that can be used"},
		"even modulus":                 {map[string]any{"keys": []any{change(rsaKey, map[string]any{"n": b64(append([]byte{1}, make([]byte, 256)...))})}}, "no key that can be used"},
		"exponent 1":                   {map[string]any{"keys": []any{change(rsaKey, map[string]any{"e": "AQ"})}}, "no key that can be used"},
		"point not on the curve":       {map[string]any{"keys": []any{change(p256Key, map[string]any{"x": p256Key.jwk()["y"]})}}, "no key that can be used"},
		"shared secret":                {map[string]any{"keys": []any{map[string]any{"kty": "oct", "k": "c2VjcmV0", "kid": "rsa-1"}}}, "no key that can be used"},
		"empty":                        {map[string]any{"keys": []any{}}, "no key that can be used"},
		"garbage":                      {"<html>", "not the JSON"},
		"null":                         {"null", "not the JSON"},
		"two values":                   {`{"keys":[]}{}`, "not the JSON"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			c, _ := newClient()
			f.answer("/keys", 200, test.body)
			_, err := c.Identify(t.Context(), f.settings("oidc.acme"), secrets, byToken(rsaKey.sign(f.claims(nil), nil)))
			if test.want == "" && err == nil {
				return
			}
			wantRefusal(t, err, test.want)
		})
	}
}

func TestKeysUnavailable(t *testing.T) {
	f := newFake(t)
	c, _ := newClient()
	f.answer("/keys", 503, "")
	_, err := c.Identify(t.Context(), f.settings("oidc.acme"), secrets, byToken(rsaKey.sign(f.claims(nil), nil)))
	wantUnavailable(t, err, defaultRetryAfter)
}

func TestDiscovery(t *testing.T) {
	tests := map[string]struct {
		status      int
		change      map[string]any
		raw         string
		want        string
		unavailable bool
	}{
		"another issuer":           {status: 200, change: map[string]any{"issuer": "https://evil.example"}, want: `names the issuer "https://evil.example" instead of`},
		"issuer with a slash more": {status: 200, change: map[string]any{"issuer": "/"}, want: "letter by letter"},
		"no issuer":                {status: 200, change: map[string]any{"issuer": nil}, want: "letter by letter"},
		"keys over plain http":     {status: 200, change: map[string]any{"jwks_uri": "http://other.example/keys"}, want: "not https"},
		"keys at a private host":   {status: 200, change: map[string]any{"jwks_uri": "https://localhost/keys"}, unavailable: true},
		"keys at no host":          {status: 200, change: map[string]any{"jwks_uri": "https://nowhere.invalid/keys"}, unavailable: true},
		"no keys endpoint":         {status: 200, change: map[string]any{"jwks_uri": nil}, want: "missing"},
		"keys with a password":     {status: 200, change: map[string]any{"jwks_uri": "https://a:b@example.com/keys"}, want: "not of the form"},
		"not found":                {status: 404, want: "status 404"},
		"garbage":                  {status: 200, raw: "{", want: "not the JSON"},
		"broken":                   {status: 500, unavailable: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			c, _ := newClient()
			if test.change["issuer"] == "/" {
				test.change["issuer"] = f.URL + "/"
			}
			if test.raw != "" {
				f.answer(wellKnown, test.status, test.raw)
			} else {
				f.answer(wellKnown, test.status, f.metadata(test.change))
			}
			_, err := c.Identify(t.Context(), f.settings("oidc.acme"), secrets, byToken(rsaKey.sign(f.claims(nil), nil)))
			if test.unavailable {
				wantUnavailable(t, err, defaultRetryAfter)
				return
			}
			wantRefusal(t, err, test.want)
		})
	}
}

func TestDiscoveryIsCached(t *testing.T) {
	f := newFake(t)
	c, clock := newClient()
	params := auth.AuthorizationParams{RedirectURI: redirectURI, State: "s", Nonce: "n", CodeVerifier: verifier}
	ask := func() error {
		_, err := c.AuthorizationURL(t.Context(), f.settings("oidc.acme"), params)
		return err
	}
	want := func(count int) {
		t.Helper()
		if got := f.count(wellKnown); got != count {
			t.Errorf("metadata was fetched %d times, want %d", got, count)
		}
	}
	f.answer(wellKnown, 500, "")
	for range 5 {
		wantUnavailable(t, ask(), defaultRetryAfter)
	}
	want(1)
	f.answer(wellKnown, 200, f.metadata(nil))
	clock.Move(maxFailureAge)
	for range 5 {
		if err := ask(); err != nil {
			t.Fatal(err)
		}
	}
	want(2)
	clock.Move(maxCacheAge)
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	want(3)
	clock.Move(-time.Hour) // the clock is set back: how old the entry is cannot be told
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	want(4)
}

func TestCacheOpensNoHostToOthers(t *testing.T) {
	f := newFake(t)
	c, _ := newClient()
	in := byToken(rsaKey.sign(f.claims(nil), nil))
	if _, err := c.Identify(t.Context(), f.settings("oidc.acme"), secrets, in); err != nil {
		t.Fatal(err)
	}
	stranger := f.settings("oidc.acme")
	stranger.AllowHosts = nil
	_, err := c.Identify(t.Context(), stranger, secrets, in)
	wantRefusal(t, err, "not https")
}

func TestCacheIsBounded(t *testing.T) {
	c := newCache[int](func() time.Time { return start }, time.Second)
	for i := range maxCached + 50 {
		key := strings.Repeat("k", i+1)
		if _, err := c.get(t.Context(), key, constant(i)); err != nil {
			t.Fatal(err)
		}
		if v, err := c.get(t.Context(), "k", constant(-1)); err != nil || v != 0 {
			t.Fatalf("an entry in use was dropped: %d, %v", v, err)
		}
	}
	if len(c.entries) != maxCached {
		t.Errorf("%d entries, want %d", len(c.entries), maxCached)
	}
	if v, _ := c.get(t.Context(), "kk", constant(-1)); v != -1 {
		t.Errorf("the entry that was used longest ago is still there")
	}
}

func constant(v int) fetchFunc[int] {
	return func(context.Context) (int, error) { return v, nil }
}
