package e2e

import (
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeProvider answers like Facebook, GitHub or Google where their documentation says how, on loopback and to whom the test wants.
type fakeProvider struct {
	*httptest.Server
	clientID, secret string
	key              *rsa.PrivateKey // of an OpenID Connect provider

	mu      sync.Mutex
	grants  map[string]grant  // by code
	persons map[string]person // by access token
}

// grant is what a code stands for.
type grant struct {
	challenge, redirectURI, accessToken, idToken string
}

// person is what the provider tells of an access token's user.
type person struct {
	user   M   // the user endpoint
	emails any // GitHub's list of addresses; nil where the user did not grant access to it
	debug  M   // Facebook's data about the token, or GitHub's grant; nil where it is not of any app
}

const fakeKeyID = "the-only-key"

func newFakeProvider(t *testing.T) *fakeProvider {
	t.Helper()
	f := &fakeProvider{clientID: "1234567890", secret: randomSecret("client secret"), key: newRSAKey(t), grants: map[string]grant{}, persons: map[string]person{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", f.token)
	mux.HandleFunc("GET /facebook/me", f.facebookMe)
	mux.HandleFunc("GET /facebook/debug", f.facebookDebug)
	mux.HandleFunc("GET /github/user", f.gitHubUser)
	mux.HandleFunc("GET /github/emails", f.gitHubEmails)
	mux.HandleFunc("POST /github/applications/{client}/token", f.gitHubCheck)
	mux.HandleFunc("GET /.well-known/openid-configuration", f.metadata)
	mux.HandleFunc("GET /keys", f.keys)
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

// host is where it listens, as HOST:PORT.
func (f *fakeProvider) host() string { return strings.TrimPrefix(f.URL, "http://") }

// use configures the fake as one of the project's providers. Endpoints are paths here, or URLs elsewhere.
func (f *fakeProvider) use(t *testing.T, p project, id string, endpoints M) {
	t.Helper()
	change := M{"clientId": f.clientID, "clientSecret": f.secret, "allowHosts": L{"127.0.0.1"}, "endpoints": M{}}
	for name, path := range endpoints {
		address := path.(string)
		if !strings.HasPrefix(address, "http") {
			address = f.URL + address
		}
		change["endpoints"].(M)[name] = address
	}
	p.putProvider(t, id, change)
}

func (f *fakeProvider) useFacebook(t *testing.T, p project) {
	f.use(t, p, "facebook.com", M{"authorization": "/dialog", "token": "/token", "userinfo": "/facebook/me", "debug": "/facebook/debug"})
}

func (f *fakeProvider) useGitHub(t *testing.T, p project) {
	f.use(t, p, "github.com", M{"authorization": "/dialog", "token": "/token", "userinfo": "/github/user", "emails": "/github/emails",
		"debug": "/github/applications/{client_id}/token"})
}

// accessToken makes up a token that the provider knows from now on.
func (f *fakeProvider) accessToken(who person) string {
	token := randomSecret("access token")
	f.mu.Lock()
	defer f.mu.Unlock()
	f.persons[token] = who
	return token
}

// code is what the browser brings back after who has agreed.
func (f *fakeProvider) code(t *testing.T, begun flow, who person, idToken string) string {
	t.Helper()
	code, token := randomSecret("provider code"), f.accessToken(who)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.grants[code] = grant{begun.asked(t, "code_challenge"), begun.asked(t, "redirect_uri"), token, idToken}
	return code
}

// token exchanges a code (RFC 6749 section 4.1.3, RFC 7636 section 4.6). It answers as GitHub does: as a form, unless JSON is asked for.
func (f *fakeProvider) token(w http.ResponseWriter, r *http.Request) {
	id, secret, basic := r.BasicAuth()
	if basic { // both are encoded as in a form (RFC 6749 section 2.3.1)
		id, _ = url.QueryUnescape(id)
		secret, _ = url.QueryUnescape(secret)
	} else {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	f.mu.Lock()
	g, known := f.grants[r.PostFormValue("code")]
	delete(f.grants, r.PostFormValue("code"))
	f.mu.Unlock()
	challenge := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	answer := M{"access_token": g.accessToken, "token_type": "bearer", "scope": "user:email"}
	if g.idToken != "" {
		answer["id_token"] = g.idToken
	}
	if !known || id != f.clientID || secret != f.secret || g.redirectURI != r.PostFormValue("redirect_uri") ||
		r.PostFormValue("grant_type") != "authorization_code" || g.challenge != base64.RawURLEncoding.EncodeToString(challenge[:]) {
		answer = M{"error": "bad_verification_code", "error_description": "The code " + r.PostFormValue("code") + " is wrong with secret " + secret}
	}
	if strings.Contains(r.Header.Get("Accept"), "json") || g.idToken != "" {
		writeAnswer(w, 200, answer)
		return
	}
	form := url.Values{}
	for name, value := range answer {
		form.Set(name, value.(string))
	}
	w.Header().Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	_, _ = w.Write([]byte(form.Encode())) // the test sees what comes of a broken connection
}

func writeAnswer(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // as above
}

// bearer finds whose access token a request shows.
func (f *fakeProvider) bearer(r *http.Request) (who person, token string, ok bool) {
	token = strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	f.mu.Lock()
	defer f.mu.Unlock()
	who, ok = f.persons[token]
	return who, token, ok
}

// facebookMe wants the proof that the caller has the app's secret, as an app can demand.
func (f *fakeProvider) facebookMe(w http.ResponseWriter, r *http.Request) {
	who, token, ok := f.bearer(r)
	proof := hmac.New(sha256.New, []byte(f.secret))
	proof.Write([]byte(token))
	if !ok || r.URL.Query().Get("appsecret_proof") != hex.EncodeToString(proof.Sum(nil)) {
		writeAnswer(w, 400, M{"error": M{"message": "Invalid OAuth access token " + token, "type": "OAuthException", "code": 190}})
		return
	}
	asked := strings.Split(r.URL.Query().Get("fields"), ",")
	answer := M{}
	for _, field := range append(asked, "id") {
		if value, there := who.user[field]; there {
			answer[field] = value
		}
	}
	writeAnswer(w, 200, answer)
}

func (f *fakeProvider) facebookDebug(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	who, ok := f.persons[r.URL.Query().Get("input_token")]
	f.mu.Unlock()
	switch {
	case r.URL.Query().Get("access_token") != f.clientID+"|"+f.secret:
		writeAnswer(w, 400, M{"error": M{"message": "Invalid OAuth access token signature.", "type": "OAuthException", "code": 190}})
	case r.URL.Query().Get("input_token") == f.clientID+"|"+f.secret: // the app's own token
		writeAnswer(w, 200, M{"data": M{"app_id": f.clientID, "type": "APP", "is_valid": true, "scopes": L{}}})
	case !ok || who.debug == nil:
		writeAnswer(w, 200, M{"data": M{"error": M{"code": 190, "message": "Invalid OAuth access token."}, "is_valid": false, "scopes": L{}}})
	default:
		writeAnswer(w, 200, M{"data": who.debug})
	}
}

func (f *fakeProvider) gitHubUser(w http.ResponseWriter, r *http.Request) {
	who, _, ok := f.bearer(r)
	if !ok {
		writeAnswer(w, 401, M{"message": "Bad credentials"})
		return
	}
	writeAnswer(w, 200, who.user)
}

func (f *fakeProvider) gitHubEmails(w http.ResponseWriter, r *http.Request) {
	who, _, ok := f.bearer(r)
	if !ok || who.emails == nil {
		writeAnswer(w, 404, M{"message": "Not Found"})
		return
	}
	writeAnswer(w, 200, who.emails)
}

func (f *fakeProvider) gitHubCheck(w http.ResponseWriter, r *http.Request) {
	var body struct {
		AccessToken string `json:"access_token"`
	}
	id, secret, _ := r.BasicAuth()
	if json.NewDecoder(r.Body).Decode(&body) != nil || id != f.clientID || secret != f.secret || r.PathValue("client") != f.clientID {
		writeAnswer(w, 401, M{"message": "Bad credentials"})
		return
	}
	f.mu.Lock()
	who, ok := f.persons[body.AccessToken]
	f.mu.Unlock()
	if !ok || who.debug == nil {
		writeAnswer(w, 404, M{"message": "Not Found"})
		return
	}
	writeAnswer(w, 200, who.debug)
}

func (f *fakeProvider) metadata(w http.ResponseWriter, _ *http.Request) {
	writeAnswer(w, 200, M{"issuer": f.URL, "authorization_endpoint": f.URL + "/dialog", "token_endpoint": f.URL + "/token", "jwks_uri": f.URL + "/keys",
		"id_token_signing_alg_values_supported": L{"RS256", "HS256", "none"}})
}

func (f *fakeProvider) keys(w http.ResponseWriter, _ *http.Request) { writeAnswer(w, 200, f.keySet()) }

func (f *fakeProvider) keySet() M {
	return M{"keys": L{M{"kty": "oct", "kid": "shared", "k": "c2VjcmV0"}, publicJWK(&f.key.PublicKey, fakeKeyID)}}
}

func publicJWK(key *rsa.PublicKey, kid string) M {
	return M{"kty": "RSA", "use": "sig", "kid": kid, "n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
		"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes())}
}

// claims are those of a good ID token for a flow.
func (f *fakeProvider) claims(t *testing.T, begun flow, more M) M {
	t.Helper()
	now := time.Now().Unix()
	claims := M{"iss": f.URL, "aud": f.clientID, "azp": f.clientID, "sub": "1" + digits(20), "iat": now, "exp": now + 3600, "nonce": begun.asked(t, "nonce")}
	maps.Copy(claims, more)
	return claims
}

// sign makes an ID token as the provider does.
func (f *fakeProvider) sign(t *testing.T, claims M) string {
	t.Helper()
	token := encodeJWT(M{"alg": "RS256", "kid": fakeKeyID, "typ": "JWT"}, claims, signRS256(t, f.key))
	remember("provider id_token", token)
	return token
}

// digits makes up a number of n digits.
func digits(n int) string {
	return strings.Map(func(r rune) rune { return '0' + r%10 }, randomText(n))
}
