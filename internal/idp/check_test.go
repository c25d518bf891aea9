package idp

import (
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

func TestCheck(t *testing.T) {
	refusedCode := respond(400, `{"error":"invalid_grant"}`)
	tests := map[string]struct {
		prepare func(*fake, *auth.IdentityProvider, *auth.ProviderSecrets, *testClock)
		want    string // "" for no problem
	}{
		"all is well":  {func(*fake, *auth.IdentityProvider, *auth.ProviderSecrets, *testClock) {}, ""},
		"no client id": {func(_ *fake, p *auth.IdentityProvider, _ *auth.ProviderSecrets, _ *testClock) { p.ClientID = "" }, "no client id"},
		"reserved parameters": {func(_ *fake, p *auth.IdentityProvider, _ *auth.ProviderSecrets, _ *testClock) {
			p.Parameters = map[string]string{"state": "x", "nonce": "x", "hd": "x"}
		}, "parameters nonce, state are set by the sign-in"},
		"scopes in one": {func(_ *fake, p *auth.IdentityProvider, _ *auth.ProviderSecrets, _ *testClock) {
			p.Scopes = []string{"a", "b c"}
		}, "scope number 2"},
		"unknown endpoint": {func(_ *fake, p *auth.IdentityProvider, _ *auth.ProviderSecrets, _ *testClock) {
			p.Endpoints["tokens"] = "https://example.com/"
		}, `no endpoint "tokens"`},
		"endpoint over plain http": {func(_ *fake, p *auth.IdentityProvider, _ *auth.ProviderSecrets, _ *testClock) {
			p.Endpoints[tokenURL] = "http://example.com/"
		}, "endpoint token: the URL at example.com is not https"},
		"issuer of the settings is wrong by a slash": {func(f *fake, p *auth.IdentityProvider, _ *auth.ProviderSecrets, _ *testClock) {
			p.Endpoints[issuerURL] = f.URL + "/"
		}, `instead of "http://127.0.0.1`},
		"no metadata": {func(f *fake, p *auth.IdentityProvider, _ *auth.ProviderSecrets, _ *testClock) {
			p.Endpoints[issuerURL] = f.URL + "/realm"
		}, "check the issuer"},
		"host not allowed": {func(_ *fake, p *auth.IdentityProvider, _ *auth.ProviderSecrets, _ *testClock) { p.AllowHosts = nil }, "adds 127.0.0.1 to the provider's allowed hosts"},
		"unknown name": {func(_ *fake, p *auth.IdentityProvider, _ *auth.ProviderSecrets, _ *testClock) {
			p.Endpoints[issuerURL] = "https://nowhere.invalid"
		}, "nowhere.invalid"},
		"no keys": {func(f *fake, _ *auth.IdentityProvider, _ *auth.ProviderSecrets, _ *testClock) {
			f.answer("/keys", 404, "")
		}, "keys: "},
		"metadata without endpoints": {func(f *fake, _ *auth.IdentityProvider, _ *auth.ProviderSecrets, _ *testClock) {
			f.answer(wellKnown, 200, f.metadata(map[string]any{"token_endpoint": nil}))
		}, "no authorization, token or keys endpoint"},
		"authorization endpoint that nobody serves": {func(f *fake, _ *auth.IdentityProvider, _ *auth.ProviderSecrets, _ *testClock) {
			f.answer(wellKnown, 200, f.metadata(map[string]any{"authorization_endpoint": "https://127.0.0.1:1/"}))
		}, "authorization endpoint: nothing accepts connections"},
		"authorization endpoint for browsers only": {func(f *fake, _ *auth.IdentityProvider, _ *auth.ProviderSecrets, _ *testClock) {
			f.answer(wellKnown, 200, f.metadata(map[string]any{"authorization_endpoint": "https://10.0.0.1/"}))
		}, ""},
		"token endpoint over plain http": {func(f *fake, _ *auth.IdentityProvider, _ *auth.ProviderSecrets, _ *testClock) {
			f.answer(wellKnown, 200, f.metadata(map[string]any{"token_endpoint": "http://example.com/"}))
		}, "token endpoint: "},
		"token endpoint is down": {func(f *fake, _ *auth.IdentityProvider, _ *auth.ProviderSecrets, _ *testClock) {
			f.answer("/token", 502, "")
		}, "token endpoint: "},
		"wrong secret": {func(f *fake, _ *auth.IdentityProvider, _ *auth.ProviderSecrets, _ *testClock) {
			f.answer("/token", 401, `{"error":"invalid_client"}`)
		}, "does not accept the client id or the client secret"},
		"wrong secret, implicit": {func(f *fake, p *auth.IdentityProvider, _ *auth.ProviderSecrets, _ *testClock) {
			f.answer("/token", 401, `{"error":"invalid_client"}`)
			p.Implicit = true
		}, ""},
		"clock is behind": {func(_ *fake, _ *auth.IdentityProvider, _ *auth.ProviderSecrets, clock *testClock) {
			clock.Move(-2 * time.Hour)
		}, "differs from the provider's by -2h0m0s"},
		"clock is ahead, and so the secret wrong": {func(f *fake, _ *auth.IdentityProvider, _ *auth.ProviderSecrets, clock *testClock) {
			f.answer("/token", 401, `{"error":"invalid_client"}`)
			clock.Move(90 * time.Second)
		}, "differs from the provider's by 1m30s"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.handle("/token", refusedCode)
			c, clock := newClient()
			p, s := f.settings("oidc.acme"), secrets
			test.prepare(f, &p, &s, clock)
			wantProblem(t, c.Check(t.Context(), p, s), test.want)
		})
	}
}

func wantProblem(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("found a problem: %v", err)
	case want != "" && err == nil:
		t.Errorf("found no problem, want %q", want)
	case want != "" && !strings.Contains(err.Error(), want):
		t.Errorf("got %q, want %q in it", err, want)
	}
	if err != nil {
		wantNoSecrets(t, err)
	}
}

func TestCheckLooksPastCaches(t *testing.T) {
	f := newFake(t)
	c, _ := newClient()
	if _, err := c.Identify(t.Context(), f.settings("oidc.acme"), secrets, byCode()); err != nil {
		t.Fatal(err)
	}
	f.answer(wellKnown, 404, "")
	wantProblem(t, c.Check(t.Context(), f.settings("oidc.acme"), secrets), "status 404")
}

func TestCheckTLS(t *testing.T) {
	secure := newTLSServer()
	defer secure.Close()
	c, _ := newClient()
	p := auth.IdentityProvider{ID: "oidc.acme", ClientID: clientID, AllowHosts: []string{"127.0.0.1"}, Endpoints: map[string]string{issuerURL: secure.URL}}
	wantProblem(t, c.Check(t.Context(), p, secrets), "signed by an authority that this machine does not trust")
}

func TestCheckFacebookAndGitHub(t *testing.T) {
	_, facebookSettings := newFacebook(t)
	_, gitHubSettings := newGitHub(t)
	implicit := gitHubSettings
	implicit.Implicit = true
	tests := map[string]struct {
		settings auth.IdentityProvider
		secret   string
		want     string
	}{
		"facebook":                   {facebookSettings, clientSecret, ""},
		"facebook, wrong secret":     {facebookSettings, "wrong", "does not accept the client id or the client secret"},
		"facebook, no secret":        {facebookSettings, "", "no client secret"},
		"github":                     {gitHubSettings, clientSecret, ""},
		"github, wrong secret":       {gitHubSettings, "wrong", "does not accept the client id or the client secret"},
		"github, no secret":          {gitHubSettings, "", "no client secret"},
		"github has no implicit":     {implicit, clientSecret, "no implicit flow"},
		"apple without a key":        {auth.IdentityProvider{ID: "apple.com", ClientID: clientID, TeamID: "T", KeyID: "K"}, "", "not a P-256 key"},
		"microsoft without a secret": {auth.IdentityProvider{ID: "microsoft.com", ClientID: clientID}, "", "no client secret"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c, _ := newClient()
			wantProblem(t, c.Check(t.Context(), test.settings, auth.ProviderSecrets{ClientSecret: test.secret}), test.want)
		})
	}
}
