package web

import "net/http"

// Values of headers that every answer has. Whoever adds to one of them gets a copy, and nobody changes one in place.
var (
	noStore     = []string{"no-store"}
	noSniff     = []string{"nosniff"}
	noReferrer  = []string{"no-referrer"}
	nothingRuns = []string{"default-src 'none'; frame-ancestors 'none'"}
	stayOnTLS   = []string{"max-age=31536000"}
	isJSON      = []string{"application/json; charset=utf-8"}
)

// NoStore keeps answers out of every cache, unless the handler sets a Cache-Control of its own.
func NoStore(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Cache-Control"] = noStore
		next.ServeHTTP(w, r)
	})
}

// SecureHeaders sets the headers of an answer that is data and no page: nothing in it may run, be framed, be stored or
// be taken for another type. Over TLS it asks browsers to stay there for a year. Pages set their own policy (P40).
func SecureHeaders(next http.Handler) http.Handler {
	return NoStore(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["X-Content-Type-Options"] = noSniff
		h["Referrer-Policy"] = noReferrer
		h["Content-Security-Policy"] = nothingRuns
		if r.TLS != nil || Scheme(r.Context()) == "https" {
			h["Strict-Transport-Security"] = stayOnTLS
		}
		next.ServeHTTP(w, r)
	}))
}
