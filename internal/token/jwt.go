package token

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// MaxJWTBytes bounds a compact JWT in bytes, for Sign and Verify alike.
const MaxJWTBytes = 16 << 10

// The errors of Verify. Each error it returns matches exactly one with errors.Is,
// and none holds any part of the token.
var (
	// ErrNotJWT means that the string does not look like a JWT at all: it is not
	// three parts of which the first is a JSON object in base64url.
	ErrNotJWT = errors.New("not a jwt")
	// ErrExpired means that the token is sound in every respect, signature, issuer
	// and audience included, and its "exp" has passed.
	ErrExpired = errors.New("jwt has expired")
	// ErrInvalid means anything else.
	ErrInvalid = errors.New("jwt is invalid")
)

// ExpiredError is the error of Verify that matches ErrExpired. Since all else of the token is right, its subject can be told.
type ExpiredError struct {
	Subject   string
	ExpiredAt time.Time // UTC
}

func (e *ExpiredError) Error() string { return ErrExpired.Error() }

// Is makes it match ErrExpired.
func (e *ExpiredError) Is(target error) bool { return target == ErrExpired }

// Sign gives the claims as a compact JWS with the header {alg, kid, typ:"JWT"} and
// no other member. Times in claims are integers of seconds since the Unix epoch.
// A token over MaxJWTBytes is an error, because Verify would refuse it.
func (k *SigningKey) Sign(claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("sign jwt: encode claims: %w", err)
	}
	jws, err := k.signature(payload)
	if err != nil {
		return "", fmt.Errorf("sign jwt: %w", err)
	}
	compact, err := jws.CompactSerialize()
	if err != nil {
		return "", fmt.Errorf("sign jwt: %w", err)
	}
	if len(compact) > MaxJWTBytes {
		return "", fmt.Errorf("sign jwt: token of %d bytes is over the limit of %d", len(compact), MaxJWTBytes)
	}
	return compact, nil
}

func (k *SigningKey) signature(payload []byte) (*jose.JSONWebSignature, error) {
	if k.Algorithm == RS256 {
		turns := rsaTurns()
		turns <- struct{}{}
		defer func() { <-turns }()
	}
	return k.signer.Sign(payload)
}

// rsaTurns bounds how many RSA signatures are computed at a time. Each keeps a core busy for a millisecond, and Go's scheduler runs what is ready on a core before it
// looks who else came: with thirty signatures ready, a health check waited for most of them. Those that wait for a turn are not ready (decision 34).
var rsaTurns = sync.OnceValue(func() chan struct{} { return make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1)) })

// Expect is what a token must match. Issuer and Audience must not be empty.
type Expect struct {
	Issuer       string
	FormerIssuer string // counts, too; "" for none
	Audience     string
	Now          time.Time
	Leeway       time.Duration // clock difference between nodes that "iat" and "nbf" are forgiven; "exp" is exact
}

// Claims are the checked claims of a verified token.
type Claims struct {
	Subject   string
	Issuer    string
	Audience  string
	SessionID string    // "sid"; empty when the token has none
	IssuedAt  time.Time // UTC, as are the others
	AuthTime  time.Time // "auth_time"; zero when the token has none
	ExpiresAt time.Time
	Raw       map[string]any // all claims, not to be changed; numbers are json.Number
}

// Verify checks a compact JWT strictly (P19). The header's "kid" selects among keys
// and nothing else; the algorithm is the key's own. The payload is read only once
// its signature has held. Required are "iss" and "aud" equal to what is expected
// ("aud" as a plain string), a "sub" that is not empty, "iat" not in the future, and
// "exp"; "nbf" is honoured where it is there.
func Verify(compact string, keys []PublicKey, expect Expect) (Claims, error) {
	authentic, err := Open(compact, keys)
	if err != nil {
		return Claims{}, err
	}
	return authentic.Check(keys, expect)
}

// Authentic is what a token says whose signature has held under a key. That never changes, so it may be kept; whether the token counts is up to Check.
type Authentic struct {
	key PublicKey
	raw map[string]any
}

// Open is the part of Verify that depends on nothing but the token and the key that it names.
func Open(compact string, keys []PublicKey) (Authentic, error) {
	header, err := parseHeader(compact)
	if err != nil {
		return Authentic{}, err
	}
	key, err := selectKey(keys, header)
	if err != nil {
		return Authentic{}, err
	}
	payload, err := key.open(compact)
	if err != nil {
		return Authentic{}, err
	}
	raw, err := decodeObject(payload)
	if err != nil {
		return Authentic{}, invalid("payload: " + err.Error())
	}
	return Authentic{key, raw}, nil
}

// Check is the rest of Verify: the key must be one of those that count now, and the claims as expected.
func (a Authentic) Check(keys []PublicKey, expect Expect) (Claims, error) {
	if !slices.ContainsFunc(keys, a.key.equal) {
		return Claims{}, invalid("unknown key id")
	}
	return checkClaims(a.raw, expect)
}

func invalid(reason string) error {
	return fmt.Errorf("%w: %s", ErrInvalid, reason)
}

type header struct{ algorithm, keyID string }

// parseHeader takes the header of a token whose outer form is right. Members other
// than alg, kid and typ are refused: each of them (crit, jku, jwk, x5u, x5c, b64 and
// so on) would change how the token is to be read (RFC 8725 section 3).
func parseHeader(compact string) (header, error) {
	if strings.Count(compact, ".") != 2 {
		return header{}, fmt.Errorf("%w: not three parts", ErrNotJWT)
	}
	if len(compact) > MaxJWTBytes {
		return header{}, invalid("too long")
	}
	first, rest, _ := strings.Cut(compact, ".")
	data, err := decodeBase64URL(first)
	if err != nil || !isJSONObject(data) {
		return header{}, fmt.Errorf("%w: header is not a json object in base64url", ErrNotJWT)
	}
	for part := range strings.SplitSeq(rest, ".") {
		if _, err := decodeBase64URL(part); err != nil {
			return header{}, invalid("payload or signature is not base64url")
		}
	}
	members, err := decodeObject(data)
	if err != nil {
		return header{}, invalid("header: " + err.Error())
	}
	algorithm, okAlg := members["alg"].(string)
	keyID, okKid := members["kid"].(string)
	if !okAlg || !okKid || members["typ"] != "JWT" || len(members) != 3 {
		return header{}, invalid("header is not exactly alg, kid and typ")
	}
	return header{algorithm, keyID}, nil
}

// decodeBase64URL decodes unpadded base64url with no stray bits and, unlike the
// standard library's strict mode, no line breaks.
func decodeBase64URL(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("line break in base64url")
	}
	return base64.RawURLEncoding.Strict().DecodeString(s)
}

func selectKey(keys []PublicKey, h header) (PublicKey, error) {
	i := slices.IndexFunc(keys, func(k PublicKey) bool { return k.KeyID == h.keyID })
	if i < 0 {
		return PublicKey{}, invalid("unknown key id")
	}
	if string(keys[i].Algorithm) != h.algorithm {
		return PublicKey{}, invalid("algorithm is not the key's own")
	}
	return keys[i], nil
}

// open gives the payload if the signature holds under the key's own algorithm.
func (k PublicKey) open(compact string) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(k.Algorithm)})
	if err != nil {
		return nil, invalid("not a jws")
	}
	payload, err := jws.Verify(k.key)
	if err != nil {
		return nil, invalid("signature does not hold")
	}
	return payload, nil
}

// checkClaims reads the claims of a payload that is already authentic. Expiry comes
// last, so that ErrExpired says that all else is right.
func checkClaims(raw map[string]any, expect Expect) (Claims, error) {
	claims := Claims{Raw: raw}
	if err := claims.readStrings(expect); err != nil {
		return Claims{}, err
	}
	if err := claims.readTimes(expect); err != nil {
		return Claims{}, err
	}
	if !expect.Now.Before(claims.ExpiresAt) {
		return Claims{}, &ExpiredError{Subject: claims.Subject, ExpiredAt: claims.ExpiresAt}
	}
	return claims, nil
}

func (c *Claims) readStrings(expect Expect) error {
	if expect.Issuer == "" || expect.Audience == "" {
		return invalid("no issuer or audience to expect")
	}
	// A comma-ok assertion leaves "" for a claim that is absent or of another type.
	c.Issuer, _ = c.Raw["iss"].(string)
	if c.Issuer != expect.Issuer && (expect.FormerIssuer == "" || c.Issuer != expect.FormerIssuer) {
		return invalid("issuer is not the expected one")
	}
	c.Audience, _ = c.Raw["aud"].(string)
	if c.Audience != expect.Audience {
		return invalid("audience is not the expected one")
	}
	c.Subject, _ = c.Raw["sub"].(string)
	if c.Subject == "" {
		return invalid("no subject")
	}
	sid, present := c.Raw["sid"]
	c.SessionID, _ = sid.(string)
	if present && c.SessionID == "" {
		return invalid("sid is not a string that says something")
	}
	return nil
}

func (c *Claims) readTimes(expect Expect) error {
	var err error
	if c.ExpiresAt, err = c.instant("exp"); err != nil {
		return err
	}
	if c.IssuedAt, err = c.instant("iat"); err != nil {
		return err
	}
	latest := expect.Now.Add(expect.Leeway)
	if c.IssuedAt.After(latest) {
		return invalid("issued in the future")
	}
	if _, present := c.Raw["auth_time"]; present {
		if c.AuthTime, err = c.instant("auth_time"); err != nil {
			return err
		}
	}
	if _, present := c.Raw["nbf"]; present {
		notBefore, err := c.instant("nbf")
		if err != nil {
			return err
		}
		if notBefore.After(latest) {
			return invalid("not valid yet")
		}
	}
	return nil
}

// maxInstant is the last second of the year 9999, the last that RFC 3339 can write.
const maxInstant = 253402300799

// instant reads a NumericDate (RFC 7519 section 2), narrowed to what Sign is given:
// a whole number of seconds in plain digits.
func (c *Claims) instant(name string) (time.Time, error) {
	number, ok := c.Raw[name].(json.Number)
	if !ok {
		return time.Time{}, invalid(name + " is missing or no number")
	}
	seconds, err := strconv.ParseUint(number.String(), 10, 64)
	if err != nil || seconds > maxInstant {
		return time.Time{}, invalid(name + " is no whole number of seconds in range")
	}
	return time.Unix(int64(seconds), 0).UTC(), nil
}
