package idp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

const (
	clientID     = "client-1"
	clientSecret = "s3cret-of-the-client"
	redirectURI  = "https://app.example.com/callback"
	verifier     = "verifier-verifier-verifier-verifier-verifier"
	goodNonce    = "nonce-of-this-flow"
	goodCode     = "code-from-the-provider"
	accessToken  = "access-token-of-the-user"
)

var start = time.Unix(1_700_000_000, 0)

// testKey is a key that a fake provider signs with.
type testKey struct {
	id, algorithm string
	private       crypto.Signer
}

var (
	rsaKey     = testKey{"rsa-1", "RS256", must(rsa.GenerateKey(rand.Reader, 2048))}
	rsaKey2    = testKey{"rsa-2", "RS256", must(rsa.GenerateKey(rand.Reader, 2048))}
	weakRSAKey = testKey{"rsa-weak", "RS256", must(rsa.GenerateKey(rand.Reader, 1024))}
	pssKey     = testKey{"pss", "PS256", rsaKey.private}
	p256Key    = testKey{"p256", "ES256", must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))}
	p384Key    = testKey{"p384", "ES384", must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))}
	p521Key    = testKey{"p521", "ES512", must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))}
	edKey      = testKey{"ed", "EdDSA", must2(ed25519.GenerateKey(rand.Reader))}
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func must2[A, B any](_ A, v B, err error) B { return must(v, err) }

func (k testKey) jwk() map[string]any {
	j := map[string]any{"kid": k.id, "alg": k.algorithm, "use": "sig"}
	switch public := k.private.Public().(type) {
	case *rsa.PublicKey:
		j["kty"], j["n"], j["e"] = "RSA", b64(public.N.Bytes()), b64(big.NewInt(int64(public.E)).Bytes())
	case *ecdsa.PublicKey:
		size := (public.Params().BitSize + 7) / 8
		point := must(public.Bytes())
		j["kty"], j["crv"], j["x"], j["y"] = "EC", public.Params().Name, b64(point[1:1+size]), b64(point[1+size:])
	case ed25519.PublicKey:
		j["kty"], j["crv"], j["x"] = "OKP", "Ed25519", b64(public)
	}
	return j
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

func toJSON(v any) []byte { return must(json.Marshal(v)) }

// sign makes a JWT; header members override the usual ones, and nil drops one.
func (k testKey) sign(claims any, header map[string]any) string {
	h := map[string]any{"alg": k.algorithm, "kid": k.id, "typ": "JWT"}
	maps.Copy(h, header)
	maps.DeleteFunc(h, func(_ string, v any) bool { return v == nil })
	input := b64(toJSON(h)) + "." + b64(toJSON(claims))
	return input + "." + b64(k.signature(input))
}

func (k testKey) signature(input string) []byte {
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[k.algorithm[max(0, len(k.algorithm)-3):]]
	if hash == 0 {
		return must(k.private.Sign(rand.Reader, []byte(input), crypto.Hash(0)))
	}
	h := hash.New()
	h.Write([]byte(input))
	switch private := k.private.(type) {
	case *ecdsa.PrivateKey:
		var point struct{ R, S *big.Int }
		must(asn1.Unmarshal(must(private.Sign(rand.Reader, h.Sum(nil), hash)), &point))
		size := (private.Params().BitSize + 7) / 8
		return append(point.R.FillBytes(make([]byte, size)), point.S.FillBytes(make([]byte, size))...)
	default:
		var options crypto.SignerOpts = hash
		if strings.HasPrefix(k.algorithm, "PS") {
			options = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
		}
		return must(private.Sign(rand.Reader, h.Sum(nil), options))
	}
}

// signHS256 is what a forger does who hopes that the public key is taken for a shared secret.
func signHS256(claims, secret any, header map[string]any) string {
	h := map[string]any{"alg": "HS256", "kid": rsaKey.id, "typ": "JWT"}
	maps.Copy(h, header)
	input := b64(toJSON(h)) + "." + b64(toJSON(claims))
	mac := hmac.New(sha256.New, toJSON(secret))
	mac.Write([]byte(input))
	return input + "." + b64(mac.Sum(nil))
}

// fake is a provider on loopback. Its handlers are replaced path by path.
type fake struct {
	*httptest.Server
	t *testing.T

	mu       sync.Mutex
	handlers map[string]http.HandlerFunc
	hits     map[string]int
	form     url.Values  // of the last POST to /token
	header   http.Header // of the same
}

// newFake gives an OpenID Connect provider that knows rsaKey and gives out an id token with goodClaims for a code.
func newFake(t *testing.T) *fake {
	f := &fake{t: t, handlers: map[string]http.HandlerFunc{}, hits: map[string]int{}}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	f.answer(wellKnown, http.StatusOK, f.metadata(nil))
	f.publish(rsaKey)
	f.handle("/authorize", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) })
	f.giveTokens(rsaKey.sign(f.claims(nil), nil))
	return f
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.hits[r.URL.Path]++
	handler := f.handlers[r.URL.Path]
	if r.URL.Path == "/token" {
		f.header = r.Header.Clone()
		f.form = nil
		if r.ParseForm() == nil {
			f.form = r.PostForm
		}
	}
	f.mu.Unlock()
	w.Header().Set("Date", start.UTC().Format(http.TimeFormat))
	if handler == nil {
		http.NotFound(w, r)
		return
	}
	handler(w, r)
}

func (f *fake) handle(path string, h http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handlers[path] = h
}

func (f *fake) answer(path string, status int, body any) {
	f.handle(path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if text, ok := body.(string); ok {
			_, _ = w.Write([]byte(text))
			return
		}
		_, _ = w.Write(toJSON(body))
	})
}

func (f *fake) count(path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hits[path]
}

func (f *fake) metadata(changes map[string]any) map[string]any {
	return merged(map[string]any{
		"issuer":                 f.URL,
		"authorization_endpoint": f.URL + "/authorize",
		"token_endpoint":         f.URL + "/token",
		"userinfo_endpoint":      f.URL + "/userinfo",
		"jwks_uri":               f.URL + "/keys",
	}, changes)
}

func (f *fake) publish(keys ...testKey) {
	set := []any{}
	for _, k := range keys {
		set = append(set, k.jwk())
	}
	f.answer("/keys", http.StatusOK, map[string]any{"keys": set})
}

func (f *fake) giveTokens(idToken string) {
	f.answer("/token", http.StatusOK, map[string]any{"access_token": accessToken, "token_type": "Bearer", "expires_in": 3600, "id_token": idToken})
}

func (f *fake) claims(changes map[string]any) map[string]any {
	return goodClaims(f.URL, changes)
}

func goodClaims(issuer string, changes map[string]any) map[string]any {
	return merged(map[string]any{
		"iss": issuer, "aud": clientID, "sub": "subject-1", "iat": start.Unix() - 5, "exp": start.Unix() + 300, "nonce": goodNonce,
		"email": "ann@example.com", "email_verified": true, "name": "Ann Lee", "given_name": "Ann", "family_name": "Lee", "picture": "https://img.example.com/a.png",
	}, changes)
}

// merged gives base with changes; nil drops a member.
func merged(base, changes map[string]any) map[string]any {
	maps.Copy(base, changes)
	maps.DeleteFunc(base, func(_ string, v any) bool { return v == nil })
	return base
}

// settings are of the provider id, with the fake as its issuer.
func (f *fake) settings(id string) auth.IdentityProvider {
	return auth.IdentityProvider{
		Project: "acme", ID: id, Enabled: true, ClientID: clientID,
		Endpoints:  map[string]string{issuerURL: f.URL},
		AllowHosts: []string{"127.0.0.1"},
	}
}

var secrets = auth.ProviderSecrets{ClientSecret: clientSecret}

func byToken(token string) auth.CompletionParams {
	return auth.CompletionParams{Token: token, CheckNonce: func(nonce string) bool { return nonce == goodNonce }}
}

func byCode() auth.CompletionParams {
	return auth.CompletionParams{
		RedirectURI: redirectURI, Code: goodCode, CodeVerifier: verifier,
		CheckNonce: func(nonce string) bool { return nonce == goodNonce },
	}
}

// testClock is moved by hand.
type testClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) Move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newClient() (*Client, *testClock) {
	clock := &testClock{now: start}
	return New(clock.Now, Options{Timeout: 5 * time.Second}), clock
}

// wantRefusal fails unless err is a *ResponseError whose message has want in it. No error may tell a secret.
func wantRefusal(t *testing.T, err error, want string) {
	t.Helper()
	var refused *ResponseError
	if !errors.As(err, &refused) {
		t.Fatalf("got %v, want a *ResponseError with %q", err, want)
	}
	if !strings.Contains(refused.Message, want) {
		t.Errorf("got the message %q, want %q in it", refused.Message, want)
	}
	wantNoSecrets(t, err)
	wantNoSecrets(t, errors.New(refused.Message))
}

func wantUnavailable(t *testing.T, err error, retryAfter time.Duration) {
	t.Helper()
	var away *UnavailableError
	if !errors.As(err, &away) {
		t.Fatalf("got %v, want an *UnavailableError", err)
	}
	if away.RetryAfter != retryAfter {
		t.Errorf("got RetryAfter %v, want %v", away.RetryAfter, retryAfter)
	}
	wantNoSecrets(t, err)
}

func wantNoSecrets(t *testing.T, err error) {
	t.Helper()
	for _, secret := range []string{clientSecret, url.QueryEscape(clientID + "|" + clientSecret), goodCode, verifier, accessToken, "PRIVATE KEY"} {
		if strings.Contains(fmt.Sprintf("%v %+v", err, err), secret) {
			t.Errorf("the error tells a secret: %v", err)
		}
	}
}
