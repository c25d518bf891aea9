package console

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ui"
	"github.com/doorward/doorward/internal/web"
)

// root is where the console is, below the public URL.
const root = "/console"

// Options are what the console works with. All fields are needed.
type Options struct {
	Admin     *auth.Admin
	PublicURL *url.URL // no trailing slash; paths in the pages begin with its path (P12)
	// Caller gives who calls about the project, which may be nil, with address, request id, user agent and languages filled in.
	Caller func(*http.Request, *auth.Project) auth.Caller
	Docs   APIDocs
	// Links gives the http and https links of a mail, MailLanguages those that its built-in templates are there in, and BuiltInMail one of these to begin with.
	Links         func(auth.Message) []string
	MailLanguages []string
	BuiltInMail   func(auth.MailKind, string) (auth.MailTemplate, error)
}

// Console is the operators' console. It is safe for concurrent use.
type Console struct {
	Options
	site  *ui.Site
	pages []page
}

// New makes the console. It panics where the public URL has no scheme or host, as no page could work.
func New(o Options) *Console {
	return &Console{Options: o, site: ui.NewSite(o.PublicURL, nil), pages: allPages()}
}

// allPages lists the pages of all rooms.
func allPages() []page {
	return slices.Concat(
		projectsPages(),
		overviewPages(),
		usersPages(),
		importPages(),
		operatorsPages(),
		settingsPages(),
		keysPages(),
		rolesPages(),
		auditPages(),
		apiPages(),
		providersPages(),
		mailboxPages(),
		templatesPages(),
		deliverabilityPages(),
		webhooksPages(),
	)
}

// Routes lists the console's pages. They answer errors and panics themselves, as HTML, and return nil: any router can serve them. Its assets are those of
// [ui.AssetRoutes].
func (c *Console) Routes() []web.Route {
	var routes []web.Route
	for i := range c.pages {
		p := &c.pages[i]
		pattern, name := root+p.path, "console"+p.path
		routes = append(routes, web.Route{Method: http.MethodGet, Pattern: pattern, Name: name, Handler: c.handler(p, (*visit).show)})
		if p.forms != nil || p.fromElsewhere != nil {
			routes = append(routes, web.Route{Method: http.MethodPost, Pattern: pattern, Name: name, Handler: c.handler(p, (*visit).submit)})
		}
	}
	return routes
}

// handler serves one page in a visit of its own, which also shows what goes wrong.
func (c *Console) handler(p *page, serve func(*visit) error) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		v := &visit{Console: c, page: p, w: w, r: r}
		policy := p.policy
		policy.Script = policy.Script || p.scripts != nil
		c.site.SetHeaders(w.Header(), policy)
		onError := func(_ http.ResponseWriter, _ *http.Request, err error) { v.showError(err) }
		web.Handle(func(w http.ResponseWriter, r *http.Request) error {
			v.w, v.r = w, r
			if p.fromElsewhere != nil && r.Method == http.MethodPost {
				return p.fromElsewhere(v)
			}
			if err := v.signIn(); err != nil {
				return err
			}
			return serve(v)
		}, onError).ServeHTTP(w, r)
		return nil
	}
}
