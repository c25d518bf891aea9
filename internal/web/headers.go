package web

import "net/http"

// NoStore keeps answers out of every cache, unless the handler sets a Cache-Control of its own.
func NoStore(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// SecureHeaders sets the headers of an answer that is data and no page: nothing in it may run, be framed, be stored or
// be taken for another type. Over TLS it asks browsers to stay there for a year. Pages set their own policy (P40).
func SecureHeaders(next http.Handler) http.Handler {
	return NoStore(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		if r.TLS != nil || Scheme(r.Context()) == "https" {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	}))
}
