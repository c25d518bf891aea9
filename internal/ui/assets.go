package ui

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/doorward/doorward/internal/web"
)

//go:embed assets
var assetFiles embed.FS

// asset is one file, known by a name that changes with its content, so that caches may keep it for ever.
type asset struct {
	name    string // as ui-0123456789abcdef.css
	kind    string // of its Content-Type
	content []byte
}

// assets are all files of the folder assets, by the names that templates use.
var assets = mustLoadAssets()

var assetKinds = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

// mustLoadAssets panics where the program was built with a file of an unknown kind.
func mustLoadAssets() map[string]asset {
	all := map[string]asset{}
	err := fs.WalkDir(assetFiles, "assets", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := assetFiles.ReadFile(file)
		if err != nil {
			return err
		}
		name, extension := path.Base(file), path.Ext(file)
		kind, ok := assetKinds[extension]
		if !ok {
			return fmt.Errorf("%s is of no known kind", file)
		}
		all[name] = asset{strings.TrimSuffix(name, extension) + "-" + ContentHash(content) + extension, kind, content}
		return nil
	})
	if err != nil {
		panic(fmt.Sprintf("ui: assets: %v", err))
	}
	return all
}

// ContentHash is what the name of a file tells of its content.
func ContentHash(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:8])
}

// Asset gives the path of a file of the folder assets, as ui.css. It panics where there is none: names are part of the program.
func (s *Site) Asset(name string) string {
	file, ok := assets[name]
	if !ok {
		panic(fmt.Sprintf("ui: there is no asset %s", name))
	}
	return s.Path("/assets/" + file.name)
}

// AssetRoutes serves the assets.
func AssetRoutes() []web.Route {
	byName := map[string]asset{}
	for _, file := range assets {
		byName[file.name] = file
	}
	return []web.Route{{Method: http.MethodGet, Pattern: "/assets/{file}", Name: "asset", Handler: func(w http.ResponseWriter, r *http.Request) error {
		file, ok := byName[r.PathValue("file")]
		if !ok {
			return web.NotFound()
		}
		ServeForever(w, file.kind, file.content)
		return nil
	}}}
}

// ServeForever answers with content whose path changes with it. Caches may keep it, and nothing may take it for another type.
func ServeForever(w http.ResponseWriter, contentType string, content []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(content) // fails only where the reader is gone
}
