package e2e

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
)

// jwk is one published key.
type jwk struct {
	Kty string `json:"kty"`
	Kid string `json:"kid"`
	Use string `json:"use"`
	Alg string `json:"alg"`
	N   string `json:"n"`
	E   string `json:"e"`
}

func (k jwk) rsa() (*rsa.PublicKey, error) {
	n, err := base64.RawURLEncoding.DecodeString(k.N)
	if err != nil {
		return nil, fmt.Errorf("modulus: %w", err)
	}
	e, err := base64.RawURLEncoding.DecodeString(k.E)
	if err != nil {
		return nil, fmt.Errorf("exponent: %w", err)
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}, nil
}

// wellKnown fetches a document of the project below the public URL.
func (p project) wellKnown(t *testing.T, name string) reply {
	t.Helper()
	r := p.srv.bareHost().do(t, http.MethodGet, "/"+p.id+"/.well-known/"+name, nil)
	r.wantStatus(t, http.StatusOK)
	return r
}

// keys returns the project's published keys by kid.
func (p project) keys(t *testing.T) map[string]jwk {
	t.Helper()
	var set struct {
		Keys []jwk `json:"keys"`
	}
	decodeInto(t, "jwks.json", p.wellKnown(t, "jwks.json").body, &set)
	byKid := map[string]jwk{}
	for _, key := range set.Keys {
		byKid[key.Kid] = key
	}
	return byKid
}

// jwtParts decodes header and claims without believing them.
func jwtParts(t *testing.T, token string) (header, claims M) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("a JWT of %d parts", len(parts))
	}
	for i, dst := range []*M{&header, &claims} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatalf("part %d of the JWT: %v", i, err)
		}
		decodeInto(t, "part of the JWT", raw, dst)
	}
	return header, claims
}

// verify checks an RS256 token with nothing but the published keys, as a resource server does.
func verify(token string, keys map[string]jwk) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return errors.New("not three parts")
	}
	rawHeader, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil {
		return err
	}
	var header struct{ Alg, Kid string }
	if err := json.Unmarshal(rawHeader, &header); err != nil {
		return err
	}
	key, ok := keys[header.Kid]
	if !ok || header.Alg != "RS256" {
		return fmt.Errorf("no RS256 key %q is published", header.Kid)
	}
	public, err := key.rsa()
	if err != nil {
		return err
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return err
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature)
}

// encodeJWT builds a token from parts; sign may be nil for an empty signature.
func encodeJWT(header, claims M, sign func(signed string) []byte) string {
	signed := base64.RawURLEncoding.EncodeToString(mustMarshal(header)) + "." +
		base64.RawURLEncoding.EncodeToString(mustMarshal(claims))
	var signature []byte
	if sign != nil {
		signature = sign(signed)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}
