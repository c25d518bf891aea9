package secret

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

var place = AD{Project: "acme", Table: "signing_keys", Column: "private_key", Row: "k1"}

// openNew opens a keyring on a new key file.
func openNew(t testing.TB) *Keyring {
	t.Helper()
	k, created, err := OpenKeyring(filepath.Join(t.TempDir(), "master.keys"), rand.Reader)
	if err != nil || !created {
		t.Fatalf("OpenKeyring: created %v, %v", created, err)
	}
	return k
}

func mustSeal(t testing.TB, k *Keyring, plaintext string) []byte {
	t.Helper()
	sealed, err := k.Seal([]byte(plaintext), place)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestSealRoundTrip(t *testing.T) {
	k := openNew(t)
	for name, plaintext := range map[string][]byte{
		"text":  []byte("client secret"),
		"empty": {},
		"long":  bytes.Repeat([]byte{0, 255}, 1<<16),
	} {
		for adName, ad := range map[string]AD{"full": place, "empty": {}} {
			sealed, err := k.Seal(plaintext, ad)
			if err != nil {
				t.Fatalf("%s, %s ad: %v", name, adName, err)
			}
			if len(plaintext) > 0 && bytes.Contains(sealed, plaintext) {
				t.Errorf("%s, %s ad: the plaintext lies open", name, adName)
			}
			got, err := k.Open(sealed, ad)
			if err != nil || !bytes.Equal(got, plaintext) {
				t.Errorf("%s, %s ad: opened to %d bytes, %v", name, adName, len(got), err)
			}
		}
	}
}

func TestSealedFormat(t *testing.T) {
	k := openNew(t)
	a, b := mustSeal(t, k, "same"), mustSeal(t, k, "same")
	if bytes.Equal(a, b) {
		t.Error("the same plaintext sealed twice is the same")
	}
	if a[0] != 1 || hex.EncodeToString(a[1:9]) != k.Current() || len(a) != 1+8+12+4+16 {
		t.Errorf("sealed as %x by key %s", a, k.Current())
	}
	if id, err := KeyID(a); err != nil || id != k.Current() {
		t.Errorf("KeyID = %q, %v, want %q", id, err, k.Current())
	}
}

// A value sealed by an independent implementation (HKDF-SHA-256 with the label as
// info and no salt, AES-256-GCM), so that what is in a database stays readable.
func TestOpenKnownAnswer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.keys")
	master := make([]byte, 32)
	for i := range master {
		master[i] = byte(i)
	}
	writeFile(t, path, "v1 0102030405060708 "+base64.StdEncoding.EncodeToString(master)+"\n")
	k, created, err := OpenKeyring(path, rand.Reader)
	if err != nil || created {
		t.Fatalf("created %v, %v", created, err)
	}
	sealed, err := hex.DecodeString(knownSealed)
	if err != nil {
		t.Fatal(err)
	}
	got, err := k.Open(sealed, place)
	if err != nil || string(got) != "client secret" {
		t.Errorf("opened to %q, %v", got, err)
	}
}

func TestOpenWrongPlace(t *testing.T) {
	k := openNew(t)
	sealed := mustSeal(t, k, "client secret")
	for name, ad := range map[string]AD{
		"project": {"other", place.Table, place.Column, place.Row},
		"table":   {place.Project, "other", place.Column, place.Row},
		"column":  {place.Project, place.Table, "other", place.Row},
		"row":     {place.Project, place.Table, place.Column, "other"},
		"none":    {},
		"shifted": {place.Project + place.Table, "", place.Column, place.Row},
		"moved":   {place.Project, place.Table + "p", place.Column[1:], place.Row},
	} {
		if got, err := k.Open(sealed, ad); !errors.Is(err, ErrSealed) || got != nil {
			t.Errorf("%s: opened to %q, %v", name, got, err)
		}
	}
}

func TestOpenBitFlips(t *testing.T) {
	k := openNew(t)
	sealed := mustSeal(t, k, "client secret")
	for i := range sealed {
		for bit := range 8 {
			flipped := bytes.Clone(sealed)
			flipped[i] ^= 1 << bit
			if got, err := k.Open(flipped, place); !errors.Is(err, ErrSealed) || got != nil {
				t.Fatalf("byte %d, bit %d: opened to %q, %v", i, bit, got, err)
			}
		}
	}
}

func TestOpenMalformed(t *testing.T) {
	k := openNew(t)
	sealed := mustSeal(t, k, "client secret")
	for n := range sealed {
		if _, err := k.Open(sealed[:n], place); !errors.Is(err, ErrSealed) {
			t.Errorf("first %d bytes: %v", n, err)
		}
	}
	if _, err := k.Open(append(sealed, 0), place); !errors.Is(err, ErrSealed) {
		t.Errorf("a byte more: %v", err)
	}
	for _, bad := range [][]byte{nil, {}, {1}, sealed[:36], append([]byte{2}, sealed[1:]...)} {
		if id, err := KeyID(bad); !errors.Is(err, ErrSealed) {
			t.Errorf("KeyID(%x) = %q, %v", bad, id, err)
		}
	}
}

func TestOpenForeignKeyring(t *testing.T) {
	sealed := mustSeal(t, openNew(t), "client secret")
	_, err := openNew(t).Open(sealed, place)
	if !errors.Is(err, ErrSealed) || strings.Contains(err.Error(), "client secret") {
		t.Errorf("error is %v", err)
	}
}

func TestSealFails(t *testing.T) {
	k := openNew(t)
	broken := errors.New("no randomness")
	k.rand = iotest.ErrReader(broken)
	if sealed, err := k.Seal(nil, place); !errors.Is(err, broken) {
		t.Errorf("sealed without randomness: %x, %v", sealed, err)
	}
	k.rand = rand.Reader
	sealed := mustSeal(t, k, "client secret")
	if err := os.Remove(k.path); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Seal(nil, place); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("sealed by a key that is on no disk: %v", err)
	}
	if _, err := k.Open(sealed, place); err != nil {
		t.Errorf("a key in memory no longer opens: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	k := openNew(f)
	sealed := mustSeal(f, k, "client secret")
	f.Add([]byte{})
	f.Add(sealed[:9])
	f.Add(sealed)
	f.Add(append(bytes.Clone(sealed), 0))
	f.Add(bytes.Repeat([]byte{1}, 64))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := k.Open(data, place)
		if bytes.Equal(data, sealed) {
			if err != nil || string(got) != "client secret" {
				t.Fatalf("opened to %q, %v", got, err)
			}
			return
		}
		if !errors.Is(err, ErrSealed) || got != nil {
			t.Fatalf("%x opened to %q, %v", data, got, err)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	k := openNew(b)
	plaintext := make([]byte, 1200) // about an RSA key in PKCS #8
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Seal(plaintext, place); err != nil {
			b.Fatal(err)
		}
	}
}

const knownSealed = "010102030405060708c8c9cacbcccdcecfd0d1d2d3d6f8e3857a7a77c479a2e5c46967c76e033767b96aa1051428d828fda9"
