package idp

import (
	"context"
	"errors"

	"github.com/doorward/doorward/internal/auth"
	"golang.org/x/oauth2"
)

// genericOIDC is every provider "oidc.{name}". Its issuer is in the settings.
var genericOIDC = provider{
	scopes:    []string{"openid", "email", "profile"},
	implicit:  "id_token",
	authStyle: oauth2.AuthStyleAutoDetect,
	openID: &openID{
		algorithms: []string{"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"},
		identity:   standardIdentity,
		public:     true,
	},
}

// standardIdentity reads the claims of OpenID Connect Core section 5.1. An email counts as verified only by the boolean true: the string "true" is no word
// that a provider is bound to (P3).
func standardIdentity(claims map[string]any) auth.ExternalIdentity {
	identity := auth.ExternalIdentity{
		Email:      text(claims["email"], maxEmailBytes),
		Name:       text(claims["name"], maxNameBytes),
		GivenName:  text(claims["given_name"], maxNameBytes),
		FamilyName: text(claims["family_name"], maxNameBytes),
		Picture:    pictureURL(claims["picture"]),
		Raw:        claims,
	}
	identity.EmailVerified = identity.Email != "" && claims["email_verified"] == true
	return identity
}

func (c *call) identifyByIDToken(ctx context.Context, in auth.CompletionParams) (auth.ExternalIdentity, error) {
	m, err := c.discover(ctx)
	if err != nil {
		return auth.ExternalIdentity{}, err
	}
	proof := signed{token: in.Token, checkNonce: in.CheckNonce}
	if in.Code != "" {
		tokens, err := c.exchange(ctx, m.token, m.authStyle, in.Code, in.RedirectURI, in.CodeVerifier)
		if err != nil {
			return auth.ExternalIdentity{}, err
		}
		proof.accessToken = tokens.AccessToken
		if proof.token, _ = tokens.Extra("id_token").(string); proof.token == "" {
			return auth.ExternalIdentity{}, refuse("the token endpoint gave no id token")
		}
	}
	claims, err := c.verifyIDToken(ctx, m, proof)
	if err != nil {
		if errors.Is(err, errNotJWT) && in.Token != "" && c.provider == &google {
			err = &ResponseError{Message: "Unable to parse Google id_token: " + shown(in.Token), logged: "unable to parse the id token", cause: errNotJWT}
		}
		return auth.ExternalIdentity{}, err
	}
	identity, err := c.readIdentity(claims)
	if err != nil || identity.Email != "" || m.userInfo == "" || proof.accessToken == "" {
		return identity, err
	}
	return c.addUserInfo(ctx, m.userInfo, proof.accessToken, identity)
}

func (c *call) readIdentity(claims map[string]any) (auth.ExternalIdentity, error) {
	sub, err := subject(claims["sub"])
	if err != nil {
		return auth.ExternalIdentity{}, err
	}
	dropSignInClaims(claims)
	identity := c.provider.openID.identity(claims)
	identity.Subject = sub
	return identity, nil
}

// dropSignInClaims takes out what speaks of the sign-in, not of the user.
func dropSignInClaims(claims map[string]any) {
	for _, name := range []string{"nonce", "at_hash", "c_hash", "s_hash"} {
		delete(claims, name)
	}
}

// addUserInfo asks for the email that an id token did not hold. The answer must speak of the same subject (OpenID Connect Core section 5.3.2); the email and
// whether it is verified both come from it.
func (c *call) addUserInfo(ctx context.Context, address, accessToken string, identity auth.ExternalIdentity) (auth.ExternalIdentity, error) {
	claims, err := c.getJSON(ctx, address, accessToken)
	if err != nil {
		return auth.ExternalIdentity{}, err
	}
	if claims["sub"] != identity.Subject {
		return auth.ExternalIdentity{}, refuse("the userinfo endpoint speaks of another subject than the id token")
	}
	dropSignInClaims(claims) // some providers answer with the claims of the id token
	more := c.provider.openID.identity(claims)
	identity.Email, identity.EmailVerified = more.Email, more.EmailVerified
	if identity.Name == "" {
		identity.Name, identity.GivenName, identity.FamilyName = more.Name, more.GivenName, more.FamilyName
	}
	if identity.Picture == "" {
		identity.Picture = more.Picture
	}
	for name, value := range claims {
		if _, there := identity.Raw[name]; !there || name == "email_verified" {
			identity.Raw[name] = value
		}
	}
	return identity, nil
}
