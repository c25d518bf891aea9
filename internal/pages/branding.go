package pages

import (
	"net/http"
	"path"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ui"
	"github.com/doorward/doorward/internal/web"
)

// imageExtensions name the files of logos.
var imageExtensions = map[string]string{"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp", "image/svg+xml": ".svg"}

// themeFile is the name of the project's stylesheet, which changes with it, or "" where the project has no colour.
func themeFile(s *auth.Settings) string {
	if s.AccentColor == "" {
		return ""
	}
	return ui.ContentHash(ui.AccentStyles(s.AccentColor)) + ".css"
}

// logoFile is the name of the project's logo, which changes with it, or "" where it has none.
func logoFile(s *auth.Settings) string {
	if s.Logo == nil {
		return ""
	}
	return ui.ContentHash(s.Logo.Content) + imageExtensions[s.Logo.Type]
}

// brandingRoutes serve what makes a project's pages its own.
func (p *Pages) brandingRoutes() []web.Route {
	return []web.Route{
		{Method: http.MethodGet, Pattern: "/{project}/theme/{file}", Name: "theme", Handler: p.handler(page{name: "theme"}, (*visit).showTheme)},
		{Method: http.MethodGet, Pattern: "/{project}/logo/{file}", Name: "logo", Handler: p.handler(page{name: "logo"}, (*visit).showLogo)},
	}
}

func (v *visit) showTheme(w http.ResponseWriter, r *http.Request) error {
	if err := v.findProject(r); err != nil {
		return err
	}
	name := themeFile(v.project.Settings)
	if name == "" || r.PathValue("file") != name {
		return notFound()
	}
	ui.ServeForever(w, "text/css; charset=utf-8", ui.AccentStyles(v.project.Settings.AccentColor))
	return nil
}

// showLogo serves the picture. Opened by itself, an SVG could run script: the policy lets it do nothing but draw.
func (v *visit) showLogo(w http.ResponseWriter, r *http.Request) error {
	if err := v.findProject(r); err != nil {
		return err
	}
	name := logoFile(v.project.Settings)
	if name == "" || r.PathValue("file") != name {
		return notFound()
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'")
	ui.ServeForever(w, v.project.Settings.Logo.Type, v.project.Settings.Logo.Content)
	return nil
}

func notFound() error { return &auth.Error{Code: auth.CodeNotFound, Message: "there is no such file"} }

// brand puts the project's name, colour and logo on the page.
func (v *visit) brand(shown *view) {
	if v.project == nil {
		return
	}
	base := "/" + string(v.project.ID)
	shown.Project = v.project.DisplayName
	if name := themeFile(v.project.Settings); name != "" {
		shown.Stylesheets = append(shown.Stylesheets, v.site.Path(path.Join(base, "theme", name)))
	}
	if name := logoFile(v.project.Settings); name != "" {
		shown.Logo = v.site.Path(path.Join(base, "logo", name))
	}
}
