// Package idp speaks to identity providers: Google, Facebook, GitHub, Microsoft, Apple, and any OpenID Connect issuer.
//
// A provider is a value in a file of its own, listed in providers.go: where it is, what it is asked for, and how its verified answer becomes an
// auth.ExternalIdentity. All requests go out through one guard (guard.go, P17); an identity comes only from an id token whose every part was checked, or from
// an access token that the provider says it gave to our application (P15). Whatever goes wrong is a refusal.
package idp
