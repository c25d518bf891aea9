package ui

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/doorward/doorward/internal/web"
)

// maxForm bounds a form's body where nothing else is said, in bytes. The longest password, every byte of it escaped, is 12 KiB.
const maxForm = 16 << 10

// FormRules say what a form may hold. The zero value is right for most.
type FormRules struct {
	MaxBytes int64    // of the body; 0 for 16 KiB
	Repeated []string // names of fields that may be there more than once, as check boxes are
}

// ReadForm reads an application/x-www-form-urlencoded body (URL standard, section 5.1). Unlike http.Request.ParseForm it leaves the query out, and refuses
// another type, fields that are there twice, and what is not UTF-8 text (P31). Errors are *web.Error.
func ReadForm(w http.ResponseWriter, r *http.Request, rules FormRules) (url.Values, error) {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/x-www-form-urlencoded" {
		return nil, &web.Error{Status: http.StatusUnsupportedMediaType, Detail: "The body is no form"}
	}
	if rules.MaxBytes == 0 {
		rules.MaxBytes = maxForm
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, rules.MaxBytes))
	if err != nil {
		return nil, unreadable(err)
	}
	fields, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, &web.Error{Status: http.StatusBadRequest, Detail: "The form is malformed"} // without err: it quotes the body
	}
	for name, values := range fields {
		if !IsText(name) || !isAllText(values) || (len(values) != 1 && !slices.Contains(rules.Repeated, name)) {
			return nil, &web.Error{Status: http.StatusBadRequest, Detail: "A field of the form is there twice, or no text"}
		}
	}
	return fields, nil
}

func unreadable(err error) error {
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		return &web.Error{Status: http.StatusRequestEntityTooLarge, Detail: "The form is too long", Cause: err}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &web.Error{Status: http.StatusRequestTimeout, Detail: "The form did not arrive in time", Cause: err}
	}
	return &web.Error{Status: http.StatusBadRequest, Detail: "The form could not be read", Cause: err}
}

// IsText tells whether s is UTF-8 without NUL, as every field has to be.
func IsText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

func isAllText(values []string) bool {
	return !slices.ContainsFunc(values, func(s string) bool { return !IsText(s) })
}
