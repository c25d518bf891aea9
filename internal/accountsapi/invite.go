package accountsapi

import (
	"net/http"

	"github.com/doorward/doorward/internal/auth"
)

type address struct {
	Email string `json:"email"`
}

func (a *API) invite(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	var body address
	if err := decode(r, &body, detailNoEmail); err != nil {
		return err
	}
	_, err := a.service.Invite(r.Context(), c, auth.InviteParams{Email: body.Email})
	return done(w, err)
}

func (a *API) verifyInvite(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	var body struct {
		OOBCode     string `json:"oobCode"`
		UID         string `json:"uid"`
		NewPassword string `json:"newPassword"`
	}
	if err := decode(r, &body, detailNoCode); err != nil {
		return err
	}
	return done(w, a.service.AcceptInvite(r.Context(), c, auth.AcceptInviteParams{Code: body.OOBCode, User: auth.UserID(body.UID), NewPassword: body.NewPassword}))
}
