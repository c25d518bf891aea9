package auth

import "time"

// KeyID is a signing key's kid: the RFC 7638 thumbprint of its public key.
type KeyID string

// SigningKey is a project's key pair for id tokens. The newest active one signs; retired ones stay published until the last token they signed has expired (P25).
type SigningKey struct {
	Project       ProjectID
	ID            KeyID
	Algorithm     string // "RS256", "ES256", "EdDSA"
	PublicJWK     []byte // JSON
	PrivateSealed []byte // PKCS #8, sealed
	CreatedAt     time.Time
	RetiredAt     time.Time // zero while it signs
	ExpiresAt     time.Time // zero while it signs; then the end of its publication
}
