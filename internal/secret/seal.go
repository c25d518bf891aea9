package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// ErrSealed means that a sealed value cannot be opened: it is malformed, sealed by a
// key that the key file does not have, altered, or bound to another place.
var ErrSealed = errors.New("sealed value cannot be opened")

// A sealed value is version (1 byte), key id (8), nonce (12), then the AES-256-GCM
// ciphertext with its 16 byte tag. Nonces are random, so one key should seal no more
// than 2^32 values (NIST SP 800-38D section 8.3).
const (
	sealVersion = 1
	idBytes     = 8
	keyBytes    = 32
	nonceBytes  = 12
	tagBytes    = 16
	headerBytes = 1 + idBytes

	sealLabel = "doorward/seal/v1"
)

// AD says where a sealed value is kept. A value opens only with the AD that it was
// sealed with, so it cannot be moved to another row or project.
type AD struct {
	Project string
	Table   string
	Column  string
	Row     string
}

// encode appends the fields to header, each behind its length in 4 bytes, so that
// no two places encode alike.
func (ad AD) encode(header []byte) []byte {
	out := append([]byte(nil), header...)
	for _, field := range []string{ad.Project, ad.Table, ad.Column, ad.Row} {
		out = binary.BigEndian.AppendUint32(out, uint32(len(field)))
		out = append(out, field...)
	}
	return out
}

// Seal encrypts plaintext under the newest key and binds it to ad. It first looks
// whether another process changed the key file, and fails if the file is gone: what
// it sealed then could not be opened after a restart.
func (k *Keyring) Seal(plaintext []byte, ad AD) ([]byte, error) {
	keys, err := k.fresh()
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	key := keys.newest()
	sealed := make([]byte, 0, headerBytes+nonceBytes+len(plaintext)+tagBytes)
	sealed = append(sealed, sealVersion)
	sealed = append(sealed, key.id[:]...)
	header := sealed
	sealed = sealed[:headerBytes+nonceBytes]
	nonce := sealed[headerBytes:]
	if err := k.read(nonce); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return key.aead.Seal(sealed, nonce, plaintext, ad.encode(header)), nil
}

// Open decrypts what Seal gave for the same ad. A key id that is not known makes it
// read the key file once more, for a key that another process has just added. It
// returns ErrSealed, or the error of reading the file.
func (k *Keyring) Open(sealed []byte, ad AD) ([]byte, error) {
	if !wellFormed(sealed) {
		return nil, fmt.Errorf("%w: malformed", ErrSealed)
	}
	header, nonce, ciphertext := sealed[:headerBytes], sealed[headerBytes:headerBytes+nonceBytes], sealed[headerBytes+nonceBytes:]
	key, err := k.find(keyID(header[1:]))
	if err != nil {
		return nil, err
	}
	plaintext, err := key.aead.Open(nil, nonce, ciphertext, ad.encode(header))
	if err != nil {
		return nil, fmt.Errorf("%w: authentication failed", ErrSealed)
	}
	return plaintext, nil
}

// find gives the key of an id, from memory or else from the file as it is now.
func (k *Keyring) find(id keyID) (*masterKey, error) {
	if key := k.keys.Load().find(id); key != nil {
		return key, nil
	}
	keys, err := k.reload()
	if err != nil {
		return nil, fmt.Errorf("open sealed value: %w", err)
	}
	if key := keys.find(id); key != nil {
		return key, nil
	}
	return nil, fmt.Errorf("%w: unknown key", ErrSealed)
}

// KeyID tells, as hex, which key sealed a value. The id is not authenticated until
// the value is opened. A malformed value gives ErrSealed.
func KeyID(sealed []byte) (string, error) {
	if !wellFormed(sealed) {
		return "", fmt.Errorf("%w: malformed", ErrSealed)
	}
	return hex.EncodeToString(sealed[1:headerBytes]), nil
}

func wellFormed(sealed []byte) bool {
	return len(sealed) >= headerBytes+nonceBytes+tagBytes && sealed[0] == sealVersion
}

// newAEAD derives the subkey for sealing, so that the master key itself encrypts
// nothing and later uses of it stay independent.
func newAEAD(master []byte) (cipher.AEAD, error) {
	subkey, err := hkdf.Key(sha256.New, master, nil, sealLabel, keyBytes)
	if err != nil {
		return nil, fmt.Errorf("derive subkey: %w", err)
	}
	block, err := aes.NewCipher(subkey)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
