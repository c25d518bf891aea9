package auth_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/authtest"
)

// scriptedProviders are a ProviderClient whose every user is known by its subject: the code "ann" is ann's.
type scriptedProviders struct {
	mu        sync.Mutex
	users     map[string]auth.ExternalIdentity
	meanwhile func() // happens while the provider is asked
	begun     auth.AuthorizationParams
	secrets   auth.ProviderSecrets // that came last
	refusal   error                // of everybody
}

func (f *scriptedProviders) Known(id string) bool {
	return id == "google.com" || auth.IsOIDCProvider(id)
}

func (f *scriptedProviders) AuthorizationURL(_ context.Context, _ auth.IdentityProvider, a auth.AuthorizationParams) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.begun = a
	return "https://id.example.com/authorize", nil
}

func (f *scriptedProviders) IsIssuer(_ auth.IdentityProvider, issuer string) bool {
	return issuer == "https://id.example.com"
}

func (f *scriptedProviders) Identify(_ context.Context, _ auth.IdentityProvider, s auth.ProviderSecrets, c auth.CompletionParams) (auth.ExternalIdentity, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.secrets = s
	if f.meanwhile != nil {
		f.meanwhile()
	}
	if c.Heard != nil {
		c.Heard(func() []auth.ProviderAnswer {
			return []auth.ProviderAnswer{{From: "GET id.example.com/me", Status: 200, Type: "application/json", Body: `{"email_verified":"true"}`}}
		})
	}
	if f.refusal != nil {
		return auth.ExternalIdentity{}, f.refusal
	}
	return f.users[c.Code], nil // nobody is somebody without a subject
}

func (f *scriptedProviders) Check(_ context.Context, _ auth.IdentityProvider, s auth.ProviderSecrets) error {
	f.secrets = s
	return nil
}

// providerRig is the domain over a real store with providers that follow a script.
type providerRig struct {
	t        *testing.T
	service  *auth.Service
	admin    *auth.Admin
	store    auth.Store
	idp      *scriptedProviders
	hooks    scriptedHooks
	adminKey string // the project's admin token
}

// rigNow is when everything happens.
var rigNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	rigProject  = "acme"
	rigCallback = "https://app.example.com/callback"
	rigPassword = "blue teapot on the moon"
)

func newProviderRig(t *testing.T) *providerRig {
	t.Helper()
	r := &providerRig{t: t, idp: &scriptedProviders{users: map[string]auth.ExternalIdentity{}}}
	config := authtest.Config(t, func() time.Time { return rigNow })
	config.Providers = r.idp
	config.Webhooks = &r.hooks
	r.store, r.service = config.Store, auth.NewService(config)
	r.admin = auth.NewAdmin(r.service)
	settings := map[string]string{"passwordHashMemory": "8192", "passwordHashTime": "1", "signingAlgorithm": "ES256", "callbackURLs": rigCallback}
	var err error
	_, r.adminKey, err = r.admin.CreateProject(t.Context(), r.admin.LocalOperator(auth.Caller{}), auth.NewProject{ID: rigProject, Preset: auth.PresetDocumented, Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *providerRig) anyone() auth.Caller {
	r.t.Helper()
	p, err := r.service.Project(r.t.Context(), rigProject)
	if err != nil {
		r.t.Fatal(err)
	}
	return auth.Caller{Project: p}
}

// set changes a setting of the project.
func (r *providerRig) set(key, value string) {
	r.t.Helper()
	if _, err := r.admin.UpdateProject(r.t.Context(), r.projectAdmin(), auth.ProjectChange{Set: map[string]string{key: value}}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *providerRig) operator() auth.Caller { return r.admin.LocalOperator(r.anyone()) }

func (r *providerRig) projectAdmin() auth.Caller {
	r.t.Helper()
	c, err := r.service.AuthenticateAdmin(r.t.Context(), r.anyone(), r.adminKey)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

func (r *providerRig) as(idToken string) auth.Caller {
	r.t.Helper()
	c, err := r.service.AuthenticateUser(r.t.Context(), r.anyone(), idToken)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

func (r *providerRig) signUp(email string) auth.Tokens {
	r.t.Helper()
	tokens, err := r.service.SignUp(r.t.Context(), r.anyone(), auth.SignUpParams{Email: email, Password: rigPassword})
	if err != nil {
		r.t.Fatal(err)
	}
	return tokens
}

// put configures a provider as an operator.
func (r *providerRig) put(id string, change auth.ProviderChange) {
	r.t.Helper()
	if _, err := r.admin.PutProvider(r.t.Context(), r.operator(), id, change); err != nil {
		r.t.Fatal(err)
	}
}

// google lets users sign in at google.com.
func (r *providerRig) google() { r.put("google.com", auth.ProviderChange{ClientID: of("client-1")}) }

// flow begins a sign-in at google.com and gives what finishes it as somebody.
func (r *providerRig) flow(who string) auth.ProviderSignInParams {
	r.t.Helper()
	begun, err := r.service.Authorize(r.t.Context(), r.anyone(), "google.com", rigCallback)
	if err != nil {
		r.t.Fatal(err)
	}
	return auth.ProviderSignInParams{SessionID: begun.SessionID, ProviderID: "google.com", RedirectURI: rigCallback, Code: who}
}

func (r *providerRig) subjects(user auth.UserID) string {
	r.t.Helper()
	identities, err := r.store.ListIdentities(r.t.Context(), rigProject, user)
	if err != nil {
		r.t.Fatal(err)
	}
	var list []string
	for _, i := range identities {
		list = append(list, i.Subject)
	}
	return strings.Join(list, " ")
}

// wantCode checks the code of an error; "" is none.
func wantCode(t *testing.T, err error, want auth.Code) {
	t.Helper()
	if got := auth.CodeOf(err); got != want {
		t.Errorf("error %v, want %q", err, want)
	}
}

func of[T any](value T) *T { return &value }
