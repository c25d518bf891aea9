package pages

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/authtest"
	"github.com/doorward/doorward/internal/password"
	"github.com/doorward/doorward/internal/web"
)

// oneProvider knows who everybody is by the code.
type oneProvider struct {
	auth.ProviderClient
	users map[string]auth.ExternalIdentity
	begun auth.AuthorizationParams
}

func (p *oneProvider) Known(string) bool { return true }

func (p *oneProvider) Check(context.Context, auth.IdentityProvider, auth.ProviderSecrets) error {
	return nil
}

func (p *oneProvider) IsIssuer(_ auth.IdentityProvider, issuer string) bool {
	return issuer == "https://id.example.net"
}

func (p *oneProvider) AuthorizationURL(_ context.Context, _ auth.IdentityProvider, a auth.AuthorizationParams) (string, error) {
	p.begun = a
	return "https://id.example.net/authorize?" + url.Values{"state": {a.State}, "redirect_uri": {a.RedirectURI}}.Encode(), nil
}

func (p *oneProvider) Identify(_ context.Context, _ auth.IdentityProvider, _ auth.ProviderSecrets, c auth.CompletionParams) (auth.ExternalIdentity, error) {
	u, ok := p.users[c.Code]
	if !ok {
		return u, auth.ProviderRefused("no such code", nil)
	}
	return u, nil
}

// withProvider is a server whose project acme has the provider oidc.work, with ada's code.
func withProvider(t *testing.T, settings ...string) (*server, auth.Caller, *oneProvider) {
	t.Helper()
	p := &oneProvider{users: map[string]auth.ExternalIdentity{"ada": {Subject: "1", Email: string(testEmail), EmailVerified: true}}}
	s := &server{hashing: password.NewQueue(1, 0), now: time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)}
	config := authtest.Config(t, func() time.Time { return s.now })
	config.Hashing, config.Providers = s.hashing, p
	s.service = auth.NewService(config)
	s.admin = auth.NewAdmin(s.service)
	s.handler = web.NewRouter(New(Options{Service: s.service, PublicURL: config.PublicURL, Caller: testCaller}).Routes(), otherErrors)
	c := s.project(t, "acme", "Acme", settings...)
	s.provider(t, c, "oidc.work", auth.ProviderChange{})
	return s, c, p
}

func TestSignInAtProvider(t *testing.T) {
	s, c, p := withProvider(t, "callbackURLs", appCallback)
	b := s.tab(t).visit("/acme/sign-in" + appQuery()).press("Continue with work")
	if b.at.status != 200 || b.at.heading() != "On to work" || !strings.HasPrefix(b.at.header.Get("Refresh"), "0; url=https://id.example.net/authorize?") {
		t.Fatalf("%d %q, Refresh %q", b.at.status, b.at.heading(), b.at.header.Get("Refresh"))
	}
	if p.begun.RedirectURI != publicURL+"/acme/sign-in/callback" {
		t.Errorf("the provider is told %s", p.begun.RedirectURI)
	}
	if b.follow("Continue to work"); !strings.HasPrefix(b.gone, "https://id.example.net/authorize?") {
		t.Errorf("the button leads to %s", b.gone)
	}
	answer := "/acme/sign-in/callback?" + url.Values{"code": {"ada"}, "state": {p.begun.State}, "iss": {"https://id.example.net"}}.Encode()
	s.tab(t).visit(answer).want(403, "error.begin-anew.title") // another browser
	b.visit(answer).wantCode(c)
	b.wantSession(c)
	b.visit(answer).want(403, "error.begin-anew.title")
}

func TestProviderAnswersRefused(t *testing.T) {
	s, c, p := withProvider(t)
	for answer, want := range map[string]struct {
		status int
		key    string
	}{
		"code=ada&state=other":          {403, "error.begin-anew.title"},
		"code=ada":                      {403, "error.begin-anew.title"},
		"state=STATE":                   {403, "error.begin-anew.title"},
		"code=ada&code=ada&state=STATE": {400, "error.form.title"},
		"code=nobody&state=STATE":       {400, "error.provider.title"},
		"code=ada&state=STATE&iss=https%3A%2F%2Fother.example":       {400, "error.provider.title"},
		"error=server_error&state=STATE":                             {400, "error.provider.title"},
		"error=access_denied&state=STATE":                            {200, "sign-in.title"},
		"error=access_denied&error_description=%3Cscript%3E&state=x": {403, "error.begin-anew.title"},
	} {
		b := s.tab(t).visit("/acme/sign-in").press("Continue with work")
		b.visit("/acme/sign-in/callback?" + strings.ReplaceAll(answer, "STATE", p.begun.State))
		b.want(want.status, want.key)
		if b.session("acme") != "" {
			t.Errorf("%s: signed in", answer)
		}
	}
	b := s.tab(t).visit("/acme/sign-in").press("Continue with work")
	b.send(formRequest("/acme/sign-in/callback", url.Values{"code": {"ada"}, "state": {p.begun.State}, "user": {"{}"}}.Encode())) // as Apple answers
	b.wantSession(c)
	if !strings.HasPrefix(b.path, "/acme/account") {
		t.Errorf("at %s", b.path)
	}
}

// TestProviderMeetsAccount: an account whose address nobody has proven is not joined unasked.
func TestProviderMeetsAccount(t *testing.T) {
	s, c, p := withProvider(t)
	s.signUp(t, c)
	p.users["ada"] = auth.ExternalIdentity{Subject: "1", Email: string(testEmail)}
	b := s.tab(t).visit("/acme/sign-in").press("Continue with work")
	b.visit("/acme/sign-in/callback?"+url.Values{"code": {"ada"}, "state": {p.begun.State}}.Encode()).want(200, "sign-in.title").says("sign-in.says.confirm")
}

// TestProvidersOffered: only those that are enabled, and that answer the server.
func TestProvidersOffered(t *testing.T) {
	s, c, _ := withProvider(t)
	off, on := false, true
	s.provider(t, c, "google.com", auth.ProviderChange{})
	s.provider(t, c, "oidc.off", auth.ProviderChange{Enabled: &off})
	s.provider(t, c, "oidc.fragment", auth.ProviderChange{Implicit: &on})
	b := s.tab(t).visit("/acme/sign-in")
	text := textOf(b.at.root)
	if !strings.Contains(text, "Continue with Google") || !strings.Contains(text, "Continue with work") || strings.Contains(text, "with off") || strings.Contains(text, "fragment") {
		t.Error(text)
	}
	b.send(b.request("Continue with work", "provider", "oidc.off"))
	b.want(403, "error.provider-off.title")
}

func (s *server) provider(t *testing.T, c auth.Caller, id string, change auth.ProviderChange) {
	t.Helper()
	on, client, secret := true, "doorward", "a secret"
	if change.Enabled == nil {
		change.Enabled = &on
	}
	change.ClientID, change.ClientSecret = &client, &secret
	if auth.IsOIDCProvider(id) {
		change.Endpoints = &map[string]string{"issuer": "https://id.example.net"}
	}
	if _, err := s.admin.PutProvider(t.Context(), s.service.LocalOperator(c), id, change); err != nil {
		t.Fatal(err)
	}
}
