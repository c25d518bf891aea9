package adminapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// InProcess gives a RoundTripper that has h serve each request on the caller's goroutine, without a network. Answers are held in memory.
func InProcess(h http.Handler) http.RoundTripper { return inProcess{h} }

type inProcess struct{ handler http.Handler }

func (p inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	served := req.Clone(req.Context())
	served.RequestURI = req.URL.RequestURI()
	if served.Body == nil {
		served.Body = http.NoBody // a server's requests always have one
	}
	defer served.Body.Close()
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	answer := &memoryAnswer{header: http.Header{}}
	if err := p.serve(answer, served); err != nil {
		return nil, err
	}
	return answer.response(req), nil
}

// serve turns a panic into an error, as a server breaks the connection.
func (p inProcess) serve(w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		switch value := recover(); value {
		case nil:
		case http.ErrAbortHandler:
			err = errors.New("the answer broke off")
		default:
			err = fmt.Errorf("the handler panicked with a value of type %T", value) // the value may be a secret (P44)
		}
	}()
	p.handler.ServeHTTP(w, r)
	return nil
}

// memoryAnswer is an http.ResponseWriter that keeps the answer.
type memoryAnswer struct {
	header http.Header
	sent   http.Header // header as it stood when the status was written
	status int
	body   bytes.Buffer
}

func (m *memoryAnswer) Header() http.Header { return m.header }

func (m *memoryAnswer) WriteHeader(status int) {
	if m.status == 0 && status >= 200 {
		m.status, m.sent = status, m.header.Clone()
	}
}

func (m *memoryAnswer) Write(b []byte) (int, error) {
	m.WriteHeader(http.StatusOK)
	return m.body.Write(b)
}

func (m *memoryAnswer) response(req *http.Request) *http.Response {
	m.WriteHeader(http.StatusOK)
	return &http.Response{
		Status: fmt.Sprintf("%d %s", m.status, http.StatusText(m.status)), StatusCode: m.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: m.sent, Body: io.NopCloser(&m.body), ContentLength: int64(m.body.Len()), Request: req,
	}
}
