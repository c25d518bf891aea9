package accountsapi

import (
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// The example of RFC 7636 appendix B.
const (
	appVerifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	appChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	appCallback  = "https://app.example.com/signed-in"
)

// grantCode signs a user in as a hosted page does, and grants the app a code.
func (s *testServer) grantCode(email string) string {
	s.t.Helper()
	page := auth.Caller{Project: s.project(), Browser: true}
	in, err := s.service.SignIn(s.t.Context(), page, auth.SignInParams{Email: email, Password: testPassword})
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := s.service.AuthenticateBrowser(s.t.Context(), page, in.BrowserToken)
	if err != nil {
		s.t.Fatal(err)
	}
	code, err := s.service.GrantCode(s.t.Context(), c, auth.AppRequest{RedirectURI: appCallback, CodeChallenge: appChallenge, CodeChallengeMethod: "S256"})
	if err != nil {
		s.t.Fatal(err)
	}
	return code
}

// TestSignInCode: the answer is that of a sign-in, once for each code.
func TestSignInCode(t *testing.T) {
	s := newTestServer(t, map[string]string{"callbackURLs": appCallback + ",https://other.example.com/"})
	const email, path, invalid = "ann@example.com", "/sign-in/code", "INVALID_SIGN_IN_CODE"
	up := s.signUp(email)
	body := func(code string) map[string]any {
		return map[string]any{"code": code, "codeVerifier": appVerifier, "callBackUri": appCallback}
	}
	with := func(name string, value any) map[string]any {
		changed := body(s.grantCode(email))
		changed[name] = value
		return changed
	}
	code := s.grantCode(email)
	data := s.post(path, body(code)).data()
	idToken, refresh := wantTokens(t, data)
	if text(data, "uid") != up.uid || text(data, "email") != email || len(data) != 4 { // wantTokens took the tokens
		t.Errorf("answer %v", data)
	}
	if got := len(s.sessions(idToken)); got != 3 { // of the sign-up, the browser and the app
		t.Errorf("%d sessions", got)
	}
	s.post("/token/refresh", refreshOf(refresh)).object()
	s.post(path, body(code)).wantError(400, invalid)
	s.account("GET", "/sessions", bearerOf(idToken)).wantError(403, "Auth token is invalid")
	s.post("/token/refresh", refreshOf(refresh)).wantError(400, "TOKEN_EXPIRED")

	const missing = "Please provide code, codeVerifier, and callBackUri"
	s.post(path, map[string]any{}).wantError(422, missing)
	for _, name := range []string{"code", "codeVerifier", "callBackUri"} {
		s.post(path, with(name, "")).wantError(422, missing)
		s.post(path, with(name, 7)).wantError(422, `The field "`+name+`" must be a string`)
	}
	s.post(path, with("codeVerifier", "short")).wantError(422, "codeVerifier is 43 to 128 letters, digits, and characters of -._~")
	s.post(path, with("codeVerifier", strings.Repeat("x", 43))).wantError(400, invalid)
	s.post(path, with("code", "nothing")).wantError(400, invalid)
	s.post(path, with("callBackUri", "https://other.example.com/")).wantError(400, invalid)
	s.post(path, with("callBackUri", "https://evil.example.com/")).wantError(400, "OPERATION_NOT_ALLOWED : The callBackUri is not on the project's list of callback URLs.")
	late := s.grantCode(email)
	s.clock.Advance(time.Minute)
	s.post(path, body(late)).wantError(400, invalid)
}
