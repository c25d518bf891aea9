package web

import (
	"fmt"
	"net/http"
	"runtime/debug"
)

// Handler answers a request, or returns why it cannot. It returns nil if and only if it has written the answer.
type Handler func(w http.ResponseWriter, r *http.Request) error

// ErrorWriter writes err in a surface's envelope. It knows *Error and the domain's errors; any other error,
// *PanicError included, is an internal error whose text stays out of the answer. It calls SetError with the cause
// for the log.
type ErrorWriter func(w http.ResponseWriter, r *http.Request, err error)

// PanicError is a panic that a handler did not catch.
type PanicError struct {
	Value any
	Stack []byte
}

// Error tells the panic's type, and its text where that is an error's: other values may be anything, a secret too
// (P44), and the stack says where they were raised.
func (e *PanicError) Error() string {
	if err, ok := e.Value.(error); ok {
		return fmt.Sprintf("panic: %T: %v", e.Value, err)
	}
	return fmt.Sprintf("panic: value of type %T", e.Value)
}

// Handle serves h, and has onError write what h returns. A panic costs one request (P46): it reaches onError as
// *PanicError. Where the answer had begun already, an error only reaches the log, and a panic breaks the connection,
// so that the client cannot take half an answer for a whole one.
func Handle(h Handler, onError ErrorWriter) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := noteResponse(w)
		err := call(h, answer, r)
		if err == nil {
			return
		}
		panicked, isPanic := err.(*PanicError)
		if isPanic || answer.written() {
			SetError(r.Context(), err)
		}
		if !answer.written() {
			onError(answer, r, err)
			if isPanic {
				SetError(r.Context(), panicked) // the stack is in the log whatever onError noted
			}
			return
		}
		if isPanic {
			panic(http.ErrAbortHandler)
		}
	})
}

// call turns a panic of h into a *PanicError; http.ErrAbortHandler passes, for it asks to break the connection.
func call(h Handler, w http.ResponseWriter, r *http.Request) error {
	return Caught(func() error { return h(w, r) })
}

// Caught gives what do gives, and a panic in it as *PanicError. Handlers that have work done in goroutines of their own wrap it in this, as a panic there would end
// the process (P46). It lets http.ErrAbortHandler through.
func Caught(do func() error) (err error) {
	defer func() {
		value := recover()
		if value == nil {
			return
		}
		if value == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so, too
			panic(value)
		}
		err = &PanicError{Value: value, Stack: debug.Stack()}
	}()
	return do()
}
