package auth

import (
	"context"
	"regexp"
	"time"
)

// IdentityProvider is how a project signs users in at one provider. Its secrets are write-only and sealed (P18).
type IdentityProvider struct {
	Project      ProjectID
	ID           string // "google.com", "oidc.acme"
	Enabled      bool
	ClientID     string
	SecretSealed []byte            // sealed JSON of ProviderSecrets
	Scopes       []string          // beside what the provider's own default asks for; empty takes the default
	Parameters   map[string]string // extra parameters of the authorization request
	Endpoints    map[string]string // instead of the provider's own: issuer, authorization, token, userinfo, jwks, emails, debug
	AllowHosts   []string          // hosts that may be reached although they are private, or over plain http; set by operators only
	Implicit     bool              // asks for a token in the fragment instead of a code, for old front ends
	TeamID       string            // apple.com: the developer team
	KeyID        string            // apple.com: the id of the key that signs client secrets
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// ProviderSecrets are what a provider's registration must keep to itself.
type ProviderSecrets struct {
	ClientSecret string
	PrivateKey   string // apple.com: PKCS #8 PEM that client secrets are signed with
}

// ExternalIdentity is what a provider says of who signed in, from one verified source (P15).
type ExternalIdentity struct {
	Subject       string // never empty
	Email         string // as the provider wrote it; "" where it told none
	EmailVerified bool   // only by the provider's strict word
	Name          string
	GivenName     string
	FamilyName    string
	Picture       string
	Raw           map[string]any // all that the provider told of the user
}

// AuthorizationParams are one flow's part of an authorization request (RFC 6749 section 4.1.1, RFC 7636 section 4.3, OpenID Connect Core section 3.1.2.1).
type AuthorizationParams struct {
	RedirectURI  string
	State        string
	Nonce        string
	CodeVerifier string
}

// CompletionParams are what a flow came back with. Exactly one of Code and Token is set.
type CompletionParams struct {
	RedirectURI  string
	Code         string
	CodeVerifier string
	Token        string // an id token, or where the provider has none an access token
	CheckNonce   func(nonce string) bool
	Heard        func(answers func() []ProviderAnswer) // where not nil, takes what the provider answered, whatever becomes of it; called at most once
}

// ProviderAnswer is one thing that a provider said, made fit for the record of a decision: no token, code, secret or nonce is left in it.
type ProviderAnswer struct {
	From   string // method, host and path, or what part of an answer it is
	Status int    // of HTTP; 0 for a part
	Type   string // media type
	Body   string // one line
}

// ProviderClient speaks to identity providers. Its errors are CodeInvalidProviderResponse, with a message fit for the caller, and CodeUnavailable.
type ProviderClient interface {
	// Known tells whether there is such a provider id at all.
	Known(id string) bool
	// AuthorizationURL is where the browser goes.
	AuthorizationURL(ctx context.Context, p IdentityProvider, a AuthorizationParams) (string, error)
	// IsIssuer tells whether an answer that names this issuer (RFC 9207) is the provider's. It asks nobody.
	IsIssuer(p IdentityProvider, issuer string) bool
	// Identify turns a code or token into who it speaks for.
	Identify(ctx context.Context, p IdentityProvider, s ProviderSecrets, c CompletionParams) (ExternalIdentity, error)
	// Check tells in words what is wrong with a provider's settings, after trying what can be tried without a user.
	Check(ctx context.Context, p IdentityProvider, s ProviderSecrets) error
}

var oidcProviderPattern = regexp.MustCompile(`^oidc\.[a-z0-9][a-z0-9-]{0,38}$`)

// IsOIDCProvider tells whether the id names a configured OpenID Connect issuer.
func IsOIDCProvider(id string) bool { return oidcProviderPattern.MatchString(id) }

// SignInFlow is one sign-in at a provider between its two steps. Of what the client holds only hashes are stored; the code verifier, which it does not, is sealed (P14).
type SignInFlow struct {
	Project        ProjectID
	ID             string // random; a name, not a secret
	SessionHash    []byte // of the sessionId
	StateHash      []byte
	NonceHash      []byte
	VerifierSealed []byte
	ProviderID     string
	RedirectURI    string
	CreatedAt      time.Time
	ExpiresAt      time.Time
	ConsumedAt     time.Time // zero while open
}
