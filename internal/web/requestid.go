package web

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
)

// RequestIDs gives every request an id of 128 random bits, as 32 hex digits, in its context and in the X-Request-Id
// header of the answer. An id that the client sends is never taken, or it could forge log lines of other requests.
// random must be safe for concurrent use, as crypto/rand.Reader is.
func RequestIDs(random io.Reader) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec, r := withRecord(r)
			rec.id = newRequestID(random)
			w.Header().Set("X-Request-Id", rec.id)
			next.ServeHTTP(w, r)
		})
	}
}

// newRequestID panics without randomness: nothing else can be trusted to work then, so the request ends (P46).
func newRequestID(random io.Reader) string {
	var bits [16]byte
	if _, err := io.ReadFull(random, bits[:]); err != nil {
		panic(fmt.Errorf("read randomness for a request id: %w", err))
	}
	return hex.EncodeToString(bits[:])
}
