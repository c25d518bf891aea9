package e2e

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

// TestOpenAPIDocuments: both documents are valid OpenAPI 3.1 and served as JSON.
func TestOpenAPIDocuments(t *testing.T) {
	t.Parallel()
	if err := loadDocuments(); err != nil {
		t.Fatal(err)
	}
	for _, d := range []*apiDocument{documents.auth, documents.admin} {
		if !strings.HasPrefix(d.model.Version, "3.1") {
			t.Errorf("%s: openapi is %q", d.path, d.model.Version)
		}
		r := suite.shared.bareHost().do(t, http.MethodGet, d.path, nil)
		if !strings.HasPrefix(r.header.Get("Content-Type"), "application/json") {
			t.Errorf("%s: Content-Type %q", d.path, r.header.Get("Content-Type"))
		}
		document, err := libopenapi.NewDocument(d.raw)
		if err != nil {
			t.Fatal(err)
		}
		v, errs := validator.NewValidator(document)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		if ok, errs := v.ValidateDocument(); !ok {
			t.Errorf("%s is no valid OpenAPI document: %s", d.path, explain(errs))
		}
		if len(d.operations()) == 0 {
			t.Errorf("%s has no operations", d.path)
		}
	}
}

// TestOpenAPINamesEveryDetail: every error text of the contract is in the document.
func TestOpenAPINamesEveryDetail(t *testing.T) {
	t.Parallel()
	if err := loadDocuments(); err != nil {
		t.Fatal(err)
	}
	for _, detail := range []string{
		needEmailAndPassword, emailInUse, passwordSetup, noEmail, noUserForEmail, noUserForID, noCode, tokenInvalid,
		"Auth token has expired", "WEAK_PASSWORD", "EMAIL_NOT_FOUND", "INVALID_PASSWORD", "USER_DISABLED", "TOO_MANY_ATTEMPTS_TRY_LATER",
		"Please provide providerId and callBackUri", providerMissing, "INVALID_IDP_RESPONSE",
		"Please provide sessionId, providerId, callBackUri, and either token or code", "INVALID_OOB_CODE", "EXPIRED_OOB_CODE",
		"MISSING_REFRESH_TOKEN", "INVALID_REFRESH_TOKEN", "TOKEN_EXPIRED", "USER_NOT_FOUND", "INVALID_LOGIN_CREDENTIALS",
		"FEDERATED_USER_ID_ALREADY_LINKED", "ADMIN_ONLY_OPERATION", "BLOCKING_FUNCTION_ERROR",
		"identitytoolkit#CreateAuthUriResponse", "Error processing your request", "Retry-After", "deskree-admin", "X-Project-Id",
	} {
		if !strings.Contains(string(documents.auth.raw), detail) {
			t.Errorf("the document does not have %q", detail)
		}
	}
}

var pathParameter = regexp.MustCompile(`\{([^}]+)\}`)

// adminPath fills the parameters of a path of the admin API.
func adminPath(template string, p project, a account) string {
	return pathParameter.ReplaceAllStringFunc(template, func(parameter string) string {
		switch name := strings.ToLower(strings.Trim(parameter, "{}")); {
		case strings.Contains(name, "project"):
			return p.id
		case strings.Contains(name, "uid"), strings.Contains(name, "user"):
			return a.uid
		case name == "provider":
			return "oidc.nobody"
		}
		return "1"
	})
}

// selectsProject tells whether a path parameter selects the project.
func selectsProject(template string) bool {
	for _, parameter := range pathParameter.FindAllString(template, -1) {
		if strings.Contains(strings.ToLower(parameter), "project") {
			return true
		}
	}
	return false
}

// adminCredentials shows an admin token as a bearer. Shown in two places at once it would count as none.
func adminCredentials(c client, token string) client { return c.bearer(token) }

// TestAdminAPI walks the admin API's document: no operation answers a caller without authority, none lets a
// project's admin token into another project, and to the right token each answers as documented, whatever
// the body.
func TestAdminAPI(t *testing.T) {
	t.Parallel()
	if err := loadDocuments(); err != nil {
		t.Fatal(err)
	}
	shared, foreign := newProject(t), newProject(t)
	user := shared.signUp(t)
	for template, item := range documents.admin.model.Paths.PathItems.FromOldest() {
		for method, operation := range item.GetOperations().FromOldest() {
			method := strings.ToUpper(method)
			t.Run(method+" "+template, func(t *testing.T) {
				p, a := shared, user
				if method != http.MethodGet { // it may end what it is asked for, or the token that asks
					p = newProject(t)
					a = p.signUp(t)
				}
				path := adminPath(template, p, a)
				if !isPublic(documents.admin.model, operation) {
					mustRefuse(t, p.srv.bareHost(), method, path)
					mustRefuse(t, adminCredentials(p.srv.bareHost(), "wrong"), method, path)
					if selectsProject(template) {
						mustRefuse(t, adminCredentials(p.srv.bareHost(), foreign.adminToken), method, path)
					}
				}
				c := adminCredentials(p.srv.bareHost(), p.adminToken).with("X-Project-Id", p.id)
				bodies := []any{nil}
				if operation.RequestBody != nil {
					bodies = []any{"[", `{"unknown":1}`, `{}`}
				}
				for _, body := range bodies {
					r := c.do(t, method, path, body)
					if r.status >= 500 || (r.status == 401 && selectsProject(template) && body != `{}`) {
						t.Errorf("%s with %v: %d %s", r.what, body, r.status, r.body)
					}
					if body == "[" && (r.status < 400 || r.status > 499) {
						t.Errorf("%s takes a malformed body: %d", r.what, r.status)
					}
				}
			})
		}
	}
}

// isPublic tells whether the document lets anybody call the operation.
func isPublic(model *v3.Document, operation *v3.Operation) bool {
	security := operation.Security
	if security == nil {
		security = model.Security
	}
	for _, requirement := range security {
		if !requirement.ContainsEmptyRequirement && requirement.Requirements != nil && requirement.Requirements.Len() > 0 {
			return false
		}
	}
	return true
}

func mustRefuse(t *testing.T, c client, method, path string) {
	t.Helper()
	var body any
	if method != http.MethodGet && method != http.MethodDelete {
		body = M{}
	}
	if r := c.do(t, method, path, body); r.status != 401 && r.status != 403 && r.status != 404 {
		t.Errorf("%s without authority: %d %s", r.what, r.status, tail(string(r.body), 200))
	}
}
