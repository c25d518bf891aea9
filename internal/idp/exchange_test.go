package idp

import (
	"crypto/sha256"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/google/go-cmp/cmp"
)

func TestCodeFlow(t *testing.T) {
	tests := map[string]struct {
		methods   any
		secrets   auth.ProviderSecrets
		wantBasic bool
		wantForm  url.Values
	}{
		"basic by default": {nil, secrets, true, url.Values{}},
		"basic if both":    {[]string{"client_secret_post", "client_secret_basic"}, secrets, true, url.Values{}},
		"post":             {[]string{"client_secret_post"}, secrets, false, url.Values{"client_id": {clientID}, "client_secret": {clientSecret}}},
		"public client":    {nil, auth.ProviderSecrets{}, false, url.Values{"client_id": {clientID}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			c, _ := newClient()
			f.answer(wellKnown, 200, f.metadata(map[string]any{"token_endpoint_auth_methods_supported": test.methods}))
			identity, err := c.Identify(t.Context(), f.settings("oidc.acme"), test.secrets, byCode())
			if err != nil {
				t.Fatal(err)
			}
			if identity.Subject != "subject-1" || !identity.EmailVerified {
				t.Errorf("got %+v", identity)
			}
			for name, values := range (url.Values{
				"grant_type": {"authorization_code"}, "code": {goodCode}, "redirect_uri": {redirectURI}, "code_verifier": {verifier},
			}) {
				test.wantForm[name] = values
			}
			if diff := cmp.Diff(test.wantForm, f.form); diff != "" {
				t.Errorf("form: %s", diff)
			}
			request := http.Request{Header: f.header}
			user, password, basic := request.BasicAuth()
			if basic != test.wantBasic || basic && (user != clientID || password != clientSecret) {
				t.Errorf("basic authorization is %v", basic)
			}
			if f.header.Get("User-Agent") != defaultUserAgent {
				t.Errorf("user agent %q", f.header.Get("User-Agent"))
			}
			if f.count("/userinfo") != 0 {
				t.Error("userinfo was asked although the id token has the email")
			}
		})
	}
}

func TestAccessTokenHash(t *testing.T) {
	sum := sha256.Sum256([]byte(accessToken))
	good := b64(sum[:16])
	for hash, want := range map[any]string{good: "", "x" + good[1:]: "access token", "": "access token"} {
		f := newFake(t)
		c, _ := newClient()
		f.giveTokens(rsaKey.sign(f.claims(map[string]any{"at_hash": hash}), nil))
		_, err := c.Identify(t.Context(), f.settings("oidc.acme"), secrets, byCode())
		if want == "" && err == nil {
			continue
		}
		wantRefusal(t, err, want)
	}
}

func TestUserInfo(t *testing.T) {
	tests := map[string]struct {
		token  map[string]any
		status int
		answer any
		want   auth.ExternalIdentity
		refuse string
	}{
		"adds what is missing": {
			map[string]any{"name": nil, "given_name": nil, "family_name": nil, "picture": nil}, 200,
			map[string]any{"sub": "subject-1", "email": "ann@example.org", "email_verified": true, "name": "Ann L.", "picture": "https://img.example.com/b.png"},
			auth.ExternalIdentity{Subject: "subject-1", Email: "ann@example.org", EmailVerified: true, Name: "Ann L.", Picture: "https://img.example.com/b.png"}, "",
		},
		"does not lend the id token's verification to another source's email": {
			map[string]any{"email_verified": true, "picture": nil}, 200, map[string]any{"sub": "subject-1", "email": "ann@example.org"},
			auth.ExternalIdentity{Subject: "subject-1", Email: "ann@example.org", Name: "Ann Lee", GivenName: "Ann", FamilyName: "Lee"}, "",
		},
		"no email there either": {
			map[string]any{"picture": nil}, 200, map[string]any{"sub": "subject-1", "email_verified": true},
			auth.ExternalIdentity{Subject: "subject-1", Name: "Ann Lee", GivenName: "Ann", FamilyName: "Lee"}, "",
		},
		"another subject": {nil, 200, map[string]any{"sub": "subject-2", "email": "eve@example.org"}, auth.ExternalIdentity{}, "another subject"},
		"no subject":      {nil, 200, map[string]any{"email": "eve@example.org"}, auth.ExternalIdentity{}, "another subject"},
		"refused":         {nil, 401, "", auth.ExternalIdentity{}, "status 401"},
		"garbage":         {nil, 200, "eyJ.eyJ.x", auth.ExternalIdentity{}, "not the JSON"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			c, _ := newClient()
			claims := f.claims(test.token)
			claims["email"] = ""
			f.giveTokens(rsaKey.sign(claims, nil))
			authorization := ""
			f.answer("/userinfo", test.status, test.answer)
			inner := f.handlers["/userinfo"]
			f.handle("/userinfo", func(w http.ResponseWriter, r *http.Request) {
				authorization = r.Header.Get("Authorization")
				inner(w, r)
			})
			identity, err := c.Identify(t.Context(), f.settings("oidc.acme"), secrets, byCode())
			if authorization != "Bearer "+accessToken {
				t.Errorf("authorization was %q", authorization)
			}
			if test.refuse != "" {
				wantRefusal(t, err, test.refuse)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			identity.Raw = nil
			if diff := cmp.Diff(test.want, identity); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTokenEndpointTrouble(t *testing.T) {
	huge := strings.Repeat("x", 10<<20)
	echo := `{"error":"` + goodCode + `","error_description":"` + goodCode + " " + clientSecret + `"}`
	tests := map[string]struct {
		handler     http.HandlerFunc
		want        string
		unavailable time.Duration
	}{
		"invalid_grant":            {respond(400, `{"error":"invalid_grant"}`), "refused the code: invalid_grant", 0},
		"unauthorized":             {respond(401, `{"error":"invalid_client"}`), "refused the code: invalid_client", 0},
		"error in a 200":           {respond(200, `{"error":"bad_verification_code"}`), "refused the code: bad_verification_code", 0},
		"error that echoes":        {respond(400, echo), "refused the code", 0},
		"error object":             {respond(400, `{"error":{"message":"no","code":100}}`), "refused the code", 0},
		"error page":               {respond(404, "<html>"), "refused the code", 0},
		"garbage":                  {respond(200, clientSecret+" {"), "cannot be read", 0},
		"no access token":          {respond(200, `{}`), "cannot be read", 0},
		"no id token":              {respond(200, `{"access_token":"`+accessToken+`"}`), "no id token", 0},
		"id token of another type": {respond(200, `{"access_token":"a","id_token":{}}`), "no id token", 0},
		"broken id token":          {respond(200, `{"access_token":"a","id_token":"a.b.c"}`), "unable to parse the id token", 0},
		"10 MB":                    {respond(200, huge), "over 1048576 bytes", 0},
		"redirect":                 {redirect("https://10.0.0.1/token"), "redirect", 0},
		"redirect to plain http":   {redirect("http://other.example/token"), "redirect", 0},
		"429":                      {respond(429, "", "Retry-After", "17"), "", 17 * time.Second},
		"429 without a time":       {respond(429, ""), "", defaultRetryAfter},
		"429 for an age":           {respond(429, "", "Retry-After", "50000"), "", maxRetryAfter},
		"429 with no use":          {respond(429, "", "Retry-After", "-1"), "", defaultRetryAfter},
		"500":                      {respond(500, clientSecret), "", defaultRetryAfter},
		"broken off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("{"))
			panic(http.ErrAbortHandler)
		}, "", defaultRetryAfter},
		"no HTTP at all": {func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_, _ = conn.Write([]byte(clientSecret + "\r\n\r\n"))
				_ = conn.Close()
			}
		}, "", defaultRetryAfter},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			c, _ := newClient()
			f.handle("/token", test.handler)
			_, err := c.Identify(t.Context(), f.settings("oidc.acme"), secrets, byCode())
			if f.count("/token") != 1 {
				t.Errorf("the code was sent %d times", f.count("/token"))
			}
			if test.unavailable != 0 {
				wantUnavailable(t, err, test.unavailable)
				return
			}
			wantRefusal(t, err, test.want)
		})
	}
}

func respond(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func redirect(target string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target, http.StatusTemporaryRedirect)
	}
}

func TestIncompleteCompletion(t *testing.T) {
	f := newFake(t)
	c, _ := newClient()
	both, neither, noVerifier := byCode(), byCode(), byCode()
	both.Token = "t"
	neither.Code = ""
	noVerifier.CodeVerifier = ""
	noClient := f.settings("oidc.acme")
	noClient.ClientID = ""
	noIssuer := f.settings("oidc.acme")
	noIssuer.Endpoints = nil
	tests := map[string]struct {
		settings auth.IdentityProvider
		secrets  auth.ProviderSecrets
		in       auth.CompletionParams
		want     string
	}{
		"code and token":   {f.settings("oidc.acme"), secrets, both, "exactly one"},
		"neither":          {f.settings("oidc.acme"), secrets, neither, "exactly one"},
		"no code verifier": {f.settings("oidc.acme"), secrets, noVerifier, "code verifier"},
		"no client id":     {noClient, secrets, byCode(), "no client id"},
		"no issuer":        {noIssuer, secrets, byCode(), "no issuer"},
		"no secret":        {f.settings("google.com"), auth.ProviderSecrets{}, byCode(), "no client secret"},
		"unknown provider": {f.settings("example.com"), secrets, byCode(), "no such identity provider"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := c.Identify(t.Context(), test.settings, test.secrets, test.in)
			wantRefusal(t, err, test.want)
		})
	}
	if f.count("/token") != 0 {
		t.Error("the token endpoint was asked")
	}
}
