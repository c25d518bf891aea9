package accountsapi

import (
	"net/http"

	"github.com/doorward/doorward/internal/auth"
)

func (a *API) passwordReset(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	var body address
	if err := decode(r, &body, detailNoEmail); err != nil {
		return err
	}
	return done(w, a.service.SendPasswordReset(r.Context(), c, body.Email))
}

func (a *API) verifyPasswordReset(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	var body struct {
		OOBCode     string `json:"oobCode"`
		NewPassword string `json:"newPassword"`
	}
	if err := decode(r, &body, detailNoCode); err != nil {
		return err
	}
	return done(w, a.service.ResetPassword(r.Context(), c, body.OOBCode, body.NewPassword))
}
