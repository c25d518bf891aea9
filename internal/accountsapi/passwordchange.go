package accountsapi

import (
	"net/http"

	"github.com/doorward/doorward/internal/auth"
)

func (a *API) updatePassword(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	var body struct {
		OldPassword string `json:"oldPassword"`
		NewPassword string `json:"newPassword"`
	}
	if err := decode(r, &body, ""); err != nil {
		return err
	}
	return done(w, a.service.ChangePassword(r.Context(), c, body.OldPassword, body.NewPassword))
}
