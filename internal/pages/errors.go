package pages

import (
	"errors"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

// answer is how an error is shown.
type answer struct {
	status int
	key    string // of the messages error.{key}.title and error.{key}.text
	retry  bool   // the form is there again, with the code kept
	again  bool   // a new mail would help: how to get one is said
	field  string // of a form: the one that it is about, or ""
}

var (
	answerInternal = answer{status: http.StatusInternalServerError, key: "internal", retry: true}
	answerRefused  = answer{status: http.StatusForbidden, key: "refused"}
	answerRequest  = answer{status: http.StatusBadRequest, key: "request"}
	answerAccount  = answer{status: http.StatusNotFound, key: "account"}
	answerNotFound = answer{status: http.StatusNotFound, key: "not-found"}
	answerPassword = answer{status: http.StatusUnprocessableEntity, key: "password", retry: true, field: fieldPassword}
	answerEmail    = answer{status: http.StatusUnprocessableEntity, key: "email", retry: true, field: fieldEmail}

	answerApp         = answer{status: http.StatusBadRequest, key: "app"}
	answerSignedOut   = answer{status: http.StatusForbidden, key: "signed-out"}
	answerCredentials = answer{status: http.StatusUnprocessableEntity, key: "credentials", retry: true}
	answerPasskey     = answer{status: http.StatusUnprocessableEntity, key: "passkey", retry: true}
	answerNoPassword  = answer{status: http.StatusUnprocessableEntity, key: "password-empty", retry: true, field: fieldSecret}
	answerFactor      = answer{status: http.StatusUnprocessableEntity, key: "factor", retry: true, field: fieldTyped}
	answerBegunAnew   = answer{status: http.StatusForbidden, key: "begin-anew"}
	answerProvider    = answer{status: http.StatusBadRequest, key: "provider"}
)

// answers has every code of the domain, also those that no page can meet.
var answers = map[auth.Code]answer{
	auth.CodeInternal:                answerInternal,
	auth.CodeUnavailable:             {status: http.StatusServiceUnavailable, key: "busy", retry: true},
	auth.CodeOutcomeUnknown:          {status: http.StatusServiceUnavailable, key: "outcome", retry: true},
	auth.CodeTooManyAttempts:         {status: http.StatusTooManyRequests, key: "attempts", retry: true},
	auth.CodeInvalidArgument:         answerRequest,
	auth.CodeUnauthenticated:         answerSignedOut,
	auth.CodeTokenExpired:            answerSignedOut,
	auth.CodeTokenInvalid:            answerSignedOut,
	auth.CodePermissionDenied:        answerRefused,
	auth.CodeAdminRequired:           answerRefused,
	auth.CodeRecentSignInRequired:    answerRefused,
	auth.CodeProjectNotFound:         answerNotFound,
	auth.CodeNotFound:                answerNotFound,
	auth.CodeConflict:                {status: http.StatusConflict, key: "conflict", retry: true},
	auth.CodeInvalidEmail:            answerEmail,
	auth.CodeMissingEmail:            answerEmail,
	auth.CodeMissingPassword:         {status: http.StatusUnprocessableEntity, key: "password-missing", retry: true, field: fieldPassword},
	auth.CodeEmailInUse:              {status: http.StatusConflict, key: "taken"},
	auth.CodePasswordProviderOff:     {status: http.StatusForbidden, key: "password-off"},
	auth.CodeSignUpOff:               {status: http.StatusForbidden, key: "sign-up-off"},
	auth.CodeWeakPassword:            answerPassword,
	auth.CodeEmailNotFound:           answerCredentials,
	auth.CodeWrongPassword:           answerCredentials,
	auth.CodeInvalidCredentials:      answerCredentials,
	auth.CodeUserDisabled:            {status: http.StatusForbidden, key: "disabled"},
	auth.CodeNoUserForEmail:          answerAccount,
	auth.CodeNoUserForID:             answerAccount,
	auth.CodeMissingOOBCode:          {status: http.StatusBadRequest, key: "incomplete"},
	auth.CodeInvalidOOBCode:          {status: http.StatusBadRequest, key: "used", again: true},
	auth.CodeExpiredOOBCode:          {status: http.StatusGone, key: "expired", again: true},
	auth.CodeMissingRefreshToken:     answerRefused,
	auth.CodeInvalidRefreshToken:     answerRefused,
	auth.CodeExpiredRefreshToken:     answerRefused,
	auth.CodeRefreshTokenUserGone:    answerRefused,
	auth.CodeMissingProvider:         answerBegunAnew,
	auth.CodeMissingFlowPart:         answerBegunAnew,
	auth.CodeProviderNotConfigured:   {status: http.StatusForbidden, key: "provider-off"},
	auth.CodeRedirectNotAllowed:      answerApp,
	auth.CodeInvalidProviderResponse: answerProvider,
	auth.CodeIdentityInUse:           answerRefused,
	auth.CodeLastWayIn:               answerRefused,
	auth.CodeBlockedByHook:           {status: http.StatusForbidden, key: "blocked"},

	auth.CodeInvalidSignInCode:    answerRefused,
	auth.CodeSecondFactorRequired: {status: http.StatusForbidden, key: "factor-required"},

	auth.CodeInvalidPendingCredential: answerBegunAnew,
	auth.CodeInvalidSecondFactorCode:  answerFactor,
	auth.CodeSecondFactorNotFound:     answerFactor,
	auth.CodeInvalidPasskey:           answerPasskey,
	auth.CodeSecondFactorLimit:        answerRefused,
	auth.CodeSecondFactorOff:          {status: http.StatusForbidden, key: "passkey-off"},
	auth.CodeLastSecondFactor:         answerRefused,
	auth.CodePasskeysNotSetUp:         {status: http.StatusForbidden, key: "passkey-off"},
}

// answerTo finds how err is shown, and sets the headers that go with it. What is unknown is internal (P46).
func answerTo(err error, h http.Header) answer {
	var own told
	if errors.As(err, &own) {
		return own.as
	}
	var plumbing *web.Error
	if errors.As(err, &plumbing) {
		plumbing.CopyHeader(h)
		switch {
		case plumbing.Status == http.StatusForbidden:
			return answer{status: plumbing.Status, key: "origin"}
		case plumbing.Status >= http.StatusInternalServerError:
			return answer{status: plumbing.Status, key: "internal"}
		}
		return answer{status: plumbing.Status, key: "request"}
	}
	domain := auth.AsError(err)
	if domain.RetryAfter > 0 {
		seconds := (domain.RetryAfter + time.Second - 1) / time.Second
		h.Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
	if a, ok := answers[domain.Code]; ok {
		return a
	}
	return answerInternal
}

// showError is the visit's web.ErrorWriter.
func (v *visit) showError(w http.ResponseWriter, r *http.Request, err error) {
	web.SetError(r.Context(), err)
	a := v.flowAnswer(v.typedAnswer(answerTo(err, w.Header())))
	shown := v.errorPage(a)
	if id := web.RequestID(r.Context()); id != "" {
		shown.Reference = &field{Label: v.texts.get("reference.label"), Value: id}
	}
	if err := v.writePage(w, a.status, shown); err != nil {
		web.SetError(r.Context(), err)
	}
}

// errorPage is the form once more where that helps and it is known, else what is wrong and what to do next.
func (v *visit) errorPage(a answer) view {
	switch {
	case v.form.typed && a.retry:
		return v.typedErrorPage(a)
	case a.retry && v.form.send:
		return v.resendPage("resend", v.texts.get("error."+a.key+".text"))
	case a.retry && v.form.code != "":
		return v.formPage(v.errorText(a))
	case a.again && v.page.resend:
		return v.resendPage("error."+a.key, "")
	}
	shown := v.textPage("error." + a.key)
	if a.again && v.texts.has(v.page.name+".again") {
		shown.Text = append(shown.Text, v.texts.get(v.page.name+".again"))
	}
	if v.page.flow {
		shown.Parts = v.flowWayOut()
	}
	return shown
}

// errorText says which rule a refused password breaks. The domain's own reason is in English only, so it is found once more from the project's settings.
func (v *visit) errorText(a answer) string {
	settings, length := v.project.Settings, utf8.RuneCountInString(v.form.password)
	switch {
	case a == answerPassword && length < settings.PasswordMinLength:
		return v.texts.number("password.short", settings.PasswordMinLength)
	case a == answerPassword && length > settings.PasswordMaxLength:
		return v.texts.number("password.long", settings.PasswordMaxLength)
	}
	return v.texts.get("error." + a.key + ".text")
}
