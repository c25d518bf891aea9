package console

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"sync"
)

// frames are documents that pages show in a frame of no origin.
var frames = sync.OnceValues(func() (*template.Template, error) {
	return template.New("").ParseFS(templateFiles, "html/_preview.html")
})

// renderFrame answers with a document for a frame, that may hold what others wrote.
func (v *visit) renderFrame(name string, status int, data any) error {
	documents, err := frames()
	if err != nil {
		return fmt.Errorf("parse frames: %w", err)
	}
	var text bytes.Buffer
	if err := documents.ExecuteTemplate(&text, name, data); err != nil {
		return fmt.Errorf("render frame %s: %w", name, err)
	}
	v.writeFrame(status, text.Bytes())
	return nil
}

// writeFrame answers with a whole document that others wrote.
func (v *visit) writeFrame(status int, document []byte) {
	h := v.w.Header()
	v.site.SetFrameHeaders(h)
	h.Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	_, _ = v.w.Write(document) // fails only where the reader is gone
}

// frameStatus is that of a document which says what was wrong.
func frameStatus(problem *problem) int {
	if problem == nil {
		return http.StatusOK
	}
	return problem.Status
}
