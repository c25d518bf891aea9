package idp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/doorward/doorward/internal/auth"
)

const (
	maxClockDifference = time.Minute
	probeCode          = "doorward-checks-the-settings"                // no provider ever gave it out
	probeVerifier      = "doorward-checks-the-settings-0123456789-abc" // 43 characters, the least that RFC 7636 section 4.1 allows
)

// Check tells in words what is wrong with a provider's settings and how to mend it, or nil. It tries, past all caches, what can be tried without a user:
// metadata, keys, the way to the authorization endpoint, the clocks, and whether the provider accepts our credentials. It reports the first problem it meets.
func (c *Client) Check(ctx context.Context, p auth.IdentityProvider, s auth.ProviderSecrets) error {
	call, err := c.begin(p, s)
	if err != nil {
		return err
	}
	// The answers of others are asked for once more, by a client that has none yet.
	fresh := *c
	fresh.metadata, fresh.keys = newCache[metadata](c.now, c.timeout), newCache[[]key](c.now, c.timeout)
	call.Client = &fresh

	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if err := call.check(ctx); err != nil {
		return fmt.Errorf("check %s: %w", p.ID, err)
	}
	return nil
}

func (c *call) check(ctx context.Context) error {
	if err := c.checkSettings(); err != nil {
		return err
	}
	m := c.knownMetadata()
	if c.provider.openID != nil {
		var err error
		if m, err = c.checkIssuerAnswers(ctx); err != nil {
			return err
		}
	}
	if err := c.checkAuthorizationEndpoint(ctx, m.authorization); err != nil {
		return err
	}
	err := c.checkCredentials(ctx, m)
	if wrong := c.checkClock(); wrong != nil {
		return wrong // which can be why the credentials are refused
	}
	return err
}

func (c *call) checkSettings() error {
	if names := c.reservedParameters(); len(names) > 0 {
		return refuse("the parameters %s are set by the sign-in itself and cannot be configured; remove them", strings.Join(names, ", "))
	}
	if c.settings.Implicit && c.provider.implicit == "" {
		return refuse("%s has no implicit flow; turn it off in the settings", c.settings.ID)
	}
	if i := slices.IndexFunc(c.settings.Scopes, badScope); i >= 0 {
		return refuse("scope number %d is empty or has a space in it; each scope is an entry of its own", i+1)
	}
	for _, name := range slices.Sorted(maps.Keys(c.settings.Endpoints)) {
		address := c.settings.Endpoints[name]
		if !slices.Contains(endpointNames, name) {
			return refuse("there is no endpoint %q; known are %s", shown(name), strings.Join(endpointNames, ", "))
		}
		if _, err := c.parseURL(address); address != "" && err != nil {
			return fmt.Errorf("endpoint %s: %w", name, err)
		}
	}
	if c.settings.Implicit && c.provider.openID != nil {
		return nil // nothing needs the secret
	}
	_, err := c.secret()
	return err
}

func badScope(scope string) bool {
	return scope == "" || strings.ContainsFunc(scope, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
}

// checkIssuerAnswers tries metadata and keys.
func (c *call) checkIssuerAnswers(ctx context.Context) (metadata, error) {
	m, err := c.discover(ctx)
	if err != nil {
		return metadata{}, explainDiscovery(err)
	}
	if m.authorization == "" || m.token == "" && !c.settings.Implicit || m.keys == "" {
		return metadata{}, refuse("the metadata of the issuer has no authorization, token or keys endpoint; name the missing ones in the settings")
	}
	if _, err := c.keys.get(ctx, c.cacheKey(m.keys), func(ctx context.Context) ([]key, error) { return c.fetchKeys(ctx, m.keys) }); err != nil {
		return metadata{}, fmt.Errorf("keys: %w", err)
	}
	return m, nil
}

// explainDiscovery tells where the metadata was looked for, which is what a 404 is mostly about.
func explainDiscovery(err error) error {
	var refused *ResponseError
	if errors.As(err, &refused) && refused.status != 0 {
		return fmt.Errorf("metadata, looked for at the issuer's URL followed by %s; check the issuer: %w", wellKnown, err)
	}
	return fmt.Errorf("metadata: %w", err)
}

// checkAuthorizationEndpoint makes sure that a browser would get there over TLS. What the endpoint says to a request without parameters does not matter, nor
// that it may be an address that only browsers reach.
func (c *call) checkAuthorizationEndpoint(ctx context.Context, address string) error {
	if _, err := c.parseURL(address); err != nil {
		return fmt.Errorf("authorization endpoint: %w", err)
	}
	req, err := c.newRequest(ctx, http.MethodHead, address, nil)
	if err != nil {
		return err
	}
	_, err = c.do(req)
	if err == nil || errors.Is(err, errRedirect) || errors.Is(err, errStatus) || errors.Is(err, errUnknownHost) {
		return nil
	}
	return fmt.Errorf("authorization endpoint: %w", err)
}

// checkCredentials lets the provider judge id and secret. A token endpoint looks at them before it looks at the code (RFC 6749 section 4.1.3), so that a made-up
// code tells.
func (c *call) checkCredentials(ctx context.Context, m metadata) error {
	if c.provider.social != nil {
		return c.provider.social.probe(ctx, c)
	}
	if c.settings.Implicit {
		return nil
	}
	_, err := c.exchange(ctx, m.token, m.authStyle, probeCode, "", probeVerifier)
	var refused *ResponseError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &refused) || refused.status == 0:
		return fmt.Errorf("token endpoint: %w", err)
	case refused.status == http.StatusUnauthorized || slices.Contains([]string{"invalid_client", "unauthorized_client"}, refused.oauthError):
		return wrongCredentials(err)
	}
	return nil
}

// wrongCredentials says what a refusal by the provider means when only our credentials were at stake.
func wrongCredentials(err error) error {
	var refused *ResponseError
	if !errors.As(err, &refused) || refused.status == 0 {
		return err
	}
	e := refuse("the provider does not accept the client id or the client secret; copy both anew from its console")
	e.cause = err
	return e
}

// checkClock compares the clocks, by which tokens are judged.
func (c *call) checkClock() error {
	if c.saidDate.IsZero() {
		return nil
	}
	difference := c.now().Sub(c.saidDate).Round(time.Second)
	if difference.Abs() <= maxClockDifference {
		return nil
	}
	return refuse("this machine's clock differs from the provider's by %v, so that good tokens count as expired or not yet valid; set the clock", difference)
}
