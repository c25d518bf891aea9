package idp

import (
	"context"
	"errors"
	"slices"

	"golang.org/x/oauth2"
)

// oauthErrors are the error codes that may be passed on: those of RFC 6749 section 5.2, and GitHub's. Anything else a token endpoint says may hold the code or
// the secret.
var oauthErrors = []string{
	"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope",
	"bad_verification_code", "incorrect_client_credentials", "redirect_uri_mismatch", "unverified_user_email",
}

// exchange turns a code into tokens (RFC 6749 section 4.1.3, RFC 7636 section 4.5).
func (c *call) exchange(ctx context.Context, endpoint string, style oauth2.AuthStyle, code, redirectURI, verifier string) (*oauth2.Token, error) {
	if verifier == "" {
		return nil, refuse("the sign-in flow has no code verifier")
	}
	if _, err := c.parseURL(endpoint); err != nil {
		return nil, err
	}
	secret, err := c.secret()
	if err != nil {
		return nil, err
	}
	if secret == "" {
		style = oauth2.AuthStyleInParams // a public client names itself in the body (RFC 6749 section 3.2.1)
	}
	config := oauth2.Config{
		ClientID:     c.settings.ClientID,
		ClientSecret: secret,
		Endpoint:     oauth2.Endpoint{TokenURL: endpoint, AuthStyle: style},
		RedirectURL:  redirectURI,
	}
	token, err := config.Exchange(context.WithValue(ctx, oauth2.HTTPClient, c.http), code, oauth2.VerifierOption(verifier))
	if err != nil {
		return nil, exchangeError(err)
	}
	return token, nil
}

// exchangeError drops the library's text, which holds the answer's body.
func exchangeError(err error) error {
	var refused *ResponseError
	var away *UnavailableError
	if errors.As(err, &refused) || errors.As(err, &away) {
		return failure(err)
	}
	var answered *oauth2.RetrieveError
	if !errors.As(err, &answered) {
		return refuse("the answer of the token endpoint cannot be read")
	}
	e := refuse("the token endpoint refused the code")
	if slices.Contains(oauthErrors, answered.ErrorCode) {
		e.Message += ": " + answered.ErrorCode
		e.oauthError = answered.ErrorCode
	}
	e.status = answered.Response.StatusCode
	return e
}
