package idp

import "golang.org/x/oauth2"

const googleIssuer = "https://accounts.google.com"

// google is documented at https://developers.google.com/identity/openid-connect/openid-connect.
var google = provider{
	id:        "google.com",
	endpoints: map[string]string{issuerURL: googleIssuer},
	scopes:    []string{"openid", "email", "profile"},
	implicit:  "id_token",
	authStyle: oauth2.AuthStyleInParams,
	openID: &openID{
		algorithms:   []string{"RS256"},
		tokenIssuers: googleIssuers,
		identity:     standardIdentity,
	},
}

// googleIssuers knows the second spelling that Google documents for "iss".
func googleIssuers(configured string, _ map[string]any) []string {
	if configured == googleIssuer {
		return []string{googleIssuer, "accounts.google.com"}
	}
	return []string{configured}
}
