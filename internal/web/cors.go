package web

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// CORSPolicy says which origins may read answers in a browser. Credentials (cookies) are never allowed, whatever the
// policy. The zero value allows none.
type CORSPolicy struct {
	AnyOrigin bool
	Origins   []string // exact, as "https://app.example.com"
}

// CORSOptions are the same for every origin that a policy allows.
type CORSOptions struct {
	Methods []string      // that a page may use
	Headers []string      // that a page may send
	Expose  []string      // that a page may read from answers
	MaxAge  time.Duration // how long a browser may keep a preflight's answer
}

// DefaultCORSOptions are those of the accounts surface.
func DefaultCORSOptions() CORSOptions {
	return CORSOptions{
		Methods: []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"},
		Headers: []string{"authorization", "content-type", "deskree-admin", "x-project-id"},
		Expose:  []string{"Retry-After", "X-Request-Id"},
		MaxAge:  10 * time.Minute,
	}
}

// CORS answers preflights with 204, and lets pages of the origins that policyOf allows read the answers of the rest
// (Fetch standard, section "CORS protocol"). An origin off the list is never reflected (P41). Other OPTIONS requests
// pass on.
func CORS(policyOf func(*http.Request) CORSPolicy, opts CORSOptions) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			allowed := allowOrigin(w.Header(), policyOf(r), r.Header.Values("Origin"))
			if !isPreflight(r) {
				if allowed && len(opts.Expose) > 0 {
					w.Header().Set("Access-Control-Expose-Headers", strings.Join(opts.Expose, ", "))
				}
				next.ServeHTTP(w, r)
				return
			}
			if allowed {
				allowRequest(w.Header(), opts)
			}
			w.WriteHeader(http.StatusNoContent)
		})
	}
}

func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions &&
		r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// allowOrigin tells whether the policy lets the origin read the answer, and says so in h.
func allowOrigin(h http.Header, policy CORSPolicy, origins []string) bool {
	if policy.AnyOrigin {
		h.Set("Access-Control-Allow-Origin", "*")
		return true
	}
	h.Add("Vary", "Origin") // with no origin too, or a cache would hand this answer to one
	// "null" is the origin of any sandboxed page, so that no list can mean one page by it.
	if len(origins) != 1 || origins[0] == "null" || !slices.Contains(policy.Origins, origins[0]) {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origins[0])
	return true
}

func allowRequest(h http.Header, opts CORSOptions) {
	h.Set("Access-Control-Allow-Methods", strings.Join(opts.Methods, ", "))
	h.Set("Access-Control-Allow-Headers", strings.Join(opts.Headers, ", "))
	h.Set("Access-Control-Max-Age", strconv.Itoa(int(opts.MaxAge.Seconds())))
}
