// Package totp makes and checks time-based one-time passwords (RFC 6238): SHA-1, six digits, steps of 30 seconds, which is what every authenticator app knows.
package totp

import (
	"crypto/hmac"
	"crypto/sha1" // what apps know; HMAC does not depend on collisions
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"rsc.io/qr"
)

const (
	secretBytes = 20 // RFC 4226 section 4, R6: 160 bits
	digits      = 6
	period      = 30 * time.Second
	skew        = 1 // steps that the clocks may differ either way (RFC 6238 section 5.2)
)

// NewSecret gives a new shared secret.
func NewSecret(rand io.Reader) ([]byte, error) {
	secret := make([]byte, secretBytes)
	if _, err := io.ReadFull(rand, secret); err != nil {
		return nil, fmt.Errorf("totp secret: read randomness: %w", err)
	}
	return secret, nil
}

// Encode spells a secret as people type it into an app: base32 without padding.
func Encode(secret []byte) string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)
}

// URI is what an app reads from a QR code. issuer and account are for people.
func URI(issuer, account string, secret []byte) string {
	query := fmt.Sprintf("secret=%s&issuer=%s&algorithm=SHA1&digits=%d&period=%d", Encode(secret), escape(issuer), digits, int(period/time.Second))
	return "otpauth://totp/" + escape(issuer) + ":" + escape(account) + "?" + query
}

// QR draws a URI as a PNG image.
func QR(uri string) ([]byte, error) {
	code, err := qr.Encode(uri, qr.M)
	if err != nil {
		return nil, fmt.Errorf("qr code: %w", err)
	}
	return code.PNG(), nil
}

// Match finds the step whose code it is, among the steps around now that are later than the one used last. Whoever stores the step it gives, in the statement that
// compares it again, makes each code work once (RFC 6238 section 5.2).
func Match(secret []byte, code string, now time.Time, last int64) (step int64, ok bool) {
	present := Step(now)
	for s := present - skew; s <= present+skew; s++ {
		if subtle.ConstantTimeCompare([]byte(Code(secret, s)), []byte(code)) == 1 && s > last {
			return s, true
		}
	}
	return 0, false
}

// Code is the code of a step (RFC 4226 section 5.3).
func Code(secret []byte, step int64) string {
	mac := hmac.New(sha1.New, secret)
	_ = binary.Write(mac, binary.BigEndian, step) // a hash takes everything
	sum := mac.Sum(nil)
	number := binary.BigEndian.Uint32(sum[sum[len(sum)-1]&0xf:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", digits, number%1_000_000)
}

// Step is the step that an instant lies in.
func Step(at time.Time) int64 { return at.Unix() / int64(period/time.Second) }

// escape leaves nothing that means something in a path or a query; apps know %20 but not all of them know +.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
