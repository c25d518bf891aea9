package authtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"testing"
)

// SecurityKey is an authenticator and its browser in software: one ES256 credential, attestation "none" (Web Authentication Level 3, sections 6.1 and 8.7).
type SecurityKey struct {
	Origin     string // of the page that the browser shows
	RPID       string // "" takes the one that is asked for
	Counter    uint32
	Still      bool // it does not count its uses
	Unverified bool // it does not verify its user

	t      testing.TB
	id     []byte
	handle []byte
	key    *ecdsa.PrivateKey
}

// NewSecurityKey makes one for pages of the origin.
func NewSecurityKey(t testing.TB, origin string) *SecurityKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 32)
	_, _ = rand.Read(id)
	return &SecurityKey{Origin: origin, t: t, id: id, key: key}
}

// Clone is a copy of the key as it is now.
func (k *SecurityKey) Clone() *SecurityKey {
	clone := *k
	return &clone
}

// Create answers the options of a registration.
func (k *SecurityKey) Create(options []byte) []byte {
	k.t.Helper()
	var o struct {
		Challenge string
		RP        struct{ ID string }
		User      struct{ ID string }
	}
	k.read(options, &o)
	k.handle = k.decode(o.User.ID)
	public, err := k.key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		k.t.Fatal(err)
	}
	data := k.authenticatorData(o.RP.ID, 0x40)
	data = append(data, make([]byte, 16)...) // no AAGUID
	data = binary.BigEndian.AppendUint16(data, uint16(len(k.id)))
	data = append(data, k.id...)
	data = append(data, 0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21) // COSE: EC2, ES256, P-256, x (RFC 9053)
	data = append(data, cborBytes(public[1:33])...)
	data = append(data, 0x22)
	data = append(data, cborBytes(public[33:])...)
	attestation := []byte{0xa3, 0x63, 'f', 'm', 't', 0x64, 'n', 'o', 'n', 'e', 0x67, 'a', 't', 't', 'S', 't', 'm', 't', 0xa0, 0x68, 'a', 'u', 't', 'h', 'D', 'a', 't', 'a'}
	attestation = append(attestation, cborBytes(data)...)
	return k.answer(map[string]any{"clientDataJSON": encode(k.clientData("webauthn.create", o.Challenge)), "attestationObject": encode(attestation)})
}

// Get answers the options of a sign-in.
func (k *SecurityKey) Get(options []byte) []byte {
	k.t.Helper()
	var o struct {
		Challenge string
		RPID      string
	}
	k.read(options, &o)
	data, client := k.authenticatorData(o.RPID, 0), k.clientData("webauthn.get", o.Challenge)
	clientHash := sha256.Sum256(client)
	digest := sha256.Sum256(append(append([]byte{}, data...), clientHash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, k.key, digest[:])
	if err != nil {
		k.t.Fatal(err)
	}
	return k.answer(map[string]any{
		"clientDataJSON": encode(client), "authenticatorData": encode(data), "signature": encode(signature), "userHandle": encode(k.handle),
	})
}

func (k *SecurityKey) answer(response map[string]any) []byte {
	k.t.Helper()
	answer, err := json.Marshal(map[string]any{
		"id": encode(k.id), "rawId": encode(k.id), "type": "public-key", "response": response,
		"clientExtensionResults": map[string]any{"credProps": map[string]any{"rk": true}}, // unasked, as password managers have it
	})
	if err != nil {
		k.t.Fatal(err)
	}
	return answer
}

func (k *SecurityKey) clientData(kind, challenge string) []byte {
	data, _ := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": k.Origin, "crossOrigin": false})
	return data
}

func (k *SecurityKey) authenticatorData(rpID string, flags byte) []byte {
	if k.RPID != "" {
		rpID = k.RPID
	}
	flags |= 0x01 // somebody is there
	if !k.Unverified {
		flags |= 0x04
	}
	if !k.Still {
		k.Counter++
	}
	hash := sha256.Sum256([]byte(rpID))
	return binary.BigEndian.AppendUint32(append(hash[:], flags), k.Counter)
}

func (k *SecurityKey) read(options []byte, into any) {
	k.t.Helper()
	if err := json.Unmarshal(options, into); err != nil {
		k.t.Fatalf("options %s: %v", options, err)
	}
}

func (k *SecurityKey) decode(s string) []byte {
	k.t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		k.t.Fatal(err)
	}
	return b
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// cborBytes encodes a byte string of up to 65535 bytes (RFC 8949 section 3.1).
func cborBytes(b []byte) []byte {
	head := []byte{0x59, byte(len(b) >> 8), byte(len(b))}
	if len(b) < 256 {
		head = []byte{0x58, byte(len(b))}
	}
	return append(head, b...)
}
