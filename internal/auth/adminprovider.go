package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// ProviderChange is what shall be so of an identity provider; nil fields stay as they are. A new provider is enabled, and has nothing else.
type ProviderChange struct {
	Enabled      *bool
	ClientID     *string
	ClientSecret *string
	PrivateKey   *string
	Scopes       *[]string
	Parameters   *map[string]string
	Endpoints    *map[string]string
	AllowHosts   *[]string // only by operators (P17)
	Implicit     *bool
	TeamID       *string
	KeyID        *string
}

// EndpointNames are the keys of IdentityProvider.Endpoints.
func EndpointNames() []string {
	return []string{"issuer", "authorization", "token", "userinfo", "jwks", "emails", "debug"}
}

// Providers lists the project's identity providers, without their secrets.
func (a *Admin) Providers(ctx context.Context, c Caller) ([]IdentityProvider, error) {
	if err := c.requireAdmin(); err != nil {
		return nil, err
	}
	return a.store.ListIdentityProviders(ctx, c.Project.ID)
}

// Provider gives one identity provider. It fails with CodeNotFound.
func (a *Admin) Provider(ctx context.Context, c Caller, id string) (IdentityProvider, error) {
	if err := c.requireAdmin(); err != nil {
		return IdentityProvider{}, err
	}
	p, err := a.store.GetIdentityProvider(ctx, c.Project.ID, id)
	return p, notFound(err, "this provider is not configured")
}

// PutProvider configures an identity provider. Where its requests, and with them its secret, would go somewhere else, the secret must be entered again (P18);
// where AllowHosts is set only operators name another scheme, host or port.
// It fails with CodeInvalidArgument and CodeAdminRequired.
func (a *Admin) PutProvider(ctx context.Context, c Caller, id string, change ProviderChange) (IdentityProvider, error) {
	if err := c.requireAdmin(); err != nil {
		return IdentityProvider{}, err
	}
	if c.projectID() == ConsoleProject {
		return IdentityProvider{}, invalidArgument("project", "operators sign in with a password and a second factor, or a passkey; the console takes no identity providers")
	}
	if !a.providers.Known(id) {
		return IdentityProvider{}, invalidArgument("provider", fmt.Sprintf("there is no provider %q; it is google.com, facebook.com, github.com, microsoft.com, apple.com, or oidc. and a name", clip(id, 60)))
	}
	if change.AllowHosts != nil {
		if err := c.requireOperator(); err != nil {
			return IdentityProvider{}, err
		}
	}
	var p IdentityProvider
	err := a.store.Update(ctx, func(tx Tx) error {
		stored, err := tx.GetIdentityProvider(ctx, c.Project.ID, id)
		if errors.Is(err, ErrNotFound) {
			stored, err = IdentityProvider{Project: c.Project.ID, ID: id, Enabled: true, CreatedAt: a.now()}, nil
		}
		if err != nil {
			return err
		}
		if p, err = a.changedProvider(stored, change); err != nil {
			return err
		}
		if err := c.mayMove(p.AllowHosts, slices.Collect(maps.Values(stored.Endpoints)), slices.Collect(maps.Values(p.Endpoints))); err != nil {
			return err
		}
		if err := tx.PutIdentityProvider(ctx, p); err != nil {
			return err
		}
		return a.audit(ctx, tx, c, EventProviderChanged, OutcomeAllowed, "", "provider", id)
	})
	return p, err
}

func (a *Admin) changedProvider(p IdentityProvider, change ProviderChange) (IdentityProvider, error) {
	before := p
	set(&p.Enabled, change.Enabled)
	set(&p.ClientID, change.ClientID)
	set(&p.Scopes, change.Scopes)
	set(&p.Parameters, change.Parameters)
	set(&p.Endpoints, change.Endpoints)
	set(&p.AllowHosts, change.AllowHosts)
	set(&p.Implicit, change.Implicit)
	set(&p.TeamID, change.TeamID)
	set(&p.KeyID, change.KeyID)
	p.UpdatedAt = a.now()
	if err := checkProvider(p); err != nil {
		return p, err
	}
	if err := a.checkSecretsReentered(before, p, change); err != nil {
		return p, err
	}
	return p, a.sealProviderSecrets(&p, change)
}

// checkSecretsReentered refuses to send a stored secret elsewhere: whoever changes where secrets go must know each of them, or remove it (P18).
func (a *Admin) checkSecretsReentered(before, after IdentityProvider, change ProviderChange) error {
	if maps.Equal(before.Endpoints, after.Endpoints) && slices.Equal(before.AllowHosts, after.AllowHosts) {
		return nil
	}
	stored, err := a.providerSecrets(before)
	switch {
	case err != nil:
		return err
	case stored.ClientSecret != "" && change.ClientSecret == nil:
		return invalidArgument("clientSecret", "the endpoints change where the secret is sent; enter the secret again")
	case stored.PrivateKey != "" && change.PrivateKey == nil:
		return invalidArgument("privateKey", "the endpoints change where the key is used; enter the key again")
	}
	return nil
}

func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

func (a *Admin) sealProviderSecrets(p *IdentityProvider, change ProviderChange) error {
	if change.ClientSecret == nil && change.PrivateKey == nil {
		return nil
	}
	secrets, err := a.providerSecrets(*p)
	if err != nil {
		return err
	}
	set(&secrets.ClientSecret, change.ClientSecret)
	set(&secrets.PrivateKey, change.PrivateKey)
	if secrets == (ProviderSecrets{}) {
		p.SecretSealed = nil
		return nil
	}
	plain, err := json.Marshal(secrets)
	if err != nil {
		return err
	}
	p.SecretSealed, err = a.keyring.Seal(plain, SealedProvider.AD(p.Project, p.ID))
	return err
}

func checkProvider(p IdentityProvider) error {
	if p.ClientID == "" || len(p.ClientID) > 512 || hasControl(p.ClientID) {
		return invalidArgument("clientId", "the client id that the provider gave the app is needed")
	}
	for name, endpoint := range p.Endpoints {
		if !slices.Contains(EndpointNames(), name) {
			return invalidArgument("endpoints", fmt.Sprintf("there is no endpoint %q; there are %s", clip(name, 60), strings.Join(EndpointNames(), ", ")))
		}
		u, err := url.Parse(endpoint)
		if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || (u.Scheme != "https" && u.Scheme != "http") {
			return invalidArgument("endpoints", fmt.Sprintf("the endpoint %s is not an absolute https URL", name))
		}
		if u.Scheme == "http" && !slices.Contains(p.AllowHosts, u.Hostname()) && !slices.Contains(p.AllowHosts, u.Host) {
			return invalidArgument("endpoints", fmt.Sprintf("the endpoint %s is plain http; an operator must allow its host first", name))
		}
	}
	if IsOIDCProvider(p.ID) && p.Endpoints["issuer"] == "" {
		return invalidArgument("endpoints", "an OpenID Connect provider needs its issuer")
	}
	for _, part := range []struct {
		field  string
		values []string
		most   int
	}{
		{"scopes", p.Scopes, 50},
		{"parameters", slices.Concat(slices.Sorted(maps.Keys(p.Parameters)), slices.Sorted(maps.Values(p.Parameters))), 40},
		{"endpoints", slices.Sorted(maps.Values(p.Endpoints)), len(EndpointNames())},
		{"allowHosts", p.AllowHosts, 20},
		{"teamId", []string{p.TeamID}, 1},
		{"keyId", []string{p.KeyID}, 1},
	} {
		if len(part.values) > part.most || slices.ContainsFunc(part.values, func(v string) bool { return len(v) > maxProviderText || hasControl(v) }) {
			return invalidArgument(part.field, "too much, too long, or with control characters")
		}
	}
	return nil
}

const maxProviderText = 2048 // bytes of one value

// DeleteProvider ends signing in at a provider. Identities that were joined stay, and work again should it return. It fails with CodeNotFound.
func (a *Admin) DeleteProvider(ctx context.Context, c Caller, id string) error {
	if err := c.requireAdmin(); err != nil {
		return err
	}
	err := a.store.Update(ctx, func(tx Tx) error {
		if err := tx.DeleteIdentityProvider(ctx, c.Project.ID, id); err != nil {
			return err
		}
		return a.audit(ctx, tx, c, EventProviderDeleted, OutcomeAllowed, "", "provider", id)
	})
	return notFound(err, "this provider is not configured")
}

// CheckProvider tries what can be tried without a user, and tells in words what is wrong; "" where nothing is. It fails with CodeNotFound.
func (a *Admin) CheckProvider(ctx context.Context, c Caller, id string) (problem string, err error) {
	p, err := a.Provider(ctx, c, id)
	if err != nil {
		return "", err
	}
	secrets, err := a.providerSecrets(p)
	if err != nil {
		return "", err
	}
	if err := a.providers.Check(ctx, p, secrets); err != nil {
		return err.Error(), nil
	}
	return "", nil
}
