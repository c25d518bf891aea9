package ui

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"

	"github.com/doorward/doorward/internal/web"
)

// FieldToken is the name of the hidden field that holds a form's token.
const FieldToken = "formToken"

// PurposeSignOut is what the token of the form that ends a browser's session is for; all pages have that form.
const PurposeSignOut = "sign-out"

// CheckOrigin refuses forms that another site sends (P39), with a *web.Error of status 403. Our own no-referrer makes browsers send "Origin: null" with our own
// forms (Fetch standard, section "append a request Origin header"), and over plain HTTP without Sec-Fetch-Site beside it. That is let through: where a cookie is
// at stake, CheckToken decides as well, and elsewhere whoever could forge the form needs the code that is in it.
func (s *Site) CheckOrigin(r *http.Request) error {
	if r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "null" {
		return nil
	}
	if err := s.crossOrigin.Check(r); err != nil {
		return forged(err)
	}
	return nil
}

func forged(cause error) error {
	return &web.Error{Status: http.StatusForbidden, Detail: "The form was sent by another site", Cause: cause}
}

// FormToken gives what the hidden field FieldToken of a form has to hold. secret is what only this browser's cookie says: the session's token, or before there
// is one Site.Browser's. purpose names the form, so that a token seen in one is no good for another.
func FormToken(secret, purpose string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(purpose))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// CheckForm refuses a form whose origin is another site, or whose token is not the one that FormToken gives for the secret of the cookie that came with it.
// Without a secret nothing is right. It fails with a *web.Error of status 403.
func (s *Site) CheckForm(r *http.Request, fields url.Values, secret, purpose string) error {
	if err := s.CheckOrigin(r); err != nil {
		return err
	}
	if secret == "" || !hmac.Equal([]byte(fields.Get(FieldToken)), []byte(FormToken(secret, purpose))) {
		return forged(nil)
	}
	return nil
}
