package pages

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strconv"
	"sync"

	"github.com/doorward/doorward/internal/apidocs"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ui"
	"github.com/doorward/doorward/internal/web"
)

// APIDocs is what the pages about the AUTH API are made of. All fields are needed.
type APIDocs struct {
	Document   func() *apidocs.Document
	Collection func(project string) apidocs.Collection
	Site       func(*auth.Project) apidocs.Site
}

// DocsStylesheet is the path of [apidocs.Styles] below the public URL, without a slash before it. It changes with the content.
var DocsStylesheet = "assets/api-docs-" + ui.ContentHash(apidocs.Styles) + ".css"

// docsPages serve what the documents of a project are, for whoever asks: they hold nothing but the project's id, name and address. They are in English, as
// the document is; errors are in the reader's language.
type docsPages struct {
	*Pages
	APIDocs
	cache docsCache
}

// pageDocs is the name of the page among the files.
const pageDocs = "docs"

// docsFile is one file about the API.
type docsFile struct {
	name        string // last segment of its path
	contentType string
	make        func(*docsPages, *auth.Project) ([]byte, error)
}

var docsFiles = []docsFile{
	{pageDocs, "text/html; charset=utf-8", (*docsPages).page},
	{"openapi.json", "application/json; charset=utf-8", (*docsPages).openAPI},
	{"postman.json", "application/json; charset=utf-8", (*docsPages).postman},
}

func (p *Pages) docsRoutes(docs APIDocs) []web.Route {
	d := &docsPages{Pages: p, APIDocs: docs}
	routes := []web.Route{{Method: http.MethodGet, Pattern: "/" + DocsStylesheet, Name: "docs.stylesheet", Handler: serveDocsStylesheet}}
	for _, file := range docsFiles {
		serve := func(v *visit, w http.ResponseWriter, r *http.Request) error { return d.serve(v, file, w, r) }
		routes = append(routes, web.Route{Method: http.MethodGet, Pattern: "/{project}/" + file.name, Name: file.name, Handler: p.handler(page{name: file.name}, serve)})
	}
	return routes
}

func serveDocsStylesheet(w http.ResponseWriter, _ *http.Request) error {
	ui.ServeForever(w, "text/css; charset=utf-8", apidocs.Styles)
	return nil
}

func (d *docsPages) serve(v *visit, file docsFile, w http.ResponseWriter, r *http.Request) error {
	if err := v.findProject(r); err != nil {
		return err
	}
	if !v.project.Settings.APIDocs {
		return &auth.Error{Code: auth.CodeNotFound, Message: "the setting apiDocs is off"}
	}
	text, err := d.cache.get(string(v.project.ID)+"/"+file.name+"/"+v.project.DisplayName, func() ([]byte, error) { return file.make(d, v.project) })
	if err != nil {
		return fmt.Errorf("make %s: %w", file.name, err)
	}
	h := w.Header()
	h.Set("Content-Type", file.contentType)
	h.Set("Vary", "Accept-Encoding") // and not the language
	if file.name == pageDocs {
		h.Set("Content-Language", "en")
	} else {
		h.Set("Cache-Control", "public, max-age=300")
		h.Set("Access-Control-Allow-Origin", "*") // tools in browsers read it; it is the same for everybody
	}
	if file.name == "postman.json" {
		h.Set("Content-Disposition", `attachment; filename="`+string(v.project.ID)+`.postman_collection.json"`)
	}
	body := text.plain
	if ui.AcceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		body = text.zipped
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // fails only where the reader is gone
	return nil
}

func (d *docsPages) page(p *auth.Project) ([]byte, error) {
	base := d.site.Path("/" + string(p.ID))
	return d.Document().Page(d.Site(p), apidocs.Links{
		Stylesheet: d.site.Path("/" + DocsStylesheet), OpenAPI: base + "/openapi.json", Postman: base + "/postman.json",
	})
}

func (d *docsPages) openAPI(p *auth.Project) ([]byte, error) { return d.Document().OpenAPI(d.Site(p)) }

func (d *docsPages) postman(p *auth.Project) ([]byte, error) {
	return d.Document().Postman(d.Site(p), d.Collection(string(p.ID)))
}

// docsCache keeps what was made, plain and compressed: making one takes some milliseconds, and everybody may ask. It is empty at first.
type docsCache struct {
	mu   sync.Mutex
	made map[string]docsText
}

type docsText struct{ plain, zipped []byte }

// docsCached bounds the cache. What is kept of one file is at most about 250 kB.
const docsCached = 48

func (c *docsCache) get(key string, make func() ([]byte, error)) (docsText, error) {
	c.mu.Lock()
	defer c.mu.Unlock() // one at a time: the others wait for what they may want as well
	if text, ok := c.made[key]; ok {
		return text, nil
	}
	plain, err := make()
	if err != nil {
		return docsText{}, err
	}
	var zipped bytes.Buffer
	writer := gzip.NewWriter(&zipped)
	if _, err := writer.Write(plain); err != nil {
		return docsText{}, err
	}
	if err := writer.Close(); err != nil {
		return docsText{}, err
	}
	if c.made == nil || len(c.made) >= docsCached {
		c.made = map[string]docsText{}
	}
	text := docsText{plain, zipped.Bytes()}
	c.made[key] = text
	return text, nil
}
