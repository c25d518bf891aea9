package console

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

// problem is what was wrong, for the operator to read.
type problem struct {
	Status    int
	Heading   string // of a page that shows nothing else
	Text      string
	Field     string // that is to blame; "" where none is
	Reference string // that finds the cause in the log, by `doorward audit explain` or on the page of the audit log
}

// problemOf says what is wrong, and sets the headers that go with it. Operators get the domain's own words; what is unknown is internal (P46).
func problemOf(err error, h http.Header) *problem {
	var plumbing *web.Error
	if errors.As(err, &plumbing) {
		plumbing.CopyHeader(h)
		if plumbing.Status == http.StatusForbidden {
			return &problem{Status: plumbing.Status, Heading: "This form is out of date",
				Text: "It was made for another sign-in, or sent by another site, so nothing was changed. Open the page again and repeat what you did."}
		}
		return &problem{Status: plumbing.Status, Heading: "This request cannot be answered", Text: sentence(plumbing.Detail)}
	}
	domain := auth.AsError(err)
	if domain.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((domain.RetryAfter+time.Second-1)/time.Second), 10))
	}
	shown := &problem{Status: statusOf(domain.Code), Heading: "That did not work", Text: sentence(domain.Message), Field: domain.Field}
	switch shown.Status {
	case http.StatusNotFound:
		shown.Heading = "There is nothing here"
	case http.StatusForbidden:
		shown.Heading = "This is for operators"
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		shown.Heading = "Not just now"
	case http.StatusInternalServerError:
		shown.Heading, shown.Text = "Something went wrong on the server", "Nothing that you can mend here: the server's log has the cause, beside the reference below."
	}
	return shown
}

// statusOf is coarse: what browsers and logs make of it, while the text says the rest.
func statusOf(code auth.Code) int {
	switch code {
	case auth.CodeInternal:
		return http.StatusInternalServerError
	case auth.CodeUnavailable, auth.CodeOutcomeUnknown:
		return http.StatusServiceUnavailable
	case auth.CodeTooManyAttempts:
		return http.StatusTooManyRequests
	case auth.CodeUnauthenticated, auth.CodeTokenInvalid, auth.CodeTokenExpired:
		return http.StatusUnauthorized
	case auth.CodePermissionDenied, auth.CodeAdminRequired, auth.CodeSecondFactorRequired:
		return http.StatusForbidden
	case auth.CodeProjectNotFound, auth.CodeNotFound, auth.CodeNoUserForID:
		return http.StatusNotFound
	case auth.CodeConflict, auth.CodeEmailInUse:
		return http.StatusConflict
	}
	return http.StatusUnprocessableEntity
}

// sentence makes one of a message, which has no capital and no full stop.
func sentence(message string) string {
	first, size := utf8.DecodeRuneInString(message)
	if size == 0 {
		return ""
	}
	text := string(unicode.ToUpper(first)) + message[size:]
	if strings.HasSuffix(text, ".") {
		return text
	}
	return text + "."
}

// showError answers what kept a page from being shown: by the way to sign in where nobody is, else by a page that says so.
func (v *visit) showError(err error) {
	web.SetError(v.r.Context(), err)
	code := auth.Code("")
	var plumbing *web.Error
	if !errors.As(err, &plumbing) {
		code = auth.CodeOf(err)
	}
	if statusOf(code) == http.StatusUnauthorized || code == auth.CodeSecondFactorRequired {
		v.toSignIn()
		return
	}
	v.problem = problemOf(err, v.w.Header())
	if err := v.render("problem", v.problem.Heading, nil); err != nil {
		web.SetError(v.r.Context(), err)
	}
}

// toSignIn leads to the hosted sign-in, and from there back to the page. What was in a form is lost.
func (v *visit) toSignIn() {
	next := v.site.Path(v.r.URL.EscapedPath())
	if v.r.Method == http.MethodGet && v.r.URL.RawQuery != "" {
		next += "?" + v.r.URL.RawQuery
	}
	v.w.Header().Set("Location", v.path("sign-in")+"?next="+url.QueryEscape(next))
	v.w.WriteHeader(http.StatusSeeOther)
}
