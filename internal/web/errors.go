package web

import (
	"fmt"
	"net/http"
)

// Error is an answer that the plumbing itself decides: unknown route, wrong method, unusable body, overload. A
// surface's ErrorWriter puts it into that surface's envelope.
type Error struct {
	Status int         // HTTP status, 400 to 599
	Detail string      // for the client; holds nothing the client sent
	Field  string      // the request field that is wrong, or ""; a name from our own types, as "address.city" or "roles[0]"
	Header http.Header // to set on the answer, as Allow or Retry-After; may be nil
	Cause  error       // for the log, never for the client; may be nil
}

func (e *Error) Error() string {
	text := fmt.Sprintf("%d %s", e.Status, e.Detail)
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.Cause }

// CopyHeader sets e.Header on h. An ErrorWriter calls it before it writes.
func (e *Error) CopyHeader(h http.Header) {
	for name, values := range e.Header {
		h[http.CanonicalHeaderKey(name)] = append([]string(nil), values...)
	}
}

// NotFound is the answer to an unknown route or resource.
func NotFound() *Error {
	return &Error{Status: http.StatusNotFound, Detail: "Not found"}
}

// MethodNotAllowed is the answer to a known path with another method. allow is the Allow header, as "GET, HEAD"
// (RFC 9110 section 15.5.6 demands it).
func MethodNotAllowed(allow string) *Error {
	return &Error{
		Status: http.StatusMethodNotAllowed,
		Detail: "The method is not allowed here",
		Header: http.Header{"Allow": {allow}},
	}
}

// Unavailable refuses work for now. retryAfter is in seconds (P52).
func Unavailable(retryAfter int, cause error) *Error {
	return &Error{
		Status: http.StatusServiceUnavailable,
		Detail: "The service is unavailable for now",
		Header: http.Header{"Retry-After": {fmt.Sprint(retryAfter)}},
		Cause:  cause,
	}
}

// Malformed refuses a body as a whole.
func Malformed(detail string) *Error {
	return &Error{Status: http.StatusUnprocessableEntity, Detail: detail}
}

// MalformedField refuses one field; want completes "The field "email" must be ", as "a string".
func MalformedField(field, want string) *Error {
	return &Error{
		Status: http.StatusUnprocessableEntity,
		Detail: fmt.Sprintf("The field %q must be %s", field, want),
		Field:  field,
	}
}
