package pages

import (
	"encoding/json"
	"html/template"
	"net/http"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

const (
	optionsSuffix = "/options" // where a page's module gets the options of a ceremony
	fieldSession  = "sessionId"
)

// ceremony makes a form one that the page's module sends, with what a passkey answered; name is the page that has the options, again where the form's page is.
func (v *visit) ceremony(f *flowForm, kind, name string, again template.URL) *flowForm {
	f.hide(fieldCredential, "")
	f.Ceremony, f.Options, f.Trouble = kind, v.site.Path(v.flowPath(name)+optionsSuffix), v.texts.get("flow.passkey.trouble")
	f.Again = string(again)
	return f
}

// passkeyProblem ties a refused passkey to its form.
func passkeyProblem(err error) error {
	if auth.CodeOf(err) != auth.CodeInvalidPasskey {
		return err
	}
	a := answerPasskey
	a.field = fieldCredential
	return told{err, a}
}

// writeOptions answers the page's module: the options, and values for fields of the form.
func writeOptions(w http.ResponseWriter, options []byte, fields map[string]string) error {
	answer := map[string]any{"options": json.RawMessage(options)}
	for name, value := range fields {
		answer[name] = value
	}
	return web.WriteJSON(w, http.StatusOK, answer)
}

// passkeyOptions begins a sign-in with a passkey alone.
func (v *visit) passkeyOptions(w http.ResponseWriter, r *http.Request) error {
	if _, _, err := v.readAnonymous(w, r, pagePasskey); err != nil {
		return err
	}
	start, err := v.service.BeginPasskeySignIn(r.Context(), v.pageCaller(r))
	if err != nil {
		return err
	}
	return writeOptions(w, start.Options, map[string]string{fieldSession: start.SessionID})
}

// submitPasskey signs in with a passkey alone.
func (v *visit) submitPasskey(w http.ResponseWriter, r *http.Request) error {
	fields, d, err := v.readAnonymous(w, r, pagePasskey)
	if err != nil {
		return err
	}
	tokens, err := v.service.SignInWithPasskey(r.Context(), v.pageCaller(r), fields.Get(fieldSession), []byte(fields.Get(fieldCredential)))
	if err != nil {
		return v.again(w, r, d, passkeyProblem(err), func(problem typed) (view, error) { return v.signInView(w, r, d, "", problem) })
	}
	return v.finish(w, r, tokens, d)
}

// secondOptions begins the proof of a passkey for a sign-in that waits for it.
func (v *visit) secondOptions(w http.ResponseWriter, r *http.Request) error {
	if _, _, err := v.readAnonymous(w, r, pageSecond); err != nil {
		return err
	}
	options, err := v.service.BeginSecondFactor(r.Context(), v.pageCaller(r), v.site.Step(r, string(v.project.ID), stepSecond), "")
	if err != nil {
		return err
	}
	return writeOptions(w, options, nil)
}

// enrollOptions begins to add a passkey to an account whose sign-in waits for a second factor.
func (v *visit) enrollOptions(w http.ResponseWriter, r *http.Request) error {
	if _, _, err := v.readAnonymous(w, r, pageEnroll); err != nil {
		return err
	}
	credential := v.site.Step(r, string(v.project.ID), stepSecond)
	e, err := v.service.BeginEnrollment(r.Context(), v.pageCaller(r), auth.EnrollmentParams{Kind: auth.FactorPasskey, PendingCredential: credential})
	if err != nil {
		return err
	}
	return writeOptions(w, e.PasskeyCreation, map[string]string{fieldFactor: string(e.ID)})
}
