package accountsapi

import (
	_ "embed"
	"net/http"
	"strconv"

	"github.com/doorward/doorward/internal/web"
)

//go:embed openapi.json
var openAPIDocument []byte

func serveOpenAPI(w http.ResponseWriter, _ *http.Request) error {
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(openAPIDocument)))
	h.Set("Cache-Control", "public, max-age=300")
	h.Set("X-Content-Type-Options", "nosniff")
	_, err := w.Write(openAPIDocument)
	if err != nil {
		return &web.Error{Status: http.StatusInternalServerError, Cause: err}
	}
	return nil
}
