package pages

import (
	"net/http"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

// accountProblems are the messages about forms of the account pages whose words fit nowhere else, and the fields that they are about.
var accountProblems = map[auth.Code]struct{ field, key string }{
	auth.CodeWrongPassword:           {fieldSecret, "current"},
	auth.CodeEmailInUse:              {fieldEmail, "taken"},
	auth.CodeNotFound:                {"", "gone"},
	auth.CodeLastWayIn:               {"", "last-way"},
	auth.CodeIdentityInUse:           {"", "identity-taken"},
	auth.CodeProviderNotConfigured:   {"", "provider"},
	auth.CodeInvalidProviderResponse: {"", "provider"},
	auth.CodeInvalidSecondFactorCode: {fieldTyped, "code"},
	auth.CodeInvalidPasskey:          {"", "passkey"},
	auth.CodePasskeysNotSetUp:        {"", "passkey"},
	auth.CodeSecondFactorNotFound:    {"", "gone"},
	auth.CodeSecondFactorLimit:       {"", "limit"},
	auth.CodeLastSecondFactor:        {"", "last-factor"},
}

// accountArguments are those of CodeInvalidArgument, by the domain's names of fields.
var accountArguments = map[string]struct{ field, key string }{
	"name":        {fieldName, "long"},
	"displayName": {fieldName, "long"},
	"picture":     {fieldPicture, "picture"},
	"confirm":     {fieldConfirm, "confirm"},
	"code":        {fieldTyped, "code"}, // none was typed
}

// tell notes what was wrong with the form that was sent, so that it is shown there. Where the user could do nothing about it, told is false.
func (a *account) tell(w http.ResponseWriter, r *http.Request, err error) (status int, told bool) {
	as := answerTo(err, w.Header())
	own, ok := accountProblems[auth.CodeOf(err)]
	switch auth.CodeOf(err) {
	case auth.CodeInvalidArgument:
		own, ok = accountArguments[auth.AsError(err).Field]
	case auth.CodeConflict:
		own.key, ok = "last-operator", a.sent == "delete" && a.project.ID == auth.ConsoleProject
	}
	switch {
	case ok:
		status, a.problem = http.StatusUnprocessableEntity, typed{a.texts.get("account.problem." + own.key), own.field}
	case as.retry:
		a.visit.form.password = a.fields.Get(fieldPassword) // whose rule is said
		status, a.problem = as.status, typed{a.errorText(as), as.field}
	default:
		return 0, false
	}
	web.SetError(r.Context(), err)
	return status, true
}
