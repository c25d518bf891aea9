package idp

import (
	"context"

	"github.com/doorward/doorward/internal/auth"
)

// identifyByAccessToken is for providers without id tokens. A token that our own secret bought with a code is ours; one that was handed in must first be
// confirmed, or any other application's token for the user would do (P15).
func (c *call) identifyByAccessToken(ctx context.Context, in auth.CompletionParams) (auth.ExternalIdentity, error) {
	token, confirmed := in.Token, ""
	if in.Code != "" {
		tokens, err := c.exchange(ctx, c.endpoint(tokenURL), c.provider.authStyle, in.Code, in.RedirectURI, in.CodeVerifier)
		if err != nil {
			return auth.ExternalIdentity{}, err
		}
		token = tokens.AccessToken
	} else {
		var err error
		if confirmed, err = c.provider.social.confirm(ctx, c, token); err != nil {
			return auth.ExternalIdentity{}, err
		}
	}
	identity, err := c.provider.social.identify(ctx, c, token)
	if err != nil {
		return auth.ExternalIdentity{}, err
	}
	if in.Token != "" && confirmed != identity.Subject {
		return auth.ExternalIdentity{}, refuse("the provider names two subjects for one access token")
	}
	return identity, nil
}
