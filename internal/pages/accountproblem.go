package pages

import (
	"net/http"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

// accountProblems are the messages about forms of the account pages whose words fit nowhere else, and the fields that they are about.
var accountProblems = map[auth.Code]struct{ field, key string }{
	auth.CodeWrongPassword:           {fieldSecret, "account.problem.current"},
	auth.CodeEmailInUse:              {fieldEmail, "account.problem.taken"},
	auth.CodeNotFound:                {"", "account.problem.gone"},
	auth.CodeLastWayIn:               {"", "account.problem.last-way"},
	auth.CodeProviderNotConfigured:   {"", "account.notice.link-failed"},
	auth.CodeInvalidProviderResponse: {"", "account.notice.link-failed"},
	auth.CodeInvalidSecondFactorCode: {fieldTyped, "account.problem.code"},
	auth.CodeInvalidPasskey:          {"", "account.problem.passkey"},
	auth.CodePasskeysNotSetUp:        {"", "account.problem.passkey"},
	auth.CodeSecondFactorNotFound:    {"", "account.problem.gone"},
	auth.CodeSecondFactorLimit:       {"", "account.problem.limit"},
	auth.CodeLastSecondFactor:        {"", "account.problem.last-factor"},
}

// accountArguments are those of CodeInvalidArgument, by the domain's names of fields.
var accountArguments = map[string]struct{ field, key string }{
	"name":        {fieldName, "account.problem.long"},
	"displayName": {fieldName, "account.problem.long"},
	"picture":     {fieldPicture, "account.problem.picture"},
	"confirm":     {fieldConfirm, "account.problem.confirm"},
	"code":        {fieldTyped, "account.problem.code"}, // none was typed
}

// tell notes what was wrong with the form that was sent, so that it is shown there. Where the user could do nothing about it, told is false.
func (a *account) tell(w http.ResponseWriter, r *http.Request, err error) (status int, told bool) {
	as := answerTo(err, w.Header())
	own, ok := accountProblems[auth.CodeOf(err)]
	switch auth.CodeOf(err) {
	case auth.CodeInvalidArgument:
		own, ok = accountArguments[auth.AsError(err).Field]
	case auth.CodeConflict:
		own.key, ok = "account.problem.last-operator", a.sent == "delete" && a.project.ID == auth.ConsoleProject
	}
	switch {
	case ok:
		status, a.problem = http.StatusUnprocessableEntity, typed{a.texts.get(own.key), own.field}
	case as.retry:
		a.visit.form.password = a.fields.Get(fieldPassword) // whose rule is said
		status, a.problem = as.status, typed{a.errorText(as), as.field}
	default:
		return 0, false
	}
	web.SetError(r.Context(), err)
	return status, true
}
