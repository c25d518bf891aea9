package idp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net/url"
	"slices"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"golang.org/x/oauth2"
)

const (
	appleIssuer    = "https://appleid.apple.com"
	appleSecretTTL = 5 * time.Minute
)

// apple is documented at https://developer.apple.com/documentation/signinwithapple. Its endpoints are fixed and so not discovered: its metadata has at times
// named another issuer than its tokens.
//
// The user's name never arrives here. Apple sends it once, to the app's callback, in the form field "user" and not in the token; an app that wants it asks for
// the scope "name" and reads it there.
var apple = provider{
	id: "apple.com",
	endpoints: map[string]string{
		issuerURL:        appleIssuer,
		authorizationURL: "https://appleid.apple.com/auth/authorize",
		tokenURL:         "https://appleid.apple.com/auth/token",
		keysURL:          "https://appleid.apple.com/auth/keys",
	},
	scopes:       []string{"openid", "email"},
	implicit:     "id_token",
	authStyle:    oauth2.AuthStyleInParams,
	openID:       &openID{algorithms: []string{"RS256"}, identity: appleIdentity},
	clientSecret: appleClientSecret,
	adjust:       appleResponseMode,
}

// appleResponseMode: with the scopes name or email Apple answers only by a form that it posts to the callback, whose app then hands on the code.
func appleResponseMode(query url.Values, scopes []string) {
	if slices.Contains(scopes, "name") || slices.Contains(scopes, "email") {
		query.Set("response_mode", "form_post")
	}
}

// appleIdentity also takes the string "true" for a verified email: Apple documents the claim as a string or a boolean, so here, and only here, the string is
// the provider's strict word (P3).
func appleIdentity(claims map[string]any) auth.ExternalIdentity {
	identity := standardIdentity(claims)
	if identity.Email != "" && claims["email_verified"] == "true" {
		identity.EmailVerified = true
	}
	return identity
}

// appleClientSecret makes the short-lived JWT that Apple wants for a client secret.
func appleClientSecret(c *call) (string, error) {
	if c.settings.TeamID == "" || c.settings.KeyID == "" {
		return "", refuse("the settings of %s have no team id or no key id", c.settings.ID)
	}
	private, err := parseP256Key(c.secrets.PrivateKey)
	if err != nil {
		return "", refuse("the private key of %s is not a P-256 key in PKCS #8 PEM, as the .p8 file that Apple gives out", c.settings.ID)
	}
	now := c.now()
	return signES256(private, c.settings.KeyID, map[string]any{
		"iss": c.settings.TeamID,
		"sub": c.settings.ClientID,
		"aud": appleIssuer,
		"iat": now.Unix(),
		"exp": now.Add(appleSecretTTL).Unix(),
	})
}

var errNotP256 = errors.New("not a P-256 private key")

func parseP256Key(text string) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errNotP256
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errNotP256 // the parser's own error may describe key material (P44)
	}
	private, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || private.Curve != elliptic.P256() {
		return nil, errNotP256
	}
	return private, nil
}

// signES256 gives the claims as a compact JWS (RFC 7515 section 3.1) whose signature is R and S in 32 bytes each (RFC 7518 section 3.4).
func signES256(private *ecdsa.PrivateKey, keyID string, claims map[string]any) (string, error) {
	header, err := json.Marshal(map[string]string{"alg": "ES256", "kid": keyID, "typ": "JWT"})
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	input := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload)
	digest := sha256.Sum256([]byte(input))
	der, err := private.Sign(nil, digest[:], crypto.SHA256) // without randomness: RFC 6979
	if err != nil {
		return "", err
	}
	var point struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &point); err != nil {
		return "", err
	}
	signature := make([]byte, 64)
	point.R.FillBytes(signature[:32])
	point.S.FillBytes(signature[32:])
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}
