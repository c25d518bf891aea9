package adminapi

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/auth"
)

// fakeProviders knows two providers, and finds wrong what it is told to. It is never used to sign anybody in.
type fakeProviders struct {
	problem  error
	settings auth.IdentityProvider // that were checked last
	secrets  auth.ProviderSecrets
}

func (f *fakeProviders) Known(id string) bool { return id == "google.com" || auth.IsOIDCProvider(id) }

func (f *fakeProviders) AuthorizationURL(context.Context, auth.IdentityProvider, auth.AuthorizationParams) (string, error) {
	return "", errors.New("not part of the admin API")
}

func (f *fakeProviders) IsIssuer(auth.IdentityProvider, string) bool { return false }

func (f *fakeProviders) Identify(context.Context, auth.IdentityProvider, auth.ProviderSecrets, auth.CompletionParams) (auth.ExternalIdentity, error) {
	return auth.ExternalIdentity{}, errors.New("not part of the admin API")
}

func (f *fakeProviders) Check(_ context.Context, p auth.IdentityProvider, s auth.ProviderSecrets) error {
	f.settings, f.secrets = p, s
	return f.problem
}

func TestProviderLife(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	admin := r.project("shop", "callbackURLs", "https://shop.example.com/callback")
	if none := got(admin.ListProviders(ctx, "shop"))(t); len(none.Providers) != 0 {
		t.Errorf("providers of a new project: %+v", none.Providers)
	}
	made := got(admin.PutProvider(ctx, "shop", "google.com", ProviderChange{ClientID: ptr("shop-1"), ClientSecret: ptr("hunter2hunter2")}))(t)
	want := Provider{
		ID: "google.com", Enabled: true, ClientID: "shop-1", SecretSet: true, Scopes: []string{}, Parameters: map[string]string{}, Endpoints: map[string]string{},
		AllowHosts: []string{}, CallbackHint: "https://shop.example.com/callback", CreatedAt: testStart, UpdatedAt: testStart,
	}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("made (-want +got):\n%s", diff)
	}

	r.clock.Advance(time.Minute)
	change := ProviderChange{
		Enabled: ptr(false), Scopes: ptr([]string{"calendar"}), Parameters: ptr(map[string]string{"prompt": "consent"}), Implicit: ptr(true), TeamID: ptr("T"), KeyID: ptr("K"),
	}
	changed := got(admin.PutProvider(ctx, "shop", "google.com", change))(t)
	want.Enabled, want.Scopes, want.Parameters, want.Implicit, want.TeamID, want.KeyID = false, []string{"calendar"}, map[string]string{"prompt": "consent"}, true, "T", "K"
	want.UpdatedAt = testStart.Add(time.Minute)
	if diff := cmp.Diff(want, changed); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, got(admin.GetProvider(ctx, "shop", "google.com"))(t)); diff != "" {
		t.Errorf("shown (-want +got):\n%s", diff)
	}

	issuer := ptr(map[string]string{"issuer": "https://id.example.com"})
	second := got(admin.PutProvider(ctx, "shop", "oidc.acme", ProviderChange{ClientID: ptr("shop-2"), Endpoints: issuer}))(t)
	if second.SecretSet || second.Endpoints["issuer"] != "https://id.example.com" {
		t.Errorf("second %+v", second)
	}
	if diff := cmp.Diff(ProviderList{[]Provider{want, second}}, got(admin.ListProviders(ctx, "shop"))(t)); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	must(t, admin.DeleteProvider(ctx, "shop", "google.com"))
	wantError(t, admin.DeleteProvider(ctx, "shop", "google.com"), 404, auth.CodeNotFound, "")
	_, err := admin.GetProvider(ctx, "shop", "google.com")
	wantError(t, err, 404, auth.CodeNotFound, "")
	_, err = admin.CheckProvider(ctx, "shop", "google.com")
	wantError(t, err, 404, auth.CodeNotFound, "")

	events := map[string]int{}
	for _, record := range got(admin.ListAudit(ctx, "shop", AuditFilter{}))(t).Records {
		if strings.HasPrefix(record.Event, "provider.") {
			events[record.Event+" "+record.Detail["provider"]]++
		}
	}
	if diff := cmp.Diff(map[string]int{"provider.change google.com": 2, "provider.change oidc.acme": 1, "provider.delete google.com": 1}, events); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
}

// TestProviderSecretsAreWriteOnly: no answer and no audit record holds them, and they arrive where they are used.
func TestProviderSecretsAreWriteOnly(t *testing.T) {
	r := newRig(t)
	admin := r.project("shop")
	const path = Base + "/projects/shop/providers"
	send := func(method, path, body string) string {
		t.Helper()
		status, _, answer := r.raw(method, path, bearer(admin), body)
		if status != 200 {
			t.Fatalf("%s %s: %d %s", method, path, status, answer)
		}
		return answer
	}
	answers := []string{
		send("PUT", path+"/google.com", `{"clientId": "shop-1", "clientSecret": "hunter2hunter2", "privateKey": "swordfish"}`),
		send("PUT", path+"/google.com", `{"clientId": "shop-2"}`),
		send("GET", path+"/google.com", ""), send("GET", path, ""), send("POST", path+"/google.com/check", ""), send("GET", Base+"/projects/shop/audit", ""),
	}
	for _, answer := range answers {
		if strings.Contains(answer, "hunter2") || strings.Contains(answer, "swordfish") {
			t.Errorf("an answer tells a secret: %s", answer)
		}
	}
	if diff := cmp.Diff(auth.ProviderSecrets{ClientSecret: "hunter2hunter2", PrivateKey: "swordfish"}, r.idp.secrets); diff != "" || r.idp.settings.ClientID != "shop-2" {
		t.Errorf("checked %+v (-want +got):\n%s", r.idp.settings, diff)
	}
	if answer := send("PUT", path+"/google.com", `{"clientSecret": "", "privateKey": ""}`); !strings.Contains(answer, `"secretSet":false`) {
		t.Errorf("removed: %s", answer)
	}
}

func TestProviderCheck(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	admin := r.project("shop")
	got(admin.PutProvider(ctx, "shop", "google.com", ProviderChange{ClientID: ptr("shop-1")}))(t)
	if diff := cmp.Diff(ProviderCheck{OK: true}, got(admin.CheckProvider(ctx, "shop", "google.com"))(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	r.idp.problem = errors.New("the provider does not know this client id")
	if diff := cmp.Diff(ProviderCheck{Problem: "the provider does not know this client id"}, got(admin.CheckProvider(ctx, "shop", "google.com"))(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestProviderRefusals(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	admin := r.project("shop")
	r.project("other")
	got(admin.PutProvider(ctx, "shop", "google.com", ProviderChange{ClientID: ptr("shop-1"), ClientSecret: ptr("hunter2hunter2")}))(t)
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		code                     auth.Code
		field                    string
	}{
		{"unknown provider", "PUT", "/myspace.com", `{"clientId": "x"}`, 422, auth.CodeInvalidArgument, "provider"},
		{"password is none", "PUT", "/password", `{"clientId": "x"}`, 422, auth.CodeInvalidArgument, "provider"},
		{"no client id", "PUT", "/oidc.acme", `{"endpoints": {"issuer": "https://id.example.com"}}`, 422, auth.CodeInvalidArgument, "clientId"},
		{"empty client id", "PUT", "/google.com", `{"clientId": ""}`, 422, auth.CodeInvalidArgument, "clientId"},
		{"no issuer", "PUT", "/oidc.acme", `{"clientId": "x"}`, 422, auth.CodeInvalidArgument, "endpoints"},
		{"unknown endpoint", "PUT", "/google.com", `{"endpoints": {"logout": "https://id.example.com"}}`, 422, auth.CodeInvalidArgument, "endpoints"},
		{"endpoint that is no URL", "PUT", "/google.com", `{"endpoints": {"token": "id.example.com"}}`, 422, auth.CodeInvalidArgument, "endpoints"},
		{"plain http", "PUT", "/google.com", `{"endpoints": {"token": "http://id.example.com"}}`, 422, auth.CodeInvalidArgument, "endpoints"},
		{"secret elsewhere", "PUT", "/google.com", `{"endpoints": {"token": "https://id.example.com"}}`, 422, auth.CodeInvalidArgument, "clientSecret"},
		{"number for a text", "PUT", "/google.com", `{"parameters": {"max_age": 1}}`, 422, auth.CodeInvalidArgument, "parameters"},
		{"null for a text", "PUT", "/google.com", `{"endpoints": {"token": null}}`, 422, auth.CodeInvalidArgument, "endpoints"},
		{"null", "PUT", "/google.com", `{"clientSecret": null}`, 422, auth.CodeInvalidArgument, "clientSecret"},
		{"no list", "PUT", "/google.com", `{"scopes": "email"}`, 422, auth.CodeInvalidArgument, "scopes"},
		{"an admin allows a host", "PUT", "/google.com", `{"allowHosts": ["localhost"]}`, 403, auth.CodeAdminRequired, ""},
		{"an admin allows none", "PUT", "/google.com", `{"allowHosts": []}`, 403, auth.CodeAdminRequired, ""},
		{"not there", "GET", "/oidc.acme", ``, 404, auth.CodeNotFound, ""},
		{"GET of check", "GET", "/google.com/check", ``, 405, CodeMethodNotAllowed, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, _, body := r.raw(c.method, Base+"/projects/shop/providers"+c.path, bearer(admin), c.body)
			checkError(t, status, body, c.status, c.code, c.field)
		})
	}
	_, err := r.op.GetProvider(ctx, "other", "google.com")
	wantError(t, err, 404, auth.CodeNotFound, "")
	wantError(t, r.op.DeleteProvider(ctx, "other", "google.com"), 404, auth.CodeNotFound, "")
}

// TestOperatorsAllowHosts: a host that an operator allowed may be reached over plain http.
func TestOperatorsAllowHosts(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	admin := r.project("shop")
	plain := ProviderChange{ClientID: ptr("x"), Endpoints: ptr(map[string]string{"issuer": "http://id.internal:8080"})}
	_, err := r.op.PutProvider(ctx, "shop", "oidc.acme", plain)
	wantError(t, err, 422, auth.CodeInvalidArgument, "endpoints")
	plain.AllowHosts = ptr([]string{"id.internal"})
	if p := got(r.op.PutProvider(ctx, "shop", "oidc.acme", plain))(t); !cmp.Equal(p.AllowHosts, []string{"id.internal"}) {
		t.Errorf("allowed are %v", p.AllowHosts)
	}
	if p := got(admin.PutProvider(ctx, "shop", "oidc.acme", ProviderChange{ClientID: ptr("y")}))(t); !cmp.Equal(p.AllowHosts, []string{"id.internal"}) || p.ClientID != "y" {
		t.Errorf("after the admin's change: %+v", p)
	}
}

func TestCallbackHint(t *testing.T) {
	for _, c := range []struct {
		callbacks []string
		want      string
	}{
		{nil, "none yet: set the project's callbackURLs first"},
		{[]string{"https://shop.example.com/cb", "com.example.shop:/cb"}, "https://shop.example.com/cb\ncom.example.shop:/cb"},
		{[]string{"loopback"}, "each URL of this machine that the app uses, such as http://localhost:3000/callback"},
		{[]string{"https://*.example.com/cb"}, "each URL that the app uses of https://*.example.com/cb"},
	} {
		if got := callbackHint(c.callbacks); got != c.want {
			t.Errorf("%v: %q, want %q", c.callbacks, got, c.want)
		}
	}
}
