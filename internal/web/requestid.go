package web

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
)

// RequestIDs gives every request an id of 60 random bits in its context and in the X-Request-Id header of the answer. It is written as K7QM-4T9X-2WHD, in
// Crockford's base32 without its check symbol, so that a user can read it to somebody over the phone. An id that the client sends is never taken, or it could
// forge log lines of other requests. random must be safe for concurrent use, as crypto/rand.Reader is.
func RequestIDs(random io.Reader) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec, r := withRecord(r)
			rec.id = newRequestID(random)
			w.Header()["X-Request-Id"] = []string{rec.id}
			next.ServeHTTP(w, r)
		})
	}
}

// requestIDDigits leave out I, L, O and U, which are misread or misheard.
const requestIDDigits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// newRequestID panics without randomness: nothing else can be trusted to work then, so the request ends (P46).
func newRequestID(random io.Reader) string {
	var bytes [8]byte
	if _, err := io.ReadFull(random, bytes[:]); err != nil {
		panic(fmt.Errorf("read randomness for a request id: %w", err))
	}
	bits := binary.BigEndian.Uint64(bytes[:])
	id := make([]byte, 0, len("K7QM-4T9X-2WHD"))
	for i := range 12 {
		if i == 4 || i == 8 {
			id = append(id, '-')
		}
		id = append(id, requestIDDigits[bits>>(59-5*i)&31]) // the first digit takes bits 59 to 63, the last four bits are left
	}
	return string(id)
}
