package password

import (
	"crypto/subtle"
	"fmt"

	"golang.org/x/crypto/scrypt"
)

const (
	// MaxScryptBlock bounds scrypt's block size r.
	MaxScryptBlock = 64
	// MaxScryptParallel bounds scrypt's parallelization p.
	MaxScryptParallel = 16
	// MaxScryptWork bounds 128*N*r*p, in KiB: about a second or two of work.
	MaxScryptWork = 512 * 1024
)

// ScryptParams are the cost parameters of scrypt (RFC 7914 section 2).
type ScryptParams struct {
	LogN uint32 // base-2 logarithm of the cost N
	R    uint32 // block size r
	P    uint32 // parallelization p
}

// check returns an error that wraps ErrMalformed or ErrTooCostly.
func (p ScryptParams) check() error {
	if p.LogN < 1 || p.R < 1 || p.P < 1 {
		return fmt.Errorf("%w: scrypt parameters", ErrMalformed)
	}
	// The bounds on each parameter keep the products below from overflowing.
	if p.LogN > 30 || p.R > MaxScryptBlock || p.P > MaxScryptParallel {
		return fmt.Errorf("%w: scrypt parameters", ErrTooCostly)
	}
	memory := (uint64(128) << p.LogN) * uint64(p.R)
	if memory > MaxMemoryKiB*1024 || memory*uint64(p.P) > MaxScryptWork*1024 {
		return fmt.Errorf("%w: scrypt parameters", ErrTooCostly)
	}
	return nil
}

// derive returns keyLen bytes, or nil if the parameters were not checked.
func (p ScryptParams) derive(password string, salt []byte, keyLen int) []byte {
	key, err := scrypt.Key([]byte(password), salt, 1<<p.LogN, int(p.R), int(p.P), keyLen)
	if err != nil {
		return nil
	}
	return key
}

// scryptHash is $scrypt$ln=15,r=8,p=1$salt$key, as passlib writes it.
type scryptHash struct {
	params    ScryptParams
	salt, key []byte
}

// Scrypt returns the stored spelling of a scrypt hash made elsewhere. The error
// wraps ErrMalformed or ErrTooCostly.
func Scrypt(p ScryptParams, salt, key []byte) (string, error) {
	h := scryptHash{params: p, salt: salt, key: key}
	if err := h.check(); err != nil {
		return "", err
	}
	return h.encode(), nil
}

func parseScrypt(fields []string) (scheme, error) {
	if len(fields) != 3 {
		return nil, fmt.Errorf("%w: scrypt", ErrMalformed)
	}
	values, err := splitParams(fields[0], "ln", "r", "p")
	if err != nil {
		return nil, err
	}
	n, err := decimals(values)
	if err != nil {
		return nil, err
	}
	h := scryptHash{params: ScryptParams{LogN: n[0], R: n[1], P: n[2]}}
	if h.salt, h.key, err = decodeSaltAndKey(fields[1], fields[2]); err != nil {
		return nil, err
	}
	return h, h.check()
}

func (h scryptHash) check() error {
	if err := h.params.check(); err != nil {
		return err
	}
	return checkSaltAndKey(h.salt, h.key)
}

func (h scryptHash) matches(password string) bool {
	derived := h.params.derive(password, h.salt, len(h.key))
	return subtle.ConstantTimeCompare(derived, h.key) == 1
}

func (h scryptHash) name() string { return "scrypt" }

func (h scryptHash) tuning() string {
	return fmt.Sprintf("ln=%d,r=%d,p=%d", h.params.LogN, h.params.R, h.params.P)
}

func (h scryptHash) encode() string {
	return fmt.Sprintf("$scrypt$ln=%d,r=%d,p=%d$%s$%s", h.params.LogN, h.params.R, h.params.P,
		b64.EncodeToString(h.salt), b64.EncodeToString(h.key))
}
