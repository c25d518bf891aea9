package pages

import (
	"net/http"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ui"
)

// submitSignOut ends the browser's session with the project. The form's token is ui.FormToken of the session's, for ui.PurposeSignOut.
func (v *visit) submitSignOut(w http.ResponseWriter, r *http.Request) error {
	token := v.site.Session(r, string(v.project.ID))
	d := destination{next: v.localPath("")}
	if token == "" {
		return seeOther(w, v.flowURL(pageSignIn, d))
	}
	fields, err := ui.ReadForm(w, r, ui.FormRules{})
	if err != nil {
		return err
	}
	v.chooseLanguage(fields.Get(fieldLanguage))
	if err := v.site.CheckForm(r, fields, token, ui.PurposeSignOut); err != nil {
		return err
	}
	if err := v.endSession(r, token); err != nil {
		return err
	}
	v.site.ClearSession(w, string(v.project.ID))
	return seeOther(w, v.flowURL(pageSignIn, d, fieldSays, "signed-out"))
}

// endSession ends the session of a browser's token; one that has ended already stays so.
func (v *visit) endSession(r *http.Request, token string) error {
	c, err := v.service.AuthenticateBrowserEnrolling(r.Context(), v.pageCaller(r), token)
	if code := auth.CodeOf(err); code == auth.CodeTokenInvalid || code == auth.CodeUnauthenticated {
		return nil
	}
	if err != nil {
		return err
	}
	_, current, err := v.service.Sessions(r.Context(), c)
	if err != nil {
		return err
	}
	if err := v.service.SignOut(r.Context(), c, current); auth.CodeOf(err) != auth.CodeNotFound {
		return err
	}
	return nil
}
