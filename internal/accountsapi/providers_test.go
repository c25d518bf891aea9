package accountsapi

import (
	"context"
	"maps"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

// fakeProviders stand in for the providers of the world. A code of theirs is "subject state", a token "subject nonce": so each is good for the one flow that it
// was asked for in, as with real ones, and a completion with parts of two flows is seen.
type fakeProviders struct {
	mu    sync.Mutex
	users map[string]auth.ExternalIdentity // by subject
	begun map[string]auth.AuthorizationParams
	fail  error                 // of everything
	last  auth.CompletionParams // that was asked about
}

func newFakeProviders() *fakeProviders {
	return &fakeProviders{users: map[string]auth.ExternalIdentity{}, begun: map[string]auth.AuthorizationParams{}}
}

func (f *fakeProviders) Known(id string) bool {
	return id == "google.com" || id == "github.com" || auth.IsOIDCProvider(id)
}

func (f *fakeProviders) AuthorizationURL(_ context.Context, p auth.IdentityProvider, a auth.AuthorizationParams) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.begun[a.State] = a
	query := url.Values{"client_id": {p.ClientID}, "redirect_uri": {a.RedirectURI}, "state": {a.State}, "nonce": {a.Nonce}}
	return "https://" + p.ID + "/authorize?" + query.Encode(), f.fail
}

func (f *fakeProviders) IsIssuer(p auth.IdentityProvider, issuer string) bool {
	return issuer == "https://"+p.ID
}

func (f *fakeProviders) Identify(_ context.Context, _ auth.IdentityProvider, s auth.ProviderSecrets, c auth.CompletionParams) (auth.ExternalIdentity, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = c
	if f.fail != nil {
		return auth.ExternalIdentity{}, f.fail
	}
	subject, proof, _ := strings.Cut(c.Token+c.Code, " ")
	begun := f.begun[proof]
	user, known := f.users[subject]
	good := c.Code != "" && begun.CodeVerifier == c.CodeVerifier && begun.RedirectURI == c.RedirectURI && c.CodeVerifier != ""
	if c.Token != "" {
		good = c.CheckNonce(proof)
	}
	if !known || !good || s.ClientSecret != "the secret" {
		return auth.ExternalIdentity{}, &auth.Error{Code: auth.CodeInvalidProviderResponse, Message: "refused"}
	}
	return user, nil
}

func (f *fakeProviders) Check(context.Context, auth.IdentityProvider, auth.ProviderSecrets) error {
	return f.fail
}

const (
	testCallback  = "https://app.example.com/callback"
	otherCallback = "https://app.example.com/other"
)

// providers lets the project "default" sign users in at google.com and github.com.
func (s *testServer) providers() {
	s.t.Helper()
	s.set("callbackURLs", testCallback+","+otherCallback)
	s.putProvider(s.project(), "google.com", auth.ProviderChange{})
	s.putProvider(s.project(), "github.com", auth.ProviderChange{})
}

func (s *testServer) putProvider(p *auth.Project, id string, change auth.ProviderChange) {
	s.t.Helper()
	clientID, secret := "client-1", "the secret"
	change.ClientID, change.ClientSecret = &clientID, &secret
	if _, err := s.admin.PutProvider(s.t.Context(), s.operator(p), id, change); err != nil {
		s.t.Fatalf("provider %s: %v", id, err)
	}
}

// atProvider makes somebody known to the providers, by the subject "ann" or so.
func (s *testServer) atProvider(subject, email string, verified bool) {
	s.idp.users[subject] = auth.ExternalIdentity{
		Subject: subject, Email: email, EmailVerified: verified, Name: "Ann Example", GivenName: "Ann", FamilyName: "Example", Picture: "https://pictures.example.com/ann.png",
		Raw: map[string]any{"sub": subject},
	}
}

// flow is a sign-in that has begun, with what only the provider and the browser see of it.
type flow struct{ providerID, sessionID, state, nonce string }

func (s *testServer) begin(providerID string, options ...requestOption) flow {
	s.t.Helper()
	data := s.post("/sign-in/auth-url", map[string]any{"providerId": providerID, "callBackUri": testCallback}, options...).data()
	target, err := url.Parse(text(data, "authUri"))
	if err != nil {
		s.t.Fatal(err)
	}
	return flow{providerID, text(data, "sessionId"), target.Query().Get("state"), target.Query().Get("nonce")}
}

func (f flow) code(subject string) string  { return subject + " " + f.state }
func (f flow) token(subject string) string { return subject + " " + f.nonce }

// completion is the body of the second step, with some members changed; nil takes one away.
func (f flow) completion(changes map[string]any) map[string]any {
	body := map[string]any{"sessionId": f.sessionID, "providerId": f.providerID, "callBackUri": testCallback}
	maps.Copy(body, changes)
	maps.DeleteFunc(body, func(_ string, value any) bool { return value == nil })
	return body
}

func (f flow) byCode(subject string) map[string]any {
	return f.completion(map[string]any{"code": f.code(subject)})
}

// signInAt signs somebody in at google.com.
func (s *testServer) signInAt(subject string) reply {
	s.t.Helper()
	return s.post("/sign-in/idp", s.begin("google.com").byCode(subject))
}

func (s *testServer) verified(email string) signedUp {
	s.t.Helper()
	up := s.signUp(email)
	s.post("/verify/email", map[string]any{"oobCode": s.code(auth.MailVerifyEmail, up.email), "uid": up.uid}).wantNoContent()
	return up
}

// waysIn are what the account of an address can sign in with.
func (s *testServer) waysIn(email string) any {
	s.t.Helper()
	return s.post("/email-providers", map[string]any{"email": email}).data()["allProviders"]
}

// TestFakeProvidersBindCodes: what comes of one flow is of no use in another, so the tests do see when parts are mixed.
func TestFakeProvidersBindCodes(t *testing.T) {
	s := newTestServer(t, nil)
	s.providers()
	s.atProvider("ann", "ann@example.com", true)
	first, second := s.begin("google.com"), s.begin("google.com")
	s.post("/sign-in/idp", first.completion(map[string]any{"code": second.code("ann")})).wantError(400, "INVALID_IDP_RESPONSE : refused")
	s.post("/sign-in/idp", second.byCode("ann")).data()
}
