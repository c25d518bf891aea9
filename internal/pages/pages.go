package pages

import (
	"net/http"
	"net/url"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ui"
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
	service *auth.Service
	caller  func(*http.Request, *auth.Project) auth.Caller
	apiDocs *APIDocs
	site    *ui.Site
}

// New makes the pages. It panics where the public URL has no scheme or host, since links to the pages could not work either.
func New(o Options) *Pages {
	return &Pages{service: o.Service, caller: o.Caller, apiDocs: o.APIDocs, site: ui.NewSite(o.PublicURL, nil)}
}

// Routes lists the pages and the assets. The pages answer errors and panics themselves, as HTML, and return nil: any router can serve them.
func (p *Pages) Routes() []web.Route {
	routes := append(ui.AssetRoutes(), p.brandingRoutes()...)
	routes = append(routes, p.flowRoutes()...)
	routes = append(routes, p.accountRoutes()...)
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
		v := &visit{Pages: p, page: page, request: r, texts: chooseTexts(r, "")}
		v.chooseLanguage(r.URL.Query().Get(fieldLanguage))
		p.site.SetHeaders(w.Header(), ui.Policy{})
		w.Header().Add("Vary", "Accept-Language")
		web.Handle(func(w http.ResponseWriter, r *http.Request) error { return serve(v, w, r) }, v.showError).ServeHTTP(w, r)
		return nil
	}
}
