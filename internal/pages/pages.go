package pages

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

// Options are what the pages work with. All fields are needed.
type Options struct {
	Service   *auth.Service
	PublicURL *url.URL // no trailing slash; paths in the pages begin with its path (P12)
	// Caller gives who calls about the project, with address, request id, user agent and languages filled in.
	Caller func(*http.Request, *auth.Project) auth.Caller
	// APIDocs may be nil: then there are no pages about the AUTH API.
	APIDocs *APIDocs
}

// Pages are the hosted pages of all projects. They are safe for concurrent use.
type Pages struct {
	service     *auth.Service
	caller      func(*http.Request, *auth.Project) auth.Caller
	apiDocs     *APIDocs
	basePath    string // of the public URL; "" or as "/auth"
	https       bool
	crossOrigin *http.CrossOriginProtection
}

// New makes the pages. It panics where the public URL has no scheme or host, since links to the pages could not work either.
func New(o Options) *Pages {
	p := &Pages{
		service: o.Service, caller: o.Caller, apiDocs: o.APIDocs, basePath: o.PublicURL.EscapedPath(), https: o.PublicURL.Scheme == "https",
		crossOrigin: http.NewCrossOriginProtection(),
	}
	// A proxy may send another Host than the one that the browser knows.
	if err := p.crossOrigin.AddTrustedOrigin(o.PublicURL.Scheme + "://" + o.PublicURL.Host); err != nil {
		panic(fmt.Sprintf("pages: public URL: %v", err))
	}
	return p
}

// Routes lists the pages and their stylesheet. The handlers answer errors and panics themselves, as HTML, and return nil: any router can serve them.
func (p *Pages) Routes() []web.Route {
	routes := []web.Route{{Method: http.MethodGet, Pattern: "/" + stylesheet, Name: "stylesheet", Handler: serveStylesheet}}
	for _, page := range pageTable {
		routes = append(routes,
			web.Route{Method: http.MethodGet, Pattern: "/{project}/" + page.name, Name: page.name + ".show", Handler: p.handler(page, (*visit).show)},
			web.Route{Method: http.MethodPost, Pattern: "/{project}/" + page.name, Name: page.name + ".submit", Handler: p.handler(page, (*visit).submit)},
		)
	}
	if p.apiDocs != nil {
		routes = append(routes, p.docsRoutes(*p.apiDocs)...)
	}
	return routes
}

// handler serves one page in a visit of its own, which also shows what goes wrong.
func (p *Pages) handler(page page, serve func(*visit, http.ResponseWriter, *http.Request) error) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		v := &visit{Pages: p, page: page, texts: chooseTexts(r, "")}
		p.setHeaders(w.Header())
		web.Handle(func(w http.ResponseWriter, r *http.Request) error { return serve(v, w, r) }, v.showError).ServeHTTP(w, r)
		return nil
	}
}

// setHeaders sets the headers of every page (P40). Links carry codes, so no cache keeps a page and no other site learns its address.
func (p *Pages) setHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Accept-Language")
	if p.https {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// checkOrigin refuses forms that another site sends (P39). Our own no-referrer makes browsers send "Origin: null" with our own forms (Fetch standard,
// section "append a request Origin header"), and over plain HTTP without Sec-Fetch-Site beside it. That is let through: no cookie is at stake here, and
// whoever could forge the form needs the code.
func (p *Pages) checkOrigin(r *http.Request) error {
	if r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "null" {
		return nil
	}
	if err := p.crossOrigin.Check(r); err != nil {
		return &web.Error{Status: http.StatusForbidden, Detail: "The form was sent by another site", Cause: err}
	}
	return nil
}
