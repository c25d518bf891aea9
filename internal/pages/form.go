package pages

import (
	"net/url"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ui"
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
	if len(code) != 1 || len(user) != 1 || code[0] == "" || user[0] == "" || !ui.IsText(code[0]) || !ui.IsText(user[0]) {
		return form{}, &auth.Error{Code: auth.CodeMissingOOBCode, Message: "a part of the link is missing"}
	}
	return form{code: code[0], user: auth.UserID(user[0])}, nil
}
