package accountsapi

import (
	"net/http"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

// verifyEmail verifies with oobCode and uid; with email alone it sends the mail again.
func (a *API) verifyEmail(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	var body struct {
		OOBCode web.Optional[string] `json:"oobCode"`
		UID     web.Optional[string] `json:"uid"`
		Email   web.Optional[string] `json:"email"`
	}
	if err := decode(r, &body, ""); err != nil {
		return err
	}
	if body.Email.Present && !body.OOBCode.Present && !body.UID.Present {
		return done(w, a.service.SendVerification(r.Context(), c, body.Email.Value))
	}
	return done(w, a.service.VerifyEmail(r.Context(), c, body.OOBCode.Value, auth.UserID(body.UID.Value)))
}
