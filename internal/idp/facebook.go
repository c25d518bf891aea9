package idp

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/url"

	"github.com/doorward/doorward/internal/auth"
	"golang.org/x/oauth2"
)

// facebook is documented at https://developers.facebook.com/docs/facebook-login/guides/advanced/manual-flow.
var facebook = provider{
	id: "facebook.com",
	endpoints: map[string]string{
		authorizationURL: "https://www.facebook.com/v23.0/dialog/oauth",
		tokenURL:         "https://graph.facebook.com/v23.0/oauth/access_token",
		userInfoURL:      "https://graph.facebook.com/v23.0/me",
		confirmURL:       "https://graph.facebook.com/v23.0/debug_token",
	},
	scopes:    []string{"public_profile", "email"},
	implicit:  "token",
	authStyle: oauth2.AuthStyleInParams,
	social:    &social{confirm: confirmFacebookToken, identify: identifyFacebookUser, probe: probeFacebook},
}

func confirmFacebookToken(ctx context.Context, c *call, token string) (string, error) {
	data, err := c.debugFacebookToken(ctx, token)
	if err != nil {
		return "", err
	}
	if data["is_valid"] != true || data["app_id"] != c.settings.ClientID || data["type"] != "USER" {
		return "", refuse("the access token was not given to this application for a user, or is not valid any more")
	}
	// 0 stands for a token that does not expire.
	expires, ok := instant(data["expires_at"])
	if !ok || expires.Unix() != 0 && !c.now().Before(expires) {
		return "", refuse("the access token has expired")
	}
	return subject(data["user_id"])
}

// debugFacebookToken asks what Facebook knows of a token. Both tokens go into the query because the documented interface takes them nowhere else; this
// package's errors hold no query.
func (c *call) debugFacebookToken(ctx context.Context, token string) (map[string]any, error) {
	secret, err := c.secret()
	if err != nil {
		return nil, err
	}
	address, err := c.withQuery(c.endpoint(confirmURL), url.Values{
		"input_token":  {token},
		"access_token": {c.settings.ClientID + "|" + secret},
	})
	if err != nil {
		return nil, err
	}
	object, err := c.getJSON(ctx, address, "")
	if err != nil {
		return nil, err
	}
	data, ok := object["data"].(map[string]any)
	if !ok {
		return nil, refuse("the answer about the access token has no data")
	}
	return data, nil
}

// identifyFacebookUser takes no email as verified: Facebook does not say which ones are. The proof shows that the request comes from a holder of the secret.
func identifyFacebookUser(ctx context.Context, c *call, token string) (auth.ExternalIdentity, error) {
	secret, err := c.secret()
	if err != nil {
		return auth.ExternalIdentity{}, err
	}
	address, err := c.withQuery(c.endpoint(userInfoURL), url.Values{
		"fields":          {"id,name,email,first_name,last_name,picture"},
		"appsecret_proof": {appSecretProof(token, secret)},
	})
	if err != nil {
		return auth.ExternalIdentity{}, err
	}
	user, err := c.getJSON(ctx, address, token)
	if err != nil {
		return auth.ExternalIdentity{}, err
	}
	sub, err := subject(user["id"])
	if err != nil {
		return auth.ExternalIdentity{}, err
	}
	picture, _ := user["picture"].(map[string]any)
	pictureData, _ := picture["data"].(map[string]any)
	return auth.ExternalIdentity{
		Subject:    sub,
		Email:      text(user["email"], maxEmailBytes),
		Name:       text(user["name"], maxNameBytes),
		GivenName:  text(user["first_name"], maxNameBytes),
		FamilyName: text(user["last_name"], maxNameBytes),
		Picture:    pictureURL(pictureData["url"]),
		Raw:        user,
	}, nil
}

func appSecretProof(token, secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(token))
	return hex.EncodeToString(mac.Sum(nil))
}

// probeFacebook asks about our own app access token, which is good exactly if id and secret are.
func probeFacebook(ctx context.Context, c *call) error {
	secret, err := c.secret()
	if err != nil {
		return err
	}
	data, err := c.debugFacebookToken(ctx, c.settings.ClientID+"|"+secret)
	if err != nil {
		return wrongCredentials(err)
	}
	// An application's own id may come as a number here.
	if id, ok := data["app_id"].(json.Number); ok {
		data["app_id"] = id.String()
	}
	if data["is_valid"] != true || data["app_id"] != c.settings.ClientID {
		return refuse("the provider does not accept the client id or the client secret; copy both anew from its console")
	}
	return nil
}

// withQuery adds parameters to an endpoint.
func (c *call) withQuery(endpoint string, more url.Values) (string, error) {
	u, err := c.parseURL(endpoint)
	if err != nil {
		return "", err
	}
	query := u.Query()
	for name, values := range more {
		query[name] = values
	}
	u.RawQuery = query.Encode()
	return u.String(), nil
}
