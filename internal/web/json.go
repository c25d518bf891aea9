package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// The limits of DecodeJSON where DecodeOptions are zero.
const (
	DefaultMaxBodyBytes = 64 << 10
	DefaultMaxJSONDepth = 16
)

// DecodeOptions are the limits of DecodeJSON. Zero fields take the defaults.
type DecodeOptions struct {
	MaxBytes int64
	MaxDepth int // objects and arrays within each other; the body's own object is 1
}

// Optional is a field that tells absent from present. Optional[*string] tells null apart too: Present with a nil Value.
type Optional[T any] struct {
	Present bool
	Value   T
}

func (o *Optional[T]) present() any {
	o.Present = true
	return &o.Value
}

// DecodeJSON reads the request's body, which must be one JSON object, into dst: a pointer to a struct or to a
// map[string]any. It is strict (P31): UTF-8 without NUL, no lone surrogates, no member twice at any level, nothing
// after the object, and both limits of opts hold.
//
// A struct gets the members that its json tags name exactly, case included; fields without a tag get none, and
// unknown members are dropped. Fields are string, bool, int64, float64, any, json.RawMessage, map[string]any,
// structs, slices of these, pointers to these, and Optional. Absent members leave the field as it is. null is a
// wrong type, except for a pointer (nil), any and json.RawMessage. Whole numbers within any and maps are int64, others
// float64.
//
// Every error is an *Error: 422 for the body (Field is set where one is to blame), 415 for a body that would do but
// is not declared as application/json in plain UTF-8, 408 for one that did not arrive in time, 400 for one that broke
// off. None holds a value from the body.
func DecodeJSON(r *http.Request, dst any, opts DecodeOptions) error {
	if r.Header.Get("Content-Encoding") != "" { // nothing that unpacks to more than it weighs
		return &Error{Status: http.StatusUnsupportedMediaType, Detail: "The request body must not have a Content-Encoding"}
	}
	if opts.MaxBytes <= 0 {
		opts.MaxBytes = DefaultMaxBodyBytes
	}
	if opts.MaxDepth <= 0 {
		opts.MaxDepth = DefaultMaxJSONDepth
	}
	body, err := readBody(r, opts.MaxBytes)
	if err != nil {
		return err
	}
	if err := checkDocument(body, opts.MaxDepth); err != nil {
		return err
	}
	// After the body: what is no JSON object is a 422 by contract, however it was declared.
	if !declaresJSON(r.Header) {
		return &Error{Status: http.StatusUnsupportedMediaType, Detail: "The Content-Type of the request must be application/json"}
	}
	target := reflect.ValueOf(dst)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return fmt.Errorf("decode JSON into %T: not a pointer", dst)
	}
	return bind(target.Elem(), body, "")
}

func readBody(r *http.Request, maxBytes int64) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBytes+1))
	var outerLimit *http.MaxBytesError
	switch {
	case int64(len(body)) > maxBytes:
		return nil, overLimit(maxBytes)
	case errors.As(err, &outerLimit):
		return nil, overLimit(outerLimit.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &Error{Status: http.StatusRequestTimeout, Detail: "The request body did not arrive in time", Cause: err}
	case err != nil:
		return nil, &Error{Status: http.StatusBadRequest, Detail: "The request body could not be read", Cause: err}
	}
	return body, nil
}

func overLimit(maxBytes int64) *Error {
	return Malformed("The request body is over the limit of " + strconv.FormatInt(maxBytes, 10) + " bytes")
}

// declaresJSON allows application/json, with no parameter but charset=utf-8, in one single header.
func declaresJSON(h http.Header) bool {
	values := h.Values("Content-Type")
	if len(values) != 1 {
		return false
	}
	mediaType, params, err := mime.ParseMediaType(values[0])
	if err != nil || mediaType != "application/json" {
		return false
	}
	for name, value := range params {
		if name != "charset" || !strings.EqualFold(value, "utf-8") {
			return false
		}
	}
	return true
}

// WriteJSON answers with v as JSON. It escapes no HTML characters, for the type and nosniff keep browsers from reading
// it as such, and says no-store where the caller set no Cache-Control. It returns an error before anything is written
// if v does not encode, or after if the client is gone.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	buf := jsonBuffers.Get().(*bytes.Buffer)
	buf.Reset()
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	err := WriteEncoded(w, status, bytes.TrimSuffix(buf.Bytes(), []byte("\n")))
	if err == nil && buf.Cap() <= 16<<10 { // after an error nobody knows whether the writer is done with it
		jsonBuffers.Put(buf)
	}
	return err
}

var jsonBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// WriteEncoded is WriteJSON for what is JSON already.
func WriteEncoded(w http.ResponseWriter, status int, body []byte) error {
	h := w.Header()
	h["Content-Type"] = isJSON
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	h["X-Content-Type-Options"] = noSniff
	if len(h["Cache-Control"]) == 0 {
		h["Cache-Control"] = noStore
	}
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	return nil
}

// NoContent answers 204 with an empty body.
func NoContent(w http.ResponseWriter) {
	if w.Header().Get("Cache-Control") == "" {
		w.Header().Set("Cache-Control", "no-store")
	}
	w.WriteHeader(http.StatusNoContent)
}
