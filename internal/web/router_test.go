package web

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// echo answers with its name, the pattern and the parameters.
func echo(name string, params ...string) Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		fmt.Fprint(w, name, " ", RoutePattern(r.Context()))
		for _, param := range params {
			fmt.Fprintf(w, " %s=%q", param, r.PathValue(param))
		}
		return nil
	}
}

func testRouter() *Router {
	return NewRouter([]Route{
		{Method: "GET", Pattern: "/", Handler: echo("root")},
		{Method: "POST", Pattern: "/api/v1/auth/accounts/signup", Handler: echo("signup")},
		{Method: "DELETE", Pattern: "/api/v1/auth/accounts", Handler: echo("delete")},
		{Method: "GET", Pattern: "/users", Handler: echo("list")},
		{Method: "GET", Pattern: "/users/{uid}", Handler: echo("get", "uid")},
		{Method: "PATCH", Pattern: "/users/{uid}", Handler: echo("patch", "uid")},
		{Method: "GET", Pattern: "/users/me", Handler: echo("me")},
		{Method: "GET", Pattern: "/users/{uid}/roles/{role}", Handler: echo("role", "uid", "role")},
		{Method: "GET", Pattern: "/users/me/keys", Handler: echo("keys")},
		{Method: "GET", Pattern: "/docs/", Handler: echo("docs")},
		{Method: "GET", Pattern: "/assets/{file...}", Handler: echo("asset", "file")},
		{Method: "HEAD", Pattern: "/assets/logo", Handler: echo("head")},
		{Method: "POST", Pattern: "/v1/accounts:signUp", Handler: echo("colon")},
	}, writeTestError)
}

func TestRouter(t *testing.T) {
	tests := []struct {
		method, target string
		status         int
		body           string
	}{
		{"GET", "/", 200, "root /"},
		{"GET", "/?a=b", 200, "root /"},
		{"POST", "/api/v1/auth/accounts/signup", 200, "signup /api/v1/auth/accounts/signup"},
		{"POST", "/api/v1/auth/accounts/signup?x=1", 200, "signup /api/v1/auth/accounts/signup"},
		{"DELETE", "/api/v1/auth/accounts", 200, "delete /api/v1/auth/accounts"},
		{"GET", "/users", 200, "list /users"},
		{"GET", "/users/me", 200, "me /users/me"},
		{"GET", "/users/m%65", 200, `get /users/{uid} uid="me"`},
		{"GET", "/users/a%20b", 200, `get /users/{uid} uid="a b"`},
		{"GET", "/users/a+b", 200, `get /users/{uid} uid="a+b"`},
		{"GET", "/users/a%2Bb", 200, `get /users/{uid} uid="a+b"`},
		{"GET", "/users/%25", 200, `get /users/{uid} uid="%"`},
		{"GET", "/users/a%252Fb", 200, `get /users/{uid} uid="a%2Fb"`},
		{"GET", "/users/{uid}", 200, `get /users/{uid} uid="{uid}"`},
		{"GET", "/users/...", 200, `get /users/{uid} uid="..."`},
		{"GET", "/users/1/roles/2", 200, `role /users/{uid}/roles/{role} uid="1" role="2"`},
		{"GET", "/users/me/roles/2", 200, `role /users/{uid}/roles/{role} uid="me" role="2"`},
		{"GET", "/users/me/keys", 200, "keys /users/me/keys"},
		{"GET", "/docs/", 200, "docs /docs/"},
		{"GET", "/assets/a/b.css", 200, `asset /assets/{file...} file="a/b.css"`},
		{"GET", "/assets/logo/x", 200, `asset /assets/{file...} file="logo/x"`},
		{"POST", "/v1/accounts:signUp", 200, "colon /v1/accounts:signUp"},
		{"HEAD", "/users", 200, ""},
		{"HEAD", "/assets/logo", 200, ""},
		{"PATCH", "/users/x", 200, `patch /users/{uid} uid="x"`},

		{"GET", "/users/", 404, "Not found"},
		{"GET", "/docs", 404, "Not found"},
		{"GET", "//", 404, "Not found"},
		{"GET", "//users", 404, "Not found"},
		{"GET", "/users//", 404, "Not found"},
		{"GET", "/users//roles/2", 404, "Not found"},
		{"GET", "/./users", 404, "Not found"},
		{"GET", "/x/../users", 404, "Not found"},
		{"GET", "/users/..", 404, "Not found"},
		{"GET", "/users/.", 404, "Not found"},
		{"GET", "/users/%2e%2e", 404, "Not found"},
		{"GET", "/users/a%2Fb", 404, "Not found"},
		{"GET", "/users/a%2fb", 404, "Not found"},
		{"GET", "/users/a%5Cb", 404, "Not found"},
		{"GET", "/users/a%00", 404, "Not found"},
		{"GET", "/users/a%0Ab", 404, "Not found"},
		{"GET", "/users/%ff", 404, "Not found"},
		{"GET", "/users%2Fme", 404, "Not found"},
		{"GET", "/Users", 404, "Not found"},
		{"GET", "/user%73", 404, "Not found"},
		{"GET", "/users;x=1", 404, "Not found"},
		{"GET", "/users/me/", 404, "Not found"},
		{"GET", "/users/1/roles", 404, "Not found"},
		{"GET", "/assets", 404, "Not found"},
		{"GET", "/assets/", 404, "Not found"},
		{"GET", "/assets/a//b", 404, "Not found"},
		{"GET", "/assets/../users", 404, "Not found"},
		{"GET", "/assets/a/%2e%2e/b", 404, "Not found"},
		{"GET", "/assets/a/", 404, "Not found"},
		{"POST", "/api/v1/auth/accounts/signup/", 404, "Not found"},
		{"POST", "/api/v1/auth/accounts/SIGNUP", 404, "Not found"},
		{"POST", "/api/v1/auth/accounts/sign%75p", 404, "Not found"},
		{"OPTIONS", "*", 404, "Not found"},

		{"GET", "/api/v1/auth/accounts/signup", 405, "Allow: POST"},
		{"HEAD", "/api/v1/auth/accounts", 405, "Allow: DELETE"},
		{"POST", "/users/x", 405, "Allow: GET, HEAD, PATCH"},
		{"PATCH", "/users/me", 405, "Allow: GET, HEAD"},
		{"GET", "/assets/logo", 405, "Allow: HEAD"},
		{"OPTIONS", "/users", 405, "Allow: GET, HEAD"},
		{"TRACE", "/users", 405, "Allow: GET, HEAD"},
		{"get", "/users", 405, "Allow: GET, HEAD"},
		{"BREW", "/users", 405, "Allow: GET, HEAD"},
	}
	addr := startServer(t, testRouter(), ServerOptions{})
	for _, test := range tests {
		t.Run(test.method+" "+test.target, func(t *testing.T) {
			answer := rawRequest(t, addr,
				test.method+" "+test.target+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			want := test.body
			if header, isAllow := strings.CutPrefix(want, "Allow: "); isAllow {
				if answer.header.Get("Allow") != header {
					t.Errorf("Allow: got %q", answer.header.Get("Allow"))
				}
				want = "The method is not allowed here"
			}
			if test.method == "HEAD" {
				want = ""
			}
			if answer.status != test.status || answer.body != want || answer.header.Get("Location") != "" {
				t.Errorf("got %d %q, Location %q", answer.status, answer.body, answer.header.Get("Location"))
			}
		})
	}
}

type rawAnswer struct {
	status int
	header http.Header
	body   string
	closed bool // the server means to close the connection
}

// rawRequest sends text as it is, which http.Client would not do, and reads the first answer.
func rawRequest(t *testing.T, addr, text string) rawAnswer {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(text, " ")
	return readAnswer(t, bufio.NewReader(conn), method)
}

func TestRouterRefusesWrongTables(t *testing.T) {
	h := echo("x")
	for name, routes := range map[string][]Route{
		"twice":              {{Method: "GET", Pattern: "/a", Handler: h}, {Method: "GET", Pattern: "/a", Handler: h}},
		"other names":        {{Method: "GET", Pattern: "/{a}", Handler: h}, {Method: "PUT", Pattern: "/{b}", Handler: h}},
		"no slash":           {{Method: "GET", Pattern: "a", Handler: h}},
		"empty pattern":      {{Method: "GET", Handler: h}},
		"empty segment":      {{Method: "GET", Pattern: "/a//b", Handler: h}},
		"no name":            {{Method: "GET", Pattern: "/{}", Handler: h}},
		"rest without name":  {{Method: "GET", Pattern: "/{...}", Handler: h}},
		"rest in the middle": {{Method: "GET", Pattern: "/{a...}/b", Handler: h}},
		"half a parameter":   {{Method: "GET", Pattern: "/{a", Handler: h}},
		"brace within":       {{Method: "GET", Pattern: "/a{b}", Handler: h}},
		"no method":          {{Pattern: "/a", Handler: h}},
		"no handler":         {{Method: "GET", Pattern: "/a"}},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			NewRouter(routes, writeTestError)
		})
	}
}

func TestMounts(t *testing.T) {
	handler := Mounts([]Mount{
		{"/a", Handle(say("a"), writeTestError)},
		{"/a/b", Handle(say("a/b"), writeTestError)},
		{"/c", Handle(say("c"), writeTestError)},
	}, Handle(func(http.ResponseWriter, *http.Request) error { return NotFound() }, writeTestError))
	for path, want := range map[string]string{
		"/a": "a", "/a/": "a", "/a/x": "a", "/a//b": "a", "/a/b": "a/b", "/a/b/c": "a/b", "/a/bc": "a", "/ab": "Not found",
		"/": "Not found", "//a": "Not found", "/%61": "Not found", "/x/../a": "Not found", "/a/../c": "a", "/a%2Fb": "Not found",
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Body.String() != want {
			t.Errorf("%s: got %q, want %q", path, w.Body, want)
		}
	}
	rest := Mounts([]Mount{{"", Handle(say("rest"), writeTestError)}}, http.NotFoundHandler())
	w := httptest.NewRecorder()
	rest.ServeHTTP(w, httptest.NewRequest("GET", "//x", nil))
	if w.Body.String() != "rest" {
		t.Errorf("empty prefix: got %q", w.Body)
	}
}
