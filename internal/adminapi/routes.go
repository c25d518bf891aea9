package adminapi

import (
	"net/http"
	"reflect"
	"slices"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

// Base is the path under which all operations are.
const Base = "/admin/v1"

// Access is who may call an operation.
type Access string

// Who may call. An operator may do all that a project's admin may.
const (
	AccessOpen     Access = "open"     // everyone
	AccessAdmin    Access = "admin"    // the admin of the project in the path
	AccessOperator Access = "operator" // operators of the instance
	AccessLocal    Access = "local"    // whoever holds the data directory
)

// Operation is one line of the route table.
type Operation struct {
	Name    string // operationId in the OpenAPI document
	Method  string
	Pattern string // full path, with {name} for one segment
	Access  Access
	Query   []string // parameters it knows
}

// route is an operation with what serves it.
type route struct {
	Operation
	action
}

// action serves an operation. in, out and status are what the OpenAPI document must say of it.
type action struct {
	serve   func(a *API, w http.ResponseWriter, q request) error
	in, out reflect.Type // of the JSON body and answer; nil where there is none
	status  int
}

var (
	listParams  = []string{"after", "limit"}
	mailParams  = []string{"state", "content", "before", "limit"}
	userParams  = []string{"email", "emailPrefix", "role", "state", "provider", "emailVerified", "secondFactor", "createdSince", "createdUntil", "after", "limit"}
	auditParams = []string{"event", "user", "outcome", "actor", "actorId", "address", "reference", "since", "until", "before", "limit"}
)

// routes is the whole API: what is not here does not exist, and who is not named here may not call (P34).
var routes = []route{
	op("getOpenAPI", "GET", "/openapi.json", AccessOpen, nil, serveWith(200, (*API).getOpenAPI)),
	op("listSettings", "GET", "/settings", AccessOperator, nil, read((*API).listSettings)),
	op("createOperator", "POST", "/operators", AccessOperator, nil, accept(201, (*API).createOperator)),
	op("listOperators", "GET", "/operators", AccessOperator, nil, read((*API).listOperators)),
	op("deleteOperator", "DELETE", "/operators/{name}", AccessOperator, nil, do((*API).deleteOperator)),
	op("createConsoleLink", "POST", "/console/link", AccessLocal, nil, read((*API).createConsoleLink)),
	op("listConsoleOperators", "GET", "/console/operators", AccessOperator, nil, read((*API).listConsoleOperators)),
	op("inviteConsoleOperator", "POST", "/console/operators", AccessOperator, nil, accept(201, (*API).inviteConsoleOperator)),
	op("deleteConsoleOperator", "DELETE", "/console/operators/{operator}", AccessOperator, nil, do((*API).deleteConsoleOperator)),
	op("disableConsoleOperator", "POST", "/console/operators/{operator}/disable", AccessOperator, nil, read((*API).disableConsoleOperator)),
	op("enableConsoleOperator", "POST", "/console/operators/{operator}/enable", AccessOperator, nil, read((*API).enableConsoleOperator)),
	op("resetConsoleOperatorFactors", "DELETE", "/console/operators/{operator}/second-factors", AccessOperator, nil, read((*API).resetConsoleOperatorFactors)),
	op("stageMasterKey", "POST", "/master-key/stage", AccessLocal, nil, read((*API).stageMasterKey)),
	op("rotateMasterKey", "POST", "/master-key/rotate", AccessLocal, nil, read((*API).rotateMasterKey)),
	op("pruneMasterKeys", "POST", "/master-key/prune", AccessLocal, nil, read((*API).pruneMasterKeys)),
	op("listInstanceMail", "GET", "/mail", AccessOperator, mailParams, read((*API).listMail)),
	op("listInstanceAudit", "GET", "/audit", AccessOperator, auditParams, read((*API).listAudit)),
	op("explainAnywhere", "GET", "/decisions/{reference}", AccessOperator, nil, read((*API).explain)),

	op("createProject", "POST", "/projects", AccessOperator, nil, accept(201, (*API).createProject)),
	op("listProjects", "GET", "/projects", AccessOperator, listParams, read((*API).listProjects)),
	op("getProject", "GET", "/projects/{project}", AccessAdmin, nil, read((*API).getProject)),
	op("updateProject", "PATCH", "/projects/{project}", AccessAdmin, nil, accept(200, (*API).updateProject)),
	op("deleteProject", "DELETE", "/projects/{project}", AccessOperator, nil, do((*API).deleteProject)),
	op("rotateAdminToken", "POST", "/projects/{project}/admin-token", AccessAdmin, nil, read((*API).rotateAdminToken)),
	op("listProjectSettings", "GET", "/projects/{project}/settings", AccessAdmin, nil, read((*API).listProjectSettings)),

	op("searchUsers", "GET", "/projects/{project}/users", AccessAdmin, userParams, read((*API).searchUsers)),
	op("createUser", "POST", "/projects/{project}/users", AccessAdmin, nil, accept(201, (*API).createUser)),
	op("exportUsers", "GET", "/projects/{project}/users/export", AccessAdmin, listParams, serveWith(200, (*API).exportUsers)),
	op("importUsers", "POST", "/projects/{project}/users/import", AccessAdmin, []string{"dryRun", "format"}, read((*API).importUsers)),
	op("bulkUsers", "POST", "/projects/{project}/users/bulk", AccessAdmin, nil, accept(200, (*API).bulkUsers)),
	op("getUser", "GET", "/projects/{project}/users/{uid}", AccessAdmin, nil, read((*API).getUser)),
	op("updateUser", "PATCH", "/projects/{project}/users/{uid}", AccessAdmin, nil, accept(200, (*API).updateUser)),
	op("deleteUser", "DELETE", "/projects/{project}/users/{uid}", AccessAdmin, nil, do((*API).deleteUser)),
	op("disableUser", "POST", "/projects/{project}/users/{uid}/disable", AccessAdmin, nil, read((*API).disableUser)),
	op("enableUser", "POST", "/projects/{project}/users/{uid}/enable", AccessAdmin, nil, read((*API).enableUser)),
	op("sendPasswordReset", "POST", "/projects/{project}/users/{uid}/send-password-reset", AccessAdmin, nil, do((*API).sendPasswordReset)),
	op("sendVerification", "POST", "/projects/{project}/users/{uid}/send-verification", AccessAdmin, nil, do((*API).sendVerification)),
	op("listUserSessions", "GET", "/projects/{project}/users/{uid}/sessions", AccessAdmin, listParams, read((*API).listSessions)),
	op("revokeUserSessions", "DELETE", "/projects/{project}/users/{uid}/sessions", AccessAdmin, nil, read((*API).revokeUserSessions)),
	op("listSecondFactors", "GET", "/projects/{project}/users/{uid}/second-factors", AccessAdmin, nil, read((*API).listSecondFactors)),
	op("resetSecondFactors", "DELETE", "/projects/{project}/users/{uid}/second-factors", AccessAdmin, nil, read((*API).resetSecondFactors)),
	op("assignRole", "POST", "/projects/{project}/users/{uid}/roles", AccessAdmin, nil, accept(200, (*API).assignRole)),
	op("unassignRole", "DELETE", "/projects/{project}/users/{uid}/roles/{role}", AccessAdmin, nil, read((*API).unassignRole)),
	op("inviteUser", "POST", "/projects/{project}/invites", AccessAdmin, nil, accept(201, (*API).inviteUser)),

	op("listRoles", "GET", "/projects/{project}/roles", AccessAdmin, nil, read((*API).listRoles)),
	op("createRole", "POST", "/projects/{project}/roles", AccessAdmin, nil, accept(201, (*API).createRole)),
	op("deleteRole", "DELETE", "/projects/{project}/roles/{role}", AccessAdmin, nil, do((*API).deleteRole)),

	op("listSessions", "GET", "/projects/{project}/sessions", AccessAdmin, listParams, read((*API).listSessions)),
	op("revokeSession", "DELETE", "/projects/{project}/sessions/{session}", AccessAdmin, nil, do((*API).revokeSession)),

	op("listKeys", "GET", "/projects/{project}/keys", AccessAdmin, nil, read((*API).listKeys)),
	op("rotateKey", "POST", "/projects/{project}/keys", AccessAdmin, nil, create((*API).rotateKey)),
	op("withdrawKey", "DELETE", "/projects/{project}/keys/{kid}", AccessAdmin, nil, do((*API).withdrawKey)),

	op("listProviders", "GET", "/projects/{project}/providers", AccessAdmin, nil, read((*API).listProviders)),
	op("getProvider", "GET", "/projects/{project}/providers/{provider}", AccessAdmin, nil, read((*API).getProvider)),
	op("putProvider", "PUT", "/projects/{project}/providers/{provider}", AccessAdmin, nil, accept(200, (*API).putProvider)),
	op("deleteProvider", "DELETE", "/projects/{project}/providers/{provider}", AccessAdmin, nil, do((*API).deleteProvider)),
	op("checkProvider", "POST", "/projects/{project}/providers/{provider}/check", AccessAdmin, nil, read((*API).checkProvider)),

	op("listMail", "GET", "/projects/{project}/mail", AccessAdmin, mailParams, read((*API).listMail)),
	op("readMail", "GET", "/projects/{project}/mail/{mail}", AccessAdmin, nil, read((*API).readMail)),
	op("retryMail", "POST", "/projects/{project}/mail/{mail}/retry", AccessAdmin, nil, do((*API).retryMail)),
	op("deleteMail", "DELETE", "/projects/{project}/mail/{mail}", AccessAdmin, nil, do((*API).deleteMail)),
	op("listMailTemplates", "GET", "/projects/{project}/mail-templates", AccessAdmin, nil, read((*API).listMailTemplates)),
	op("putMailTemplate", "PUT", "/projects/{project}/mail-templates/{kind}/{language}", AccessAdmin, nil, acceptOnly((*API).putMailTemplate)),
	op("deleteMailTemplate", "DELETE", "/projects/{project}/mail-templates/{kind}/{language}", AccessAdmin, nil, do((*API).deleteMailTemplate)),
	op("checkMail", "POST", "/projects/{project}/mail-check", AccessAdmin, nil, read((*API).checkMail)),
	op("previewMail", "GET", "/projects/{project}/mail-templates/{kind}/{language}/preview", AccessAdmin, nil, read((*API).previewMail)),
	op("previewMailDraft", "POST", "/projects/{project}/mail-templates/{kind}/{language}/preview", AccessAdmin, nil, accept(200, (*API).previewMailDraft)),
	op("sendTestMail", "POST", "/projects/{project}/mail-templates/{kind}/{language}/test", AccessAdmin, nil, accept(201, (*API).sendTestMail)),

	op("presetDiff", "GET", "/projects/{project}/presets/{preset}", AccessAdmin, presetParams, read((*API).presetDiff)),
	op("applyPreset", "POST", "/projects/{project}/presets/{preset}", AccessAdmin, presetParams, read((*API).applyPreset)),

	op("listWebhooks", "GET", "/projects/{project}/webhooks", AccessAdmin, nil, read((*API).listWebhooks)),
	op("createWebhook", "POST", "/projects/{project}/webhooks", AccessAdmin, nil, accept(201, (*API).createWebhook)),
	op("getWebhook", "GET", "/projects/{project}/webhooks/{webhook}", AccessAdmin, nil, read((*API).getWebhook)),
	op("updateWebhook", "PATCH", "/projects/{project}/webhooks/{webhook}", AccessAdmin, nil, accept(200, (*API).updateWebhook)),
	op("deleteWebhook", "DELETE", "/projects/{project}/webhooks/{webhook}", AccessAdmin, nil, do((*API).deleteWebhook)),
	op("rotateWebhookSecret", "POST", "/projects/{project}/webhooks/{webhook}/secret", AccessAdmin, nil, read((*API).rotateWebhookSecret)),
	op("testWebhook", "POST", "/projects/{project}/webhooks/{webhook}/test", AccessAdmin, nil, read((*API).testWebhook)),
	op("listWebhookDeliveries", "GET", "/projects/{project}/webhook-deliveries", AccessAdmin, deliveryParams, read((*API).listWebhookDeliveries)),
	op("retryWebhookDelivery", "POST", "/projects/{project}/webhook-deliveries/{delivery}/retry", AccessAdmin, nil, do((*API).retryWebhookDelivery)),

	op("listActivity", "GET", "/projects/{project}/activity", AccessAdmin, activityParams, read((*API).listActivity)),
	op("listAudit", "GET", "/projects/{project}/audit", AccessAdmin, auditParams, read((*API).listAudit)),
	op("explain", "GET", "/projects/{project}/decisions/{reference}", AccessAdmin, nil, read((*API).explain)),
}

func op(name, method, path string, access Access, query []string, serve action) route {
	return route{Operation{name, method, Base + path, access, query}, serve}
}

// Operations lists the route table.
func Operations() []Operation {
	list := make([]Operation, len(routes))
	for i, rt := range routes {
		list[i] = rt.Operation
		list[i].Query = slices.Clone(rt.Query)
	}
	return list
}

// Options are what the API works with.
type Options struct {
	Admin *auth.Admin
	// Links finds the links of a mail, in order.
	Links func(auth.Message) []string
	// Local makes every caller an operator who holds the data directory. Such a handler is for the command line in its own process (see InProcess), and is
	// never mounted on a listener.
	Local bool
}

// API serves the route table.
type API struct {
	admin *auth.Admin
	links func(auth.Message) []string
	local bool
}

// New makes the API over the domain.
func New(o Options) *API {
	return &API{admin: o.Admin, links: o.Links, local: o.Local}
}

// Handler serves everything under Base, to be mounted there with its path as it came.
func (a *API) Handler() http.Handler {
	list := make([]web.Route, len(routes))
	for i, rt := range routes {
		list[i] = web.Route{Method: rt.Method, Pattern: rt.Pattern, Name: rt.Name, Handler: a.handler(rt)}
	}
	return web.NewRouter(list, writeError)
}

// handler checks who calls before anything else of the request is looked at.
func (a *API) handler(rt route) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		c, err := a.caller(r, rt.Access)
		if err != nil {
			return err
		}
		query, err := parseQuery(r.URL.RawQuery, rt.Query)
		if err != nil {
			return err
		}
		return rt.serve(a, w, request{r.Context(), c, query, r})
	}
}

// read answers 200 with what f gives.
func read[Out any](f func(*API, request) (Out, error)) action { return answer(http.StatusOK, f) }

// create answers 201 with what f gives.
func create[Out any](f func(*API, request) (Out, error)) action {
	return answer(http.StatusCreated, f)
}

func answer[Out any](status int, f func(*API, request) (Out, error)) action {
	serve := func(a *API, w http.ResponseWriter, q request) error {
		out, err := f(a, q)
		if err != nil {
			return err
		}
		return web.WriteJSON(w, status, out)
	}
	return action{serve: serve, out: reflect.TypeFor[Out](), status: status}
}

// accept decodes the body for f and answers with what f gives.
func accept[In, Out any](status int, f func(*API, request, In) (Out, error)) action {
	with := answer(status, func(a *API, q request) (Out, error) {
		var body In
		if err := web.DecodeJSON(q.http, &body, bodyLimits); err != nil {
			var none Out
			return none, err
		}
		return f(a, q, body)
	})
	with.in = reflect.TypeFor[In]()
	return with
}

// acceptOnly decodes the body for f and answers 204.
func acceptOnly[In any](f func(*API, request, In) error) action {
	with := do(func(a *API, q request) error {
		var body In
		if err := web.DecodeJSON(q.http, &body, bodyLimits); err != nil {
			return err
		}
		return f(a, q, body)
	})
	with.in = reflect.TypeFor[In]()
	return with
}

// do answers 204 once f is done.
func do(f func(*API, request) error) action {
	serve := func(a *API, w http.ResponseWriter, q request) error {
		if err := f(a, q); err != nil {
			return err
		}
		web.NoContent(w)
		return nil
	}
	return action{serve: serve, status: http.StatusNoContent}
}

// serveWith leaves the answer to f.
func serveWith(status int, f func(*API, http.ResponseWriter, request) error) action {
	return action{serve: f, status: status}
}

// bodyLimits leave room for a mail template, or for a user with all its attributes.
var bodyLimits = web.DecodeOptions{MaxBytes: 512 << 10}
