package idp

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/google/go-cmp/cmp"
)

// known are settings that name all endpoints but leave the issuer to the provider, so that nothing is discovered.
func (f *fake) known(id string) auth.IdentityProvider {
	p := f.settings(id)
	p.Endpoints = map[string]string{authorizationURL: f.URL + "/authorize", tokenURL: f.URL + "/token", keysURL: f.URL + "/keys"}
	return p
}

func TestGoogleIssuers(t *testing.T) {
	f := newFake(t)
	c, _ := newClient()
	for issuer, want := range map[string]string{
		"https://accounts.google.com":  "",
		"accounts.google.com":          "",
		"http://accounts.google.com":   "another issuer",
		"https://accounts.google.com/": "another issuer",
	} {
		_, err := c.Identify(t.Context(), f.known("google.com"), secrets, byToken(rsaKey.sign(goodClaims(issuer, nil), nil)))
		if want == "" && err == nil {
			continue
		}
		wantRefusal(t, err, want)
	}
	if f.count(wellKnown) != 0 {
		t.Error("metadata was fetched although nothing was missing")
	}
	f.publish(p256Key)
	c, _ = newClient()
	_, err := c.Identify(t.Context(), f.known("google.com"), secrets, byToken(p256Key.sign(goodClaims(googleIssuer, nil), nil)))
	wantRefusal(t, err, "not signed by the provider")
}

func TestGoogleTokenThatDoesNotParse(t *testing.T) {
	f := newFake(t)
	c, _ := newClient()
	for token, echoed := range map[string]string{
		"not-a-token":                         "not-a-token",
		"a\x00\x1b[31mb\nc\u202e\xff":         "a[31mbc",
		strings.Repeat("x", 300):              strings.Repeat("x", 256),
		"e30.e30":                             "e30.e30",
		strings.Repeat("ü", 300) + "<script>": strings.Repeat("ü", 256),
	} {
		_, err := c.Identify(t.Context(), f.known("google.com"), secrets, byToken(token))
		wantRefusal(t, err, "")
		message := auth.AsError(err).Message
		if want := "Unable to parse Google id_token: " + echoed; message != want {
			t.Errorf("got %q, want %q", message, want)
		}
		if strings.Contains(err.Error(), echoed) {
			t.Errorf("the text for the log has the token: %v", err)
		}
	}
	_, err := c.Identify(t.Context(), f.settings("oidc.acme"), secrets, byToken("some-token"))
	wantRefusal(t, err, "unable to parse the id token")
	if strings.Contains(err.Error(), "some-token") {
		t.Errorf("the token of another provider is echoed: %v", err)
	}
}

func TestMicrosoft(t *testing.T) {
	const tenant, otherTenant = "11111111-2222-3333-4444-555555555555", "99999999-2222-3333-4444-555555555555"
	tests := map[string]struct {
		configured string // path of the configured issuer
		metadata   string // path of the issuer that the metadata names
		iss, tid   any
		keyIssuer  string // path
		want       string
	}{
		"any tenant":                      {"/common/v2.0", "/{tenantid}/v2.0", "/" + tenant + "/v2.0", tenant, "", ""},
		"any tenant, personal account":    {"/common/v2.0", "/{tenantid}/v2.0", "/" + personalTenant + "/v2.0", personalTenant, "", ""},
		"shared key":                      {"/common/v2.0", "/{tenantid}/v2.0", "/" + tenant + "/v2.0", tenant, "/{tenantid}/v2.0", ""},
		"key of the tenant":               {"/common/v2.0", "/{tenantid}/v2.0", "/" + tenant + "/v2.0", tenant, "/" + tenant + "/v2.0", ""},
		"key of another tenant":           {"/common/v2.0", "/{tenantid}/v2.0", "/" + tenant + "/v2.0", tenant, "/" + otherTenant + "/v2.0", "key of another issuer"},
		"issuer is not the tenant's":      {"/common/v2.0", "/{tenantid}/v2.0", "/" + tenant + "/v2.0", otherTenant, "", "another issuer"},
		"no tenant":                       {"/common/v2.0", "/{tenantid}/v2.0", "/" + tenant + "/v2.0", nil, "", "another issuer"},
		"tenant is no id":                 {"/common/v2.0", "/{tenantid}/v2.0", "/x/v2.0", "x", "", "another issuer"},
		"issuer is the template":          {"/common/v2.0", "/{tenantid}/v2.0", "/{tenantid}/v2.0", tenantPlaceholder, "", "another issuer"},
		"metadata of one tenant":          {"/common/v2.0", "/" + tenant + "/v2.0", "/" + tenant + "/v2.0", tenant, "", "letter by letter"},
		"work accounts":                   {"/organizations/v2.0", "/{tenantid}/v2.0", "/" + tenant + "/v2.0", tenant, "", ""},
		"work accounts, personal account": {"/organizations/v2.0", "/{tenantid}/v2.0", "/" + personalTenant + "/v2.0", personalTenant, "", "another issuer"},
		"personal accounts":               {"/consumers/v2.0", "/" + personalTenant + "/v2.0", "/" + personalTenant + "/v2.0", personalTenant, "", ""},
		"personal accounts, work account": {"/consumers/v2.0", "/" + personalTenant + "/v2.0", "/" + tenant + "/v2.0", tenant, "", "another issuer"},
		"one tenant":                      {"/" + tenant + "/v2.0", "/" + tenant + "/v2.0", "/" + tenant + "/v2.0", tenant, "", ""},
		"one tenant, another's token":     {"/" + tenant + "/v2.0", "/" + tenant + "/v2.0", "/" + otherTenant + "/v2.0", otherTenant, "", "another issuer"},
		"one tenant, template":            {"/" + tenant + "/v2.0", "/{tenantid}/v2.0", "/" + tenant + "/v2.0", tenant, "", "letter by letter"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			c, _ := newClient()
			p := f.settings("microsoft.com")
			p.Endpoints[issuerURL] = f.URL + test.configured
			f.answer(test.configured+wellKnown, 200, f.metadata(map[string]any{"issuer": f.URL + test.metadata}))
			published := rsaKey.jwk()
			if test.keyIssuer != "" {
				published["issuer"] = f.URL + test.keyIssuer
			}
			f.answer("/keys", 200, map[string]any{"keys": []any{published}})
			token := rsaKey.sign(f.claims(map[string]any{"iss": f.URL + test.iss.(string), "tid": test.tid}), nil)
			identity, err := c.Identify(t.Context(), p, secrets, byToken(token))
			if test.want != "" {
				wantRefusal(t, err, test.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if identity.Subject != "subject-1" || identity.Email != "ann@example.com" || identity.EmailVerified {
				t.Errorf("got %+v; a tenant's word for an email is none", identity)
			}
		})
	}
}

func TestApple(t *testing.T) {
	private := p256Key.private.(*ecdsa.PrivateKey)
	pemKey := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(private))}))
	rsaPEM := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(rsaKey.private))}))
	f := newFake(t)
	c, _ := newClient()
	p := f.known("apple.com")
	p.TeamID, p.KeyID = "TEAM123456", "KEY1234567"

	tests := map[string]struct {
		claims map[string]any
		want   bool
	}{
		"verified":          {map[string]any{"email_verified": true}, true},
		"documented string": {map[string]any{"email_verified": "true"}, true},
		"string false":      {map[string]any{"email_verified": "false"}, false},
		"false":             {map[string]any{"email_verified": false}, false},
		"another string":    {map[string]any{"email_verified": "TRUE"}, false},
		"no email":          {map[string]any{"email_verified": "true", "email": nil}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f.giveTokens(rsaKey.sign(goodClaims(appleIssuer, test.claims), nil))
			identity, err := c.Identify(t.Context(), p, auth.ProviderSecrets{PrivateKey: pemKey}, byCode())
			if err != nil {
				t.Fatal(err)
			}
			if identity.EmailVerified != test.want {
				t.Errorf("verified is %v", identity.EmailVerified)
			}
		})
	}

	if f.form.Get("client_id") != clientID {
		t.Errorf("client id %q", f.form.Get("client_id"))
	}
	parts := strings.Split(f.form.Get("client_secret"), ".")
	if len(parts) != 3 {
		t.Fatalf("the client secret has %d parts", len(parts))
	}
	wantJSON(t, parts[0], map[string]any{"alg": "ES256", "kid": "KEY1234567", "typ": "JWT"})
	wantJSON(t, parts[1], map[string]any{
		"iss": "TEAM123456", "sub": clientID, "aud": "https://appleid.apple.com", "iat": float64(start.Unix()), "exp": float64(start.Add(5 * time.Minute).Unix()),
	})
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	signature := must(base64.RawURLEncoding.DecodeString(parts[2]))
	if len(signature) != 64 || !ecdsa.Verify(&private.PublicKey, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		t.Error("the signature of the client secret does not hold")
	}

	for name, key := range map[string]string{"none": "", "no PEM": "garbage", "RSA": rsaPEM} {
		_, err := c.Identify(t.Context(), p, auth.ProviderSecrets{PrivateKey: key}, byCode())
		t.Log(name)
		wantRefusal(t, err, "not a P-256 key")
	}
	p.TeamID = ""
	_, err := c.Identify(t.Context(), p, auth.ProviderSecrets{PrivateKey: pemKey}, byCode())
	wantRefusal(t, err, "no team id")
}

// R and S are padded to 32 bytes each: one in 128 signatures would else be too short.
func TestES256SignaturesHaveOneLength(t *testing.T) {
	private := must(ecdsa.GenerateKey(p256Key.private.(*ecdsa.PrivateKey).Curve, rand.Reader))
	for i := range 600 {
		compact, err := signES256(private, "k", map[string]any{"i": i})
		if err != nil {
			t.Fatal(err)
		}
		if got := len(compact[strings.LastIndex(compact, ".")+1:]); got != 86 {
			t.Fatalf("signature %d is %d characters", i, got)
		}
	}
}

func wantJSON(t *testing.T, segment string, want map[string]any) {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal(must(base64.RawURLEncoding.DecodeString(segment)), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func newFacebook(t *testing.T) (*fake, auth.IdentityProvider) {
	f := newFake(t)
	p := f.settings("facebook.com")
	p.Endpoints = map[string]string{
		authorizationURL: f.URL + "/authorize", tokenURL: f.URL + "/token", userInfoURL: f.URL + "/me", confirmURL: f.URL + "/debug_token",
	}
	f.answer("/token", 200, map[string]any{"access_token": accessToken, "token_type": "bearer", "expires_in": 5183944})
	f.facebookSays(nil)
	f.handle("/me", func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		if r.Header.Get("Authorization") != "Bearer "+accessToken || query.Get("appsecret_proof") != appSecretProof(accessToken, clientSecret) ||
			query.Get("fields") != "id,name,email,first_name,last_name,picture" {
			http.Error(w, `{"error":{"message":"Invalid appsecret_proof","type":"GraphMethodException","code":100}}`, http.StatusBadRequest)
			return
		}
		_, _ = io.WriteString(w, `{"id":"1207059","name":"Ann Lee","email":"ann@example.com","first_name":"Ann","last_name":"Lee",
			"picture":{"data":{"height":50,"is_silhouette":false,"url":"https://img.example.com/a.jpg","width":50}}}`)
	})
	return f, p
}

// facebookSays sets what debug_token answers.
func (f *fake) facebookSays(changes map[string]any) {
	f.handle("/debug_token", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("access_token") != clientID+"|"+clientSecret {
			http.Error(w, `{"error":{"message":"Invalid OAuth access token.","type":"OAuthException","code":190}}`, http.StatusBadRequest)
			return
		}
		data := map[string]any{
			"app_id": clientID, "type": "USER", "application": "Acme", "expires_at": start.Unix() + 60, "is_valid": true, "issued_at": start.Unix(),
			"scopes": []string{"email"}, "user_id": "1207059",
		}
		if r.URL.Query().Get("input_token") == clientID+"|"+clientSecret {
			data = map[string]any{"app_id": clientID, "type": "APP", "is_valid": true, "application": "Acme"}
		}
		_, _ = w.Write(toJSON(map[string]any{"data": merged(data, changes)}))
	})
}

func TestFacebook(t *testing.T) {
	want := auth.ExternalIdentity{
		Subject: "1207059", Email: "ann@example.com", Name: "Ann Lee", GivenName: "Ann", FamilyName: "Lee", Picture: "https://img.example.com/a.jpg",
	}
	for name, in := range map[string]auth.CompletionParams{"code": byCode(), "token": byToken(accessToken)} {
		t.Run(name, func(t *testing.T) {
			f, p := newFacebook(t)
			c, _ := newClient()
			identity, err := c.Identify(t.Context(), p, secrets, in)
			if err != nil {
				t.Fatal(err)
			}
			if identity.Raw["first_name"] != "Ann" {
				t.Errorf("raw is %v", identity.Raw)
			}
			identity.Raw = nil
			if diff := cmp.Diff(want, identity); diff != "" {
				t.Error(diff)
			}
			if asked := f.count("/debug_token") == 1; asked != (name == "token") {
				t.Errorf("debug_token asked: %v", asked)
			}
		})
	}
}

func TestFacebookTokenOfOthers(t *testing.T) {
	tests := map[string]struct {
		changes map[string]any
		want    string
	}{
		"another application":  {map[string]any{"app_id": "other"}, "not given to this application"},
		"no application":       {map[string]any{"app_id": nil}, "not given to this application"},
		"not valid":            {map[string]any{"is_valid": false}, "not given to this application"},
		"valid as a string":    {map[string]any{"is_valid": "true"}, "not given to this application"},
		"an application's own": {map[string]any{"type": "APP"}, "not given to this application"},
		"a page's":             {map[string]any{"type": "PAGE"}, "not given to this application"},
		"expired":              {map[string]any{"expires_at": start.Unix()}, "expired"},
		"no expiry":            {map[string]any{"expires_at": nil}, "expired"},
		"never expires":        {map[string]any{"expires_at": 0}, ""},
		"no user":              {map[string]any{"user_id": nil}, "no usable subject"},
		"another user":         {map[string]any{"user_id": "7"}, "two subjects"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f, p := newFacebook(t)
			c, _ := newClient()
			f.facebookSays(test.changes)
			_, err := c.Identify(t.Context(), p, secrets, byToken(accessToken))
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantRefusal(t, err, test.want)
		})
	}
}

func TestFacebookTrouble(t *testing.T) {
	f, p := newFacebook(t)
	c, _ := newClient()
	f.answer("/debug_token", 200, map[string]any{"error": "x"})
	_, err := c.Identify(t.Context(), p, secrets, byToken(accessToken))
	wantRefusal(t, err, "no data")

	// The tokens are in the query, so the URL must not be in any error.
	f.handle("/debug_token", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	_, err = c.Identify(t.Context(), p, secrets, byToken(accessToken))
	wantUnavailable(t, err, defaultRetryAfter)

	for name, body := range map[string]string{"numeric id": `{"id":7}`, "no id": `{"name":"x"}`, "list": `[]`} {
		f.answer("/me", 200, body)
		if _, err := c.Identify(t.Context(), p, secrets, byCode()); err == nil {
			t.Errorf("%s: no refusal", name)
		}
	}
	_, err = c.Identify(t.Context(), p, auth.ProviderSecrets{}, byToken(accessToken))
	wantRefusal(t, err, "no client secret")
}

func newGitHub(t *testing.T) (*fake, auth.IdentityProvider) {
	f := newFake(t)
	p := f.settings("github.com")
	p.Endpoints = map[string]string{
		authorizationURL: f.URL + "/authorize", tokenURL: f.URL + "/token", userInfoURL: f.URL + "/user", emailsURL: f.URL + "/user/emails",
		confirmURL: f.URL + "/applications/{client_id}/token",
	}
	f.handle("/token", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		_, _ = io.WriteString(w, "access_token="+accessToken+"&scope=read%3Auser%2Cuser%3Aemail&token_type=bearer")
	})
	f.answer("/user", 200, `{"login":"annlee","id":9007199254740993,"avatar_url":"https://img.example.com/a","name":"Ann Lee","email":"public@example.com"}`)
	f.answer("/user/emails", 200, gitHubEmails(true, true))
	f.gitHubKnows(map[string]any{"id": 1, "app": map[string]any{"name": "Acme", "client_id": clientID}, "user": map[string]any{"id": int64(9007199254740993)}})
	return f, p
}

func gitHubEmails(primary, verified bool) []any {
	return []any{
		map[string]any{"email": "old@example.com", "primary": false, "verified": true, "visibility": nil},
		map[string]any{"email": "ann@example.com", "primary": primary, "verified": verified, "visibility": "public"},
	}
}

// gitHubKnows sets what GitHub says of a token that it gave to our application.
func (f *fake) gitHubKnows(grant map[string]any) {
	f.handle("/applications/"+clientID+"/token", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			AccessToken string `json:"access_token"`
		}
		user, password, _ := r.BasicAuth()
		switch {
		case r.Method != http.MethodPost || json.NewDecoder(r.Body).Decode(&body) != nil:
			http.Error(w, "{}", http.StatusUnprocessableEntity)
		case user != clientID || password != clientSecret:
			http.Error(w, `{"message":"Bad credentials"}`, http.StatusUnauthorized)
		case body.AccessToken != accessToken:
			http.Error(w, `{"message":"Not Found"}`, http.StatusNotFound)
		default:
			_, _ = w.Write(toJSON(grant))
		}
	})
}

func TestGitHub(t *testing.T) {
	for name, in := range map[string]auth.CompletionParams{"code": byCode(), "token": byToken(accessToken)} {
		t.Run(name, func(t *testing.T) {
			f, p := newGitHub(t)
			c, _ := newClient()
			identity, err := c.Identify(t.Context(), p, secrets, in)
			if err != nil {
				t.Fatal(err)
			}
			identity.Raw = nil
			want := auth.ExternalIdentity{Subject: "9007199254740993", Email: "ann@example.com", EmailVerified: true, Name: "Ann Lee", Picture: "https://img.example.com/a"}
			if diff := cmp.Diff(want, identity); diff != "" {
				t.Error(diff)
			}
			if asked := f.count("/applications/"+clientID+"/token") == 1; asked != (name == "token") {
				t.Errorf("token check asked: %v", asked)
			}
		})
	}
}

func TestGitHubTokenOfOthers(t *testing.T) {
	app, user := map[string]any{"client_id": clientID}, map[string]any{"id": int64(9007199254740993)}
	tests := map[string]struct {
		token string
		grant map[string]any
		want  string
	}{
		"unknown":             {"another", map[string]any{"app": app, "user": user}, "not given to this application"},
		"another application": {accessToken, map[string]any{"app": map[string]any{"client_id": "other"}, "user": user}, "another application"},
		"no application":      {accessToken, map[string]any{"user": user}, "another application"},
		"no user":             {accessToken, map[string]any{"app": app}, "no usable subject"},
		"another user":        {accessToken, map[string]any{"app": app, "user": map[string]any{"id": 7}}, "two subjects"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f, p := newGitHub(t)
			c, _ := newClient()
			f.gitHubKnows(test.grant)
			_, err := c.Identify(t.Context(), p, secrets, byToken(test.token))
			wantRefusal(t, err, test.want)
			if f.count("/user") != 0 && test.want != "two subjects" {
				t.Error("the user was asked for before the token was confirmed")
			}
		})
	}
}

func TestGitHubEmails(t *testing.T) {
	tests := map[string]struct {
		handler  http.HandlerFunc
		email    string
		verified bool
	}{
		"primary and verified":   {respond(200, string(toJSON(gitHubEmails(true, true)))), "ann@example.com", true},
		"primary, not verified":  {respond(200, string(toJSON(gitHubEmails(true, false)))), "ann@example.com", false},
		"verified is no boolean": {respond(200, `[{"email":"ann@example.com","primary":true,"verified":"true"}]`), "ann@example.com", false},
		"no primary":             {respond(200, string(toJSON(gitHubEmails(false, true)))), "public@example.com", false},
		"none":                   {respond(200, `[]`), "public@example.com", false},
		"not granted":            {respond(404, `{"message":"Not Found"}`), "public@example.com", false},
		"forbidden":              {respond(403, `{}`), "public@example.com", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f, p := newGitHub(t)
			c, _ := newClient()
			f.handle("/user/emails", test.handler)
			identity, err := c.Identify(t.Context(), p, secrets, byCode())
			if err != nil {
				t.Fatal(err)
			}
			if identity.Email != test.email || identity.EmailVerified != test.verified {
				t.Errorf("got %q, %v", identity.Email, identity.EmailVerified)
			}
		})
	}
	f, p := newGitHub(t)
	c, _ := newClient()
	f.handle("/user/emails", respond(403, "{}", "X-RateLimit-Remaining", "0"))
	_, err := c.Identify(t.Context(), p, secrets, byCode())
	wantUnavailable(t, err, defaultRetryAfter)
	f.handle("/user/emails", respond(200, `{}`))
	_, err = c.Identify(t.Context(), p, secrets, byCode())
	wantRefusal(t, err, "not the JSON")
}

func TestGitHubSubjects(t *testing.T) {
	for body, want := range map[string]string{
		`{"id":42}`: "42", `{"id":"42"}`: "", `{"id":0}`: "", `{"id":-1}`: "", `{"id":1.5}`: "", `{"id":1e3}`: "", `{}`: "", `{"id":null}`: "", `{"id":[1]}`: "",
	} {
		f, p := newGitHub(t)
		c, _ := newClient()
		f.answer("/user", 200, body)
		identity, err := c.Identify(t.Context(), p, secrets, byCode())
		if want == "" {
			wantRefusal(t, err, "no usable subject")
		} else if err != nil || identity.Subject != want {
			t.Errorf("%s: got %q, %v", body, identity.Subject, err)
		}
	}
}
