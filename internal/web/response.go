package web

import "net/http"

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
