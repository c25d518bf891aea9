package password

import (
	"encoding/base64"
	"fmt"

	"golang.org/x/crypto/bcrypt"
)

const (
	// MaxBcryptCost bounds the base-2 logarithm of bcrypt's rounds: about a
	// second of work.
	MaxBcryptCost = 14

	bcryptSaltLen = 16
	bcryptKeyLen  = 23
	// bcryptMaxBytes is how much of a password bcrypt uses.
	bcryptMaxBytes = 72
)

// bcryptB64 is bcrypt's own base64 alphabet.
var bcryptB64 = base64.NewEncoding(
	"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789").WithPadding(base64.NoPadding)

// bcryptHash is $2b$10$ followed by 22 characters of salt and 31 of key. The
// versions 2a, 2b and 2y name the same function. Version 2x marks hashes of a
// faulty implementation and is not supported.
type bcryptHash struct {
	version   string
	cost      uint32
	salt, key []byte
}

func parseBcrypt(version string, fields []string) (scheme, error) {
	if len(fields) != 2 || len(fields[0]) != 2 {
		return nil, fmt.Errorf("%w: bcrypt", ErrMalformed)
	}
	cost, err := parseBcryptCost(fields[0])
	if err != nil {
		return nil, err
	}
	split := bcryptB64.EncodedLen(bcryptSaltLen)
	if len(fields[1]) != split+bcryptB64.EncodedLen(bcryptKeyLen) {
		return nil, fmt.Errorf("%w: bcrypt length", ErrMalformed)
	}
	salt, err := decodeCanonical(bcryptB64, fields[1][:split])
	if err != nil {
		return nil, err
	}
	key, err := decodeCanonical(bcryptB64, fields[1][split:])
	if err != nil {
		return nil, err
	}
	// Line breaks, which the decoder skips, would leave fewer bytes.
	if len(salt) != bcryptSaltLen || len(key) != bcryptKeyLen {
		return nil, fmt.Errorf("%w: bcrypt length", ErrMalformed)
	}
	return bcryptHash{version: version, cost: cost, salt: salt, key: key}, nil
}

// parseBcryptCost reads the two digits of the cost, of which the first may be 0.
func parseBcryptCost(s string) (uint32, error) {
	if s[0] == '0' {
		s = s[1:]
	}
	cost, err := decimal(s)
	if err != nil {
		return 0, err
	}
	if cost < uint32(bcrypt.MinCost) || cost > uint32(bcrypt.MaxCost) {
		return 0, fmt.Errorf("%w: bcrypt cost", ErrMalformed)
	}
	if cost > MaxBcryptCost {
		return 0, fmt.Errorf("%w: bcrypt cost", ErrTooCostly)
	}
	return cost, nil
}

// matches compares like the systems that made the hash: bcrypt never saw what
// came after 72 bytes. Rehashing at the next sign-in ends that.
func (h bcryptHash) matches(password string) bool {
	if len(password) > bcryptMaxBytes {
		password = password[:bcryptMaxBytes]
	}
	return bcrypt.CompareHashAndPassword([]byte(h.encode()), []byte(password)) == nil
}

func (h bcryptHash) name() string { return "bcrypt" }

func (h bcryptHash) tuning() string {
	return fmt.Sprintf("cost=%d", h.cost)
}

func (h bcryptHash) encode() string {
	return fmt.Sprintf("$%s$%02d$%s%s", h.version, h.cost,
		bcryptB64.EncodeToString(h.salt), bcryptB64.EncodeToString(h.key))
}
