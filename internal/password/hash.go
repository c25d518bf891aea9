// Package password hashes passwords, verifies hashes made here or imported
// from other systems, decides which new passwords are acceptable, and bounds
// how much of that costly work runs at once.
//
// Passwords are used byte for byte: nothing here trims, folds or truncates
// one before hashing it (P26). The one exception is bcrypt, whose own
// definition ignores everything after 72 bytes.
package password

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	// MaxBytes is the longest password, in bytes, that is ever hashed.
	MaxBytes = 4096
	// MaxEncodedLength is the longest stored hash, in bytes, that Parse reads.
	MaxEncodedLength = 1024
	// MaxMemoryKiB bounds the memory one verification may take, in KiB (P27).
	// With the queue's workers it gives the ceiling for the whole server.
	MaxMemoryKiB = 256 * 1024
)

// Bounds on the byte strings inside a stored hash. A derived key under 16
// bytes could be met by guessing alone.
const (
	minSaltLen = 1
	maxSaltLen = 128
	minKeyLen  = 16
	maxKeyLen  = 128
)

var (
	// ErrUnknownFormat means the stored hash names a scheme or version that is
	// not supported.
	ErrUnknownFormat = errors.New("unknown password hash format")
	// ErrMalformed means the scheme is supported, but the hash is not the
	// canonical spelling of one.
	ErrMalformed = errors.New("malformed password hash")
	// ErrTooCostly means that verifying the hash would take more memory or time
	// than this package's bounds allow (P27).
	ErrTooCostly = errors.New("password hash is too costly to verify")
	// ErrParams means the hashing parameters are out of range.
	ErrParams = errors.New("password hashing parameters out of range")
	// ErrUnusable means a password holds a NUL byte or is longer than MaxBytes.
	ErrUnusable = errors.New("password holds a NUL byte or is too long")
)

// Encoded is a parsed stored hash. It is immutable and safe for concurrent use.
type Encoded struct{ scheme scheme }

// scheme is one way of storing a password hash.
type scheme interface {
	// name is the format name that Encoded.Format reports.
	name() string
	// tuning returns the parameters that make it slow, in words fit for people.
	tuning() string
	// encode returns the stored spelling.
	encode() string
	// matches reports, in constant time for a given cost, whether the password
	// is the one that was hashed.
	matches(password string) bool
}

// Hash hashes password with argon2id under a fresh 16-byte salt read from rand
// and returns it in PHC string format. It fails with ErrUnusable, with
// ErrParams, or when rand fails.
//
// Hash takes any parameters that can be computed and read back, also ones that
// Params.Validate finds too weak for stored passwords, so that tests can be fast.
func Hash(password string, p Params, rand io.Reader) (string, error) {
	if !usable(password) {
		return "", ErrUnusable
	}
	if err := p.check(); err != nil {
		return "", fmt.Errorf("%w: %w", ErrParams, err)
	}
	salt := make([]byte, argon2SaltLen)
	if _, err := io.ReadFull(rand, salt); err != nil {
		return "", fmt.Errorf("reading a salt: %w", err)
	}
	h := argon2Hash{variant: argon2id, params: p, salt: salt}
	h.key = h.derive(password, argon2KeyLen)
	return h.encode(), nil
}

// Parse reads a stored hash. Only the canonical spelling is accepted, so
// String gives back exactly what Parse took. The error wraps ErrUnknownFormat,
// ErrMalformed or ErrTooCostly and never quotes the hash (P44).
func Parse(encoded string) (*Encoded, error) {
	if len(encoded) > MaxEncodedLength {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrMalformed, MaxEncodedLength)
	}
	s, err := parseScheme(strings.Split(encoded, "$"))
	if err != nil {
		return nil, err
	}
	return &Encoded{scheme: s}, nil
}

// parseScheme picks the parser by name. Hashes start with "$" and so have an
// empty first field; Django's have none and start with the name.
func parseScheme(fields []string) (scheme, error) {
	if digest, ok := strings.CutPrefix(fields[0], djangoPrefix); ok {
		return parseDjango(digest, fields[1:])
	}
	if fields[0] != "" || len(fields) < 2 {
		return nil, ErrUnknownFormat
	}
	name, rest := fields[1], fields[2:]
	switch name {
	case argon2id, argon2i:
		return parseArgon2(name, rest)
	case "2a", "2b", "2y":
		return parseBcrypt(name, rest)
	case "scrypt":
		return parseScrypt(rest)
	case "firebase-scrypt":
		return parseFirebase(rest)
	}
	if digest, ok := strings.CutPrefix(name, pbkdf2Prefix); ok {
		return parsePBKDF2(digest, rest)
	}
	return nil, ErrUnknownFormat
}

// Verify reports whether password is the one that was hashed. A password that
// ErrUnusable describes never matches: with bcrypt and with every scheme built
// on HMAC, a NUL byte lets two different passwords share one hash. It still
// costs the time of a verification (P28).
func (e *Encoded) Verify(password string) bool {
	ok := usable(password)
	if !ok {
		password = ""
	}
	return e.scheme.matches(password) && ok
}

// NeedsRehash reports whether the hash is anything other than argon2id with
// exactly the parameters p. The caller then stores a new hash of the password
// that has just been verified (P26).
func (e *Encoded) NeedsRehash(p Params) bool {
	h, ok := e.scheme.(argon2Hash)
	return !ok || h.variant != argon2id || h.params != p ||
		len(h.salt) < argon2SaltLen || len(h.key) < argon2KeyLen
}

// Format returns the scheme's name: argon2id, argon2i, bcrypt, scrypt,
// firebase-scrypt, or pbkdf2-sha1, pbkdf2-sha256, pbkdf2-sha512.
func (e *Encoded) Format() string { return e.scheme.name() }

// Describe returns the scheme with its cost parameters, as "argon2id m=19456,t=2,p=1". Neither salt nor key is in it.
func (e *Encoded) Describe() string { return e.scheme.name() + " " + e.scheme.tuning() }

// String returns the stored spelling. It is a secret: do not log it.
func (e *Encoded) String() string { return e.scheme.encode() }

// Dummy returns a hash with parameters p that no known password matches. A
// sign-in for an account that does not exist verifies against it and so takes
// as long as any other (P28). It panics if Hash would refuse p.
func Dummy(p Params) *Encoded {
	if err := p.check(); err != nil {
		panic("password: " + err.Error())
	}
	// Matching this would take a preimage of 32 zero bytes.
	return &Encoded{scheme: argon2Hash{
		variant: argon2id,
		params:  p,
		salt:    make([]byte, argon2SaltLen),
		key:     make([]byte, argon2KeyLen),
	}}
}

func usable(password string) bool {
	return len(password) <= MaxBytes && strings.IndexByte(password, 0) < 0
}
