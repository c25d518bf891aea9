package password

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"fmt"
	"strings"
)

// FirebaseParams are a Firebase project's password hash parameters, as its
// console and its command line tool show them. Both strings are base64, with
// either alphabet, padded or not. The signer key is a secret of that project.
type FirebaseParams struct {
	SignerKey     string // base64_signer_key
	SaltSeparator string // base64_salt_separator, may be empty
	Rounds        int    // rounds: scrypt's r
	MemCost       int    // mem_cost: base-2 logarithm of scrypt's N
}

// FirebaseScrypt returns the stored spelling of one user's hash from a Firebase
// export: its salt and passwordHash, both base64 with either alphabet. The
// error wraps ErrMalformed or ErrTooCostly.
func FirebaseScrypt(p FirebaseParams, saltB64, hashB64 string) (string, error) {
	if p.Rounds < 1 || p.MemCost < 1 {
		return "", fmt.Errorf("%w: firebase parameters", ErrMalformed)
	}
	if p.Rounds > MaxScryptBlock || p.MemCost > 30 {
		return "", fmt.Errorf("%w: firebase parameters", ErrTooCostly)
	}
	h := firebaseHash{logN: uint32(p.MemCost), rounds: uint32(p.Rounds)}
	for _, field := range []struct {
		to   *[]byte
		from string
	}{
		{&h.signerKey, p.SignerKey},
		{&h.separator, p.SaltSeparator},
		{&h.salt, saltB64},
		{&h.key, hashB64},
	} {
		decoded, err := decodeAnyBase64(field.from)
		if err != nil {
			return "", err
		}
		*field.to = decoded
	}
	if err := h.check(); err != nil {
		return "", err
	}
	return h.encode(), nil
}

var toStdAlphabet = strings.NewReplacer("-", "+", "_", "/")

func decodeAnyBase64(s string) ([]byte, error) {
	b, err := b64.DecodeString(toStdAlphabet.Replace(strings.TrimRight(s, "=")))
	if err != nil {
		return nil, fmt.Errorf("%w: base64", ErrMalformed)
	}
	return b, nil
}

// firebaseHash is $firebase-scrypt$ln=14,r=8,k=signerKey,ss=separator$salt$key,
// with unpadded base64 throughout.
type firebaseHash struct {
	logN, rounds         uint32
	signerKey, separator []byte
	salt, key            []byte
}

func parseFirebase(fields []string) (scheme, error) {
	if len(fields) != 3 {
		return nil, fmt.Errorf("%w: firebase-scrypt", ErrMalformed)
	}
	values, err := splitParams(fields[0], "ln", "r", "k", "ss")
	if err != nil {
		return nil, err
	}
	n, err := decimals(values[:2])
	if err != nil {
		return nil, err
	}
	h := firebaseHash{logN: n[0], rounds: n[1]}
	if h.signerKey, err = decodeCanonical(b64, values[2]); err != nil {
		return nil, err
	}
	if h.separator, err = decodeCanonical(b64, values[3]); err != nil {
		return nil, err
	}
	if h.salt, h.key, err = decodeSaltAndKey(fields[1], fields[2]); err != nil {
		return nil, err
	}
	return h, h.check()
}

func (h firebaseHash) check() error {
	if err := h.scryptParams().check(); err != nil {
		return err
	}
	if len(h.signerKey) != len(h.key) {
		return fmt.Errorf("%w: firebase hash is not as long as the signer key", ErrMalformed)
	}
	if len(h.separator) > maxSaltLen {
		return fmt.Errorf("%w: firebase salt separator", ErrMalformed)
	}
	return checkSaltAndKey(h.salt, h.key)
}

func (h firebaseHash) scryptParams() ScryptParams {
	return ScryptParams{LogN: h.logN, R: h.rounds, P: 1}
}

// matches derives an AES-256 key from the password and encrypts the signer key
// with it, in counter mode from zero: the ciphertext is Firebase's hash.
func (h firebaseHash) matches(password string) bool {
	salt := append(append([]byte(nil), h.salt...), h.separator...)
	derived := h.scryptParams().derive(password, salt, 64)
	if derived == nil {
		return false
	}
	block, err := aes.NewCipher(derived[:32])
	if err != nil {
		return false
	}
	encrypted := make([]byte, len(h.signerKey))
	cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(encrypted, h.signerKey)
	return subtle.ConstantTimeCompare(encrypted, h.key) == 1
}

func (h firebaseHash) name() string { return "firebase-scrypt" }

func (h firebaseHash) tuning() string {
	return fmt.Sprintf("ln=%d,r=%d", h.logN, h.rounds)
}

func (h firebaseHash) encode() string {
	return fmt.Sprintf("$firebase-scrypt$ln=%d,r=%d,k=%s,ss=%s$%s$%s", h.logN, h.rounds,
		b64.EncodeToString(h.signerKey), b64.EncodeToString(h.separator),
		b64.EncodeToString(h.salt), b64.EncodeToString(h.key))
}
