package pages

import (
	"net/http"

	"github.com/doorward/doorward/internal/auth"
)

const (
	fieldName   = "name"
	maxName     = 100 // characters of a name; the domain's limit is in bytes
	maxAddress  = 254 // RFC 5321 section 4.5.3.1.3
	signUpLabel = "sign-up.password"
)

// signUpOpen tells whether people can make accounts with a password.
func (v *visit) signUpOpen() bool {
	return v.project.Settings.SelfSignUp && v.project.Settings.PasswordProvider
}

func (v *visit) showSignUp(w http.ResponseWriter, r *http.Request) error {
	d, err := v.destinationOf(r, r.URL.Query())
	switch {
	case err != nil:
		return err
	case r.URL.Query().Has(fieldSent):
		return v.writeFlow(w, http.StatusOK, d, v.sentView(pageSignUp, d))
	case !v.signUpOpen():
		return &auth.Error{Code: auth.CodeSignUpOff, Message: "sign-up is closed"}
	}
	shown, err := v.signUpView(w, r, d, auth.SignUpParams{}, typed{})
	if err != nil {
		return err
	}
	return v.writeFlow(w, http.StatusOK, d, shown)
}

// sentView says that a mail was sent: of every address the same (P28).
func (v *visit) sentView(name string, d destination) view {
	shown := v.flowView(name + ".done")
	if d.app != nil { // which the mail's link does not know
		shown.Text = append(shown.Text, v.texts.get("flow.app-after"))
	}
	shown.Parts = []part{{Away: append([]away{{URL: v.flowURL(pageSignIn, d), Label: v.texts.get("flow.sign-in")}}, v.goBack(d)...)}}
	return shown
}

// signUpView asks for what an account needs. A password is never sent back.
func (v *visit) signUpView(w http.ResponseWriter, r *http.Request, d destination, params auth.SignUpParams, problem typed) (view, error) {
	secret, err := v.site.Browser(w, r)
	if err != nil {
		return view{}, err
	}
	shown := v.flowView(pageSignUp)
	f := v.newForm(pageSignUp, secret, d, v.accountInputs(params.DisplayName, params.Email)...)
	f.Button = v.texts.get("sign-up.button")
	have := away{URL: v.flowURL(pageSignIn, d), Label: v.texts.get("sign-up.have")}
	shown.Parts = []part{{Form: f.tell(problem)}, {Away: append([]away{have}, v.goBack(d)...)}}
	return shown, nil
}

// accountInputs are the fields of a new account.
func (v *visit) accountInputs(name, email string) []flowInput {
	least := v.project.Settings.PasswordMinLength
	return []flowInput{
		{Name: fieldName, Type: "text", Label: v.texts.get("flow.name"), Value: name, Autocomplete: "name", Hint: v.texts.get("flow.name.hint"), MaxLength: maxName, Optional: true, RTL: true},
		{Name: fieldEmail, Type: "email", Label: v.texts.get("email.label"), Value: email, Autocomplete: "username", MaxLength: maxAddress},
		{Name: fieldPassword, Type: "password", Label: v.texts.get(signUpLabel), Autocomplete: "new-password", Hint: v.texts.number("password.rule", least), MinLength: least},
	}
}

func (v *visit) submitSignUp(w http.ResponseWriter, r *http.Request) error {
	fields, d, err := v.readAnonymous(w, r, pageSignUp)
	if err != nil {
		return err
	}
	params := auth.SignUpParams{Email: fields.Get(fieldEmail), Password: fields.Get(fieldPassword), DisplayName: fields.Get(fieldName)}
	v.form.password = params.Password
	tokens, err := v.service.SignUp(r.Context(), v.pageCaller(r), params)
	if err != nil {
		return v.again(w, r, d, newAccountProblem(err), func(problem typed) (view, error) { return v.signUpView(w, r, d, params, problem) })
	}
	return v.finish(w, r, tokens, d)
}

// newAccountProblem ties what a new account cannot have to its field.
func newAccountProblem(err error) error {
	a := answers[auth.CodeOf(err)]
	switch auth.CodeOf(err) {
	case auth.CodeEmailInUse: // told only where the project lets everybody know it
		a.key, a.retry, a.field = "taken-already", true, fieldEmail
	case auth.CodeInvalidArgument:
		a = answer{status: http.StatusUnprocessableEntity, key: "name", retry: true, field: fieldName}
	default:
		return err
	}
	return told{err, a}
}

func (v *visit) showForgot(w http.ResponseWriter, r *http.Request) error {
	d, err := v.destinationOf(r, r.URL.Query())
	switch {
	case err != nil:
		return err
	case r.URL.Query().Has(fieldSent):
		return v.writeFlow(w, http.StatusOK, d, v.sentView(pageForgot, d))
	case !v.project.Settings.PasswordProvider:
		return &auth.Error{Code: auth.CodePasswordProviderOff, Message: "there are no passwords in this project"}
	}
	shown, err := v.forgotView(w, r, d, "", typed{})
	if err != nil {
		return err
	}
	return v.writeFlow(w, http.StatusOK, d, shown)
}

func (v *visit) forgotView(w http.ResponseWriter, r *http.Request, d destination, email string, problem typed) (view, error) {
	secret, err := v.site.Browser(w, r)
	if err != nil {
		return view{}, err
	}
	shown := v.flowView(pageForgot)
	f := v.newForm(pageForgot, secret, d, flowInput{Name: fieldEmail, Type: "email", Label: v.texts.get("email.label"), Value: email, Autocomplete: "username", MaxLength: maxAddress})
	f.Button = v.texts.get("forgot-password.button")
	back := away{URL: v.flowURL(pageSignIn, d), Label: v.texts.get("flow.sign-in")}
	shown.Parts = []part{{Form: f.tell(problem)}, {Away: append([]away{back}, v.goBack(d)...)}}
	return shown, nil
}

// submitForgot mails a link that sets a new password. Its answer is the same for every address, in every project.
func (v *visit) submitForgot(w http.ResponseWriter, r *http.Request) error {
	fields, d, err := v.readAnonymous(w, r, pageForgot)
	if err != nil {
		return err
	}
	email := fields.Get(fieldEmail)
	err = v.service.SendPasswordReset(r.Context(), v.pageCaller(r), email)
	if err != nil && auth.CodeOf(err) != auth.CodeNoUserForEmail {
		return v.again(w, r, d, err, func(problem typed) (view, error) { return v.forgotView(w, r, d, email, problem) })
	}
	return seeOther(w, v.flowURL(pageForgot, d, fieldSent, "1"))
}
