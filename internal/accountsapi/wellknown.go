package accountsapi

import (
	"net/http"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

// WellKnown serves each project's public keys and OpenID Connect discovery document under the public URL. Its errors come in the array envelope.
func (a *API) WellKnown() []web.Route {
	return []web.Route{
		{Method: http.MethodGet, Pattern: "/{project}/.well-known/openid-configuration", Name: "discovery", Handler: a.public(a.discovery)},
		{Method: http.MethodGet, Pattern: "/{project}/.well-known/jwks.json", Name: "jwks", Handler: a.public(a.jwks)},
	}
}

// public lets every page read the answer, and caches keep it for a while that is short beside the overlap of a key rotation.
func (a *API) public(h func(w http.ResponseWriter, r *http.Request, p *auth.Project) error) web.Handler {
	inner := func(w http.ResponseWriter, r *http.Request) error {
		p, err := a.service.Project(r.Context(), auth.ProjectID(r.PathValue("project")))
		if err != nil {
			return err
		}
		web.SetProject(r.Context(), string(p.ID))
		w.Header().Set("Access-Control-Allow-Origin", "*")
		return h(w, r, p)
	}
	served := web.Handle(inner, writeError)
	return func(w http.ResponseWriter, r *http.Request) error {
		served.ServeHTTP(w, r)
		return nil
	}
}

const publicCache = "public, max-age=300"

func (a *API) jwks(w http.ResponseWriter, r *http.Request, p *auth.Project) error {
	set, _, err := a.service.JWKS(r.Context(), p.ID)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", publicCache)
	return web.WriteEncoded(w, http.StatusOK, set)
}

// discovery is what verifiers of id tokens need (OpenID Connect Discovery 1.0 section 3). The server is no OpenID provider, so it names no authorization endpoint.
func (a *API) discovery(w http.ResponseWriter, r *http.Request, p *auth.Project) error {
	_, algorithms, err := a.service.JWKS(r.Context(), p.ID)
	if err != nil {
		return err
	}
	issuer := a.service.Issuer(p.ID)
	w.Header().Set("Cache-Control", publicCache)
	return web.WriteJSON(w, http.StatusOK, struct {
		Issuer        string   `json:"issuer"`
		JWKSURI       string   `json:"jwks_uri"`
		ResponseTypes []string `json:"response_types_supported"`
		SubjectTypes  []string `json:"subject_types_supported"`
		Algorithms    []string `json:"id_token_signing_alg_values_supported"`
	}{issuer, issuer + "/.well-known/jwks.json", []string{"id_token"}, []string{"public"}, algorithms})
}
