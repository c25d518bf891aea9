package accountsapi

import (
	"context"
	"net/http"
	"strings"

	"golang.org/x/text/language"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

// Options are what the surface serves, and under which names.
type Options struct {
	Service *auth.Service
	Hosts   Hosts
}

// API serves /api/v1 and each project's discovery documents.
type API struct {
	service *auth.Service
	hosts   Hosts
	lists   *listGate
}

// New makes the surface.
func New(o Options) *API { return &API{service: o.Service, hosts: o.Hosts, lists: newListGate()} }

// access says who a route is for; the domain checks it again with the caller it is handed (P34).
type access string

const (
	accessOpen    access = "open"    // credentials are not looked at
	accessUser    access = "user"    // a signed-in user
	accessEnroll  access = "enroll"  // likewise, also one whose session lacks the second factor that the project requires; or somebody whose sign-in waits for one
	accessAdmin   access = "admin"   // the holder of the project's admin token
	accessSetting access = "setting" // whom a setting of the project lets
)

// handler answers one operation; the caller is already as the route's access demands.
type handler func(a *API, w http.ResponseWriter, r *http.Request, c auth.Caller) error

// route is one row of the contract.
type route struct {
	name    string // operationId in the OpenAPI document
	method  string
	path    string // below /api/v1
	access  access
	handler handler
}

// routes is the one table of what this surface serves, and to whom (P34).
var routes = []route{
	{"signUp", http.MethodPost, "/auth/accounts/signup", accessOpen, (*API).signUp},
	{"signInEmail", http.MethodPost, "/auth/accounts/sign-in/email", accessOpen, (*API).signInEmail},
	{"signInCode", http.MethodPost, "/auth/accounts/sign-in/code", accessOpen, (*API).signInCode},
	{"authURL", http.MethodPost, "/auth/accounts/sign-in/auth-url", accessOpen, (*API).authURL},
	{"signInIDP", http.MethodPost, "/auth/accounts/sign-in/idp", accessOpen, (*API).signInIDP},
	{"linkIDP", http.MethodPost, "/auth/accounts/link/idp", accessUser, (*API).linkIDP},
	{"unlink", http.MethodPost, "/auth/accounts/unlink", accessUser, (*API).unlink},
	{"invite", http.MethodPost, "/auth/accounts/invite", accessSetting, (*API).invite},
	{"verifyInvite", http.MethodPost, "/auth/accounts/verify/invite", accessOpen, (*API).verifyInvite},
	{"passwordReset", http.MethodPost, "/auth/accounts/password-reset", accessOpen, (*API).passwordReset},
	{"verifyPasswordReset", http.MethodPost, "/auth/accounts/verify/password-reset", accessOpen, (*API).verifyPasswordReset},
	{"verifyEmail", http.MethodPost, "/auth/accounts/verify/email", accessOpen, (*API).verifyEmail},
	{"updateEmail", http.MethodPost, "/auth/accounts/update-email", accessUser, (*API).updateEmail},
	{"updatePassword", http.MethodPost, "/auth/accounts/update-password", accessUser, (*API).updatePassword},
	{"emailProviders", http.MethodPost, "/auth/accounts/email-providers", accessOpen, (*API).emailProviders},
	{"refreshToken", http.MethodPost, "/auth/accounts/token/refresh", accessOpen, (*API).refreshToken},
	{"deleteAccount", http.MethodDelete, "/auth/accounts", accessUser, (*API).deleteAccount},
	{"listSessions", http.MethodGet, "/auth/accounts/sessions", accessUser, (*API).listSessions},
	{"signOutEverywhere", http.MethodDelete, "/auth/accounts/sessions", accessUser, (*API).signOutEverywhere},
	{"signOut", http.MethodDelete, "/auth/accounts/sessions/{id}", accessUser, (*API).signOut},
	{"listRoles", http.MethodGet, "/auth/accounts/roles", accessAdmin, (*API).listRoles},
	{"startEnrollment", http.MethodPost, "/auth/accounts/mfa/enroll/start", accessEnroll, (*API).startEnrollment},
	{"finalizeEnrollment", http.MethodPost, "/auth/accounts/mfa/enroll/finalize", accessEnroll, (*API).finalizeEnrollment},
	{"listSecondFactors", http.MethodGet, "/auth/accounts/mfa", accessUser, (*API).listSecondFactors},
	{"removeSecondFactor", http.MethodDelete, "/auth/accounts/mfa/{id}", accessUser, (*API).removeSecondFactor},
	{"renewRecoveryCodes", http.MethodPost, "/auth/accounts/mfa/recovery-codes", accessUser, (*API).renewRecoveryCodes},
	{"startSecondFactor", http.MethodPost, "/auth/accounts/mfa/sign-in/start", accessOpen, (*API).startSecondFactor},
	{"finalizeSecondFactor", http.MethodPost, "/auth/accounts/mfa/sign-in/finalize", accessOpen, (*API).finalizeSecondFactor},
	{"startPasskeySignIn", http.MethodPost, "/auth/accounts/sign-in/passkey/start", accessOpen, (*API).startPasskeySignIn},
	{"signInPasskey", http.MethodPost, "/auth/accounts/sign-in/passkey", accessOpen, (*API).signInPasskey},

	{"listUsers", http.MethodGet, "/rest/collections/users", accessSetting, (*API).listUsers},
	{"getUser", http.MethodGet, "/rest/collections/users/{uid}", accessSetting, (*API).getUser},
	{"updateUser", http.MethodPatch, "/rest/collections/users/{uid}", accessSetting, (*API).updateUser},
	{"deleteUser", http.MethodDelete, "/rest/collections/users/{uid}", accessSetting, (*API).deleteUser},
}

const basePath = "/api/v1"

// Handler serves /api/v1 on every host: it finds the project first, and stops there if there is none (P35).
func (a *API) Handler() http.Handler {
	table := []web.Route{{Method: http.MethodGet, Pattern: basePath + "/openapi.json", Name: "openAPI", Handler: serveOpenAPI}}
	for _, rt := range routes {
		table = append(table, web.Route{Method: rt.method, Pattern: basePath + rt.path, Name: rt.name, Handler: a.serve(rt)})
	}
	inner := web.CORS(corsPolicy, web.DefaultCORSOptions())(web.NewRouter(table, writeError))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		web.Handle(func(w http.ResponseWriter, r *http.Request) error {
			p, err := a.project(r)
			if err != nil {
				return err
			}
			web.SetProject(r.Context(), string(p.ID))
			inner.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), projectKey{}, p)))
			return nil
		}, writeError).ServeHTTP(w, r)
	})
}

type projectKey struct{}

// projectOf gives the project that Handler found; nil before.
func projectOf(r *http.Request) *auth.Project {
	p, _ := r.Context().Value(projectKey{}).(*auth.Project)
	return p
}

func (a *API) project(r *http.Request) (*auth.Project, error) {
	id, err := a.hosts.ProjectOf(r)
	if err != nil {
		return nil, err
	}
	return a.service.Project(r.Context(), id)
}

func corsPolicy(r *http.Request) web.CORSPolicy {
	p := projectOf(r)
	if p == nil {
		return web.CORSPolicy{}
	}
	policy := web.CORSPolicy{Origins: p.Settings.CORSOrigins}
	for _, origin := range policy.Origins {
		policy.AnyOrigin = policy.AnyOrigin || origin == "*"
	}
	return policy
}

// serve turns a route into a handler that knows its caller.
func (a *API) serve(rt route) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		c, err := a.authenticate(r, rt.access)
		if err != nil {
			return err
		}
		return rt.handler(a, w, r, c)
	}
}

// Caller is who a request comes from, before anybody is authenticated.
func Caller(r *http.Request, p *auth.Project) auth.Caller {
	return auth.Caller{
		Project: p, Addr: web.ClientAddr(r.Context()), UserAgent: strings.ToValidUTF8(r.UserAgent(), "\uFFFD"), RequestID: web.RequestID(r.Context()), Languages: preferredLanguages(r),
	}
}

func (a *API) authenticate(r *http.Request, need access) (auth.Caller, error) {
	c := Caller(r, projectOf(r))
	admin, user := r.Header.Values("Deskree-Admin"), r.Header.Values("Authorization")
	switch {
	case need == accessOpen:
		return c, nil
	case need == accessAdmin, need == accessSetting && len(admin) > 0:
		return a.service.AuthenticateAdmin(r.Context(), c, single(admin))
	case need == accessEnroll && len(user) == 0:
		return c, nil // the domain asks for a pending credential instead
	case need == accessEnroll:
		return a.service.AuthenticateEnrolling(r.Context(), c, bearer(single(user)))
	case need == accessUser, len(user) > 0:
		return a.service.AuthenticateUser(r.Context(), c, bearer(single(user)))
	}
	return c, nil
}

// single gives a header that came once; "" for none, and for several, which could mean anything.
func single(values []string) string {
	if len(values) != 1 {
		return ""
	}
	return values[0]
}

// bearer takes "Bearer {idToken}" (RFC 6750 section 2.1; the scheme's case does not matter) and, as clients send it too, the bare token.
func bearer(header string) string {
	scheme, rest, ok := strings.Cut(header, " ")
	if ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimLeft(rest, " ")
	}
	return header
}

// anyLanguage is what the parser makes of "*", which prefers nothing.
var anyLanguage = language.MustParse("mul")

// preferredLanguages reads at most three of Accept-Language.
func preferredLanguages(r *http.Request) []string {
	header := r.Header.Get("Accept-Language")
	if header == "" || len(header) > 256 {
		return nil
	}
	tags, _, err := language.ParseAcceptLanguage(header)
	if err != nil {
		return nil
	}
	var names []string
	for _, tag := range tags[:min(len(tags), 3)] {
		if tag != language.Und && tag != anyLanguage {
			names = append(names, tag.String())
		}
	}
	return names
}
