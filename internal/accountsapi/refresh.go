package accountsapi

import (
	"net/http"

	"github.com/doorward/doorward/internal/auth"
)

// refreshed says everything twice, since both spellings are documented.
type refreshed struct {
	ExpiresInSnake    string `json:"expires_in"`
	TokenType         string `json:"token_type"`
	RefreshTokenSnake string `json:"refresh_token"`
	IDTokenSnake      string `json:"id_token"`
	AccessToken       string `json:"access_token"`
	UserID            string `json:"user_id"`
	ProjectID         string `json:"project_id"`
	IDToken           string `json:"idToken"`
	RefreshToken      string `json:"refreshToken"`
	ExpiresIn         string `json:"expiresIn"`
}

func (a *API) refreshToken(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	var body struct {
		RefreshToken string `json:"refresh_token"`
	}
	if err := decode(r, &body, ""); err != nil {
		return err
	}
	t, err := a.service.Refresh(r.Context(), c, body.RefreshToken)
	if err != nil {
		return err
	}
	expires := seconds(t.ExpiresIn)
	return writeData(w, refreshed{
		ExpiresInSnake: expires, TokenType: "Bearer", RefreshTokenSnake: t.RefreshToken, IDTokenSnake: t.IDToken, AccessToken: t.IDToken,
		UserID: string(t.User.ID), ProjectID: string(c.Project.ID), IDToken: t.IDToken, RefreshToken: t.RefreshToken, ExpiresIn: expires,
	})
}
