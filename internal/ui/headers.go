package ui

import (
	"net/http"
	"net/url"
	"strings"
)

// Policy is what a page may do beyond showing itself. The zero value is right for most.
type Policy struct {
	Script bool // a module of ours runs in the page, and may ask the server
	// FormTargets are where answers to the page's forms may redirect to besides the server itself: origins as https://accounts.example.com, and schemes of
	// apps as com.example.app. Browsers hold redirects to form-action, too (CSP level 3, section 6.4.1). Entries that are neither are left out.
	FormTargets []string
	Frames      bool // the page shows documents of ours in frames, see SetFrameHeaders
}

// framePolicy is that of a document within a page: others wrote it, so nothing in it runs, is sent or loaded, and it is of no origin. It may style itself, as mails do.
const framePolicy = "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src data:; form-action 'none'; frame-ancestors 'self'; base-uri 'none'; sandbox"

// SetFrameHeaders sets the headers of a document that a page of ours shows in a frame, and that holds what others wrote.
func (s *Site) SetFrameHeaders(h http.Header) {
	s.SetHeaders(h, Policy{})
	h.Set("Content-Security-Policy", framePolicy)
}

// SetHeaders sets the headers of a page (P40): nothing runs but our own modules, no site may frame it, no cache keeps it, and none learns its address, since
// links carry codes.
func (s *Site) SetHeaders(h http.Header, p Policy) {
	h.Set("Content-Security-Policy", p.contentSecurityPolicy())
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	if s.https {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

func (p Policy) contentSecurityPolicy() string {
	parts := []string{"default-src 'none'", "style-src 'self'", "img-src 'self' data:"}
	if p.Script {
		parts = append(parts, "script-src 'self'", "connect-src 'self'")
	}
	if p.Frames {
		parts = append(parts, "frame-src 'self'")
	}
	targets := []string{"form-action 'self'"}
	for _, target := range p.FormTargets {
		if source := FormTarget(target); source != "" {
			targets = append(targets, source)
		}
	}
	return strings.Join(append(parts, strings.Join(targets, " "), "frame-ancestors 'none'", "base-uri 'none'"), "; ")
}

// FormTarget gives the policy's source for an origin or a scheme, or "" for what no policy can name, as is an IPv6 address (CSP level 3, section 2.3.1).
func FormTarget(target string) string {
	if strings.ContainsFunc(target, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`;,'"*[`, r) }) {
		return ""
	}
	u, err := url.Parse(target)
	switch {
	case err != nil:
		return ""
	case (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && target == u.Scheme+"://"+u.Host:
		return target
	case u.Scheme == "" && strings.Contains(target, ".") && !strings.ContainsAny(target, "/:"):
		return target + ":" // an app's scheme, in reverse domain order (RFC 8252 section 7.1)
	}
	return ""
}
