package accountsapi

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestBearer(t *testing.T) {
	for sent, want := range map[string]string{
		"":                "",
		"a.b.c":           "a.b.c",
		"Bearer a.b.c":    "a.b.c",
		"bearer a.b.c":    "a.b.c",
		"BEARER a.b.c":    "a.b.c",
		"Bearer   a.b.c":  "a.b.c",
		"Bearer ":         "",
		"Bearer":          "Bearer",
		"Bearer\ta.b.c":   "Bearer\ta.b.c",
		"Basic a.b.c":     "Basic a.b.c",
		"Bearera.b.c":     "Bearera.b.c",
		"a.b.c Bearer":    "a.b.c Bearer",
		"Bearer a.b.c  d": "a.b.c  d",
	} {
		if got := bearer(sent); got != want {
			t.Errorf("%q: got %q, want %q", sent, got, want)
		}
	}
}

func TestSingle(t *testing.T) {
	for _, tt := range []struct {
		values []string
		want   string
	}{{nil, ""}, {[]string{"a"}, "a"}, {[]string{""}, ""}, {[]string{"a", "a"}, ""}, {[]string{"a", ""}, ""}} {
		if got := single(tt.values); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.values, got, tt.want)
		}
	}
}

func TestPreferredLanguages(t *testing.T) {
	for header, want := range map[string][]string{
		"":                         nil,
		"de":                       {"de"},
		"pt-BR, en;q=0.5, de;q=.8": {"pt-BR", "de", "en"},
		"a1, b2":                   nil,
		"en,de,fr,it":              {"en", "de", "fr"},
		"*":                        nil,
		"\xff":                     nil,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Language", header)
		if diff := cmp.Diff(want, preferredLanguages(r)); diff != "" {
			t.Errorf("%q: (-want +got)\n%s", header, diff)
		}
	}
	long := httptest.NewRequest("GET", "/", nil)
	long.Header.Set("Accept-Language", "de,"+string(make([]byte, 300)))
	if got := preferredLanguages(long); got != nil {
		t.Errorf("a header of 303 bytes gives %v", got)
	}
}

// TestUserTokens: how a user may prove itself, and how a token that does not count is told.
func TestUserTokens(t *testing.T) {
	s := newTestServer(t, map[string]string{"idTokenTTL": "10m"})
	ann := s.signUp("ann@example.com")
	touch := func(options ...requestOption) reply {
		return s.do("PATCH", basePath+"/rest/collections/users/"+ann.uid, map[string]any{"seen": true}, options...)
	}
	touch(bearerOf(ann.idToken)).data()
	touch(header("authorization", ann.idToken)).data()
	touch(header("Authorization", "bEARER "+ann.idToken)).data()
	const missing, invalid = "Auth token is missing or is not a token", "Auth token is invalid"
	touch(bearerOf(ann.idToken), bearerOf(ann.idToken)).wantError(401, missing)
	touch(bearerOf(ann.refreshToken)).wantError(401, missing)
	touch(bearerOf(ann.idToken[:len(ann.idToken)-6]+"AAAAAA")).wantError(403, invalid)
	s.clock.Advance(time.Hour)
	touch(bearerOf(ann.idToken)).wantError(403, "Auth token has expired. Get a fresh one from your client app and try again")
	fresh := text(s.post("/token/refresh", map[string]any{"refresh_token": ann.refreshToken}).data(), "idToken")
	touch(bearerOf(fresh)).data()
	s.do("PATCH", basePath+"/rest/collections/users/"+ann.uid, map[string]any{"disabled": true}, asAdmin()).data()
	touch(bearerOf(fresh)).wantError(403, invalid)
}

// TestUnusableBodies: what is no JSON object never reaches an operation, on any route that takes one.
func TestUnusableBodies(t *testing.T) {
	s := newTestServer(t, nil)
	ann := s.signUp("ann@example.com")
	object := "The request body must be a JSON object"
	for _, rt := range routes {
		if rt.method != http.MethodPost && rt.method != http.MethodPatch {
			continue
		}
		send := func(body string, options ...requestOption) reply {
			t.Helper()
			path := basePath + rt.path
			if rt.name == "updateUser" {
				path = basePath + "/rest/collections/users/" + ann.uid
			}
			return s.do(rt.method, path, body, append(options, bearerOf(ann.idToken))...)
		}
		send("").wantError(422, "The request body is empty where a JSON object is expected")
		send("[]").wantError(422, object)
		send(`"text"`).wantError(422, object)
		send("{").wantError(422, "The request body is not valid JSON")
		send(`{"email":"a@b.co","email":"c@d.co"}`).wantError(422, "The request body has an object that names a member twice")
		send(`{"email":"\u0000"}`).wantError(422, "The request body must not contain the character U+0000")
		send(`{"email":"`+string(make([]byte, 70000))+`"}`).wantError(422, "The request body is over the limit of 65536 bytes")
		send("{}", contentType("text/plain")).wantError(415, "The Content-Type of the request must be application/json")
		send("{}", header("Content-Encoding", "gzip")).wantError(415, "The request body must not have a Content-Encoding")
	}
}

// TestRoutingErrors: unknown paths and methods are in the project's envelope, and spellings of a path are not folded.
func TestRoutingErrors(t *testing.T) {
	s := newTestServer(t, nil)
	for _, path := range []string{
		"", "/", "/auth", "/auth/accounts/", "/auth/accounts/signup/", "/auth//accounts/signup", "/AUTH/accounts/signup", "/auth/accounts/%73ignup/x", "/rest/collections/users/",
		"/rest/collections/users/a%2Fb", "/rest/collections/users/..", "/rest/collections/posts",
	} {
		s.do("GET", basePath+path, nil).wantError(404, "Not found")
	}
	for _, tt := range []struct{ method, path, allow string }{
		{"GET", "/auth/accounts/signup", "POST"},
		{"PUT", "/auth/accounts/signup", "POST"},
		{"GET", "/auth/accounts", "DELETE"},
		{"POST", "/auth/accounts/roles", "GET, HEAD"},
		{"POST", "/rest/collections/users", "GET, HEAD"},
		{"PUT", "/rest/collections/users/x", "DELETE, GET, HEAD, PATCH"},
	} {
		r := s.do(tt.method, basePath+tt.path, nil)
		r.wantError(405, "The method is not allowed here")
		if got := r.header.Get("Allow"); got != tt.allow {
			t.Errorf("%s: Allow is %q, want %q", r.what, got, tt.allow)
		}
	}
}

func TestCORS(t *testing.T) {
	s := newTestServer(t, nil)
	preflight := func(origin string) reply {
		return s.do("OPTIONS", basePath+"/auth/accounts/signup", nil, header("Origin", origin), header("Access-Control-Request-Method", "POST"))
	}
	for _, tt := range []struct{ setting, origin, want string }{
		{"*", "https://any.example.com", "*"},
		{"https://app.example.com", "https://app.example.com", "https://app.example.com"},
		{"https://app.example.com", "https://app.example.com.evil.io", ""},
		{"https://app.example.com", "null", ""},
		{"", "https://app.example.com", ""},
	} {
		s.set("corsOrigins", tt.setting)
		r := preflight(tt.origin)
		r.wantNoContent()
		if got := r.header.Get("Access-Control-Allow-Origin"); got != tt.want {
			t.Errorf("corsOrigins %q: preflight of %s gets %q, want %q", tt.setting, tt.origin, got, tt.want)
		}
		if (r.header.Get("Access-Control-Allow-Headers") != "") != (tt.want != "") {
			t.Errorf("corsOrigins %q: preflight of %s allows the headers %q", tt.setting, tt.origin, r.header.Get("Access-Control-Allow-Headers"))
		}
		r = s.post("/signup", "{}", header("Origin", tt.origin))
		r.wantError(422, "Please provide a valid email and password")
		if got := r.header.Get("Access-Control-Allow-Origin"); got != tt.want {
			t.Errorf("corsOrigins %q: an error for %s gets %q, want %q", tt.setting, tt.origin, got, tt.want)
		}
		if got := r.header.Get("Access-Control-Allow-Credentials"); got != "" {
			t.Errorf("Access-Control-Allow-Credentials is %q", got)
		}
	}
}

// TestHostileUserAgent: a header that is no text is kept as something that is.
func TestHostileUserAgent(t *testing.T) {
	s := newTestServer(t, nil)
	s.post("/signup", map[string]any{"email": "ann@example.com", "password": testPassword}, header("User-Agent", "app\xff\xfe")).data()
	sessions, err := s.admin.Sessions(t.Context(), s.operator(s.project()), "", "", 10)
	if err != nil || len(sessions) != 1 || sessions[0].UserAgent != "app\uFFFD" {
		t.Errorf("got %+v %v, want one session of app\uFFFD", sessions, err)
	}
}
