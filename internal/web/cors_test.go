package web

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCORS(t *testing.T) {
	anyOrigin := CORSPolicy{AnyOrigin: true}
	listed := CORSPolicy{Origins: []string{"https://app.example.com", "http://localhost:3000", "null"}}
	const app = "https://app.example.com"
	preflightHeader := http.Header{
		"Access-Control-Allow-Methods": {"GET, HEAD, POST, PUT, PATCH, DELETE"},
		"Access-Control-Allow-Headers": {"authorization, content-type, deskree-admin, x-project-id"},
		"Access-Control-Max-Age":       {"600"},
	}
	exposed := http.Header{"Access-Control-Expose-Headers": {"Retry-After, X-Request-Id"}}
	with := func(base http.Header, more ...string) http.Header {
		h := base.Clone()
		for i := 0; i < len(more); i += 2 {
			h.Set(more[i], more[i+1])
		}
		return h
	}
	const allow = "Access-Control-Allow-Origin"
	varies := http.Header{"Vary": {"Origin"}}
	tests := []struct {
		name      string
		policy    CORSPolicy
		method    string
		origins   []string
		preflight bool
		status    int
		want      http.Header
	}{
		{"any", anyOrigin, "POST", []string{app}, false, 200, with(exposed, allow, "*")},
		{"any, no origin", anyOrigin, "POST", nil, false, 200, with(exposed, allow, "*")},
		{"any, preflight", anyOrigin, "OPTIONS", []string{"https://evil.example"}, true, 204, with(preflightHeader, allow, "*")},
		{"listed", listed, "POST", []string{app}, false, 200, with(exposed, allow, app, "Vary", "Origin")},
		{"listed, preflight", listed, "OPTIONS", []string{app}, true, 204, with(preflightHeader, allow, app, "Vary", "Origin")},
		{"listed, no origin", listed, "GET", nil, false, 200, varies},
		{"unlisted", listed, "GET", []string{"https://evil.example"}, false, 200, varies},
		{"unlisted, preflight", listed, "OPTIONS", []string{"https://evil.example"}, true, 204, varies},
		{"prefix of a listed one", listed, "GET", []string{app + ".evil.example"}, false, 200, varies},
		{"other scheme", listed, "GET", []string{"http://app.example.com"}, false, 200, varies},
		{"other port", listed, "GET", []string{"http://localhost:3001"}, false, 200, varies},
		{"other case", listed, "GET", []string{"https://APP.example.com"}, false, 200, varies},
		{"slash", listed, "GET", []string{app + "/"}, false, 200, varies},
		{"null", listed, "GET", []string{"null"}, false, 200, varies},
		{"two origins", listed, "GET", []string{app, "https://evil.example"}, false, 200, varies},
		{"no policy", CORSPolicy{}, "GET", []string{app}, false, 200, varies},
		{"OPTIONS that is no preflight", listed, "OPTIONS", []string{app}, false, 200, with(exposed, allow, app, "Vary", "Origin")},
		{"request method on a POST", listed, "POST", []string{app}, true, 200, with(exposed, allow, app, "Vary", "Origin")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			policyOf := func(*http.Request) CORSPolicy { return test.policy }
			handler := CORS(policyOf, DefaultCORSOptions())(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			r := httptest.NewRequest(test.method, "/", nil)
			r.Header["Origin"] = test.origins
			if test.preflight {
				r.Header.Set("Access-Control-Request-Method", "POST")
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if diff := cmp.Diff(test.want, w.Header()); diff != "" || w.Code != test.status {
				t.Errorf("got %d, -want +got:\n%s", w.Code, diff)
			}
		})
	}
}
