package password

import (
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"hash"
	"strings"
)

// MaxPBKDF2Work bounds iterations times digest blocks of output (RFC 8018
// section 5.2): about a second or two of work. It leaves room for every
// framework's default of today, the largest being a little over a million.
const MaxPBKDF2Work = 3_000_000

const (
	pbkdf2Prefix = "pbkdf2-"
	djangoPrefix = "pbkdf2_"
)

var pbkdf2Digests = map[string]func() hash.Hash{
	"sha1":   sha1.New,
	"sha256": sha256.New,
	"sha512": sha512.New,
}

// pbkdf2Hash is $pbkdf2-sha256$i=600000$salt$key or, as Django writes it,
// pbkdf2_sha256$600000$salt$key with the salt as plain text and padded base64.
type pbkdf2Hash struct {
	digest     string // a key of pbkdf2Digests
	iterations uint32
	salt, key  []byte
	django     bool
}

// PBKDF2 returns the stored spelling of a PBKDF2 hash made elsewhere, with
// digest sha1, sha256 or sha512. The error wraps ErrUnknownFormat, ErrMalformed
// or ErrTooCostly.
func PBKDF2(digest string, iterations uint32, salt, key []byte) (string, error) {
	h := pbkdf2Hash{digest: digest, iterations: iterations, salt: salt, key: key}
	if err := h.check(); err != nil {
		return "", err
	}
	return h.encode(), nil
}

func parsePBKDF2(digest string, fields []string) (scheme, error) {
	if len(fields) != 3 {
		return nil, fmt.Errorf("%w: pbkdf2", ErrMalformed)
	}
	values, err := splitParams(fields[0], "i")
	if err != nil {
		return nil, err
	}
	h := pbkdf2Hash{digest: digest}
	if h.iterations, err = decimal(values[0]); err != nil {
		return nil, err
	}
	if h.salt, h.key, err = decodeSaltAndKey(fields[1], fields[2]); err != nil {
		return nil, err
	}
	return h, h.check()
}

func parseDjango(digest string, fields []string) (scheme, error) {
	if len(fields) != 3 || strings.ContainsFunc(fields[1], notPrintable) {
		return nil, fmt.Errorf("%w: django pbkdf2", ErrMalformed)
	}
	h := pbkdf2Hash{digest: digest, salt: []byte(fields[1]), django: true}
	var err error
	if h.iterations, err = decimal(fields[0]); err != nil {
		return nil, err
	}
	if h.key, err = decodeCanonical(base64.StdEncoding, fields[2]); err != nil {
		return nil, err
	}
	return h, h.check()
}

func notPrintable(r rune) bool { return r < 0x20 || r > 0x7e }

func (h pbkdf2Hash) check() error {
	newDigest, ok := pbkdf2Digests[h.digest]
	if !ok {
		return fmt.Errorf("%w: pbkdf2 digest", ErrUnknownFormat)
	}
	if err := checkSaltAndKey(h.salt, h.key); err != nil {
		return err
	}
	if h.iterations < 1 {
		return fmt.Errorf("%w: pbkdf2 iterations", ErrMalformed)
	}
	size := newDigest().Size()
	blocks := (len(h.key) + size - 1) / size
	if uint64(h.iterations)*uint64(blocks) > MaxPBKDF2Work {
		return fmt.Errorf("%w: pbkdf2 iterations", ErrTooCostly)
	}
	return nil
}

func (h pbkdf2Hash) matches(password string) bool {
	derived, err := pbkdf2.Key(pbkdf2Digests[h.digest], password, h.salt, int(h.iterations), len(h.key))
	return err == nil && subtle.ConstantTimeCompare(derived, h.key) == 1
}

func (h pbkdf2Hash) name() string { return pbkdf2Prefix + h.digest }

func (h pbkdf2Hash) tuning() string {
	return fmt.Sprintf("i=%d", h.iterations)
}

func (h pbkdf2Hash) encode() string {
	if h.django {
		return fmt.Sprintf("%s%s$%d$%s$%s", djangoPrefix, h.digest, h.iterations,
			h.salt, base64.StdEncoding.EncodeToString(h.key))
	}
	return fmt.Sprintf("$%s%s$i=%d$%s$%s", pbkdf2Prefix, h.digest, h.iterations,
		b64.EncodeToString(h.salt), b64.EncodeToString(h.key))
}
