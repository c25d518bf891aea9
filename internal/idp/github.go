package idp

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	"github.com/doorward/doorward/internal/auth"
	"golang.org/x/oauth2"
)

// github is documented at https://docs.github.com/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps and https://docs.github.com/rest.
var github = provider{
	id: "github.com",
	endpoints: map[string]string{
		issuerURL:        "https://github.com/login/oauth",
		authorizationURL: "https://github.com/login/oauth/authorize",
		tokenURL:         "https://github.com/login/oauth/access_token",
		userInfoURL:      "https://api.github.com/user",
		emailsURL:        "https://api.github.com/user/emails",
		confirmURL:       "https://api.github.com/applications/{client_id}/token",
	},
	scopes:    []string{"read:user", "user:email"},
	authStyle: oauth2.AuthStyleInParams,
	social:    &social{confirm: confirmGitHubToken, identify: identifyGitHubUser, probe: probeGitHub},
}

func confirmGitHubToken(ctx context.Context, c *call, token string) (string, error) {
	a, err := c.checkGitHubToken(ctx, token)
	if err != nil {
		return "", err
	}
	if a.status == http.StatusNotFound || a.status == http.StatusUnprocessableEntity {
		return "", refuse("the access token was not given to this application, or is not valid any more")
	}
	grant, err := a.object()
	if err != nil {
		return "", err
	}
	app, _ := grant["app"].(map[string]any)
	if app["client_id"] != c.settings.ClientID {
		return "", refuse("the access token was given to another application")
	}
	user, _ := grant["user"].(map[string]any)
	return gitHubSubject(user["id"])
}

// checkGitHubToken asks GitHub, as the application, whether it gave the application this token.
func (c *call) checkGitHubToken(ctx context.Context, token string) (answer, error) {
	secret, err := c.secret()
	if err != nil {
		return answer{}, err
	}
	body, err := json.Marshal(map[string]string{"access_token": token})
	if err != nil {
		return answer{}, refuse("the access token is not text")
	}
	req, err := c.newRequest(ctx, http.MethodPost, c.endpoint(confirmURL), bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.SetBasicAuth(c.settings.ClientID, secret)
	return c.do(req)
}

func identifyGitHubUser(ctx context.Context, c *call, token string) (auth.ExternalIdentity, error) {
	user, err := c.getJSON(ctx, c.endpoint(userInfoURL), token)
	if err != nil {
		return auth.ExternalIdentity{}, err
	}
	sub, err := gitHubSubject(user["id"])
	if err != nil {
		return auth.ExternalIdentity{}, err
	}
	email, verified, err := c.gitHubEmail(ctx, token)
	if err != nil {
		return auth.ExternalIdentity{}, err
	}
	if email == "" {
		email = text(user["email"], maxEmailBytes) // the public one of the profile, of which GitHub says nothing more
	}
	return auth.ExternalIdentity{
		Subject:       sub,
		Email:         email,
		EmailVerified: verified,
		Name:          text(user["name"], maxNameBytes),
		Picture:       pictureURL(user["avatar_url"]),
		Raw:           user,
	}, nil
}

// gitHubSubject takes the number that GitHub never changes; the login name may change hands.
func gitHubSubject(value any) (string, error) {
	number, ok := value.(json.Number)
	id, err := number.Int64()
	if !ok || err != nil || id <= 0 {
		return "", refuse("the provider named no usable subject")
	}
	return number.String(), nil
}

// gitHubEmail gives the primary address. Where the user did not grant access to addresses there is none.
func (c *call) gitHubEmail(ctx context.Context, token string) (email string, verified bool, err error) {
	a, err := c.get(ctx, c.endpoint(emailsURL), token)
	if err != nil {
		return "", false, err
	}
	if a.status == http.StatusForbidden || a.status == http.StatusNotFound {
		return "", false, nil
	}
	var addresses []map[string]any
	if err := a.decode(&addresses); err != nil {
		return "", false, err
	}
	for _, address := range addresses {
		if address["primary"] == true {
			email = text(address["email"], maxEmailBytes)
			return email, email != "" && address["verified"] == true, nil
		}
	}
	return "", false, nil
}

// probeGitHub asks about a token that nobody has: GitHub checks our credentials first, and then does not find it.
func probeGitHub(ctx context.Context, c *call) error {
	a, err := c.checkGitHubToken(ctx, "doorward-checks-the-settings")
	switch {
	case err != nil:
		return err
	case a.status == http.StatusNotFound || a.status == http.StatusUnprocessableEntity:
		return nil
	}
	_, err = a.object()
	return wrongCredentials(err)
}
