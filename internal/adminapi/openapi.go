package adminapi

import (
	_ "embed"
	"fmt"
	"net/http"
)

// document is the OpenAPI 3.1 description of every operation, kept by hand.
//
//go:embed openapi.json
var document []byte

func (a *API) getOpenAPI(w http.ResponseWriter, _ request) error {
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache") // public, but of this server's version
	if _, err := w.Write(document); err != nil {
		return fmt.Errorf("write OpenAPI document: %w", err)
	}
	return nil
}
