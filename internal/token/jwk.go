package token

import (
	"crypto"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// PublicKey verifies what the SigningKey of the same KeyID signed, with its one
// pinned algorithm (P19). It is made by ParsePublicJWK or SigningKey.Public.
type PublicKey struct {
	KeyID     string
	Algorithm Algorithm

	key crypto.PublicKey
}

// equal tells whether other is the same key under the same name.
func (k PublicKey) equal(other PublicKey) bool {
	key, comparable := k.key.(interface{ Equal(crypto.PublicKey) bool }) // as all public keys of the standard library
	return comparable && k.KeyID == other.KeyID && k.Algorithm == other.Algorithm && key.Equal(other.key)
}

// ParsePublicJWK reads one JSON Web Key (RFC 7517). It must be public, carry "kid",
// "use":"sig" and an "alg" that fits its type, and be strong enough (P25).
func ParsePublicJWK(data []byte) (PublicKey, error) {
	var jwk jose.JSONWebKey
	// The parser's own error is left out: it may describe key material (P44).
	if err := jwk.UnmarshalJSON(data); err != nil {
		return PublicKey{}, errors.New("parse public jwk: malformed")
	}
	if !jwk.IsPublic() {
		return PublicKey{}, errors.New("parse public jwk: not a public key")
	}
	if jwk.KeyID == "" {
		return PublicKey{}, errors.New(`parse public jwk: no "kid"`)
	}
	if jwk.Use != "sig" {
		return PublicKey{}, errors.New(`parse public jwk: "use" is not "sig"`)
	}
	alg, err := algorithmOf(jwk.Key)
	if err != nil {
		return PublicKey{}, fmt.Errorf("parse public jwk: %w", err)
	}
	if jwk.Algorithm != string(alg) {
		return PublicKey{}, fmt.Errorf(`parse public jwk: "alg" is not %s, which the key's type calls for`, alg)
	}
	return PublicKey{KeyID: jwk.KeyID, Algorithm: alg, key: jwk.Key}, nil
}

func (k PublicKey) marshalJWK() ([]byte, error) {
	jwk := jose.JSONWebKey{Key: k.key, KeyID: k.KeyID, Algorithm: string(k.Algorithm), Use: "sig"}
	data, err := jwk.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("marshal public jwk: %w", err)
	}
	return data, nil
}

// JWKS joins keys, each as PublicJWK gives it, into a JSON Web Key Set (RFC 7517
// section 5). Each is parsed and written anew, so that only public members can be
// published; a private key or a repeated "kid" is an error. No keys at all give an
// empty set.
func JWKS(keys ...[]byte) ([]byte, error) {
	set := struct {
		Keys []json.RawMessage `json:"keys"`
	}{Keys: []json.RawMessage{}}
	seen := make(map[string]bool, len(keys))
	for _, data := range keys {
		key, err := ParsePublicJWK(data)
		if err != nil {
			return nil, fmt.Errorf("jwks: %w", err)
		}
		if seen[key.KeyID] {
			return nil, fmt.Errorf("jwks: key id %q twice", key.KeyID)
		}
		seen[key.KeyID] = true
		jwk, err := key.marshalJWK()
		if err != nil {
			return nil, fmt.Errorf("jwks: %w", err)
		}
		set.Keys = append(set.Keys, jwk)
	}
	return json.Marshal(set)
}

// ParseJWKS reads a JSON Web Key Set that JWKS wrote (RFC 7517 section 5).
func ParseJWKS(data []byte) ([]PublicKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, errors.New("parse jwks: malformed")
	}
	keys := make([]PublicKey, len(set.Keys))
	for i, jwk := range set.Keys {
		var err error
		if keys[i], err = ParsePublicJWK(jwk); err != nil {
			return nil, err
		}
	}
	return keys, nil
}
