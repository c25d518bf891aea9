package ui

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"time"
)

// browserCookie names the cookie that knows a browser before anyone has signed in. No project can have its name: ids have no dot.
const browserCookie = "doorward.browser"

// maxCookie bounds what a cookie of ours holds, in bytes.
const maxCookie = 512

// cookieName is what browsers know a cookie by. __Host- keeps other hosts of the domain, and pages without TLS, from setting it (RFC 6265bis section 4.1.3.2);
// a public URL without TLS has to do without.
func (s *Site) cookieName(name string) string {
	if s.https {
		return "__Host-" + name
	}
	return name
}

// SetSession gives the browser the token of a session with a project. maxAge is how long it keeps it at most; 0 is until it is closed.
func (s *Site) SetSession(w http.ResponseWriter, project, token string, maxAge time.Duration) {
	s.setCookie(w, "doorward-"+project, token, int(maxAge/time.Second))
}

// ClearSession has the browser forget the token.
func (s *Site) ClearSession(w http.ResponseWriter, project string) {
	s.setCookie(w, "doorward-"+project, "", -1)
}

// Session gives the token of the browser's session with a project, or "". Two cookies of the name are none: one of them was planted.
func (s *Site) Session(r *http.Request, project string) string {
	return s.cookie(r, "doorward-"+project)
}

// Browser gives a secret that only this browser has, for FormToken before anyone has signed in, and sets it where it has none yet. It fails only where there
// is no randomness.
func (s *Site) Browser(w http.ResponseWriter, r *http.Request) (string, error) {
	if secret := s.KnownBrowser(r); secret != "" {
		return secret, nil
	}
	raw := make([]byte, 32)
	if _, err := io.ReadFull(s.random, raw); err != nil {
		return "", fmt.Errorf("make a browser's secret: %w", err)
	}
	secret := base64.RawURLEncoding.EncodeToString(raw)
	s.setCookie(w, browserCookie, secret, 0)
	return secret, nil
}

// KnownBrowser gives the secret that Browser has set, or "": what answers a form asks this.
func (s *Site) KnownBrowser(r *http.Request) string {
	secret := s.cookie(r, browserCookie)
	if raw, err := base64.RawURLEncoding.DecodeString(secret); err != nil || len(raw) != 32 {
		return ""
	}
	return secret
}

func (s *Site) setCookie(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: s.cookieName(name), Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true, Secure: s.https, SameSite: http.SameSiteLaxMode,
	})
}

func (s *Site) cookie(r *http.Request, name string) string {
	return s.boundedCookie(r, name, maxCookie)
}

func (s *Site) boundedCookie(r *http.Request, name string, limit int) string {
	named := r.CookiesNamed(s.cookieName(name))
	if len(named) != 1 || len(named[0].Value) > limit {
		return ""
	}
	return named[0].Value
}
