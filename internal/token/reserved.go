package token

import (
	"slices"
	"strings"
)

// reservedClaims are the names that a user's custom claims may not take (P24).
var reservedClaims = []string{
	// Registered claims, RFC 7519 section 4.1.
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti",
	// OpenID Connect Core sections 2 and 3, and its logout specifications.
	"auth_time", "nonce", "acr", "amr", "azp", "at_hash", "c_hash", "s_hash", "sub_jwk", "sid", "events",
	// Proof of possession and delegation, RFC 7800 and RFC 8693.
	"cnf", "act", "may_act",
	// Who the user is, as this server says it.
	"user_id", "uid", "email", "email_verified", "name", "picture", "phone_number", "phone_number_verified",
	// The platform's own group of claims.
	"firebase",
}

// Reserved tells whether a claim name belongs to the server. Case is ignored,
// because some JSON readers match names without it, and "SUB" would shadow "sub".
func Reserved(name string) bool {
	return slices.ContainsFunc(reservedClaims, func(reserved string) bool {
		return strings.EqualFold(reserved, name)
	})
}
