package accountsapi

import (
	"encoding/json"
	"net/http"

	"github.com/doorward/doorward/internal/auth"
)

func (a *API) authURL(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	var body struct {
		ProviderID  string `json:"providerId"`
		CallBackURI string `json:"callBackUri"`
	}
	if err := decode(r, &body, detailNoProvider); err != nil {
		return err
	}
	begun, err := a.service.Authorize(r.Context(), c, body.ProviderID, body.CallBackURI)
	if err != nil {
		return err
	}
	return writeData(w, struct {
		Kind       string `json:"kind"`
		AuthURI    string `json:"authUri"`
		ProviderID string `json:"providerId"`
		SessionID  string `json:"sessionId"`
	}{"identitytoolkit#CreateAuthUriResponse", begun.URL, begun.ProviderID, begun.SessionID})
}

// completion is the second step. The published client sends null for the one of token and code that it has not.
type completion struct {
	SessionID   string  `json:"sessionId"`
	ProviderID  string  `json:"providerId"`
	CallBackURI string  `json:"callBackUri"`
	State       string  `json:"state"`
	Issuer      *string `json:"iss"` // null where the browser came back without, as URLSearchParams has it
	Token       *string `json:"token"`
	Code        *string `json:"code"`
}

func decodeCompletion(r *http.Request) (auth.ProviderSignInParams, error) {
	var body completion
	if err := decode(r, &body, detailNoFlow); err != nil {
		return auth.ProviderSignInParams{}, err
	}
	return auth.ProviderSignInParams{
		SessionID: body.SessionID, ProviderID: body.ProviderID, RedirectURI: body.CallBackURI, State: body.State, Issuer: deref(body.Issuer), Token: deref(body.Token), Code: deref(body.Code),
	}, nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// providerAccount is the answer to both completions; without tokens where the user has to confirm first, or to verify the email.
type providerAccount struct {
	ProviderID       string `json:"providerId"`
	LocalID          string `json:"localId"`
	Email            string `json:"email"`
	EmailVerified    bool   `json:"emailVerified"`
	RawUserInfo      string `json:"rawUserInfo"` // JSON
	FirstName        string `json:"firstName"`
	LastName         string `json:"lastName"`
	FullName         string `json:"fullName"`
	DisplayName      string `json:"displayName"`
	PhotoURL         string `json:"photoUrl"`
	IsNewUser        bool   `json:"isNewUser"`
	NeedConfirmation bool   `json:"needConfirmation"`
	IDToken          string `json:"idToken,omitempty"`
	RefreshToken     string `json:"refreshToken,omitempty"`
	ExpiresIn        string `json:"expiresIn,omitempty"`
	secondStep
}

func providerAccountOf(s auth.ProviderSignIn) (providerAccount, error) {
	raw, err := json.Marshal(s.Identity.Raw)
	if err != nil {
		return providerAccount{}, err
	}
	answer := providerAccount{
		ProviderID: s.ProviderID, Email: s.Identity.Email, EmailVerified: s.Identity.EmailVerified, RawUserInfo: string(raw), FirstName: s.Identity.GivenName,
		LastName: s.Identity.FamilyName, FullName: s.Identity.Name, DisplayName: s.Identity.Name, PhotoURL: s.Identity.Picture, IsNewUser: s.IsNewUser,
		NeedConfirmation: s.NeedConfirmation, IDToken: s.IDToken, RefreshToken: s.RefreshToken, secondStep: secondStepOf(s.Tokens),
	}
	if !s.NeedConfirmation { // whose the address is stays untold
		answer.LocalID = string(s.User.ID)
		answer.Email, answer.EmailVerified = string(s.User.Email), s.User.EmailVerified
	}
	if s.IDToken != "" {
		answer.ExpiresIn = seconds(s.ExpiresIn)
	}
	return answer, nil
}

func (a *API) signInIDP(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	params, err := decodeCompletion(r)
	if err != nil {
		return err
	}
	return a.completed(w)(a.service.SignInWithProvider(r.Context(), c, params))
}

// linkIDP joins the provider's account to the signed-in user.
func (a *API) linkIDP(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	params, err := decodeCompletion(r)
	if err != nil {
		return err
	}
	return a.completed(w)(a.service.LinkProvider(r.Context(), c, params))
}

func (a *API) completed(w http.ResponseWriter) func(auth.ProviderSignIn, error) error {
	return func(s auth.ProviderSignIn, err error) error {
		if err != nil {
			return err
		}
		answer, err := providerAccountOf(s)
		if err != nil {
			return err
		}
		return writeData(w, answer)
	}
}

func (a *API) unlink(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	var body struct {
		ProviderID string `json:"providerId"`
	}
	if err := decode(r, &body, detailNoProvider); err != nil {
		return err
	}
	return done(w, a.service.UnlinkProvider(r.Context(), c, body.ProviderID))
}
