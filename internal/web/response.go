package web

import (
	"context"
	"errors"
	"net/http"
)

// response notes what was answered on its way through.
type response struct {
	http.ResponseWriter
	status int // 0 until the header is written
	bytes  int64
}

func noteResponse(w http.ResponseWriter) *response {
	if noted, ok := w.(*response); ok {
		return noted
	}
	return &response{ResponseWriter: w}
}

func (w *response) WriteHeader(status int) {
	informational := status < 200 && status != http.StatusSwitchingProtocols
	if w.status == 0 && !informational {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap gives http.ResponseController the writer beneath.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *response) written() bool { return w.status != 0 }

// finalStatus is what net/http sends: 200 for a handler that returned without writing.
func (w *response) finalStatus() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}

// statusClientGone is what logs and metrics say of a request whose client did not wait; no client sees it.
const statusClientGone = 499

// outcome is the status for logs and metrics. A failure that is only the client's leaving is none of ours.
func outcome(r *http.Request, rec *record, answer *response) int {
	status := answer.finalStatus()
	var panicked *PanicError
	if status >= 500 && r.Context().Err() != nil && errors.Is(rec.err, context.Canceled) && !errors.As(rec.err, &panicked) {
		return statusClientGone
	}
	return status
}
