package totp

import (
	"bytes"
	"crypto/rand"
	"image/png"
	"net/url"
	"testing"
	"time"
)

// TestVectors are those of RFC 6238 appendix B for SHA-1, of whose eight digits we take the last six.
func TestVectors(t *testing.T) {
	secret := []byte("12345678901234567890")
	for seconds, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		if got := Code(secret, Step(time.Unix(seconds, 0))); got != want {
			t.Errorf("at %d: %s, want %s", seconds, got, want)
		}
	}
}

func TestMatch(t *testing.T) {
	secret, now := []byte("12345678901234567890"), time.Unix(1111111109, 0)
	present := Step(now)
	for _, test := range []struct {
		name string
		step int64
		last int64
		want bool
	}{
		{"now", present, 0, true}, {"one before", present - 1, 0, true}, {"one after", present + 1, 0, true}, {"two before", present - 2, 0, false},
		{"two after", present + 2, 0, false}, {"used already", present, present, false}, {"older than the used one", present - 1, present, false},
		{"after the used one", present + 1, present, true},
	} {
		step, ok := Match(secret, Code(secret, test.step), now, test.last)
		if ok != test.want || (ok && step != test.step) {
			t.Errorf("%s: step %d, %v", test.name, step, ok)
		}
	}
	for _, wrong := range []string{"", "08180", "0818040", "O81804", "081804 "} {
		if _, ok := Match(secret, wrong, now, 0); ok {
			t.Errorf("%q is accepted", wrong)
		}
	}
}

func TestURIAndQR(t *testing.T) {
	secret, err := NewSecret(rand.Reader)
	if err != nil || len(secret) != 20 {
		t.Fatalf("secret of %d bytes, %v", len(secret), err)
	}
	uri := URI("Acme & Co", "ada+x@example.com", secret)
	parsed, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	q := parsed.Query()
	if parsed.Scheme != "otpauth" || parsed.Host != "totp" || parsed.Path != "/Acme & Co:ada+x@example.com" || q.Get("issuer") != "Acme & Co" || q.Get("secret") != Encode(secret) ||
		q.Get("digits") != "6" || q.Get("period") != "30" || q.Get("algorithm") != "SHA1" {
		t.Errorf("URI %s", uri)
	}
	image, err := QR(uri)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := png.Decode(bytes.NewReader(image)); err != nil {
		t.Errorf("no PNG: %v", err)
	}
}
