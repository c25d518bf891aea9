package accountsapi

import (
	"net/http"

	"github.com/doorward/doorward/internal/auth"
)

func (a *API) signInCode(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	var body struct {
		Code         string `json:"code"`
		CodeVerifier string `json:"codeVerifier"`
		CallBackURI  string `json:"callBackUri"`
	}
	if err := decode(r, &body, ""); err != nil {
		return err
	}
	tokens, err := a.service.ExchangeCode(r.Context(), c, auth.CodeExchange{Code: body.Code, CodeVerifier: body.CodeVerifier, RedirectURI: body.CallBackURI})
	if err != nil {
		return err
	}
	return writeData(w, accountOf(tokens))
}
