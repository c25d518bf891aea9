package accountsapi

import (
	"testing"
	"time"
)

// TestSessions: users see where they are signed in, and sign out there, here, and everywhere.
func TestSessions(t *testing.T) {
	s := newTestServer(t, nil)
	const email = "ann@example.com"
	first, _ := wantTokens(t, s.post("/signup", credentialsOf(email, testPassword)).data())
	second, refresh := wantTokens(t, s.post("/sign-in/email", credentialsOf(email, testPassword)).data())
	stranger, _ := wantTokens(t, s.post("/signup", credentialsOf("eve@example.com", testPassword)).data())

	list := s.sessions(second)
	if len(list) != 2 {
		t.Fatalf("%d sessions, want 2: %v", len(list), list)
	}
	newest, oldest := list[0].(map[string]any), list[1].(map[string]any)
	if oldest["current"] == true { // both began at the same instant
		newest, oldest = oldest, newest
	}
	if newest["current"] != true || oldest["current"] != false || newest["providerId"] != "password" {
		t.Errorf("sessions: %v", list)
	}
	for _, at := range []string{"createdAt", "lastUsedAt"} {
		if _, err := time.Parse(time.RFC3339, text(newest, at)); err != nil {
			t.Errorf("%s: %v", at, err)
		}
	}

	path := "/sessions/" + text(oldest, "id")
	s.account("DELETE", path, bearerOf(stranger)).wantError(404, "Not found")
	s.account("DELETE", path).wantError(401, "Auth token is missing or is not a token")
	s.account("DELETE", path, bearerOf(second)).wantNoContent()
	s.account("DELETE", path, bearerOf(second)).wantError(404, "Not found")
	s.account("GET", "/sessions", bearerOf(first)).wantError(403, "Auth token is invalid")

	third, _ := wantTokens(t, s.post("/sign-in/email", credentialsOf(email, testPassword)).data())
	s.account("DELETE", "/sessions?keep=mine", bearerOf(third)).wantError(422, "keep takes current")
	s.account("DELETE", "/sessions?keep=current", bearerOf(third)).wantNoContent()
	if got := len(s.sessions(third)); got != 1 {
		t.Errorf("%d sessions left, want the one that asked", got)
	}
	s.post("/token/refresh", refreshOf(refresh)).wantError(400, "TOKEN_EXPIRED")
	s.account("DELETE", "/sessions", bearerOf(third)).wantNoContent()
	s.account("GET", "/sessions", bearerOf(third)).wantError(403, "Auth token is invalid")
	if got := len(s.sessions(stranger)); got != 1 {
		t.Errorf("the stranger has %d sessions, want 1", got)
	}
}

func (s *testServer) account(method, path string, options ...requestOption) reply {
	s.t.Helper()
	return s.do(method, basePath+"/auth/accounts"+path, nil, options...)
}

func (s *testServer) sessions(idToken string) []any {
	s.t.Helper()
	list, ok := s.account("GET", "/sessions", bearerOf(idToken)).object()["data"].([]any)
	if !ok {
		s.t.Fatal("no list of sessions")
	}
	return list
}

func TestDevice(t *testing.T) {
	for header, want := range map[string]string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0":                                                                  "Firefox on Linux",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1": "Safari on iOS",
		"":         "",
		"curl/8.5": "curl",
	} {
		if got := device(header); got != want {
			t.Errorf("%q is %q, want %q", header, got, want)
		}
	}
}

// TestSignUpByMail: the same answer for every address.
func TestSignUpByMail(t *testing.T) {
	s := newTestServer(t, map[string]string{"signUpByMail": "true"})
	first := s.post("/signup", credentialsOf("ann@example.com", testPassword))
	second := s.post("/signup", credentialsOf("ann@example.com", "battery staple two"))
	want := `{"data":{"email":"ann@example.com","emailVerified":false,"disabled":true,"mailSent":true}}`
	for _, got := range []string{first.body, second.body} {
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
