package idp

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
)

const (
	minRSABits = 2048
	maxRSABits = 8192
	maxKeys    = 100
)

// key is one public key of a provider (RFC 7517).
type key struct {
	id        string
	algorithm string // that the key is for; "" where it does not say
	issuer    string // Microsoft: the issuer that the key is for
	public    crypto.PublicKey
}

// fits tells whether the key can have made a signature with the algorithm: of the right type, and, as RFC 7518 section 3.4 fixes, on the right curve.
func (k key) fits(algorithm string) bool {
	if k.algorithm != "" && k.algorithm != algorithm {
		return false
	}
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		return slices.Contains([]string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}, algorithm)
	case *ecdsa.PublicKey:
		return algorithm == map[elliptic.Curve]string{elliptic.P256(): "ES256", elliptic.P384(): "ES384", elliptic.P521(): "ES512"}[public.Curve]
	case ed25519.PublicKey:
		return algorithm == "EdDSA"
	}
	return false
}

// keysFor gives the keys that a token with this header may be signed with. A key id that is not known makes the keys be fetched anew, now and then. A token
// without one is for a provider with a single key (OpenID Connect Core section 10.1).
func (c *call) keysFor(ctx context.Context, address string, h jwtHeader) ([]key, error) {
	fetch := func(ctx context.Context) ([]key, error) { return c.fetchKeys(ctx, address) }
	all, err := c.keys.get(ctx, c.cacheKey(address), fetch)
	if err != nil {
		return nil, err
	}
	fitting := selectKeys(all, h)
	if len(fitting) == 0 {
		if all, err = c.keys.refetch(ctx, c.cacheKey(address), fetch); err != nil {
			return nil, err
		}
		fitting = selectKeys(all, h)
	}
	if len(fitting) == 0 {
		return nil, refuse("the id token is signed with a key that the provider does not publish")
	}
	return fitting, nil
}

func selectKeys(all []key, h jwtHeader) []key {
	var fitting []key
	for _, k := range all {
		if k.fits(h.algorithm) && (h.keyID == "" || k.id == h.keyID) {
			fitting = append(fitting, k)
		}
	}
	if h.keyID == "" && len(fitting) > 1 {
		return nil
	}
	return fitting
}

func (c *call) fetchKeys(ctx context.Context, address string) ([]key, error) {
	if _, err := c.parseURL(address); err != nil {
		return nil, err
	}
	a, err := c.get(ctx, address, "")
	if err != nil {
		return nil, err
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := a.decode(&set); err != nil {
		return nil, err
	}
	var keys []key
	for _, data := range set.Keys[:min(len(set.Keys), maxKeys)] {
		// A key of a kind that we do not know, or a broken one, is passed over (RFC 7517 section 5).
		if k, err := parseKey(data); err == nil {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, refuse("the key set at %s has no key that can be used", a.host)
	}
	return keys, nil
}

// jwk has the members of RFC 7517 section 4 and RFC 7518 section 6 that make a public key.
type jwk struct {
	KeyType   string `json:"kty"`
	Use       string `json:"use"`
	KeyID     string `json:"kid"`
	Algorithm string `json:"alg"`
	Issuer    string `json:"issuer"`
	Modulus   string `json:"n"`
	Exponent  string `json:"e"`
	Curve     string `json:"crv"`
	X         string `json:"x"`
	Y         string `json:"y"`
}

var errUnusableKey = errors.New("not a public signing key of a known kind")

func parseKey(data []byte) (key, error) {
	var j jwk
	if err := json.Unmarshal(data, &j); err != nil || j.Use != "" && j.Use != "sig" {
		return key{}, errUnusableKey
	}
	k := key{id: j.KeyID, algorithm: j.Algorithm, issuer: j.Issuer}
	var err error
	switch j.KeyType {
	case "RSA":
		k.public, err = j.rsa()
	case "EC":
		k.public, err = j.ecdsa()
	case "OKP":
		k.public, err = j.ed25519()
	default:
		err = errUnusableKey
	}
	return k, err
}

func (j jwk) rsa() (*rsa.PublicKey, error) {
	n, errN := base64.RawURLEncoding.DecodeString(j.Modulus)
	e, errE := base64.RawURLEncoding.DecodeString(j.Exponent)
	if errN != nil || errE != nil || len(e) > 4 {
		return nil, errUnusableKey
	}
	public := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	bits := public.N.BitLen()
	if bits < minRSABits || bits > maxRSABits || public.N.Bit(0) == 0 || public.E < 3 || public.E%2 == 0 || public.E > 1<<31-1 {
		return nil, errUnusableKey
	}
	return public, nil
}

func (j jwk) ecdsa() (*ecdsa.PublicKey, error) {
	curve := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[j.Curve]
	x, errX := base64.RawURLEncoding.DecodeString(j.X)
	y, errY := base64.RawURLEncoding.DecodeString(j.Y)
	if curve == nil || errX != nil || errY != nil {
		return nil, errUnusableKey
	}
	size := (curve.Params().BitSize + 7) / 8
	if len(x) != size || len(y) != size { // RFC 7518 section 6.2.1.2
		return nil, errUnusableKey
	}
	point := append(append([]byte{4}, x...), y...) // uncompressed (SEC 1 section 2.3.3)
	public, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, errUnusableKey
	}
	return public, nil
}

func (j jwk) ed25519() (ed25519.PublicKey, error) {
	x, err := base64.RawURLEncoding.DecodeString(j.X)
	if err != nil || j.Curve != "Ed25519" || len(x) != ed25519.PublicKeySize {
		return nil, errUnusableKey
	}
	return ed25519.PublicKey(x), nil
}
