package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
)

const (
	minOpaqueBytes = 32 // 256 random bits
	minSaltBytes   = 16
	maxPrefix      = 32

	hashLabel      = "doorward/opaque-hash/v1\x00"
	successorLabel = "doorward/refresh-successor/v1"
)

// secretChars is how many characters 32 bytes take in unpadded base64url.
var secretChars = base64.RawURLEncoding.EncodedLen(sha256.Size)

// NewOpaque gives prefix followed by n bytes of rand in unpadded base64url. n is at
// least 32. prefix names the kind of token and may be empty: up to 32 of
// [A-Za-z0-9_], which pass unescaped through headers, URLs and JSON.
func NewOpaque(prefix string, n int, rand io.Reader) (string, error) {
	if n < minOpaqueBytes {
		return "", fmt.Errorf("opaque token of %d bytes: want at least %d", n, minOpaqueBytes)
	}
	if !isPrefix(prefix) {
		return "", errors.New("opaque token prefix: want at most 32 of [A-Za-z0-9_]")
	}
	secret := make([]byte, n)
	if _, err := io.ReadFull(rand, secret); err != nil {
		return "", fmt.Errorf("opaque token: read randomness: %w", err)
	}
	return prefix + base64.RawURLEncoding.EncodeToString(secret), nil
}

func isPrefix(s string) bool {
	if len(s) > maxPrefix {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_':
		default:
			return false
		}
	}
	return true
}

// Hash is what the server stores of an opaque token: 32 bytes of SHA-256 over a
// label and the token. The token has 256 random bits, so no slow hash is needed.
func Hash(opaque string) []byte {
	sum := sha256.Sum256([]byte(hashLabel + opaque))
	return sum[:]
}

// Equal compares two hashes in constant time. Nothing equals an empty hash, so that
// a missing proof never matches a missing record (P9).
func Equal(a, b []byte) bool {
	return len(a) > 0 && subtle.ConstantTimeCompare(a, b) == 1
}

// Successor gives the refresh token that follows presented, under the same prefix.
// The same arguments give the same successor, so a repeated refresh within the grace
// window is told it again although only its hash is stored (P21). Whoever holds only
// the salt, or only an old token, cannot work it out.
//
// presented is a token of NewOpaque with n = 32. salt is at least 16 random bytes
// that are never sent out, one salt for each rotation or family; a shorter one is a
// mistake of the caller, and panics.
func Successor(presented string, salt []byte) string {
	if len(salt) < minSaltBytes {
		panic("token: successor salt is too short")
	}
	mac := hmac.New(sha256.New, []byte(presented))
	mac.Write([]byte(successorLabel))
	mac.Write(salt)
	prefix := presented[:max(0, len(presented)-secretChars)]
	return prefix + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
