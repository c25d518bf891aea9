package accountsapi

import (
	"net/http"

	"github.com/doorward/doorward/internal/auth"
)

type credentials struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

func (a *API) signUp(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	var body credentials
	if err := decode(r, &body, detailBadCredentials); err != nil {
		return err
	}
	tokens, err := a.service.SignUp(r.Context(), c, auth.SignUpParams{Email: body.Email, Password: body.Password})
	if err != nil {
		return err
	}
	return writeData(w, accountOf(tokens))
}
