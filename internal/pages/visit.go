package pages

import (
	"context"
	"net/http"
	"net/url"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ui"
	"github.com/doorward/doorward/internal/web"
)

// page is one link's target.
type page struct {
	name     string // last segment of its path, and prefix of its messages
	password bool   // its form asks for a new password
	resend   bool   // a new mail can be had from the page itself
	signIn   bool   // once it is done, its reader can sign in
	flow     bool   // it is a step to a signed-in user, and no link's target
	do       func(context.Context, *auth.Service, auth.Caller, form) error
	// doTyped is do with the short code of the mail; nil where its mail has none.
	doTyped func(context.Context, *auth.Service, auth.Caller, form) error
}

var pageTable = []page{
	{name: auth.PageVerifyEmail, resend: true, signIn: true, do: func(ctx context.Context, s *auth.Service, c auth.Caller, f form) error {
		return s.VerifyEmail(ctx, c, f.code, f.user)
	}, doTyped: verifyEmailTyped},
	{name: auth.PageInvite, password: true, signIn: true, do: func(ctx context.Context, s *auth.Service, c auth.Caller, f form) error {
		return s.AcceptInvite(ctx, c, auth.AcceptInviteParams{Code: f.code, User: f.user, NewPassword: f.password})
	}, doTyped: acceptInviteTyped},
	{name: auth.PageResetPassword, password: true, signIn: true, do: func(ctx context.Context, s *auth.Service, c auth.Caller, f form) error {
		return s.ResetPassword(ctx, c, f.code, f.password)
	}, doTyped: resetPasswordTyped},
	{name: auth.PageChangeEmail, signIn: true, do: func(ctx context.Context, s *auth.Service, c auth.Caller, f form) error {
		return s.ConfirmEmailChange(ctx, c, f.code)
	}, doTyped: confirmEmailTyped},
	{name: auth.PageTakeBackEmail, do: func(ctx context.Context, s *auth.Service, c auth.Caller, f form) error {
		return s.TakeBackEmail(ctx, c, f.code)
	}},
	{name: auth.PageTakeBack, do: func(ctx context.Context, s *auth.Service, c auth.Caller, f form) error {
		return s.TakeBack(ctx, c, f.code)
	}},
}

// visit is one request to a page, with what is known so far: an error is shown with that.
type visit struct {
	*Pages
	page    page
	texts   *texts
	project *auth.Project // nil before it is found
	form    form          // as submitted, or as the link fills it in

	request  *http.Request
	language string // that the reader has chosen, or ""

	to         *destination // of a flow page, once it is checked
	reopen     url.Values   // of the answer to a form: the query that its page can be opened again with; nil for none
	reopenPath string       // and the path, where it is not that of the form
}

// show answers GET and HEAD: the form, with what the link carried in hidden fields. It only reads (P8).
func (v *visit) show(w http.ResponseWriter, r *http.Request) error {
	if err := v.findProject(r); err != nil {
		return err
	}
	if v.page.isTyped(r.URL.Query()) {
		return v.writePage(w, http.StatusOK, v.typedPage(""))
	}
	f, err := linkForm(r.URL.Query())
	if err != nil {
		return err
	}
	v.form = f
	return v.writePage(w, http.StatusOK, v.formPage(""))
}

// submit answers POST with the result. Its address has no query, so that the code is gone from the address bar.
func (v *visit) submit(w http.ResponseWriter, r *http.Request) error {
	if err := v.findProject(r); err != nil {
		return err
	}
	if err := v.site.CheckOrigin(r); err != nil {
		return err
	}
	fields, err := ui.ReadForm(w, r, ui.FormRules{})
	if err != nil {
		return err
	}
	v.chooseLanguage(fields.Get(fieldLanguage))
	if v.page.resend && fields.Get(fieldSend) != "" {
		return v.resend(w, r, fields.Get(fieldEmail))
	}
	if v.page.doTyped != nil && fields.Has(fieldTyped) {
		return v.submitTyped(w, r, fields)
	}
	if v.form, err = linkForm(fields); err != nil {
		return err
	}
	v.form.password = fields.Get(fieldPassword)
	if v.page.password && v.form.password == "" {
		return &auth.Error{Code: auth.CodeMissingPassword, Message: "the password field is empty"}
	}
	if err := v.page.do(r.Context(), v.service, v.caller(r, v.project), v.form); err != nil {
		return err
	}
	return v.writePage(w, http.StatusOK, v.donePage())
}

// donePage says what the page has done, and leads to where its reader can now sign in.
func (v *visit) donePage() view {
	shown := v.textPage(v.page.name + ".done")
	if v.page.signIn {
		d := destination{next: v.localPath("")}
		shown.Parts = []part{{Away: []away{{URL: v.flowURL(pageSignIn, d), Label: v.texts.get("flow.sign-in"), Button: true}}}}
	}
	return shown
}

// resend has the verification mail sent again.
func (v *visit) resend(w http.ResponseWriter, r *http.Request, email string) error {
	v.form = form{send: true, email: email}
	if err := v.service.SendVerification(r.Context(), v.caller(r, v.project), email); err != nil {
		return err
	}
	return v.writePage(w, http.StatusOK, v.textPage("resend.done"))
}

func (v *visit) findProject(r *http.Request) error {
	project, err := v.service.HostedProject(r.Context(), auth.ProjectID(r.PathValue("project")))
	if err != nil {
		return err
	}
	v.project, v.texts = project, chooseTexts(r, project.Settings.Language)
	v.chooseLanguage(r.URL.Query().Get(fieldLanguage))
	web.SetProject(r.Context(), string(project.ID))
	return nil
}
