package accountsapi

import (
	"net/http"

	"github.com/doorward/doorward/internal/auth"
)

func (a *API) updateEmail(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	var body address
	if err := decode(r, &body, detailBadCredentials); err != nil {
		return err
	}
	return done(w, a.service.ChangeEmail(r.Context(), c, body.Email))
}
