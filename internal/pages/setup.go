package pages

import (
	"net/http"

	"github.com/doorward/doorward/internal/auth"
)

// fieldSetup is the code of a set-up link, in its query and hidden in the form.
const fieldSetup = "code"

// showSetup asks for the account of an operator. It uses nothing up (P8).
func (v *visit) showSetup(w http.ResponseWriter, r *http.Request) error {
	if v.project.ID != auth.ConsoleProject {
		return notFound()
	}
	code, d := r.URL.Query().Get(fieldSetup), destination{next: v.localPath("")}
	if err := v.service.CheckSetup(r.Context(), v.pageCaller(r), code); err != nil {
		return err
	}
	shown, err := v.setupView(w, r, d, auth.SetupParams{Code: code}, typed{})
	if err != nil {
		return err
	}
	return v.writeFlow(w, http.StatusOK, d, shown)
}

func (v *visit) setupView(w http.ResponseWriter, r *http.Request, d destination, params auth.SetupParams, problem typed) (view, error) {
	secret, err := v.site.Browser(w, r)
	if err != nil {
		return view{}, err
	}
	shown := v.flowView(pageSetup)
	f := v.newForm(pageSetup, secret, d, v.accountInputs(params.DisplayName, params.Email)...)
	f.hide(fieldSetup, params.Code)
	f.Button = v.texts.get("sign-up.button")
	shown.Parts = []part{{Form: f.tell(problem)}}
	return shown, nil
}

// submitSetup makes the account; what follows is the step that adds its second factor.
func (v *visit) submitSetup(w http.ResponseWriter, r *http.Request) error {
	if v.project.ID != auth.ConsoleProject {
		return notFound()
	}
	fields, d, err := v.readAnonymous(w, r, pageSetup)
	if err != nil {
		return err
	}
	params := auth.SetupParams{Code: fields.Get(fieldSetup), Email: fields.Get(fieldEmail), DisplayName: fields.Get(fieldName), Password: fields.Get(fieldPassword)}
	v.form.password = params.Password
	v.reopen.Set(fieldSetup, params.Code)
	tokens, err := v.service.Setup(r.Context(), v.pageCaller(r), params)
	if err != nil {
		return v.again(w, r, d, newAccountProblem(err), func(problem typed) (view, error) { return v.setupView(w, r, d, params, problem) })
	}
	return v.finish(w, r, tokens, d)
}
