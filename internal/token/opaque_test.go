package token

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
)

// sequence gives the bytes from first on, as a reader that is no secret.
func sequence(first, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(first + i)
	}
	return out
}

func TestNewOpaque(t *testing.T) {
	got, err := NewOpaque("dr_", 32, bytes.NewReader(sequence(0, 32)))
	if want := "dr_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"; err != nil || got != want {
		t.Errorf("NewOpaque = %q, %v, want %q", got, err, want)
	}
	if got, err := NewOpaque("", 48, rand.Reader); err != nil || len(got) != 64 {
		t.Errorf("NewOpaque of 48 bytes = %q, %v", got, err)
	}
	a, errA := NewOpaque("", 32, rand.Reader)
	b, errB := NewOpaque("", 32, rand.Reader)
	if errA != nil || errB != nil || a == b {
		t.Errorf("two tokens: %q, %v; %q, %v", a, errA, b, errB)
	}
}

func TestNewOpaqueRefuses(t *testing.T) {
	broken := errors.New("no randomness")
	if _, err := NewOpaque("", 32, iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("error is %v, want %v", err, broken)
	}
	if got, err := NewOpaque("", 32, bytes.NewReader(sequence(0, 31))); err == nil {
		t.Errorf("too little randomness gave %q", got)
	}
	for _, n := range []int{-1, 0, 16, 31} {
		if got, err := NewOpaque("", n, rand.Reader); err == nil {
			t.Errorf("%d bytes gave %q", n, got)
		}
	}
	for _, prefix := range []string{"", "dw_admin_", strings.Repeat("a", 28), strings.Repeat("a", 32)} {
		if got, err := NewOpaque(prefix, 32, rand.Reader); err != nil || !strings.HasPrefix(got, prefix) {
			t.Errorf("prefix %q gave %q, %v", prefix, got, err)
		}
	}
	for _, prefix := range []string{"a.b", "a-", "a b", "é", "a\n", strings.Repeat("a", 33)} {
		if got, err := NewOpaque(prefix, 32, rand.Reader); err == nil {
			t.Errorf("prefix %q gave %q", prefix, got)
		}
	}
}

func TestHash(t *testing.T) {
	// printf 'doorward/opaque-hash/v1\0dr_abc' | openssl dgst -sha256
	const want = "4e9e004163947cc6feebc40ab08a6774f5a8b65020a6545b6f57e50cf4847ee4"
	if got := hex.EncodeToString(Hash("dr_abc")); got != want {
		t.Errorf("Hash = %s, want %s", got, want)
	}
}

func TestEqual(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b []byte
		want bool
	}{
		{"same", Hash("x"), Hash("x"), true},
		{"other", Hash("x"), Hash("y"), false},
		{"cut short", Hash("x"), Hash("x")[:31], false},
		{"one missing", Hash("x"), nil, false},
		{"both missing", nil, nil, false},
		{"both empty", []byte{}, []byte{}, false},
	} {
		if got := Equal(c.a, c.b); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestSuccessor(t *testing.T) {
	const presented = "dr_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
	salt := sequence(100, 16)
	// HMAC-SHA-256 over the label and the salt, keyed by presented, by Python's hmac.
	const want = "dr_9mPPuZk-B5mpYaU9MwgPWE_3iU3vCAbwBTf-8mBrH8M"
	if got := Successor(presented, salt); got != want {
		t.Errorf("Successor = %q, want %q", got, want)
	}
	if got := Successor(presented, sequence(101, 16)); got == want {
		t.Error("another salt gave the same successor")
	}
	if got := Successor(strings.Replace(presented, "AA", "AB", 1), salt); got == want {
		t.Error("another token gave the same successor")
	}
	third := Successor(want, salt)
	if len(third) != len(presented) || !strings.HasPrefix(third, "dr_") || third == want {
		t.Errorf("third of the line is %q", third)
	}
	if got := Successor("short", salt); len(got) != secretChars {
		t.Errorf("successor of a foreign token is %q", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("a short salt did not panic")
		}
	}()
	Successor(presented, salt[:15])
}

func TestNewID(t *testing.T) {
	got, err := NewID(28, rand.Reader)
	if err != nil || !regexp.MustCompile(`^[A-Za-z0-9]{28}$`).MatchString(got) {
		t.Errorf("NewID = %q, %v", got, err)
	}
	// 248 to 255 are thrown away, 247 is the last that counts.
	got, err = NewID(4, bytes.NewReader([]byte{255, 0, 248, 61, 62, 247}))
	if want := "A9A9"; err != nil || got != want {
		t.Errorf("NewID = %q, %v, want %q", got, err, want)
	}
	broken := errors.New("no randomness")
	if _, err := NewID(28, iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("error is %v, want %v", err, broken)
	}
	for _, n := range []int{0, -1} {
		if got, err := NewID(n, rand.Reader); err == nil {
			t.Errorf("NewID(%d) = %q", n, got)
		}
	}
}

// Each byte that counts stands for a character, and each character has as many.
func TestNewIDIsUnbiased(t *testing.T) {
	const limit = 4 * 62
	id, err := NewID(limit, bytes.NewReader(sequence(0, limit)))
	if err != nil {
		t.Fatal(err)
	}
	count := map[rune]int{}
	for _, c := range id {
		count[c]++
	}
	if len(count) != 62 {
		t.Errorf("%d different characters, want 62", len(count))
	}
	for c, n := range count {
		if n != 4 {
			t.Errorf("%c stands for %d bytes, want 4", c, n)
		}
	}
}

func TestReserved(t *testing.T) {
	for _, name := range []string{
		"iss", "aud", "sub", "exp", "iat", "nbf", "jti", "auth_time", "user_id", "uid", "email", "email_verified",
		"name", "picture", "firebase", "sid", "acr", "amr", "azp", "nonce", "at_hash", "c_hash", "phone_number", "cnf",
		"SUB", "Email_Verified", "ſub", "user_ID",
	} {
		if !Reserved(name) {
			t.Errorf("%q is free, want it reserved", name)
		}
	}
	for _, name := range []string{"", "role", "roles", "admin", "plan", "subject", "sub ", "expires"} {
		if Reserved(name) {
			t.Errorf("%q is reserved, want it free", name)
		}
	}
}
