package pages

import (
	"context"
	"net/http"
	"net/url"

	"github.com/doorward/doorward/internal/auth"
)

// A page without the parts of a link in its query asks for the address and the short code of the mail: for who reads mail on another device.

// typedView are the fields of the form for an address and a short code.
type typedView struct {
	Email, Code field
	CodeRule    string
	// WrongCode and WrongEmail tell which field the form's error is about.
	WrongCode, WrongEmail bool
	Resend                string // label of the button that asks for a new mail; "" for none
}

func verifyEmailTyped(ctx context.Context, s *auth.Service, c auth.Caller, f form) error {
	return s.VerifyEmailTyped(ctx, c, f.typedCode())
}

func acceptInviteTyped(ctx context.Context, s *auth.Service, c auth.Caller, f form) error {
	return s.AcceptInviteTyped(ctx, c, f.typedCode(), f.password)
}

func resetPasswordTyped(ctx context.Context, s *auth.Service, c auth.Caller, f form) error {
	return s.ResetPasswordTyped(ctx, c, f.typedCode(), f.password)
}

func confirmEmailTyped(ctx context.Context, s *auth.Service, c auth.Caller, f form) error {
	return s.ConfirmEmailChangeTyped(ctx, c, f.typedCode())
}

func (f form) typedCode() auth.TypedCode { return auth.TypedCode{Email: f.email, Code: f.shortCode} }

// isTyped tells whether the query has no part of a link, on a page whose mail has a short code.
func (p page) isTyped(query url.Values) bool {
	return p.doTyped != nil && !query.Has(fieldCode) && !query.Has(fieldUser)
}

// submitTyped does what the page is for with the address and the code of its form.
func (v *visit) submitTyped(w http.ResponseWriter, r *http.Request, fields url.Values) error {
	v.form = form{typed: true, email: fields.Get(fieldEmail), shortCode: fields.Get(fieldTyped), password: fields.Get(fieldPassword)}
	if v.form.email == "" {
		return &auth.Error{Code: auth.CodeMissingEmail, Message: "the email field is empty"}
	}
	if v.form.shortCode == "" {
		return &auth.Error{Code: auth.CodeMissingOOBCode, Message: "the code field is empty"}
	}
	if v.page.password && v.form.password == "" {
		return &auth.Error{Code: auth.CodeMissingPassword, Message: "the password field is empty"}
	}
	if err := v.page.doTyped(r.Context(), v.service, v.caller(r, v.project), v.form); err != nil {
		return err
	}
	return v.writePage(w, http.StatusOK, v.donePage())
}

// typedPage shows the form; problem is "" or what was wrong with the last try. A password is never sent back.
func (v *visit) typedPage(problem string) view {
	shown := v.formPage(problem)
	shown.Text = append(shown.Text, v.texts.get("typed.text"))
	shown.Form.Typed = &typedView{
		Email:    field{Label: v.texts.get("email.label"), Value: v.form.email},
		Code:     field{Label: v.texts.get("code.label"), Value: v.form.shortCode},
		CodeRule: v.texts.get("code.rule"),
	}
	if v.page.resend {
		shown.Form.Typed.Resend = v.texts.get("resend.button")
	}
	return shown
}

// typedAnswer is a, or for a typed code what fits it where the answer is about links.
func (v *visit) typedAnswer(a answer) answer {
	switch {
	case !v.form.typed:
		return a
	case a.again:
		return answer{status: http.StatusUnprocessableEntity, key: "code", retry: true}
	case a == answers[auth.CodeMissingOOBCode]:
		return answer{status: http.StatusUnprocessableEntity, key: "code-missing", retry: true}
	}
	return a
}

// typedErrorPage is the form once more, with the error tied to the field that it is about.
func (v *visit) typedErrorPage(a answer) view {
	shown := v.typedPage(v.errorText(a))
	shown.Form.Typed.WrongCode = a.key == "code" || a.key == "code-missing"
	shown.Form.Typed.WrongEmail = a.key == "email"
	return shown
}
