package accountsapi

import (
	"encoding/json"
	"net/http"

	"github.com/doorward/doorward/internal/auth"
)

func (a *API) startPasskeySignIn(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	var body struct{}
	if err := decode(r, &body, ""); err != nil {
		return err
	}
	begun, err := a.service.BeginPasskeySignIn(r.Context(), c)
	if err != nil {
		return err
	}
	return writeData(w, struct {
		SessionID string          `json:"sessionId"`
		PublicKey json.RawMessage `json:"publicKey"`
	}{begun.SessionID, begun.Options})
}

func (a *API) signInPasskey(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	var body struct {
		SessionID  string          `json:"sessionId"`
		Credential json.RawMessage `json:"credential"`
	}
	if err := decode(r, &body, ""); err != nil {
		return err
	}
	tokens, err := a.service.SignInWithPasskey(r.Context(), c, body.SessionID, notNull(body.Credential))
	if err != nil {
		return err
	}
	return writeData(w, accountOf(tokens))
}
