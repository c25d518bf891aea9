package server

import (
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/doorward/doorward/internal/accountsapi"
	"github.com/doorward/doorward/internal/adminapi"
	"github.com/doorward/doorward/internal/console"
	"github.com/doorward/doorward/internal/mail"
	"github.com/doorward/doorward/internal/pages"
	"github.com/doorward/doorward/internal/web"
)

// readyTimeout bounds the checks of one call of /readyz.
const readyTimeout = 2 * time.Second

// newHandler mounts the surfaces. Hosts of projects serve the AUTH API and health only; every other host serves all.
func (s *Server) newHandler() http.Handler {
	hosts := accountsapi.Hosts{Domain: s.config.Domain}
	accounts := accountsapi.New(accountsapi.Options{Service: s.instance.Service, Hosts: hosts})
	hosted := pages.New(pages.Options{Service: s.instance.Service, PublicURL: s.config.PublicURL, Caller: accountsapi.Caller, APIDocs: s.apiDocs()})
	operators := console.New(console.Options{
		Admin: s.instance.Admin, PublicURL: s.config.PublicURL, Caller: accountsapi.Caller, Docs: s.consoleDocs(), Links: mail.Links, MailLanguages: mail.Languages(), BuiltInMail: mail.BuiltIn,
	})
	admin := adminapi.New(adminapi.Options{Admin: s.instance.Admin, Links: mail.Links})

	everywhere := []web.Mount{
		{Prefix: "/api/v1", Handler: s.surface("accounts", accounts.Handler())},
		{Prefix: "/healthz", Handler: s.surface("health", exactly("/healthz", web.Healthz()))},
		{Prefix: "/readyz", Handler: s.surface("health", exactly("/readyz", s.ready))},
	}
	onBareHosts := append([]web.Mount{
		{Prefix: "/admin/v1", Handler: s.surface("admin", admin.Handler())},
		{Prefix: "", Handler: s.surface("pages", web.NewRouter(slices.Concat(accounts.WellKnown(), hosted.Routes(), operators.Routes()), writeError))},
	}, everywhere...)

	nothing := s.surface("none", web.NewRouter(nil, writeError))
	projectHost := web.Mounts(everywhere, nothing)
	bareHost := web.Mounts(onBareHosts, nothing)
	byHost := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := hosts.Project(r.Host); ok {
			projectHost.ServeHTTP(w, r)
			return
		}
		bareHost.ServeHTTP(w, r)
	})
	return web.Chain(byHost, web.RequestIDs(s.config.Rand), s.config.TrustedProxies.Middleware, web.Log(s.config.Log, s.config.Clock))
}

// surface puts what every surface needs around it.
func (s *Server) surface(name string, h http.Handler) http.Handler {
	around := []web.Middleware{s.metrics.Middleware(name)}
	if s.tracer != nil {
		around = append(around, web.Tracing(s.tracer))
	}
	around = append(around, recovered, web.SecureHeaders)
	if name != "health" {
		around = append(around, s.unlessMoved)
	}
	return web.Chain(h, around...)
}

// recovered answers a panic outside of the surfaces' own handlers, so that it costs one request (P46).
func recovered(next http.Handler) http.Handler {
	return web.Handle(func(w http.ResponseWriter, r *http.Request) error {
		next.ServeHTTP(w, r)
		return nil
	}, writeError)
}

// exactly serves h on one path, and 404 on those below it.
func exactly(path string, h http.Handler) http.Handler {
	serve := func(w http.ResponseWriter, r *http.Request) error {
		h.ServeHTTP(w, r)
		return nil
	}
	return web.NewRouter([]web.Route{{Method: http.MethodGet, Pattern: path, Handler: serve}}, writeError)
}

type errorItem struct {
	Code   string `json:"code"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
}

// writeError answers where no surface has an envelope of its own, in that of the AUTH API.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	status, detail := http.StatusInternalServerError, "Error processing your request"
	var plumbing *web.Error
	if errors.As(err, &plumbing) && (plumbing.Status < 500 || plumbing.Status == http.StatusServiceUnavailable) {
		plumbing.CopyHeader(w.Header())
		status, detail = plumbing.Status, plumbing.Detail
	}
	web.SetError(r.Context(), err)
	body := struct {
		Errors []errorItem `json:"errors"`
	}{[]errorItem{{strconv.Itoa(status), http.StatusText(status), detail}}}
	if err := web.WriteJSON(w, status, body); err != nil {
		slog.DebugContext(r.Context(), "error answer not written", slog.Any("error", err))
	}
}

// LocalAdmin serves the admin API in-process to whoever holds the data directory, as an operator. It must never be mounted on a listener.
func (i *Instance) LocalAdmin() http.Handler {
	h := adminapi.New(adminapi.Options{Admin: i.Admin, Links: mail.Links, Local: true}).Handler()
	return web.Log(i.config.Log, i.config.Clock)(h) // the causes of failures are in the log alone
}
