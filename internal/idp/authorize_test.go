package idp

import (
	"net/url"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/auth"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"
)

func TestAuthorizationURL(t *testing.T) {
	f := newFake(t)
	c, _ := newClient()
	challenge := oauth2.S256ChallengeFromVerifier(verifier)
	code := func(scope string, more ...string) url.Values {
		v := url.Values{
			"client_id": {clientID}, "redirect_uri": {redirectURI}, "state": {"state-1"}, "scope": {scope},
			"response_type": {"code"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"},
		}
		for i := 0; i < len(more); i += 2 {
			v.Set(more[i], more[i+1])
		}
		return v
	}
	implicit := func(responseType, scope string, more ...string) url.Values {
		v := code(scope, more...)
		v.Set("response_type", responseType)
		v.Del("code_challenge")
		v.Del("code_challenge_method")
		return v
	}
	const nonce = "nonce"
	tests := map[string]struct {
		id     string
		change func(*auth.IdentityProvider)
		at     string
		want   url.Values
		refuse string
	}{
		"facebook.com": {id: "facebook.com", at: "https://www.facebook.com/v23.0/dialog/oauth", want: code("public_profile email")},
		"github.com":   {id: "github.com", at: "https://github.com/login/oauth/authorize", want: code("read:user user:email")},
		"apple.com": {
			id: "apple.com", at: "https://appleid.apple.com/auth/authorize",
			want: code("openid email", nonce, goodNonce, "response_mode", "form_post"),
		},
		"google.com": {id: "google.com", change: f.takeOver, at: f.URL + "/authorize", want: code("openid email profile", nonce, goodNonce)},
		"oidc.acme":  {id: "oidc.acme", change: f.takeOver, at: f.URL + "/authorize", want: code("openid email profile", nonce, goodNonce)},
		"more scopes, each once": {
			id: "github.com", change: func(p *auth.IdentityProvider) { p.Scopes = []string{"user:email", "read:org", "", "read:org"} },
			at: "https://github.com/login/oauth/authorize", want: code("read:user user:email read:org"),
		},
		"parameters, but none of ours": {
			id: "github.com", change: func(p *auth.IdentityProvider) {
				p.Parameters = map[string]string{"allow_signup": "false", "nonce": "x", "request": "x", "request_uri": "x", "response_mode": "fragment"}
				for _, name := range []string{"client_id", "redirect_uri", "response_type", "scope", "state", "code_challenge", "code_challenge_method"} {
					p.Parameters[name] = "theirs"
				}
			},
			at: "https://github.com/login/oauth/authorize", want: code("read:user user:email", "allow_signup", "false"),
		},
		"query of the endpoint": {
			id: "github.com", change: func(p *auth.IdentityProvider) {
				p.Endpoints = map[string]string{authorizationURL: "https://example.com/authorize?tenant=a&state=theirs"}
			},
			at: "https://example.com/authorize", want: code("read:user user:email", "tenant", "a"),
		},
		"implicit id token": {
			id: "oidc.acme", change: func(p *auth.IdentityProvider) { f.takeOver(p); p.Implicit = true },
			at: f.URL + "/authorize", want: implicit("id_token", "openid email profile", nonce, goodNonce),
		},
		"implicit access token": {
			id: "facebook.com", change: func(p *auth.IdentityProvider) { p.Implicit = true },
			at: "https://www.facebook.com/v23.0/dialog/oauth", want: implicit("token", "public_profile email"),
		},
		"implicit where there is none": {id: "github.com", change: func(p *auth.IdentityProvider) { p.Implicit = true }, refuse: "no implicit flow"},
		"plain http": {
			id: "github.com", change: func(p *auth.IdentityProvider) {
				p.Endpoints = map[string]string{authorizationURL: "http://example.com/"}
			},
			refuse: "not https",
		},
		"script": {
			id: "github.com", change: func(p *auth.IdentityProvider) {
				p.Endpoints = map[string]string{authorizationURL: "javascript:alert(1)"}
			},
			refuse: "not of the form",
		},
		"no issuer": {id: "oidc.acme", refuse: "no issuer"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := auth.IdentityProvider{Project: "acme", ID: test.id, ClientID: clientID}
			if test.change != nil {
				test.change(&p)
			}
			got, err := c.AuthorizationURL(t.Context(), p, auth.AuthorizationParams{
				RedirectURI: redirectURI, State: "state-1", Nonce: goodNonce, CodeVerifier: verifier,
			})
			if test.refuse != "" {
				wantRefusal(t, err, test.refuse)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			at, query, _ := strings.Cut(got, "?")
			values, err := url.ParseQuery(query)
			if err != nil {
				t.Fatal(err)
			}
			if at != test.at {
				t.Errorf("goes to %s, want %s", at, test.at)
			}
			if diff := cmp.Diff(test.want, values); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// takeOver makes the fake the issuer of a provider.
func (f *fake) takeOver(p *auth.IdentityProvider) {
	own := f.settings(p.ID)
	p.Endpoints, p.AllowHosts = own.Endpoints, own.AllowHosts
}

func TestAuthorizationURLNeedsAllParts(t *testing.T) {
	c, _ := newClient()
	whole := auth.AuthorizationParams{RedirectURI: redirectURI, State: "s", Nonce: "n", CodeVerifier: verifier}
	for name, drop := range map[string]func(*auth.AuthorizationParams){
		"redirect":      func(a *auth.AuthorizationParams) { a.RedirectURI = "" },
		"state":         func(a *auth.AuthorizationParams) { a.State = "" },
		"nonce":         func(a *auth.AuthorizationParams) { a.Nonce = "" },
		"code verifier": func(a *auth.AuthorizationParams) { a.CodeVerifier = "" },
	} {
		a := whole
		drop(&a)
		_, err := c.AuthorizationURL(t.Context(), auth.IdentityProvider{ID: "github.com", ClientID: clientID}, a)
		if err == nil {
			t.Errorf("without %s there is a URL", name)
		}
	}
}

// TestIsIssuer: an authorization response is the provider's only if it names, letter by letter, the issuer that the settings or the provider itself have (RFC 9207).
func TestIsIssuer(t *testing.T) {
	c, _ := newClient()
	const tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	microsoftAt := func(tenant string) string { return "https://login.microsoftonline.com/" + tenant + "/v2.0" }
	issuerSet := func(issuer string) map[string]string { return map[string]string{issuerURL: issuer} }
	for _, tt := range []struct {
		id        string
		endpoints map[string]string
		issuer    string
		want      bool
	}{
		{"google.com", nil, "https://accounts.google.com", true},
		{"google.com", nil, "https://accounts.google.com/", false},
		{"google.com", nil, "accounts.google.com", false},
		{"google.com", nil, "https://appleid.apple.com", false},
		{"google.com", nil, "", false},
		{"google.com", issuerSet("https://id.example.com"), "https://id.example.com", true},
		{"google.com", issuerSet("https://id.example.com"), "https://accounts.google.com", false},
		{"apple.com", nil, "https://appleid.apple.com", true},
		{"apple.com", nil, "https://accounts.google.com", false},
		{"github.com", nil, "https://github.com/login/oauth", true},
		{"github.com", nil, "https://github.com", false},
		{"github.com", map[string]string{authorizationURL: "https://code.example.com/login/oauth/authorize"}, "https://github.com/login/oauth", false},
		{"facebook.com", nil, "https://www.facebook.com", false}, // names none
		{"facebook.com", nil, "", false},
		{"oidc.acme", issuerSet("https://id.example.com/a"), "https://id.example.com/a", true},
		{"oidc.acme", issuerSet("https://id.example.com/a"), "https://id.example.com/A", false},
		{"oidc.acme", issuerSet("https://id.example.com/a"), "https://id.example.com/b", false},
		{"oidc.acme", nil, "", false},
		{"microsoft.com", nil, microsoftAt(tenant), true},
		{"microsoft.com", nil, microsoftAt(personalTenant), true},
		{"microsoft.com", nil, microsoftAt("common"), false},
		{"microsoft.com", nil, microsoftAt("{tenantid}"), false},
		{"microsoft.com", nil, "https://evil.example.com/" + tenant + "/v2.0", false},
		{"microsoft.com", nil, "https://login.microsoftonline.com/" + tenant, false},
		{"microsoft.com", issuerSet(microsoftAt("organizations")), microsoftAt(tenant), true},
		{"microsoft.com", issuerSet(microsoftAt("organizations")), microsoftAt(personalTenant), false},
		{"microsoft.com", issuerSet(microsoftAt("consumers")), microsoftAt(personalTenant), true},
		{"microsoft.com", issuerSet(microsoftAt("consumers")), microsoftAt(tenant), false},
		{"microsoft.com", issuerSet(microsoftAt(tenant)), microsoftAt(tenant), true},
		{"microsoft.com", issuerSet(microsoftAt(tenant)), microsoftAt(personalTenant), false},
		{"unknown.example", nil, "https://unknown.example", false},
	} {
		if got := c.IsIssuer(auth.IdentityProvider{ID: tt.id, Endpoints: tt.endpoints}, tt.issuer); got != tt.want {
			t.Errorf("%s with %v: %q is its issuer: %t", tt.id, tt.endpoints, tt.issuer, got)
		}
	}
}

func TestKnown(t *testing.T) {
	c, _ := newClient()
	for id, want := range map[string]bool{
		"google.com": true, "facebook.com": true, "github.com": true, "microsoft.com": true, "apple.com": true, "oidc.acme": true, "oidc.a-1": true,
		"": false, "password": false, "oidc.": false, "oidc.Acme": false, "GOOGLE.COM": false, "example.com": false,
	} {
		if got := c.Known(id); got != want {
			t.Errorf("Known(%q) is %v", id, got)
		}
	}
}
