package idp

import (
	"context"
	"net/url"
	"slices"

	"github.com/doorward/doorward/internal/auth"
	"golang.org/x/oauth2"
)

// The names of endpoints in auth.IdentityProvider.Endpoints.
const (
	issuerURL        = "issuer"        // of OpenID Connect
	authorizationURL = "authorization" // where the browser goes
	tokenURL         = "token"         // where codes are exchanged
	userInfoURL      = "userinfo"
	keysURL          = "jwks"
	emailsURL        = "emails" // github.com: the user's addresses
	confirmURL       = "debug"  // facebook.com, github.com: tells which application an access token was given to
)

var endpointNames = []string{issuerURL, authorizationURL, tokenURL, userInfoURL, keysURL, emailsURL, confirmURL}

// provider is what there is to know about one identity provider.
type provider struct {
	id        string
	endpoints map[string]string // its own; settings may name others
	scopes    []string          // always asked for
	implicit  string            // the response_type of the implicit flow; "" where there is none
	authStyle oauth2.AuthStyle  // how the token endpoint takes the client secret; AuthStyleAutoDetect: as the metadata says

	openID *openID // set for providers that give id tokens
	social *social // set for the others

	// clientSecret makes the secret for one request; nil takes the stored one.
	clientSecret func(*call) (string, error)
	// adjust adds what this provider needs to an authorization request.
	adjust func(query url.Values, scopes []string)
}

// openID is how a provider's id tokens are read.
type openID struct {
	algorithms []string // that id tokens may be signed with: a fixed list, never the token's or the metadata's choice (P15)

	// metadataIssuer gives the issuer that the metadata at the configured issuer must name; nil: that same one.
	metadataIssuer func(configured string) string
	// tokenIssuers gives what "iss" may be in a token with these claims; nil: the configured issuer.
	tokenIssuers func(configured string, claims map[string]any) []string
	// answers tells whether "iss" of an authorization response may be this; nil: the configured issuer alone.
	answers func(configured, issuer string) bool
	// keySigns tells whether a key may sign a token with these claims; nil: always.
	keySigns func(k key, claims map[string]any) bool
	// identity reads claims; the subject is set by the caller.
	identity func(claims map[string]any) auth.ExternalIdentity
	// public clients, which have no secret, may exchange codes.
	public bool
}

// social is how a provider that has only access tokens is asked about their user.
type social struct {
	// confirm fails unless the provider says that the token was given to our application. It gives the subject that the provider named on the way.
	confirm func(ctx context.Context, c *call, token string) (subject string, err error)
	// identify asks who the token speaks for.
	identify func(ctx context.Context, c *call, token string) (auth.ExternalIdentity, error)
	// probe tells in words whether our client id and secret are right.
	probe func(ctx context.Context, c *call) error
}

var providers = []*provider{&google, &facebook, &github, &microsoft, &apple}

// lookup gives the provider of an id, or nil.
func lookup(id string) *provider {
	if auth.IsOIDCProvider(id) {
		return &genericOIDC
	}
	i := slices.IndexFunc(providers, func(p *provider) bool { return p.id == id })
	if i < 0 {
		return nil
	}
	return providers[i]
}
