package adminapi

import (
	"net/http"
	"strings"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

// operatorTokenPrefix starts every operator token, and tells it from a project's admin token.
const operatorTokenPrefix = "dw_operator_"

// adminHeader may carry a project's admin token, as in the AUTH API.
const adminHeader = "deskree-admin"

// caller tells who calls and about which project, as far as the operation needs it. The project is the one in the path (P35).
func (a *API) caller(r *http.Request, access Access) (auth.Caller, error) {
	c := auth.Caller{Addr: web.ClientAddr(r.Context()), UserAgent: r.UserAgent(), RequestID: web.RequestID(r.Context())}
	switch {
	case access == AccessOpen:
		return c, nil
	case a.local:
		return a.withProject(r, a.admin.LocalOperator(c))
	}
	token, isOperator, err := credential(r, access)
	if err != nil {
		return c, err
	}
	if isOperator {
		if c, err = a.admin.AuthenticateOperator(r.Context(), c, token); err != nil {
			return c, err
		}
		if access == AccessLocal {
			return c, &auth.Error{Code: auth.CodePermissionDenied, Message: "this works only with the data directory at hand; run it where the server runs"}
		}
		return a.withProject(r, c)
	}
	if c, err = a.withProject(r, c); err != nil {
		return c, err
	}
	return a.admin.AuthenticateAdmin(r.Context(), c, token)
}

// withProject puts the project of the path into the caller, where the path has one.
func (a *API) withProject(r *http.Request, c auth.Caller) (auth.Caller, error) {
	id := r.PathValue("project")
	if id == "" {
		return c, nil
	}
	find := a.admin.Project
	if c.Actor() == auth.ActorOperator { // who alone gets to see the console's
		find = a.admin.HostedProject
	}
	p, err := find(r.Context(), auth.ProjectID(id))
	if err != nil {
		return c, err
	}
	web.SetProject(r.Context(), id)
	c.Project = p
	return c, nil
}

// credential finds the token that the request shows, and tells whether it is to be checked as an operator's. Admin tokens count only where the operation is about
// one project. A request that shows two, or one in a form that is not ours, shows none (P9).
func credential(r *http.Request, access Access) (token string, isOperator bool, err error) {
	bearers, admins := r.Header.Values("Authorization"), r.Header.Values(adminHeader)
	if len(bearers)+len(admins) != 1 {
		return "", false, errNoCredential
	}
	if len(admins) == 1 {
		if access != AccessAdmin || admins[0] == "" {
			return "", false, errNoCredential
		}
		return admins[0], false, nil
	}
	scheme, token, _ := strings.Cut(bearers[0], " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" { // RFC 9110 section 11.1: the scheme's case does not matter
		return "", false, errNoCredential
	}
	return token, access != AccessAdmin || strings.HasPrefix(token, operatorTokenPrefix), nil
}

var errNoCredential = &auth.Error{
	Code:    auth.CodeUnauthenticated,
	Message: "this needs one token: Authorization: Bearer with an operator token, or with the project's admin token where the path names a project",
}
