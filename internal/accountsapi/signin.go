package accountsapi

import (
	"net/http"

	"github.com/doorward/doorward/internal/auth"
)

func (a *API) signInEmail(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	var body credentials
	if err := decode(r, &body, detailBadCredentials); err != nil {
		return err
	}
	tokens, err := a.service.SignIn(r.Context(), c, auth.SignInParams{Email: body.Email, Password: body.Password})
	if err != nil {
		return err
	}
	return writeData(w, accountOf(tokens))
}
