package idp

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/doorward/doorward/internal/auth"
	"golang.org/x/oauth2"
)

// reserved are the parameters of an authorization request that are ours alone. A request object (RFC 9101) would carry them all past us.
var reserved = []string{
	"client_id", "client_secret", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "code_challenge", "code_challenge_method",
	"code_verifier", "request", "request_uri", "registration",
}

// AuthorizationURL is where the browser goes. Of the settings' parameters those that are reserved are left out; Check names them.
func (c *Client) AuthorizationURL(ctx context.Context, p auth.IdentityProvider, a auth.AuthorizationParams) (string, error) {
	call, err := c.begin(p, auth.ProviderSecrets{})
	if err != nil {
		return "", domainError(err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	target, err := call.authorizationURL(ctx, a)
	if err != nil {
		return "", domainError(fmt.Errorf("authorization url of %s: %w", p.ID, err))
	}
	return target, nil
}

func (c *call) authorizationURL(ctx context.Context, a auth.AuthorizationParams) (string, error) {
	if a.RedirectURI == "" || a.State == "" || a.Nonce == "" || a.CodeVerifier == "" {
		return "", refuse("the sign-in flow is incomplete")
	}
	if c.settings.Implicit && c.provider.implicit == "" {
		return "", refuse("%s has no implicit flow; turn it off in the settings", c.settings.ID)
	}
	target, err := c.authorizationEndpoint(ctx)
	if err != nil {
		return "", err
	}
	query := target.Query() // an endpoint's own query stays (RFC 6749 section 3.1)
	for name, value := range c.settings.Parameters {
		query.Set(name, value)
	}
	for _, name := range reserved {
		query.Del(name)
	}
	scopes := c.scopes()
	query.Set("client_id", c.settings.ClientID)
	query.Set("redirect_uri", a.RedirectURI)
	query.Set("scope", strings.Join(scopes, " "))
	query.Set("state", a.State)
	if c.provider.openID != nil {
		query.Set("nonce", a.Nonce)
	}
	c.setResponseType(query, a.CodeVerifier)
	if c.provider.adjust != nil {
		c.provider.adjust(query, scopes)
	}
	target.RawQuery = query.Encode()
	return target.String(), nil
}

// setResponseType asks for a code, always with PKCE (RFC 7636): a provider that does not know it passes over it (RFC 6749 section 3.1).
func (c *call) setResponseType(query url.Values, verifier string) {
	if c.settings.Implicit {
		query.Set("response_type", c.provider.implicit)
		return
	}
	query.Set("response_type", "code")
	query.Set("code_challenge", oauth2.S256ChallengeFromVerifier(verifier))
	query.Set("code_challenge_method", "S256")
}

func (c *call) authorizationEndpoint(ctx context.Context) (*url.URL, error) {
	address := c.endpoint(authorizationURL)
	if c.provider.openID != nil {
		m, err := c.discover(ctx)
		if err != nil {
			return nil, err
		}
		address = m.authorization
	}
	return c.parseURL(address)
}

// parseURL parses a URL that is needed, and may be gone to.
func (c *call) parseURL(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if address == "" || err != nil {
		return nil, refuse("a URL that %s needs is missing or cannot be parsed", c.settings.ID)
	}
	return u, checkURL(u, c.settings.AllowHosts)
}

// scopes gives the provider's own scopes and those of the settings, each once.
func (c *call) scopes() []string {
	scopes := slices.Clone(c.provider.scopes)
	for _, scope := range c.settings.Scopes {
		if scope != "" && !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	return scopes
}

// reservedParameters gives the settings' parameters that AuthorizationURL leaves out.
func (c *call) reservedParameters() []string {
	names := slices.Sorted(maps.Keys(c.settings.Parameters))
	return slices.DeleteFunc(names, func(name string) bool { return !slices.Contains(reserved, name) })
}
