package idp

import (
	"context"
	"crypto"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/coreos/go-oidc/v3/oidc"
)

const (
	maxIDTokenBytes = 16 << 10
	maxQuotedRunes  = 256
	issuedLeeway    = time.Minute // by how much a provider's clock may run ahead of ours
)

// signed is what to check an id token against.
type signed struct {
	token       string
	accessToken string                  // that came with it; "" for none
	checkNonce  func(nonce string) bool // nil refuses
}

// verifyIDToken gives the claims of an id token that is right in all respects (OpenID Connect Core section 3.1.3.7, P15).
func (c *call) verifyIDToken(ctx context.Context, m metadata, s signed) (map[string]any, error) {
	c.heard.hearIDToken(s.token)
	header, err := parseJWT(s.token)
	if err != nil {
		return nil, err
	}
	keys := &publishedKeys{call: c, address: m.keys, header: header}
	verified, err := oidc.NewVerifier(m.issuer, keys, &oidc.Config{
		ClientID:             c.settings.ClientID,
		SupportedSigningAlgs: c.provider.openID.algorithms,
		SkipIssuerCheck:      true, // checkIssuer knows each provider's ways
		Now:                  c.now,
	}).Verify(ctx, s.token)
	if keys.err != nil {
		return nil, keys.err
	}
	if err != nil {
		return nil, verifyError(err)
	}
	var claims map[string]any
	if err := decodeJSON(keys.payload, &claims); err != nil {
		return nil, refuse("the claims of the id token are not one JSON object")
	}
	if err := c.checkClaims(m, claims, keys.used); err != nil {
		return nil, err
	}
	if _, there := claims["at_hash"]; there && s.accessToken != "" {
		if verified.VerifyAccessToken(s.accessToken) != nil {
			return nil, refuse("the access token is not the one that the id token speaks of")
		}
	}
	nonce, _ := claims["nonce"].(string)
	if nonce == "" || s.checkNonce == nil || !s.checkNonce(nonce) {
		return nil, refuse("the id token does not have the nonce of this sign-in")
	}
	return claims, nil
}

// verifyError keeps apart the one error that a user can mend; the library's text may quote claims.
func verifyError(err error) error {
	var expired *oidc.TokenExpiredError
	if errors.As(err, &expired) {
		return refuse("the id token has expired")
	}
	return refuse("the id token is not signed by the provider for this application")
}

// publishedKeys is the oidc.KeySet of one token. The library asks it after it has checked the algorithm.
type publishedKeys struct {
	call    *call
	address string
	header  jwtHeader

	used    key
	payload []byte
	err     error // why there are no keys; the library would drop its type
}

// VerifySignature implements oidc.KeySet.
func (p *publishedKeys) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	keys, err := p.call.keysFor(ctx, p.address, p.header)
	if err != nil {
		p.err = err
		return nil, err
	}
	for _, k := range keys {
		one := oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{k.public}}
		if payload, err := one.VerifySignature(ctx, jwt); err == nil {
			p.used, p.payload = k, payload
			return payload, nil
		}
	}
	return nil, errors.New("signature does not hold")
}

type jwtHeader struct{ algorithm, keyID string }

// errNotJWT is the cause where a token does not even look like one.
var errNotJWT = errors.New("not a jwt")

// parseJWT reads the header of a compact JWS (RFC 7515 section 3.1). Its other serializations, and headers that change how it is to be read, are refused.
func parseJWT(token string) (jwtHeader, error) {
	malformed := &ResponseError{Message: "unable to parse the id token", cause: errNotJWT}
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > maxIDTokenBytes {
		return jwtHeader{}, malformed
	}
	var header, payload map[string]any
	if decodeSegment(parts[0], &header) != nil || decodeSegment(parts[1], &payload) != nil {
		return jwtHeader{}, malformed
	}
	if _, there := header["crit"]; there {
		return jwtHeader{}, refuse("the id token asks for an extension that is not supported")
	}
	algorithm, _ := header["alg"].(string)
	keyID, _ := header["kid"].(string)
	if kid, there := header["kid"]; there && kid != keyID {
		return jwtHeader{}, malformed
	}
	return jwtHeader{algorithm, keyID}, nil
}

func decodeSegment(segment string, into any) error {
	data, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		return err
	}
	return decodeJSON(data, into)
}

// checkClaims checks what the library does not, from one reading of the payload with exact names.
func (c *call) checkClaims(m metadata, claims map[string]any, used key) error {
	if err := c.checkIssuer(m, claims, used); err != nil {
		return err
	}
	if err := checkAudience(claims, c.settings.ClientID); err != nil {
		return err
	}
	now := c.now()
	expires, ok := instant(claims["exp"])
	if !ok || !now.Before(expires) {
		return refuse("the id token has expired")
	}
	issued, ok := instant(claims["iat"])
	if !ok || issued.After(now.Add(issuedLeeway)) {
		return refuse("the id token does not say when it was issued, or was issued in the future")
	}
	return nil
}

func (c *call) checkIssuer(m metadata, claims map[string]any, used key) error {
	accepted := []string{m.configured}
	if issuers := c.provider.openID.tokenIssuers; issuers != nil {
		accepted = issuers(m.configured, claims)
	}
	issuer, _ := claims["iss"].(string)
	if issuer == "" || !slices.Contains(accepted, issuer) {
		return refuse("the id token is from another issuer")
	}
	if signs := c.provider.openID.keySigns; signs != nil && !signs(used, claims) {
		return refuse("the id token is signed with a key of another issuer")
	}
	return nil
}

// checkAudience wants our client id in "aud", as "azp" where there is one, and "azp" where there are several audiences.
func checkAudience(claims map[string]any, clientID string) error {
	audiences, several := claims["aud"].([]any)
	if !several {
		audiences = []any{claims["aud"]}
	}
	if !slices.Contains(audiences, any(clientID)) {
		return refuse("the id token is for another application")
	}
	party, there := claims["azp"]
	if there && party != clientID || !there && len(audiences) > 1 {
		return refuse("the id token was given to another application")
	}
	return nil
}

// shown shortens text of others to what may be repeated in a message.
func shown(s string) string {
	runes := make([]rune, 0, maxQuotedRunes)
	for _, r := range s {
		if len(runes) == maxQuotedRunes {
			break
		}
		if unicode.IsPrint(r) && r != unicode.ReplacementChar {
			runes = append(runes, r)
		}
	}
	return string(runes)
}
