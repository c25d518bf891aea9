package pages

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

// The names of the fields, in forms and in the query of links.
const (
	fieldCode     = "oobCode"
	fieldUser     = "uid"
	fieldPassword = "newPassword"
	fieldEmail    = "email"
	fieldSend     = "send" // set in the form that asks for a new mail
	fieldTyped    = "code" // the short code of a mail, typed
)

// maxForm bounds a form's body, in bytes. The longest password, every byte of it escaped, is 12 KiB.
const maxForm = 16 << 10

// form is what a link carries and what its reader adds.
type form struct {
	code     string
	user     auth.UserID
	password string

	send  bool // asks for a new mail to email instead
	email string

	typed     bool // has the address and the short code instead of the parts of a link
	shortCode string
}

// linkForm takes the parts of a link. It fails with CodeMissingOOBCode where one is missing or there twice, as in a link that was cut short.
func linkForm(fields url.Values) (form, error) {
	code, user := fields[fieldCode], fields[fieldUser]
	if len(code) != 1 || len(user) != 1 || code[0] == "" || user[0] == "" || !isText(code[0]) || !isText(user[0]) {
		return form{}, &auth.Error{Code: auth.CodeMissingOOBCode, Message: "a part of the link is missing"}
	}
	return form{code: code[0], user: auth.UserID(user[0])}, nil
}

// readForm reads an application/x-www-form-urlencoded body (URL standard, section 5.1). Unlike http.Request.ParseForm it leaves the query out, and refuses
// another type, fields that are there twice, and what is not UTF-8 text (P31).
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/x-www-form-urlencoded" {
		return nil, &web.Error{Status: http.StatusUnsupportedMediaType, Detail: "The body is no form"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if err != nil {
		return nil, unreadable(err)
	}
	fields, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, &web.Error{Status: http.StatusBadRequest, Detail: "The form is malformed"} // without err: it quotes the body
	}
	for name, values := range fields {
		if len(values) != 1 || !isText(name) || !isText(values[0]) {
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

func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }
