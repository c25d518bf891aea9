package password

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// The two variants of Argon2 (RFC 9106) that can be verified.
const (
	argon2id = "argon2id"
	argon2i  = "argon2i"
)

const (
	// MaxArgon2Threads bounds the lanes of one hash; each runs as a goroutine.
	MaxArgon2Threads = 16
	// MaxArgon2Work bounds memory times passes, in KiB: about a second of work.
	MaxArgon2Work = 1024 * 1024

	argon2SaltLen    = 16 // RFC 9106 section 3.1 recommends 16 bytes
	argon2KeyLen     = 32
	argon2MinSaltLen = 8 // RFC 9106 reference code refuses shorter ones

	// The weakest memory, and memory times passes, in KiB, that Validate takes:
	// those of the OWASP recommendation m=7168,t=5.
	argon2FloorMemory = 7 * 1024
	argon2FloorWork   = 5 * argon2FloorMemory
)

// Params are the cost parameters of argon2id (RFC 9106 section 3.1).
type Params struct {
	MemoryKiB uint32 // memory m, in KiB
	Time      uint32 // passes t over the memory
	Threads   uint8  // lanes p
}

// DefaultParams is the OWASP recommendation for argon2id: 19 MiB, two passes,
// one lane.
var DefaultParams = Params{MemoryKiB: 19 * 1024, Time: 2, Threads: 1}

// Validate reports why p should not be used for storing passwords: too weak to
// protect them, or beyond the bounds within which Parse would read the hash
// back. The error wraps ErrParams. Configuration is checked with it.
func (p Params) Validate() error {
	if err := p.check(); err != nil {
		return fmt.Errorf("%w: %w", ErrParams, err)
	}
	if p.MemoryKiB < argon2FloorMemory {
		return fmt.Errorf("%w: memory must be at least %d KiB", ErrParams, argon2FloorMemory)
	}
	if p.work() < argon2FloorWork {
		return fmt.Errorf("%w: memory times passes must be at least %d KiB", ErrParams, argon2FloorWork)
	}
	return nil
}

// Computable reports whether p can be computed within bounds, however weak it is, as an error that says why not.
func (p Params) Computable() error { return p.check() }

// check reports whether p can be computed within bounds, however weak. It
// returns an error that wraps ErrTooCostly for too much, a plain one otherwise.
func (p Params) check() error {
	if p.Time < 1 || p.Threads < 1 {
		return errors.New("argon2 needs at least one pass and one lane")
	}
	if p.MemoryKiB < 8*uint32(p.Threads) {
		return errors.New("argon2 needs at least 8 KiB of memory for each lane")
	}
	if p.MemoryKiB > MaxMemoryKiB || p.Threads > MaxArgon2Threads || p.work() > MaxArgon2Work {
		return fmt.Errorf("%w: argon2 parameters", ErrTooCostly)
	}
	return nil
}

func (p Params) work() uint64 { return uint64(p.MemoryKiB) * uint64(p.Time) }

// argon2Hash is $argon2id$v=19$m=19456,t=2,p=1$salt$key, or the same with
// argon2i.
type argon2Hash struct {
	variant   string
	params    Params
	salt, key []byte
}

func parseArgon2(variant string, fields []string) (scheme, error) {
	if len(fields) == 0 {
		return nil, fmt.Errorf("%w: %s", ErrMalformed, variant)
	}
	// Version 0x10 cannot be computed here; its hashes may lack the v field.
	if fields[0] == "v=16" || strings.HasPrefix(fields[0], "m=") {
		return nil, fmt.Errorf("%w: %s version 16", ErrUnknownFormat, variant)
	}
	if len(fields) != 4 || fields[0] != fmt.Sprintf("v=%d", argon2.Version) {
		return nil, fmt.Errorf("%w: %s", ErrMalformed, variant)
	}
	params, err := parseArgon2Params(fields[1])
	if err != nil {
		return nil, err
	}
	salt, key, err := decodeSaltAndKey(fields[2], fields[3])
	if err != nil {
		return nil, err
	}
	if len(salt) < argon2MinSaltLen {
		return nil, fmt.Errorf("%w: %s salt of %d bytes", ErrMalformed, variant, len(salt))
	}
	return argon2Hash{variant: variant, params: params, salt: salt, key: key}, nil
}

func parseArgon2Params(s string) (Params, error) {
	values, err := splitParams(s, "m", "t", "p")
	if err != nil {
		return Params{}, err
	}
	n, err := decimals(values)
	if err != nil {
		return Params{}, err
	}
	if n[2] > MaxArgon2Threads {
		return Params{}, fmt.Errorf("%w: argon2 parameters", ErrTooCostly)
	}
	p := Params{MemoryKiB: n[0], Time: n[1], Threads: uint8(n[2])}
	if err := p.check(); errors.Is(err, ErrTooCostly) {
		return Params{}, err
	} else if err != nil {
		return Params{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return p, nil
}

func (h argon2Hash) derive(password string, keyLen uint32) []byte {
	kdf := argon2.IDKey
	if h.variant == argon2i {
		kdf = argon2.Key
	}
	return kdf([]byte(password), h.salt, h.params.Time, h.params.MemoryKiB, h.params.Threads, keyLen)
}

func (h argon2Hash) matches(password string) bool {
	return subtle.ConstantTimeCompare(h.derive(password, uint32(len(h.key))), h.key) == 1
}

func (h argon2Hash) name() string { return h.variant }

func (h argon2Hash) tuning() string {
	return fmt.Sprintf("m=%d,t=%d,p=%d", h.params.MemoryKiB, h.params.Time, h.params.Threads)
}

func (h argon2Hash) encode() string {
	return fmt.Sprintf("$%s$v=%d$m=%d,t=%d,p=%d$%s$%s", h.variant, argon2.Version,
		h.params.MemoryKiB, h.params.Time, h.params.Threads,
		b64.EncodeToString(h.salt), b64.EncodeToString(h.key))
}
