package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	issuer   = "https://auth.example.com/acme"
	audience = "acme"
	issued   = 1700000000
	expires  = issued + 3600
)

var goodExpect = Expect{Issuer: issuer, Audience: audience, Now: time.Unix(issued+60, 0)}

func goodClaims() map[string]any {
	return map[string]any{
		"iss": issuer, "aud": audience, "sub": "u1", "sid": "s1",
		"iat": issued, "auth_time": issued, "exp": expires,
	}
}

// with gives the good claims as JSON, with name set to the raw JSON value, or left
// out where that is "".
func with(name, value string) string {
	claims := map[string]any{}
	maps.Copy(claims, goodClaims())
	delete(claims, name)
	if value != "" {
		claims[name] = json.RawMessage(value)
	}
	data, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	return string(data)
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func goodHeader(key *SigningKey) string {
	return fmt.Sprintf(`{"alg":%q,"kid":%q,"typ":"JWT"}`, key.Algorithm, key.ID)
}

// forge signs any header and payload, by the standard library alone.
func forge(key *SigningKey, header, payload string) string {
	input := b64(header) + "." + b64(payload)
	return input + "." + b64(string(rawSignature(key, input)))
}

func rawSignature(key *SigningKey, input string) []byte {
	digest := sha256.Sum256([]byte(input))
	switch private := key.private.(type) {
	case *rsa.PrivateKey:
		signature, err := rsa.SignPKCS1v15(nil, private, crypto.SHA256, digest[:])
		if err != nil {
			panic(err)
		}
		return signature
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, private, digest[:])
		if err != nil {
			panic(err)
		}
		signature := make([]byte, 64)
		r.FillBytes(signature[:32])
		s.FillBytes(signature[32:])
		return signature
	case ed25519.PrivateKey:
		return ed25519.Sign(private, []byte(input))
	}
	panic("unknown key type")
}

func TestSignAndVerify(t *testing.T) {
	for _, alg := range algorithms {
		t.Run(string(alg), func(t *testing.T) {
			key := testKeys()[alg]
			claims := goodClaims()
			claims["roles"] = []string{"a<b", "é"}
			compact, err := key.Sign(claims)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(compact, ".")
			header, err := base64.RawURLEncoding.DecodeString(first)
			if err != nil || string(header) != goodHeader(key) {
				t.Errorf("header %s, want %s", header, goodHeader(key))
			}
			// Each algorithm finds its key among all the others.
			var keys []PublicKey
			for _, other := range testKeys() {
				keys = append(keys, other.Public())
			}
			got, err := Verify(compact, keys, goodExpect)
			if err != nil {
				t.Fatal(err)
			}
			want := Claims{
				Subject: "u1", Issuer: issuer, Audience: audience, SessionID: "s1",
				IssuedAt: time.Unix(issued, 0).UTC(), AuthTime: time.Unix(issued, 0).UTC(), ExpiresAt: time.Unix(expires, 0).UTC(),
				Raw: map[string]any{
					"iss": issuer, "aud": audience, "sub": "u1", "sid": "s1",
					"iat": json.Number("1700000000"), "auth_time": json.Number("1700000000"), "exp": json.Number("1700003600"),
					"roles": []any{"a<b", "é"},
				},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
		})
	}
}

// Tokens that OpenSSL signed verify; see testdata/README.
func TestVerifyKnownAnswers(t *testing.T) {
	for _, name := range []string{"rs256", "es256", "eddsa"} {
		key, err := ParsePublicJWK(readTestdata(t, name+".jwk"))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		compact := strings.TrimSpace(string(readTestdata(t, name+".jwt")))
		claims, err := Verify(compact, []PublicKey{key}, goodExpect)
		if err != nil || claims.Subject != "u1" {
			t.Errorf("%s: %+v, %v", name, claims, err)
		}
	}
}

// Ed25519 signs deterministically, so Sign must give OpenSSL's token to the byte.
func TestSignKnownAnswer(t *testing.T) {
	// RFC 8037 appendix A.1.
	seed, err := base64.RawURLEncoding.DecodeString("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
	if err != nil {
		t.Fatal(err)
	}
	key, err := newSigningKey("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", ed25519.NewKeyFromSeed(seed))
	if err != nil {
		t.Fatal(err)
	}
	got, err := key.Sign(goodClaims())
	if want := strings.TrimSpace(string(readTestdata(t, "eddsa.jwt"))); err != nil || got != want {
		t.Errorf("Sign = %s, %v, want %s", got, err, want)
	}
}

func TestSignRefuses(t *testing.T) {
	key := testKeys()[EdDSA]
	if _, err := key.Sign(map[string]any{"big": strings.Repeat("x", MaxJWTBytes)}); err == nil {
		t.Error("a token over the limit was signed")
	}
	if _, err := key.Sign(map[string]any{"f": func() {}}); err == nil {
		t.Error("a claim that is no JSON was signed")
	}
}

// expectError checks that err matches want and neither of the other two.
func expectError(t *testing.T, err, want error) {
	t.Helper()
	for _, known := range []error{ErrNotJWT, ErrExpired, ErrInvalid} {
		if errors.Is(err, known) != (known == want) {
			t.Errorf("error is %v, want %v alone", err, want)
			return
		}
	}
}

func TestVerifyForm(t *testing.T) {
	key := testKeys()[EdDSA]
	good := forge(key, goodHeader(key), with("", ""))
	parts := strings.Split(good, ".")
	join := func(parts ...string) string { return strings.Join(parts, ".") }
	// The signature is 64 bytes, so its last character carries 4 stray bits.
	strayBits := good[:len(good)-1] + string(rune(good[len(good)-1]+1))

	for _, c := range []struct {
		name, compact string
		want          error
	}{
		{"good", good, nil},
		{"empty", "", ErrNotJWT},
		{"word", "garbage", ErrNotJWT},
		{"dots", "..", ErrNotJWT},
		{"words", "not.a.jwt", ErrNotJWT},
		{"two parts", join(parts[0], parts[1]), ErrNotJWT},
		{"extra dot at the end", good + ".", ErrNotJWT},
		{"extra dot at the start", "." + good, ErrNotJWT},
		{"five parts", join(parts[0], "", "", "", ""), ErrNotJWT},
		{"header a json string", join(b64(`"alg"`), parts[1], parts[2]), ErrNotJWT},
		{"header a json array", join(b64(`[{}]`), parts[1], parts[2]), ErrNotJWT},
		{"header cut short", join(b64(`{"alg":`), parts[1], parts[2]), ErrNotJWT},
		{"header with more behind it", join(b64(`{}{}`), parts[1], parts[2]), ErrNotJWT},
		{"bearer left on", "Bearer " + good, ErrNotJWT},
		{"header in padded base64", join(b64(goodHeader(key)+" ")+"=", parts[1], parts[2]), ErrNotJWT},
		{"payload padded", join(parts[0], parts[1]+"=", parts[2]), ErrInvalid},
		{"signature padded", good + "==", ErrInvalid},
		{"stray bits in the signature", strayBits, ErrInvalid},
		{"line break in the signature", good[:len(good)-4] + "\n" + good[len(good)-4:], ErrInvalid},
		{"line break in the payload", join(parts[0], parts[1][:4]+"\r\n"+parts[1][4:], parts[2]), ErrInvalid},
		{"blank behind", good + " ", ErrInvalid},
		{"standard alphabet", join(parts[0], parts[1], strings.Repeat("+/", 43)), ErrInvalid},
		{"no signature", join(parts[0], parts[1], ""), ErrInvalid},
		{"no payload", join(parts[0], "", parts[2]), ErrInvalid},
		{"signature cut short", join(parts[0], parts[1], parts[2][:len(parts[2])-2]), ErrInvalid},
		{"signature of zeros", join(parts[0], parts[1], strings.Repeat("A", 86)), ErrInvalid},
		{"over the limit", forge(key, goodHeader(key), with("x", `"`+strings.Repeat("x", MaxJWTBytes)+`"`)), ErrInvalid},
		{"far over the limit", join(parts[0], strings.Repeat("A", 1<<24), parts[2]), ErrInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Verify(c.compact, []PublicKey{key.Public()}, goodExpect)
			if c.want == nil && err != nil {
				t.Fatal(err)
			}
			expectError(t, err, c.want)
		})
	}
}

// Whatever the header says besides its three members is refused, though its
// signature is good.
func TestVerifyHeader(t *testing.T) {
	key := testKeys()[EdDSA]
	jwk, err := key.PublicJWK()
	if err != nil {
		t.Fatal(err)
	}
	add := func(member string) string { return strings.TrimSuffix(goodHeader(key), "}") + "," + member + "}" }
	replace := func(old, new string) string {
		out := strings.Replace(goodHeader(key), old, new, 1)
		if out == goodHeader(key) {
			t.Fatalf("header has no %s", old)
		}
		return out
	}
	for name, header := range map[string]string{
		"crit":              add(`"crit":["b64"]`),
		"empty crit":        add(`"crit":[]`),
		"b64":               add(`"b64":true`),
		"crit and b64":      add(`"b64":false,"crit":["b64"]`),
		"jwk":               add(`"jwk":` + string(jwk)),
		"jku":               add(`"jku":"https://evil.example/jwks"`),
		"x5u":               add(`"x5u":"https://evil.example/x"`),
		"x5c":               add(`"x5c":["AA=="]`),
		"x5t":               add(`"x5t":"AA"`),
		"cty":               add(`"cty":"JWT"`),
		"zip":               add(`"zip":"DEF"`),
		"nonce":             add(`"nonce":"x"`),
		"unknown member":    add(`"x":1`),
		"other case":        add(`"ALG":"EdDSA"`),
		"alg twice":         add(`"alg":"EdDSA"`),
		"kid twice":         add(fmt.Sprintf(`"kid":%q`, key.ID)),
		"alg twice escaped": add(`"\u0061lg":"EdDSA"`),
		"typ twice":         add(`"typ":"JWT"`),
		"no typ":            replace(`,"typ":"JWT"`, ""),
		"typ in small":      replace(`"JWT"`, `"jwt"`),
		"typ at+jwt":        replace(`"JWT"`, `"at+jwt"`),
		"typ no string":     replace(`"JWT"`, `["JWT"]`),
		"no kid":            `{"alg":"EdDSA","typ":"JWT"}`,
		"kid no string":     `{"alg":"EdDSA","kid":1,"typ":"JWT"}`,
		"kid empty":         `{"alg":"EdDSA","kid":"","typ":"JWT"}`,
		"kid of a path":     `{"alg":"EdDSA","kid":"../../dev/null","typ":"JWT"}`,
		"no alg":            fmt.Sprintf(`{"kid":%q,"typ":"JWT"}`, key.ID),
		"alg none":          replace("EdDSA", "none"),
		"alg None":          replace("EdDSA", "None"),
		"alg in small":      replace("EdDSA", "eddsa"),
		"alg Ed25519":       replace("EdDSA", "Ed25519"),
		"alg RS256":         replace("EdDSA", "RS256"),
		"alg null":          replace(`"EdDSA"`, "null"),
		"alg empty":         replace("EdDSA", ""),
		"empty":             `{}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Verify(forge(key, header, with("", "")), []PublicKey{key.Public()}, goodExpect)
			expectError(t, err, ErrInvalid)
		})
	}
}

func TestVerifyClaims(t *testing.T) {
	key := testKeys()[EdDSA]
	twice := func(member string) string { return strings.TrimSuffix(with("", ""), "}") + "," + member + "}" }
	for _, c := range []struct {
		name, payload string
		want          error
	}{
		{"good", with("", ""), nil},
		{"no sid", with("sid", ""), nil},
		{"no auth_time", with("auth_time", ""), nil},
		{"nbf now", with("nbf", fmt.Sprint(issued+60)), nil},
		{"iat now", with("iat", fmt.Sprint(issued+60)), nil},
		{"exp in a second", with("exp", fmt.Sprint(issued+61)), nil},
		{"exp at the end of time", with("exp", "253402300799"), nil},

		{"exp now", with("exp", fmt.Sprint(issued+60)), ErrExpired},
		{"exp passed", with("exp", fmt.Sprint(issued+59)), ErrExpired},
		{"exp zero", with("exp", "0"), ErrExpired},

		{"no exp", with("exp", ""), ErrInvalid},
		{"exp string", with("exp", `"1700003600"`), ErrInvalid},
		{"exp fraction", with("exp", "1700003600.5"), ErrInvalid},
		{"exp whole fraction", with("exp", "1700003600.0"), ErrInvalid},
		{"exp exponent", with("exp", "17e8"), ErrInvalid},
		{"exp negative", with("exp", "-1"), ErrInvalid},
		{"exp minus zero", with("exp", "-0"), ErrInvalid},
		{"exp null", with("exp", "null"), ErrInvalid},
		{"exp true", with("exp", "true"), ErrInvalid},
		{"exp list", with("exp", "[1700003600]"), ErrInvalid},
		{"exp out of range", with("exp", "253402300800"), ErrInvalid},
		{"exp over 64 bits", with("exp", "18446744073709551617"), ErrInvalid},
		{"exp in milliseconds", with("exp", "1700003600000"), ErrInvalid},
		{"no iat", with("iat", ""), ErrInvalid},
		{"iat string", with("iat", `"1"`), ErrInvalid},
		{"iat in the future", with("iat", fmt.Sprint(issued+61)), ErrInvalid},
		{"nbf in the future", with("nbf", fmt.Sprint(issued+61)), ErrInvalid},
		{"nbf string", with("nbf", `"1"`), ErrInvalid},
		{"nbf null", with("nbf", "null"), ErrInvalid},
		{"auth_time string", with("auth_time", `"1"`), ErrInvalid},
		{"auth_time fraction", with("auth_time", "1.5"), ErrInvalid},

		{"no iss", with("iss", ""), ErrInvalid},
		{"iss of another project", with("iss", `"https://auth.example.com/other"`), ErrInvalid},
		{"iss with a slash", with("iss", `"`+issuer+`/"`), ErrInvalid},
		{"iss list", with("iss", `["`+issuer+`"]`), ErrInvalid},
		{"no aud", with("aud", ""), ErrInvalid},
		{"aud of another project", with("aud", `"other"`), ErrInvalid},
		{"aud list", with("aud", `["acme"]`), ErrInvalid},
		{"aud list of two", with("aud", `["acme","other"]`), ErrInvalid},
		{"aud empty", with("aud", `""`), ErrInvalid},
		{"no sub", with("sub", ""), ErrInvalid},
		{"sub empty", with("sub", `""`), ErrInvalid},
		{"sub number", with("sub", "7"), ErrInvalid},
		{"sub null", with("sub", "null"), ErrInvalid},
		{"sid number", with("sid", "7"), ErrInvalid},
		{"sid null", with("sid", "null"), ErrInvalid},
		{"sid empty", with("sid", `""`), ErrInvalid},

		{"sub twice", twice(`"sub":"u2"`), ErrInvalid},
		{"exp twice", twice(`"exp":9999999999`), ErrInvalid},
		{"sub twice escaped", twice(`"s\u0075b":"u2"`), ErrInvalid},
		{"twice deep inside", twice(`"firebase":{"a":[{"b":1,"b":2}]}`), ErrInvalid},
		{"sub in capitals does not count", strings.Replace(with("", ""), `"sub"`, `"SUB"`, 1), ErrInvalid},
		{"not utf-8", with("", "")[:1] + "\"\xff\":1," + with("", "")[1:], ErrInvalid},
		{"more behind it", with("", "") + "{}", ErrInvalid},
		{"a list", "[" + with("", "") + "]", ErrInvalid},
		{"null", "null", ErrInvalid},
		{"no json", "hello", ErrInvalid},

		{"expired and another issuer", strings.Replace(with("iss", `"x"`), fmt.Sprint(expires), "1", 1), ErrInvalid},
		{"expired and another audience", strings.Replace(with("aud", `"x"`), fmt.Sprint(expires), "1", 1), ErrInvalid},
		{"expired and no subject", strings.Replace(with("sub", ""), fmt.Sprint(expires), "1", 1), ErrInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			claims, err := Verify(forge(key, goodHeader(key), c.payload), []PublicKey{key.Public()}, goodExpect)
			expectError(t, err, c.want)
			if err == nil && claims.Subject != "u1" {
				t.Errorf("subject %q", claims.Subject)
			}
			if err != nil && claims.Raw != nil {
				t.Errorf("claims came with the error: %v", claims)
			}
		})
	}
}

func TestVerifyExpectation(t *testing.T) {
	key := testKeys()[EdDSA]
	empty := strings.NewReplacer(issuer, "", `"acme"`, `""`).Replace(with("", ""))
	for _, c := range []struct {
		name    string
		payload string
		expect  Expect
		want    error
	}{
		{"leeway does not forgive exp", with("", ""), Expect{issuer, "", audience, time.Unix(expires, 0), 30 * time.Second}, ErrExpired},
		{"leeway forgives iat", with("", ""), Expect{issuer, "", audience, time.Unix(issued-30, 0), 30 * time.Second}, nil},
		{"leeway for iat ends", with("", ""), Expect{issuer, "", audience, time.Unix(issued-31, 0), 30 * time.Second}, ErrInvalid},
		{"a nanosecond before exp", with("", ""), Expect{issuer, "", audience, time.Unix(expires, -1), 0}, nil},
		{"no clock", with("", ""), Expect{Issuer: issuer, Audience: audience}, ErrInvalid},
		{"nothing expected", empty, Expect{Now: goodExpect.Now}, ErrInvalid},
		{"former issuer", with("", ""), Expect{Issuer: "https://new.example.com/acme", FormerIssuer: issuer, Audience: audience, Now: goodExpect.Now}, nil},
		{"neither issuer", with("", ""), Expect{Issuer: "https://new.example.com/acme", FormerIssuer: "https://old.example.com/acme", Audience: audience, Now: goodExpect.Now}, ErrInvalid},
		{"empty former issuer", strings.Replace(with("", ""), issuer, "", 1), goodExpect, ErrInvalid},
		{"no issuer expected", empty, Expect{Audience: audience, Now: goodExpect.Now}, ErrInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Verify(forge(key, goodHeader(key), c.payload), []PublicKey{key.Public()}, c.expect)
			expectError(t, err, c.want)
		})
	}
}

// Keys and algorithms are never taken from the token.
func TestVerifyKeyConfusion(t *testing.T) {
	rs, es, ed := testKeys()[RS256], testKeys()[ES256], testKeys()[EdDSA]
	foreign, err := Generate(EdDSA, 0, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sameID, err := newSigningKey(ed.ID, foreign.private)
	if err != nil {
		t.Fatal(err)
	}
	expired := with("exp", fmt.Sprint(issued+1))
	as := func(alg string, key *SigningKey) string {
		return fmt.Sprintf(`{"alg":%q,"kid":%q,"typ":"JWT"}`, alg, key.ID)
	}
	unsigned := func(header string) string { return b64(header) + "." + b64(with("", "")) + "." }
	all := []PublicKey{rs.Public(), es.Public(), ed.Public()}

	cases := map[string]struct {
		compact string
		keys    []PublicKey
	}{
		"alg none":                      {unsigned(as("none", rs)), all},
		"alg none with the zero key":    {unsigned(`{"alg":"","kid":"","typ":"JWT"}`), append(all, PublicKey{})},
		"kid of another key":            {forge(ed, goodHeader(rs), with("", "")), all},
		"kid of another key, own alg":   {forge(ed, as("EdDSA", rs), with("", "")), all},
		"kid of an ec key, rsa alg":     {forge(rs, as("RS256", es), with("", "")), all},
		"foreign key":                   {forge(foreign, goodHeader(foreign), with("", "")), all},
		"foreign key with the same kid": {forge(sameID, goodHeader(sameID), with("", "")), all},
		"expired and wrong signature":   {forge(sameID, goodHeader(sameID), expired), all},
		"expired and unknown key":       {forge(foreign, goodHeader(foreign), expired), all},
		"PS256 on an rsa key":           {forge(rs, as("PS256", rs), with("", "")), all},
		"RS512 on an rsa key":           {forge(rs, as("RS512", rs), with("", "")), all},
		"no keys":                       {forge(ed, goodHeader(ed), with("", "")), nil},
		"key withdrawn":                 {forge(ed, goodHeader(ed), with("", "")), []PublicKey{rs.Public(), es.Public()}},
		"pinned to another algorithm":   {forge(ed, as("RS256", ed), with("", "")), []PublicKey{{KeyID: ed.ID, Algorithm: RS256, key: ed.Public().key}}},
	}
	for name, secret := range publicBytes(t, rs) {
		input := b64(as("HS256", rs)) + "." + b64(with("", ""))
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		cases["HS256 with the public key as "+name] = struct {
			compact string
			keys    []PublicKey
		}{input + "." + b64(string(mac.Sum(nil))), all}
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Verify(c.compact, c.keys, goodExpect)
			expectError(t, err, ErrInvalid)
		})
	}
}

// publicBytes gives a public key in the forms that an attacker may use as a secret.
func publicBytes(t *testing.T, key *SigningKey) map[string][]byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.private.Public())
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := key.PublicJWK()
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{
		"der": der,
		"pem": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
		"jwk": jwk,
	}
}

// Any changed character of a good token makes it fail.
// TestAuthenticCheck: what was opened once counts only while its very key is among those that count.
func TestAuthenticCheck(t *testing.T) {
	for algorithm, key := range testKeys() {
		foreign, err := Generate(algorithm, 0, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		sameID, err := newSigningKey(key.ID, foreign.private)
		if err != nil {
			t.Fatal(err)
		}
		otherID, err := newSigningKey(foreign.ID, key.private)
		if err != nil {
			t.Fatal(err)
		}
		compact, err := key.Sign(goodClaims())
		if err != nil {
			t.Fatal(err)
		}
		authentic, err := Open(compact, []PublicKey{key.Public()})
		if err != nil {
			t.Fatal(err)
		}
		for name, tt := range map[string]struct {
			keys   []PublicKey
			expect Expect
			want   error
		}{
			"its key":                   {[]PublicKey{foreign.Public(), key.Public()}, goodExpect, nil},
			"no key":                    {nil, goodExpect, ErrInvalid},
			"another key":               {[]PublicKey{foreign.Public()}, goodExpect, ErrInvalid},
			"another key with its id":   {[]PublicKey{sameID.Public()}, goodExpect, ErrInvalid},
			"its key with another id":   {[]PublicKey{otherID.Public()}, goodExpect, ErrInvalid},
			"another audience":          {[]PublicKey{key.Public()}, Expect{Issuer: issuer, Audience: "shop", Now: goodExpect.Now}, ErrInvalid},
			"another issuer":            {[]PublicKey{key.Public()}, Expect{Issuer: "https://shop.example.com", Audience: audience, Now: goodExpect.Now}, ErrInvalid},
			"the second that it ends":   {[]PublicKey{key.Public()}, Expect{Issuer: issuer, Audience: audience, Now: time.Unix(expires, 0)}, ErrExpired},
			"the second before it ends": {[]PublicKey{key.Public()}, Expect{Issuer: issuer, Audience: audience, Now: time.Unix(expires-1, 0)}, nil},
		} {
			claims, err := authentic.Check(tt.keys, tt.expect)
			if !errors.Is(err, tt.want) || (err == nil) != (claims.Subject == "u1") {
				t.Errorf("%s, %s: got %v, %v", algorithm, name, claims, err)
			}
		}
	}
}

func TestVerifyEveryCharacterCounts(t *testing.T) {
	for _, alg := range algorithms {
		key := testKeys()[alg]
		compact, err := key.Sign(goodClaims())
		if err != nil {
			t.Fatal(err)
		}
		for i := range compact {
			other := byte('A')
			if compact[i] == 'A' {
				other = 'B'
			}
			changed := compact[:i] + string(other) + compact[i+1:]
			if _, err := Verify(changed, []PublicKey{key.Public()}, goodExpect); err == nil {
				t.Fatalf("%s: character %d of %d changed, still good", alg, i, len(compact))
			}
		}
	}
}

// Errors show nothing of the token (P44).
func TestVerifyErrorsAreSilent(t *testing.T) {
	key := testKeys()[EdDSA]
	const marker = "SECRETMARKER"
	for _, compact := range []string{
		marker,
		marker + "." + marker + "." + marker,
		forge(key, `{"`+marker+`":1}`, marker),
		forge(key, strings.Replace(goodHeader(key), "EdDSA", marker, 1), marker),
		forge(key, goodHeader(key), marker),
		forge(key, goodHeader(key), with("iss", `"`+marker+`"`)),
		forge(key, goodHeader(key), with("exp", `"`+marker+`"`)),
	} {
		_, err := Verify(compact, []PublicKey{key.Public()}, goodExpect)
		if err == nil || strings.Contains(err.Error(), marker) {
			t.Errorf("error is %v", err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	key := testKeys()[EdDSA]
	good := forge(key, goodHeader(key), with("", ""))
	var keys []PublicKey
	var known []string
	for _, name := range []string{"rs256", "es256", "eddsa"} {
		public, err := ParsePublicJWK(readTestdata(f, name+".jwk"))
		if err != nil {
			f.Fatal(err)
		}
		compact := strings.TrimSpace(string(readTestdata(f, name+".jwt")))
		keys, known = append(keys, public), append(known, compact)
		f.Add(compact)
	}
	for _, seed := range []string{
		good, good + "=", good[:len(good)-1], "", "..", "a.b.c",
		b64(`{"alg":"none"}`) + "." + b64(`{}`) + ".",
		forge(key, goodHeader(key), "{}"),
		forge(key, goodHeader(key), with("exp", "1")),
		forge(key, strings.TrimSuffix(goodHeader(key), "}")+`,"crit":["x"]}`, with("", "")),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, compact string) {
		claims, err := Verify(compact, keys, goodExpect)
		if err == nil {
			// Nobody has the keys, so nothing but the known tokens may pass.
			if !slices.Contains(known, compact) {
				t.Fatalf("accepted: %s", compact)
			}
			return
		}
		if claims.Raw != nil {
			t.Error("claims came with an error")
		}
		matches := 0
		for _, sentinel := range []error{ErrNotJWT, ErrExpired, ErrInvalid} {
			if errors.Is(err, sentinel) {
				matches++
			}
		}
		if matches != 1 {
			t.Errorf("error %v matches %d of the three", err, matches)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	for _, alg := range algorithms {
		b.Run(string(alg), func(b *testing.B) {
			key := testKeys()[alg]
			claims := goodClaims()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := key.Sign(claims); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, alg := range algorithms {
		b.Run(string(alg), func(b *testing.B) {
			key := testKeys()[alg]
			keys := []PublicKey{key.Public()}
			compact, err := key.Sign(goodClaims())
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Verify(compact, keys, goodExpect); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
