package idp

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// Options of a Client. The zero value is right outside of tests.
type Options struct {
	RootCAs        *x509.CertPool // that provider certificates must chain to; nil takes the system's
	ConnectTimeout time.Duration  // for DNS and TCP, and again for TLS; 0 is 5s
	Timeout        time.Duration  // of one call of Identify, AuthorizationURL or Check; 0 is 10s
}

const (
	defaultConnectTimeout = 5 * time.Second
	defaultTimeout        = 10 * time.Second
)

// Client implements auth.ProviderClient. One serves all projects and goroutines.
//
// Its errors are the domain's, and match *ResponseError or *UnavailableError with errors.As.
type Client struct {
	now      func() time.Time
	timeout  time.Duration
	doors    *doors
	metadata *cache[metadata]
	keys     *cache[[]key]
}

var _ auth.ProviderClient = (*Client)(nil)

// New makes a Client. now is the clock that tokens are held against.
func New(now func() time.Time, o Options) *Client {
	if o.ConnectTimeout == 0 {
		o.ConnectTimeout = defaultConnectTimeout
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	return &Client{
		now:      now,
		timeout:  o.Timeout,
		doors:    newDoors(o.RootCAs, o.ConnectTimeout),
		metadata: newCache[metadata](now, o.Timeout),
		keys:     newCache[[]key](now, o.Timeout),
	}
}

// Known tells whether there is such a provider id at all.
func (c *Client) Known(id string) bool { return lookup(id) != nil }

// IsIssuer tells whether an authorization response that names this issuer is the provider's (RFC 9207 section 2.4). No metadata are needed: they have to name the
// configured issuer (P16). A provider of which no issuer is known has none that is right, also where the settings send the browser elsewhere.
func (c *Client) IsIssuer(p auth.IdentityProvider, issuer string) bool {
	provider := lookup(p.ID)
	if provider == nil {
		return false
	}
	configured := p.Endpoints[issuerURL]
	if configured == "" && p.Endpoints[authorizationURL] == "" {
		configured = provider.endpoints[issuerURL]
	}
	if configured == "" {
		return false
	}
	if provider.openID != nil && provider.openID.answers != nil {
		return provider.openID.answers(configured, issuer)
	}
	return issuer == configured
}

// call is one operation at one provider.
type call struct {
	*Client
	provider *provider
	settings auth.IdentityProvider
	secrets  auth.ProviderSecrets
	http     *http.Client
	saidDate time.Time // the provider's clock, as its last answer told
	heard    *transcript
}

func (c *Client) begin(p auth.IdentityProvider, s auth.ProviderSecrets) (*call, error) {
	provider := lookup(p.ID)
	if provider == nil {
		return nil, refuse("there is no such identity provider")
	}
	if p.ClientID == "" {
		return nil, refuse("the settings of %s have no client id", p.ID)
	}
	said := &transcript{}
	guard := &guard{doors: c.doors, allow: p.AllowHosts, key: string(p.Project) + " " + p.ID, heard: said}
	return &call{Client: c, provider: provider, settings: p, secrets: s, http: &http.Client{Transport: guard}, heard: said}, nil
}

// Identify turns a code or token into who it speaks for. An access token that is handed in must have been given to our application, and an id token must carry
// the flow's nonce (P14, P15).
func (c *Client) Identify(ctx context.Context, p auth.IdentityProvider, s auth.ProviderSecrets, in auth.CompletionParams) (auth.ExternalIdentity, error) {
	call, err := c.begin(p, s)
	if err != nil {
		return auth.ExternalIdentity{}, domainError(err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	identity, err := call.identify(ctx, in)
	if in.Heard != nil {
		in.Heard(func() []auth.ProviderAnswer {
			return call.heard.answers(in.Code, in.Token, in.CodeVerifier, s.ClientSecret, s.PrivateKey)
		})
	}
	if err != nil {
		return auth.ExternalIdentity{}, domainError(fmt.Errorf("identify at %s: %w", p.ID, err))
	}
	return identity, nil
}

func (c *call) identify(ctx context.Context, in auth.CompletionParams) (auth.ExternalIdentity, error) {
	if (in.Code == "") == (in.Token == "") {
		return auth.ExternalIdentity{}, refuse("exactly one of code and token is needed")
	}
	if c.provider.openID != nil {
		return c.identifyByIDToken(ctx, in)
	}
	return c.identifyByAccessToken(ctx, in)
}

// endpoint gives the URL of an endpoint, "" where neither the settings nor the provider name one. With an issuer of the settings' own, the provider's
// endpoints do not count: they are another place's. A "{client_id}" in it stands for the client id.
func (c *call) endpoint(name string) string {
	address := c.settings.Endpoints[name]
	if address == "" && (c.provider.openID == nil || c.settings.Endpoints[issuerURL] == "") {
		address = c.provider.endpoints[name]
	}
	return strings.ReplaceAll(address, "{client_id}", url.PathEscape(c.settings.ClientID))
}

// secret gives what proves to the token endpoint that we are the client.
func (c *call) secret() (string, error) {
	if c.provider.clientSecret != nil {
		return c.provider.clientSecret(c)
	}
	public := c.provider.openID != nil && c.provider.openID.public
	if c.secrets.ClientSecret == "" && !public {
		return "", refuse("the settings of %s have no client secret", c.settings.ID)
	}
	return c.secrets.ClientSecret, nil
}
