package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sort"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	"github.com/pb33f/libopenapi-validator/errors"
	"github.com/pb33f/libopenapi-validator/router"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

// apiDocument is one OpenAPI document of the server, and what the run has seen of its operations.
type apiDocument struct {
	path      string // where it is served
	raw       []byte
	model     *v3.Document
	router    router.Router
	validator validator.Validator

	mu   sync.Mutex
	seen map[string]map[int]bool // operation → statuses answered
}

var documents = struct {
	sync.Once
	err   error
	auth  *apiDocument
	admin *apiDocument
}{
	auth:  &apiDocument{path: "/api/v1/openapi.json"},
	admin: &apiDocument{path: "/admin/v1/openapi.json"},
}

// loadDocuments reads both documents from the shared server, once.
func loadDocuments() error {
	documents.Do(func() {
		for _, d := range []*apiDocument{documents.auth, documents.admin} {
			if err := d.load(); err != nil {
				documents.err = fmt.Errorf("%s: %w", d.path, err)
				return
			}
		}
	})
	return documents.err
}

func (d *apiDocument) load() error {
	r, err := suite.shared.bareHost().send(http.MethodGet, d.path, nil)
	if err != nil {
		return err
	}
	if r.status != http.StatusOK {
		return fmt.Errorf("status %d: %s", r.status, tail(string(r.body), 300))
	}
	d.raw = r.body
	document, err := libopenapi.NewDocument(r.body)
	if err != nil {
		return err
	}
	built, err := document.BuildV3Model()
	if err != nil {
		return err
	}
	d.model = &built.Model
	d.router = router.NewRouter(d.model, router.WithPathOnlyMatching())
	d.seen = map[string]map[int]bool{}
	// The duty to authorize is the contract's; the matrix tests it. Here only shapes count.
	v, errs := validator.NewValidator(document, config.WithoutSecurityValidation(), config.WithFormatAssertions())
	if len(errs) > 0 {
		return errs[0]
	}
	d.validator = v
	return nil
}

// documentFor returns the document that speaks for a path, or nil for the hosted pages and the probes.
func documentFor(path string) *apiDocument {
	path, _, _ = strings.Cut(path, "?")
	switch {
	case strings.HasPrefix(path, "/admin/"):
		return documents.admin
	case strings.HasPrefix(path, apiBase+"/"), strings.Contains(path, "/.well-known/"):
		return documents.auth
	}
	return nil
}

// checkOpenAPI validates one exchange against the document: every answer, and every request that
// the server accepted. What the document does not know must not succeed.
func checkOpenAPI(t *testing.T, srv *server, method, path string, header http.Header, body []byte, r reply) {
	t.Helper()
	d := documentFor(path)
	if d == nil || method == http.MethodOptions || method == http.MethodHead {
		return
	}
	if err := loadDocuments(); err != nil {
		t.Errorf("OpenAPI: %v", err)
		return
	}
	req, err := http.NewRequest(method, "http://"+srv.addr+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header.Clone()
	if body != nil && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	d.check(t, req, r)
}

func (d *apiDocument) check(t *testing.T, req *http.Request, r reply) {
	t.Helper()
	d.mu.Lock() // also: the validator is not documented as safe for parallel use
	defer d.mu.Unlock()
	route, err := d.router.FindRoute(req)
	if err != nil || route == nil || route.Operation == nil {
		if r.status < 400 {
			t.Errorf("%s: succeeds, but the OpenAPI document does not have it", r.what)
		}
		return
	}
	d.note(req.Method+" "+route.Path, r.status)
	if r.status < 300 {
		if ok, errs := d.validator.ValidateHttpRequestSync(req); !ok {
			t.Errorf("%s: accepted, but the OpenAPI document refuses the request: %s", r.what, explain(errs))
		}
	}
	answer := &http.Response{StatusCode: r.status, Header: r.header, Body: io.NopCloser(bytes.NewReader(r.body)), Request: req}
	if ok, errs := d.validator.ValidateHttpResponse(req, answer); !ok {
		t.Errorf("%s: the OpenAPI document does not describe answer %d %s: %s", r.what, r.status, tail(string(r.body), 300), explain(errs))
	}
}

// note records an answer of an operation; the caller holds the lock.
func (d *apiDocument) note(operation string, status int) {
	if d.seen[operation] == nil {
		d.seen[operation] = map[int]bool{}
	}
	d.seen[operation][status] = true
}

func explain(errs []*errors.ValidationError) string {
	var lines []string
	for _, e := range errs {
		line := e.Message + " (" + e.Reason + ")"
		for _, s := range e.SchemaValidationErrors {
			line += "; " + s.FieldPath + ": " + s.Reason
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n\t")
}

// operations lists the document's operations as "METHOD /path".
func (d *apiDocument) operations() (list []string) {
	if d.model == nil || d.model.Paths == nil {
		return nil
	}
	for path, item := range d.model.Paths.PathItems.FromOldest() {
		for method := range item.GetOperations().FromOldest() {
			list = append(list, strings.ToUpper(method)+" "+path)
		}
	}
	sort.Strings(list)
	return list
}

// uncoveredOperations names what the documents promise and the run never saw: any operation of the
// AUTH API without a success, and any operation of the admin API without an answer.
func uncoveredOperations() (problems []string) {
	if err := loadDocuments(); err != nil {
		return []string{"OpenAPI: " + err.Error()}
	}
	for _, operation := range documents.auth.operations() {
		if !documents.auth.answered(operation, false) {
			problems = append(problems, "AUTH API operation without a tested success: "+operation)
		}
	}
	for _, operation := range documents.admin.operations() {
		if !documents.admin.answered(operation, true) {
			problems = append(problems, "admin API operation never exercised: "+operation)
		}
	}
	return problems
}

// answered tells whether the operation was seen to succeed, or, with any, to answer at all.
func (d *apiDocument) answered(operation string, any bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for status := range d.seen[operation] {
		if any || status < 300 {
			return true
		}
	}
	return false
}
