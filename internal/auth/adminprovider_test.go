package auth_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/auth"
)

// TestSecretsAreEnteredAgain: whoever changes where secrets are sent has to know every one that is kept (P18).
func TestSecretsAreEnteredAgain(t *testing.T) {
	endpoints := func(host string) *map[string]string {
		return &map[string]string{"token": "https://" + host + "/token"}
	}
	const secret, key = "the client secret", "the private key"
	for _, tt := range []struct {
		name   string
		stored auth.ProviderSecrets
		change auth.ProviderChange
		field  string // that is asked for; "" lets the change pass
		want   auth.ProviderSecrets
	}{
		{"nothing moves", auth.ProviderSecrets{secret, key}, auth.ProviderChange{ClientID: of("client-2"), Scopes: of([]string{"x"}), Parameters: of(map[string]string{"a": "b"}), Implicit: of(true), Enabled: of(false)},
			"", auth.ProviderSecrets{secret, key}},
		{"the same endpoints", auth.ProviderSecrets{secret, key}, auth.ProviderChange{Endpoints: endpoints("a.example.com")}, "", auth.ProviderSecrets{secret, key}},
		{"other endpoints", auth.ProviderSecrets{ClientSecret: secret}, auth.ProviderChange{Endpoints: endpoints("evil.example.net")}, "clientSecret", auth.ProviderSecrets{ClientSecret: secret}},
		{"no endpoints", auth.ProviderSecrets{ClientSecret: secret}, auth.ProviderChange{Endpoints: of(map[string]string{})}, "clientSecret", auth.ProviderSecrets{ClientSecret: secret}},
		{"one more endpoint", auth.ProviderSecrets{ClientSecret: secret},
			auth.ProviderChange{Endpoints: of(map[string]string{"token": "https://a.example.com/token", "debug": "https://evil.example.net"})}, "clientSecret", auth.ProviderSecrets{ClientSecret: secret}},
		{"another host", auth.ProviderSecrets{ClientSecret: secret}, auth.ProviderChange{AllowHosts: of([]string{"internal"})}, "clientSecret", auth.ProviderSecrets{ClientSecret: secret}},
		{"with a secret", auth.ProviderSecrets{ClientSecret: secret}, auth.ProviderChange{Endpoints: endpoints("b.example.com"), ClientSecret: of("again")}, "", auth.ProviderSecrets{ClientSecret: "again"}},
		{"with the secret removed", auth.ProviderSecrets{ClientSecret: secret}, auth.ProviderChange{Endpoints: endpoints("b.example.com"), ClientSecret: of("")}, "", auth.ProviderSecrets{}},
		{"a key without the key", auth.ProviderSecrets{PrivateKey: key}, auth.ProviderChange{Endpoints: endpoints("b.example.com")}, "privateKey", auth.ProviderSecrets{PrivateKey: key}},
		{"a key for the secret", auth.ProviderSecrets{ClientSecret: secret}, auth.ProviderChange{Endpoints: endpoints("b.example.com"), PrivateKey: of("any")}, "clientSecret", auth.ProviderSecrets{ClientSecret: secret}},
		{"a secret for the key", auth.ProviderSecrets{PrivateKey: key}, auth.ProviderChange{Endpoints: endpoints("b.example.com"), ClientSecret: of("any")}, "privateKey", auth.ProviderSecrets{PrivateKey: key}},
		{"one of two", auth.ProviderSecrets{secret, key}, auth.ProviderChange{Endpoints: endpoints("b.example.com"), ClientSecret: of("again")}, "privateKey", auth.ProviderSecrets{secret, key}},
		{"both of two", auth.ProviderSecrets{secret, key}, auth.ProviderChange{Endpoints: endpoints("b.example.com"), ClientSecret: of("again"), PrivateKey: of("too")}, "", auth.ProviderSecrets{"again", "too"}},
		{"nothing is kept", auth.ProviderSecrets{}, auth.ProviderChange{Endpoints: endpoints("b.example.com")}, "", auth.ProviderSecrets{}},
		{"one is changed", auth.ProviderSecrets{secret, key}, auth.ProviderChange{ClientSecret: of("new")}, "", auth.ProviderSecrets{"new", key}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newProviderRig(t)
			r.put("google.com", auth.ProviderChange{ClientID: of("client-1"), Endpoints: endpoints("a.example.com"), ClientSecret: of(tt.stored.ClientSecret), PrivateKey: of(tt.stored.PrivateKey)})
			before, err := r.admin.Provider(t.Context(), r.operator(), "google.com")
			wantCode(t, err, "")
			_, err = r.admin.PutProvider(t.Context(), r.operator(), "google.com", tt.change)
			after, afterErr := r.admin.Provider(t.Context(), r.operator(), "google.com")
			wantCode(t, afterErr, "")
			if tt.field == "" {
				wantCode(t, err, "")
			} else {
				wantCode(t, err, auth.CodeInvalidArgument)
				if got := auth.AsError(err).Field; got != tt.field {
					t.Errorf("asks for %q, want %q", got, tt.field)
				}
				if diff := cmp.Diff(before, after); diff != "" {
					t.Errorf("a refused change did something (-before +after)\n%s", diff)
				}
			}
			problem, err := r.admin.CheckProvider(t.Context(), r.operator(), "google.com")
			wantCode(t, err, "")
			if diff := cmp.Diff(tt.want, r.idp.secrets); diff != "" || problem != "" {
				t.Errorf("problem %q; secrets (-want +got)\n%s", problem, diff)
			}
			if (len(after.SecretSealed) > 0) != (tt.want != auth.ProviderSecrets{}) {
				t.Errorf("%d sealed bytes for %d secrets", len(after.SecretSealed), len(tt.want.ClientSecret)+len(tt.want.PrivateKey))
			}
		})
	}
}

// TestSecretsAreSealedInPlace: the stored value tells nothing, and does not open beside another provider.
func TestSecretsAreSealedInPlace(t *testing.T) {
	r := newProviderRig(t)
	r.put("google.com", auth.ProviderChange{ClientID: of("client-1"), ClientSecret: of("the client secret")})
	r.put("oidc.evil", auth.ProviderChange{ClientID: of("client-1"), Endpoints: of(map[string]string{"issuer": "https://evil.example.net"})})
	stored, err := r.store.GetIdentityProvider(t.Context(), rigProject, "google.com")
	wantCode(t, err, "")
	if bytes.Contains(stored.SecretSealed, []byte("client secret")) {
		t.Error("the secret is stored in clear")
	}
	copied, err := r.store.GetIdentityProvider(t.Context(), rigProject, "oidc.evil")
	wantCode(t, err, "")
	copied.SecretSealed = stored.SecretSealed
	wantCode(t, r.store.Update(t.Context(), func(tx auth.Tx) error { return tx.PutIdentityProvider(t.Context(), copied) }), "")
	_, err = r.admin.CheckProvider(t.Context(), r.operator(), "oidc.evil")
	wantCode(t, err, auth.CodeInternal)
	if strings.Contains(err.Error(), "client secret") {
		t.Errorf("the error tells the secret: %v", err)
	}
}

// TestAllowHostsIsForOperators: which hosts of its own network the server reaches is not for a project's admin to say (P17, P37).
func TestAllowHostsIsForOperators(t *testing.T) {
	r := newProviderRig(t)
	plain := of(map[string]string{"issuer": "http://id.internal"})
	for name, change := range map[string]auth.ProviderChange{
		"a host":         {ClientID: of("x"), Endpoints: plain, AllowHosts: of([]string{"id.internal"})},
		"none":           {ClientID: of("x"), Endpoints: plain, AllowHosts: of([]string{})},
		"an unused host": {ClientID: of("x"), Endpoints: of(map[string]string{"issuer": "https://id.example.com"}), AllowHosts: of([]string{"id.internal"})},
	} {
		_, err := r.admin.PutProvider(t.Context(), r.projectAdmin(), "oidc.acme", change)
		if wantCode(t, err, auth.CodeAdminRequired); err == nil {
			t.Errorf("%s: a project's admin allows it", name)
		}
	}
	_, err := r.admin.PutProvider(t.Context(), r.projectAdmin(), "oidc.acme", auth.ProviderChange{ClientID: of("x"), Endpoints: plain})
	wantCode(t, err, auth.CodeInvalidArgument)
	_, err = r.admin.Provider(t.Context(), r.operator(), "oidc.acme")
	wantCode(t, err, auth.CodeNotFound)

	r.put("oidc.acme", auth.ProviderChange{ClientID: of("x"), Endpoints: plain, AllowHosts: of([]string{"id.internal"})})
	for issuer, code := range map[string]auth.Code{
		"http://id.internal/realms/a": "", "http://id.internal:80/b": "", "http://id.internal:8080": auth.CodeAdminRequired, "https://id.internal": auth.CodeAdminRequired,
		"https://id.example.com": auth.CodeAdminRequired, "http://other.internal": auth.CodeInvalidArgument,
	} {
		_, err := r.admin.PutProvider(t.Context(), r.projectAdmin(), "oidc.acme", auth.ProviderChange{Endpoints: of(map[string]string{"issuer": issuer})})
		if auth.CodeOf(err) != code {
			t.Errorf("%s by a project's admin: %v", issuer, err)
		}
	}
	_, err = r.admin.PutProvider(t.Context(), r.projectAdmin(), "oidc.acme",
		auth.ProviderChange{Endpoints: of(map[string]string{"issuer": "http://id.internal", "debug": "http://id.internal:22"})})
	wantCode(t, err, auth.CodeAdminRequired)
	r.put("oidc.acme", auth.ProviderChange{Endpoints: of(map[string]string{"issuer": "http://id.internal:8080"})})
}

func TestProvidersAreForAdmins(t *testing.T) {
	r := newProviderRig(t)
	r.google()
	user := r.as(r.signUp("ann@example.com").IDToken)
	for name, c := range map[string]auth.Caller{"anyone": r.anyone(), "a user": user} {
		_, list := r.admin.Providers(t.Context(), c)
		_, get := r.admin.Provider(t.Context(), c, "google.com")
		_, put := r.admin.PutProvider(t.Context(), c, "google.com", auth.ProviderChange{Enabled: of(false)})
		_, check := r.admin.CheckProvider(t.Context(), c, "google.com")
		for call, err := range map[string]error{"list": list, "get": get, "put": put, "check": check, "delete": r.admin.DeleteProvider(t.Context(), c, "google.com")} {
			if auth.CodeOf(err) != auth.CodeAdminRequired {
				t.Errorf("%s by %s: %v", call, name, err)
			}
		}
	}
	if p, err := r.admin.Provider(t.Context(), r.projectAdmin(), "google.com"); err != nil || !p.Enabled {
		t.Errorf("after the refused calls: %+v, %v", p, err)
	}
}

func TestProviderSettingsAreChecked(t *testing.T) {
	r := newProviderRig(t)
	many := func(n int) []string { return strings.Split(strings.Repeat("x,", n-1)+"x", ",") }
	for _, tt := range []struct {
		name, id, field string
		change          auth.ProviderChange
	}{
		{"unknown provider", "example.com", "provider", auth.ProviderChange{}},
		{"name in capitals", "oidc.Acme", "provider", auth.ProviderChange{}},
		{"no name", "oidc.", "provider", auth.ProviderChange{}},
		{"no client id", "google.com", "clientId", auth.ProviderChange{ClientID: of("")}},
		{"long client id", "google.com", "clientId", auth.ProviderChange{ClientID: of(strings.Repeat("x", 513))}},
		{"client id with a line break", "google.com", "clientId", auth.ProviderChange{ClientID: of("a\nb")}},
		{"no issuer", "oidc.acme", "endpoints", auth.ProviderChange{Endpoints: of(map[string]string{"token": "https://id.example.com"})}},
		{"unknown endpoint", "google.com", "endpoints", auth.ProviderChange{Endpoints: of(map[string]string{"tokens": "https://id.example.com"})}},
		{"no scheme", "google.com", "endpoints", auth.ProviderChange{Endpoints: of(map[string]string{"token": "id.example.com/token"})}},
		{"other scheme", "google.com", "endpoints", auth.ProviderChange{Endpoints: of(map[string]string{"token": "file:///etc/passwd"})}},
		{"credentials", "google.com", "endpoints", auth.ProviderChange{Endpoints: of(map[string]string{"token": "https://user:pass@id.example.com"})}},
		{"fragment", "google.com", "endpoints", auth.ProviderChange{Endpoints: of(map[string]string{"token": "https://id.example.com#x"})}},
		{"long endpoint", "google.com", "endpoints", auth.ProviderChange{Endpoints: of(map[string]string{"token": "https://id.example.com/" + strings.Repeat("x", 2048)})}},
		{"many scopes", "google.com", "scopes", auth.ProviderChange{Scopes: of(many(51))}},
		{"long scope", "google.com", "scopes", auth.ProviderChange{Scopes: of([]string{strings.Repeat("x", 2049)})}},
		{"parameter with a line break", "google.com", "parameters", auth.ProviderChange{Parameters: of(map[string]string{"a": "b\nc"})}},
		{"parameter's name with NUL", "google.com", "parameters", auth.ProviderChange{Parameters: of(map[string]string{"a\x00": "b"})}},
		{"many hosts", "google.com", "allowHosts", auth.ProviderChange{AllowHosts: of(many(21))}},
		{"team id with a tab", "google.com", "teamId", auth.ProviderChange{TeamID: of("a\tb")}},
		{"long key id", "google.com", "keyId", auth.ProviderChange{KeyID: of(strings.Repeat("x", 2049))}},
	} {
		if tt.change.ClientID == nil {
			tt.change.ClientID = of("client-1")
		}
		_, err := r.admin.PutProvider(t.Context(), r.operator(), tt.id, tt.change)
		if got := auth.AsError(err); err == nil || got.Code != auth.CodeInvalidArgument || got.Field != tt.field {
			t.Errorf("%s: %v of %q, want %q", tt.name, err, got.Field, tt.field)
		}
	}
	if all, err := r.admin.Providers(t.Context(), r.operator()); err != nil || len(all) != 0 {
		t.Errorf("refused providers are there: %v, %v", all, err)
	}
}
