package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"github.com/go-jose/go-jose/v4"
)

// Algorithm is a JWS signature algorithm, spelled as in the "alg" registry
// (RFC 7518 section 3.1, RFC 8037 section 3.1).
type Algorithm string

// The algorithms that sign ID tokens. RS256 is the interoperable default (P25).
const (
	RS256 Algorithm = "RS256"
	ES256 Algorithm = "ES256" // on curve P-256
	EdDSA Algorithm = "EdDSA" // on curve Ed25519
)

// RSA modulus sizes in bits. Nothing under minRSABits is made or accepted (P25);
// the upper bound keeps one verification cheap.
const (
	minRSABits = 2048
	maxRSABits = 4096
)

// SigningKey is a private key with the one algorithm it signs with. It is made by
// Generate or ParsePKCS8 and is safe for concurrent use.
type SigningKey struct {
	ID        string // "kid"
	Algorithm Algorithm

	private crypto.Signer
	signer  jose.Signer
}

// Generate makes a new key whose ID is its RFC 7638 thumbprint. rsaBits counts for
// RS256 alone: 2048 or 3072, and 0 means 2048. Go's own key generation may draw
// from the system's secure source in place of rand.
func Generate(alg Algorithm, rsaBits int, rand io.Reader) (*SigningKey, error) {
	private, err := generatePrivate(alg, rsaBits, rand)
	if err != nil {
		return nil, fmt.Errorf("generate signing key: %w", err)
	}
	kid, err := thumbprint(private.Public())
	if err != nil {
		return nil, fmt.Errorf("generate signing key: %w", err)
	}
	return newSigningKey(kid, private)
}

func generatePrivate(alg Algorithm, rsaBits int, rand io.Reader) (crypto.Signer, error) {
	switch alg {
	case RS256:
		switch rsaBits {
		case 0:
			rsaBits = minRSABits
		case 2048, 3072:
		default:
			return nil, fmt.Errorf("rsa modulus of %d bits: want 2048 or 3072", rsaBits)
		}
		return rsa.GenerateKey(rand, rsaBits)
	case ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand)
	case EdDSA:
		_, private, err := ed25519.GenerateKey(rand)
		return private, err
	default:
		return nil, fmt.Errorf("unknown algorithm %q", string(alg))
	}
}

// ParsePKCS8 reads a key from MarshalPKCS8's form. The algorithm follows from the
// key's type. A weak key, a curve other than P-256 or Ed25519, and an empty kid are
// errors.
func ParsePKCS8(kid string, der []byte) (*SigningKey, error) {
	if kid == "" {
		return nil, errors.New("parse signing key: empty key id")
	}
	// The parser's own error is left out: it may describe key material (P44).
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("parse signing key: not a PKCS #8 private key")
	}
	private, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, errors.New("parse signing key: not a signing key")
	}
	return newSigningKey(kid, private)
}

func newSigningKey(kid string, private crypto.Signer) (*SigningKey, error) {
	alg, err := algorithmOf(private.Public())
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	if rsaKey, ok := private.(*rsa.PrivateKey); ok {
		rsaKey.Precompute()
	}
	signer, err := jose.NewSigner(
		jose.SigningKey{
			Algorithm: jose.SignatureAlgorithm(alg),
			Key:       jose.JSONWebKey{Key: private, KeyID: kid},
		},
		(&jose.SignerOptions{}).WithType("JWT"),
	)
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	return &SigningKey{ID: kid, Algorithm: alg, private: private, signer: signer}, nil
}

// algorithmOf tells the one algorithm that a public key is used with, or why the
// key is refused.
func algorithmOf(public crypto.PublicKey) (Algorithm, error) {
	switch key := public.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return "", fmt.Errorf("rsa modulus of %d bits: want %d to %d", bits, minRSABits, maxRSABits)
		}
		return RS256, nil
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return "", errors.New("elliptic curve is not P-256")
		}
		return ES256, nil
	case ed25519.PublicKey:
		return EdDSA, nil
	default:
		return "", fmt.Errorf("key type %T signs with none of RS256, ES256, EdDSA", public)
	}
}

// thumbprint is the RFC 7638 SHA-256 thumbprint of a public key in base64url.
func thumbprint(public crypto.PublicKey) (string, error) {
	jwk := jose.JSONWebKey{Key: public}
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("thumbprint: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// MarshalPKCS8 gives the private key as PKCS #8 DER. The caller seals it before it
// is stored (P18).
func (k *SigningKey) MarshalPKCS8() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return nil, fmt.Errorf("marshal signing key: %w", err)
	}
	return der, nil
}

// PublicJWK gives the public half as one JSON Web Key with "kid", "use":"sig" and
// "alg", in the form that JWKS and ParsePublicJWK take.
func (k *SigningKey) PublicJWK() ([]byte, error) {
	return k.Public().marshalJWK()
}

// Public gives the half that verifies.
func (k *SigningKey) Public() PublicKey {
	return PublicKey{KeyID: k.ID, Algorithm: k.Algorithm, key: k.private.Public()}
}

// Format writes the key id and algorithm for every verb, so that no log line or
// error can print the private key (P44).
func (k *SigningKey) Format(f fmt.State, _ rune) {
	if k == nil {
		io.WriteString(f, "signing key <nil>")
		return
	}
	fmt.Fprintf(f, "signing key %s (%s)", k.ID, string(k.Algorithm))
}
