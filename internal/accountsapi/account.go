package accountsapi

import (
	"net/http"

	"github.com/doorward/doorward/internal/auth"
)

func (a *API) deleteAccount(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	return done(w, a.service.DeleteAccount(r.Context(), c))
}

func (a *API) emailProviders(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	var body address
	if err := decode(r, &body, detailNoEmail); err != nil {
		return err
	}
	providers, registered, err := a.service.EmailProviders(r.Context(), c, body.Email)
	if err != nil {
		return err
	}
	return writeData(w, struct {
		AllProviders []string `json:"allProviders"`
		Registered   bool     `json:"registered"`
	}{providers, registered})
}

type role struct {
	UID  string `json:"uid"`
	Name string `json:"name"`
}

func (a *API) listRoles(w http.ResponseWriter, r *http.Request, c auth.Caller) error {
	stored, err := a.service.Roles(r.Context(), c)
	if err != nil {
		return err
	}
	roles := make([]role, len(stored))
	for i, s := range stored {
		roles[i] = role{string(s.ID), s.Name}
	}
	return writeData(w, roles)
}
