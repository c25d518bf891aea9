// Package token makes and checks every token that Doorward hands out: signed ID
// tokens (JWT, RFC 7519), the public keys that others check them with (JWKS,
// RFC 7517), and opaque random tokens that the server stores as a hash.
//
// It is a leaf: it knows nothing of users, projects or storage. Time and
// randomness are handed in by the caller.
package token
