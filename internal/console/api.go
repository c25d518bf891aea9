package console

import (
	"compress/gzip"
	"fmt"
	"strings"

	"github.com/doorward/doorward/internal/apidocs"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ui"
)

// APIDocs is what the pages about the APIs are made of. All fields are needed.
type APIDocs struct {
	Site       func(*auth.Project) apidocs.Site // how a project's apps reach the AUTH API
	Admin      func() *apidocs.Document         // the admin API's
	AdminSite  apidocs.Site
	Stylesheet string // path of apidocs.Styles below the public URL
}

func apiPages() []page {
	return []page{
		{path: "/projects/{project}/api", room: roomAPI, entry: true, show: (*visit).api},
		{path: "/instance/api", room: roomInstance, show: (*visit).adminAPI},
	}
}

// api tells how apps reach the project.
func (v *visit) api() error {
	p := v.caller.Project
	site := v.Docs.Site(p)
	shown := struct {
		Site                   apidocs.Site
		Project                string // value of the header that names the project; "" where the address does
		Docs, OpenAPI, Postman string // paths
		DocsOff                bool
		Issuer                 string
		Curl                   string
	}{
		Site: site, Project: site.Parameters[headerProject], DocsOff: !p.Settings.APIDocs, Issuer: v.Admin.Issuer(p.ID),
		Docs: v.site.Path("/" + string(p.ID) + "/docs"), OpenAPI: v.site.Path("/" + string(p.ID) + "/openapi.json"), Postman: v.site.Path("/" + string(p.ID) + "/postman.json"),
	}
	shown.Curl = signUpExample(site.BaseURL, shown.Project)
	return v.render("api", "API", shown)
}

// headerProject names the project in requests to an address that all share.
const headerProject = "X-Project-Id"

// signUpExample is a command that signs somebody up. Its parts need no quoting: an id has letters, digits and hyphens, and the URL is the operator's own.
func signUpExample(baseURL, project string) string {
	command := []string{"curl " + baseURL + "/api/v1/auth/accounts/signup"}
	if project != "" {
		command = append(command, "-H '"+headerProject+": "+project+"'")
	}
	return strings.Join(append(command, "-H 'Content-Type: application/json'", `-d '{"email": "ada@example.com", "password": "a long password of your own"}'`), " \\\n  ")
}

// adminAPI shows the admin API's own page. Its frame is that of the API pages, not the console's; nothing in it is secret.
func (v *visit) adminAPI() error {
	page, err := v.Docs.Admin().Page(v.Docs.AdminSite, apidocs.Links{Stylesheet: v.site.Path(v.Docs.Stylesheet), OpenAPI: v.site.Path("/admin/v1/openapi.json")})
	if err != nil {
		return fmt.Errorf("admin API's page: %w", err)
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", "en")
	h.Set("Vary", "Accept-Encoding")
	if !ui.AcceptsGzip(v.r) {
		_, _ = v.w.Write(page) // fails only where the reader is gone
		return nil
	}
	h.Set("Content-Encoding", "gzip")
	zipped := gzip.NewWriter(v.w)
	_, _ = zipped.Write(page) // likewise
	_ = zipped.Close()
	return nil
}
