package token

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
)

var algorithms = []Algorithm{RS256, ES256, EdDSA}

// testKeys holds one key of each algorithm: RSA keys are slow to make.
var testKeys = sync.OnceValue(func() map[Algorithm]*SigningKey {
	keys := map[Algorithm]*SigningKey{}
	for _, alg := range algorithms {
		key, err := Generate(alg, 0, rand.Reader)
		if err != nil {
			panic(err)
		}
		keys[alg] = key
	}
	return keys
})

func TestGenerate(t *testing.T) {
	for _, alg := range algorithms {
		key := testKeys()[alg]
		if key.Algorithm != alg {
			t.Errorf("%s: algorithm %s", alg, key.Algorithm)
		}
		want, err := thumbprint(key.private.Public())
		if err != nil || key.ID != want || len(key.ID) != 43 {
			t.Errorf("%s: key id %q, want thumbprint %q (%v)", alg, key.ID, want, err)
		}
	}
	for bits, want := range map[int]int{0: 2048, 2048: 2048, 3072: 3072} {
		key, err := Generate(RS256, bits, rand.Reader)
		if err != nil {
			t.Fatalf("Generate(RS256, %d): %v", bits, err)
		}
		if got := key.private.Public().(*rsa.PublicKey).N.BitLen(); got != want {
			t.Errorf("Generate(RS256, %d): %d bits, want %d", bits, got, want)
		}
	}
}

func TestGenerateRefuses(t *testing.T) {
	for _, c := range []struct {
		alg  Algorithm
		bits int
	}{{RS256, 1024}, {RS256, 2047}, {RS256, 16384}, {RS256, -1}, {"HS256", 0}, {"none", 0}, {"", 0}} {
		if key, err := Generate(c.alg, c.bits, rand.Reader); err == nil {
			t.Errorf("Generate(%q, %d) gave %v, want an error", c.alg, c.bits, key)
		}
	}
}

// The example of RFC 7638 section 3.1, and of RFC 8037 appendix A.3.
func TestThumbprintVectors(t *testing.T) {
	for want, jwk := range map[string]string{
		"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs": `{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`,
		"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k": `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
	} {
		var key jose.JSONWebKey
		if err := key.UnmarshalJSON([]byte(jwk)); err != nil {
			t.Fatal(err)
		}
		got, err := thumbprint(key.Key)
		if err != nil || got != want {
			t.Errorf("thumbprint = %q, %v, want %q", got, err, want)
		}
	}
}

func TestPKCS8RoundTrip(t *testing.T) {
	for _, alg := range algorithms {
		key := testKeys()[alg]
		der, err := key.MarshalPKCS8()
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		again, err := ParsePKCS8(key.ID, der)
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		if again.ID != key.ID || again.Algorithm != alg {
			t.Errorf("%s: read back as %v", alg, again)
		}
		compact, err := again.Sign(goodClaims())
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		if _, err := Verify(compact, []PublicKey{key.Public()}, goodExpect); err != nil {
			t.Errorf("%s: token of the key that was read back: %v", alg, err)
		}
	}
}

func TestParsePKCS8Refuses(t *testing.T) {
	good, err := testKeys()[EdDSA].MarshalPKCS8()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParsePKCS8("", good); err == nil {
		t.Error("an empty key id was taken")
	}
	t.Setenv("GODEBUG", "rsa1024min=0")
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, private := range map[string]crypto.Signer{"rsa of 1024 bits": weak, "P-384": p384} {
		der, err := x509.MarshalPKCS8PrivateKey(private)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParsePKCS8("kid", der); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	for name, der := range map[string][]byte{"nothing": nil, "cut short": good[:len(good)-1], "noise": []byte("noise")} {
		if _, err := ParsePKCS8("kid", der); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestPublicJWK(t *testing.T) {
	want := map[Algorithm][]string{
		RS256: {"alg", "e", "kid", "kty", "n", "use"},
		ES256: {"alg", "crv", "kid", "kty", "use", "x", "y"},
		EdDSA: {"alg", "crv", "kid", "kty", "use", "x"},
	}
	for _, alg := range algorithms {
		key := testKeys()[alg]
		data, err := key.PublicJWK()
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		var members map[string]string
		if err := json.Unmarshal(data, &members); err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		if diff := cmp.Diff(want[alg], sortedNames(members)); diff != "" {
			t.Errorf("%s: members (-want +got):\n%s", alg, diff)
		}
		if members["kid"] != key.ID || members["use"] != "sig" || members["alg"] != string(alg) {
			t.Errorf("%s: %s", alg, data)
		}
		public, err := ParsePublicJWK(data)
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		if diff := cmp.Diff(key.Public(), public, cmp.AllowUnexported(PublicKey{})); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", alg, diff)
		}
	}
}

func TestParsePublicJWKRefuses(t *testing.T) {
	good := string(readTestdata(t, "eddsa.jwk"))
	if _, err := ParsePublicJWK([]byte(good)); err != nil {
		t.Fatal(err)
	}
	private, err := (&jose.JSONWebKey{Key: testKeys()[EdDSA].private, KeyID: "k", Use: "sig", Algorithm: "EdDSA"}).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	for name, jwk := range map[string]string{
		"nothing":            "",
		"no json":            "{",
		"private":            string(private),
		"symmetric":          `{"kty":"oct","kid":"k","use":"sig","alg":"HS256","k":"AAAA"}`,
		"no kid":             strings.Replace(good, `"kid"`, `"kit"`, 1),
		"no use":             strings.Replace(good, `"use"`, `"us"`, 1),
		"use enc":            strings.Replace(good, `"use":"sig"`, `"use":"enc"`, 1),
		"no alg":             strings.Replace(good, `"alg"`, `"al"`, 1),
		"alg of another key": strings.Replace(good, `"alg":"EdDSA"`, `"alg":"RS256"`, 1),
		"alg none":           strings.Replace(good, `"alg":"EdDSA"`, `"alg":"none"`, 1),
		"PS256 on rsa":       strings.Replace(string(readTestdata(t, "rs256.jwk")), "RS256", "PS256", 1),
		"point off curve":    strings.Replace(string(readTestdata(t, "es256.jwk")), `"x":"eb`, `"x":"ea`, 1),
		"small rsa":          `{"kty":"RSA","kid":"k","use":"sig","alg":"RS256","e":"AQAB","n":"` + strings.Repeat("_", 171) + `"}`,
	} {
		if key, err := ParsePublicJWK([]byte(jwk)); err == nil {
			t.Errorf("%s: taken as %v", name, key)
		}
	}
}

func TestJWKS(t *testing.T) {
	rs, es := readTestdata(t, "rs256.jwk"), readTestdata(t, "es256.jwk")
	got, err := JWKS(rs, es)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"keys":[%s,%s]}`, bytes.TrimSpace(rs), bytes.TrimSpace(es))
	if diff := cmp.Diff(decodeJSON(t, []byte(want)), decodeJSON(t, got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got, err := JWKS(); err != nil || string(got) != `{"keys":[]}` {
		t.Errorf("empty set: %s, %v", got, err)
	}
	if got, err := JWKS(rs, rs); err == nil {
		t.Errorf("the same key twice gave %s", got)
	}
	private, err := (&jose.JSONWebKey{Key: testKeys()[ES256].private, KeyID: "k", Use: "sig", Algorithm: "ES256"}).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := JWKS(rs, private); err == nil {
		t.Error("a private key was published")
	}
}

// A signing key must not be printable by any verb or logger (P44).
func TestSigningKeyDoesNotPrint(t *testing.T) {
	for _, alg := range algorithms {
		key := testKeys()[alg]
		der, err := key.MarshalPKCS8()
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("signing key %s (%s)", key.ID, alg)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			if got := fmt.Sprintf(verb, key); got != want {
				t.Errorf("%s: %s prints %q, want %q", alg, verb, got, want)
			}
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("m", "key", key)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "key", key)
		if tail := hex.EncodeToString(der[len(der)-8:]); strings.Contains(log.String(), tail) || strings.Contains(log.String(), "private") {
			t.Errorf("%s: the log shows the key: %s", alg, log.String())
		}
	}
	var none *SigningKey
	if got := fmt.Sprint(none); got != "signing key <nil>" {
		t.Errorf("nil prints %q", got)
	}
}

func readTestdata(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func decodeJSON(t *testing.T, data []byte) any {
	t.Helper()
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		t.Fatal(err)
	}
	return value
}
