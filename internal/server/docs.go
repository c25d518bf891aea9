package server

import (
	"net/url"

	"github.com/doorward/doorward/internal/accountsapi"
	"github.com/doorward/doorward/internal/adminapi"
	"github.com/doorward/doorward/internal/apidocs"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/console"
	"github.com/doorward/doorward/internal/pages"
)

// apiDocs wires the AUTH API's document into the pages.
func (s *Server) apiDocs() *pages.APIDocs {
	return &pages.APIDocs{
		Document: accountsapi.Docs, Collection: accountsapi.Postman,
		Site: func(p *auth.Project) apidocs.Site { return apiSite(s.config.PublicURL, s.config.Domain, p) },
	}
}

// consoleDocs wires the documents of both APIs into the console.
func (s *Server) consoleDocs() console.APIDocs {
	public := s.config.PublicURL.String()
	return console.APIDocs{
		Site:  func(p *auth.Project) apidocs.Site { return apiSite(s.config.PublicURL, s.config.Domain, p) },
		Admin: adminapi.Docs, AdminSite: apidocs.Site{BaseURL: public, PublicURL: public}, Stylesheet: "/" + pages.DocsStylesheet,
	}
}

// apiSite says how a project's apps reach the AUTH API. A domain that was chosen is taken to lead here; under one that is only the default, names may not
// exist, and the public URL does.
func apiSite(publicURL *url.URL, domain string, p *auth.Project) apidocs.Site {
	site := apidocs.Site{Name: p.DisplayName, BaseURL: publicURL.String(), PublicURL: publicURL.String(), Parameters: map[string]string{"project": string(p.ID)}}
	if domain == "" || domain == "api."+publicURL.Hostname() {
		site.Parameters["X-Project-Id"] = string(p.ID)
		return site
	}
	own := url.URL{Scheme: publicURL.Scheme, Host: string(p.ID) + "." + domain}
	if port := publicURL.Port(); port != "" {
		own.Host += ":" + port
	}
	site.BaseURL = own.String()
	return site
}
