package accountsapi

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/auth"
)

const (
	missingFlow   = "Please provide sessionId, providerId, callBackUri, and either token or code"
	missingStart  = "Please provide providerId and callBackUri"
	notConfigured = "OPERATION_NOT_ALLOWED : The identity provider configuration is not found."
	notOnTheList  = "OPERATION_NOT_ALLOWED : The callBackUri is not on the project's list of callback URLs."
	unknownFlow   = "INVALID_IDP_RESPONSE : The sign-in session is unknown, expired, or was used already"
	otherIssuer   = "INVALID_IDP_RESPONSE : The answer names another issuer than the provider's"
	otherFlow     = "INVALID_IDP_RESPONSE : The sign-in session belongs to another provider, callback, or state"
)

func TestAuthURL(t *testing.T) {
	s := newTestServer(t, nil)
	s.providers()
	data := s.post("/sign-in/auth-url", map[string]any{"providerId": "google.com", "callBackUri": testCallback}).data()
	target, err := url.Parse(text(data, "authUri"))
	if err != nil || target.Host != "google.com" || target.Query().Get("redirect_uri") != testCallback || target.Query().Get("client_id") != "client-1" {
		t.Errorf("the browser goes to %s, %v", target, err)
	}
	secrets := map[string]bool{text(data, "sessionId"): true, target.Query().Get("state"): true, target.Query().Get("nonce"): true, s.idp.begun[target.Query().Get("state")].CodeVerifier: true}
	for secret := range secrets {
		if len(secrets) != 4 || len(secret) < 43 {
			t.Errorf("session id, state, nonce and verifier are %v", secrets)
		}
	}
	if strings.Contains(text(data, "authUri"), text(data, "sessionId")) {
		t.Error("the browser is told the session id")
	}
	delete(data, "authUri")
	delete(data, "sessionId")
	if diff := cmp.Diff(map[string]any{"kind": "identitytoolkit#CreateAuthUriResponse", "providerId": "google.com"}, data); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestAuthURLRefusals(t *testing.T) {
	s := newTestServer(t, nil)
	s.providers()
	off := false
	s.putProvider(s.project(), "oidc.off", auth.ProviderChange{Enabled: &off, Endpoints: &map[string]string{"issuer": "https://id.example.com"}})
	for _, tt := range []struct {
		body   any
		status int
		detail string
	}{
		{"{}", 422, missingStart},
		{map[string]any{"providerId": "google.com"}, 422, missingStart},
		{map[string]any{"callBackUri": testCallback}, 422, missingStart},
		{map[string]any{"providerId": "", "callBackUri": testCallback}, 422, missingStart},
		{map[string]any{"providerId": "google.com", "callBackUri": ""}, 422, missingStart},
		{map[string]any{"providerId": "google.com", "callBackUri": 1}, 422, missingStart},
		{map[string]any{"providerId": nil, "callBackUri": testCallback}, 422, missingStart},
		{map[string]any{"providerId": "oidc.acme", "callBackUri": testCallback}, 400, notConfigured},
		{map[string]any{"providerId": "oidc.off", "callBackUri": testCallback}, 400, notConfigured},
		{map[string]any{"providerId": "password", "callBackUri": testCallback}, 400, notConfigured},
		{map[string]any{"providerId": "google.com", "callBackUri": testCallback + "/"}, 400, notOnTheList},
		{map[string]any{"providerId": "google.com", "callBackUri": "https://evil.example.net/callback"}, 400, notOnTheList},
		{map[string]any{"providerId": "google.com", "callBackUri": "http://localhost:3000/"}, 400, notOnTheList},
	} {
		s.post("/sign-in/auth-url", tt.body).wantError(tt.status, tt.detail)
	}
	s.idp.fail = &auth.Error{Code: auth.CodeUnavailable, Message: "asleep", RetryAfter: 5 * time.Second}
	away := s.post("/sign-in/auth-url", map[string]any{"providerId": "google.com", "callBackUri": testCallback})
	away.wantError(503, "The service is unavailable for now")
	if got := away.header.Get("Retry-After"); got != "5" {
		t.Errorf("Retry-After is %q", got)
	}
	s.idp.fail = &auth.Error{Code: auth.CodeInvalidProviderResponse, Message: "the settings have no issuer"}
	s.post("/sign-in/auth-url", map[string]any{"providerId": "google.com", "callBackUri": testCallback}).wantError(400, "INVALID_IDP_RESPONSE : the settings have no issuer")
}

// TestLoopbackCallbacks: a new project of the documented preset can be tried on one's own machine.
func TestLoopbackCallbacks(t *testing.T) {
	s := newTestServer(t, nil)
	s.putProvider(s.project(), "google.com", auth.ProviderChange{})
	for callback, ok := range map[string]bool{"http://localhost:3000/callback": true, "http://127.0.0.1:5173/": true, "http://[::1]/x": true, "http://localhost.evil.net/": false} {
		r := s.post("/sign-in/auth-url", map[string]any{"providerId": "google.com", "callBackUri": callback})
		if ok {
			r.data()
		} else {
			r.wantError(400, notOnTheList)
		}
	}
}

// TestProviderSignIn walks the whole flow, with each of the forms that clients send.
func TestProviderSignIn(t *testing.T) {
	s := newTestServer(t, nil)
	s.providers()
	s.atProvider("ann", "Ann@Example.com", true)
	var uid string
	for i, form := range []struct {
		name string
		body func(f flow) any
	}{
		{"code", func(f flow) any { return f.byCode("ann") }},
		{"code and null token", func(f flow) any {
			return `{"sessionId": "` + f.sessionID + `", "providerId": "google.com", "callBackUri": "` + testCallback + `", "code": "` + f.code("ann") + `", "token": null}`
		}},
		{"token and null code", func(f flow) any {
			return `{"sessionId": "` + f.sessionID + `", "providerId": "google.com", "callBackUri": "` + testCallback + `", "token": "` + f.token("ann") + `", "code": null}`
		}},
		{"token", func(f flow) any { return f.completion(map[string]any{"token": f.token("ann")}) }},
		{"code and empty token", func(f flow) any { return f.completion(map[string]any{"token": "", "code": f.code("ann")}) }},
		{"token wins", func(f flow) any { return f.completion(map[string]any{"token": f.token("ann"), "code": "wrong"}) }},
		{"with state", func(f flow) any { return f.completion(map[string]any{"code": f.code("ann"), "state": f.state}) }},
		{"with issuer", func(f flow) any {
			return f.completion(map[string]any{"code": f.code("ann"), "state": f.state, "iss": "https://google.com"})
		}},
		{"with null issuer", func(f flow) any { return f.completion(map[string]any{"code": f.code("ann"), "iss": nil}) }},
	} {
		t.Run(form.name, func(t *testing.T) {
			s.t = t
			data := s.post("/sign-in/idp", form.body(s.begin("google.com"))).data()
			if strings.Contains(form.name, "token wins") && s.idp.last.Code != "" {
				t.Error("the provider is asked about the code too")
			}
			idToken, refreshToken := wantTokens(t, data)
			if i == 0 {
				uid = text(data, "localId")
			}
			want := map[string]any{
				"providerId": "google.com", "localId": uid, "email": "ann@example.com", "emailVerified": true, "rawUserInfo": `{"sub":"ann"}`, "firstName": "Ann",
				"lastName": "Example", "fullName": "Ann Example", "displayName": "Ann Example", "photoUrl": "https://pictures.example.com/ann.png", "isNewUser": i == 0,
				"needConfirmation": false,
			}
			if diff := cmp.Diff(want, data); diff != "" || len(uid) != 28 {
				t.Errorf("uid %q (-want +got)\n%s", uid, diff)
			}
			wantFirebase := map[string]any{"identities": map[string]any{"email": []any{"ann@example.com"}, "google.com": []any{"ann"}}, "sign_in_provider": "google.com"}
			if diff := cmp.Diff(wantFirebase, claimsOf(t, idToken)["firebase"]); diff != "" {
				t.Errorf("claims (-want +got)\n%s", diff)
			}
			s.post("/token/refresh", refreshOf(refreshToken)).data()
		})
	}
	s.t = t
	if diff := cmp.Diff([]any{"google.com"}, s.waysIn("ann@example.com")); diff != "" {
		t.Errorf("ways in (-want +got)\n%s", diff)
	}
}

func claimsOf(t *testing.T, idToken string) map[string]any {
	t.Helper()
	decoded, err := base64.RawURLEncoding.DecodeString(strings.Split(idToken, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(decoded, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// TestCompletionRefusals: each part on its own can be missing, of a wrong type, or wrong, for signing in and for linking alike.
func TestCompletionRefusals(t *testing.T) {
	s := newTestServer(t, nil)
	s.providers()
	s.atProvider("ann", "ann@example.com", true)
	user := s.signUp("bob@example.com")
	for _, tt := range []struct {
		name   string
		change map[string]any
		status int
		detail string
	}{
		{"no session", map[string]any{"sessionId": nil}, 422, missingFlow},
		{"empty session", map[string]any{"sessionId": ""}, 422, missingFlow},
		{"session of a wrong type", map[string]any{"sessionId": 1}, 422, missingFlow},
		{"unknown session", map[string]any{"sessionId": "unknown"}, 400, unknownFlow},
		{"no provider", map[string]any{"providerId": nil}, 422, missingFlow},
		{"provider of a wrong type", map[string]any{"providerId": []string{"google.com"}}, 422, missingFlow},
		{"other provider", map[string]any{"providerId": "github.com"}, 400, otherFlow},
		{"provider that is not configured", map[string]any{"providerId": "oidc.acme"}, 400, notConfigured},
		{"provider in capitals", map[string]any{"providerId": "GOOGLE.COM"}, 400, notConfigured},
		{"no callback", map[string]any{"callBackUri": nil}, 422, missingFlow},
		{"callback of a wrong type", map[string]any{"callBackUri": true}, 422, missingFlow},
		{"other callback", map[string]any{"callBackUri": otherCallback}, 400, otherFlow},
		{"foreign callback", map[string]any{"callBackUri": "https://evil.example.net/"}, 400, notOnTheList},
		{"neither code nor token", map[string]any{"code": nil}, 422, missingFlow},
		{"empty code", map[string]any{"code": ""}, 422, missingFlow},
		{"empty code and token", map[string]any{"code": "", "token": ""}, 422, missingFlow},
		{"code of a wrong type", map[string]any{"code": 1}, 422, missingFlow},
		{"token of a wrong type", map[string]any{"token": map[string]any{}}, 422, missingFlow},
		{"wrong state", map[string]any{"state": "wrong"}, 400, otherFlow},
		{"state of a wrong type", map[string]any{"state": 1}, 422, missingFlow},
		{"issuer of another provider", map[string]any{"iss": "https://github.com"}, 400, otherIssuer},
		{"issuer in capitals", map[string]any{"iss": "https://GOOGLE.com"}, 400, otherIssuer},
		{"issuer of a wrong type", map[string]any{"iss": []string{"https://google.com"}}, 422, missingFlow},
		{"wrong code", map[string]any{"code": "ann wrong"}, 400, "INVALID_IDP_RESPONSE : refused"},
		{"code of nobody", map[string]any{"code": "nobody"}, 400, "INVALID_IDP_RESPONSE : refused"},
		{"token with a wrong nonce", map[string]any{"token": "ann wrong"}, 400, "INVALID_IDP_RESPONSE : refused"},
		{"token without a nonce", map[string]any{"token": "ann"}, 400, "INVALID_IDP_RESPONSE : refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.t = t
			for path, options := range map[string][]requestOption{"/sign-in/idp": nil, "/link/idp": {bearerOf(user.idToken)}} {
				f := s.begin("google.com")
				body := f.byCode("ann")
				for name, value := range tt.change {
					body[name] = value
					if value == nil {
						delete(body, name)
					}
				}
				s.post(path, body, options...).wantError(tt.status, tt.detail)
			}
		})
	}
	s.t = t
	both := s.begin("google.com")
	s.post("/sign-in/idp", `{"sessionId": "`+both.sessionID+`", "providerId": "google.com", "callBackUri": "`+testCallback+`", "token": null, "code": null}`).wantError(422, missingFlow)
	if diff := cmp.Diff([]any{}, s.waysIn("ann@example.com")); diff != "" {
		t.Errorf("a refused sign-in made an account (-want +got)\n%s", diff)
	}
}

// TestMixedUpProvider: an answer that names another issuer is not shown to the provider, and takes nothing away: the flow can still be finished (RFC 9207).
func TestMixedUpProvider(t *testing.T) {
	s := newTestServer(t, nil)
	s.providers()
	s.atProvider("ann", "ann@example.com", true)
	f := s.begin("google.com")
	s.post("/sign-in/idp", f.completion(map[string]any{"code": f.code("ann"), "iss": "https://github.com"})).wantError(400, otherIssuer)
	if s.idp.last.Code != "" {
		t.Errorf("the provider was shown the code %q of another", s.idp.last.Code)
	}
	s.post("/sign-in/idp", f.completion(map[string]any{"code": f.code("ann"), "iss": "https://google.com"})).data()
}

// TestFlowEnds: a flow works once and for a while, in the project and at the provider as they then are.
func TestFlowEnds(t *testing.T) {
	off, on := false, true
	for _, tt := range []struct {
		name   string
		end    func(s *testServer, f flow)
		detail string
	}{
		{"used", func(s *testServer, f flow) { s.post("/sign-in/idp", f.byCode("ann")).data() }, unknownFlow},
		{"used with a wrong code", func(s *testServer, f flow) {
			s.post("/sign-in/idp", f.completion(map[string]any{"code": "ann wrong"})).wantError(400, "INVALID_IDP_RESPONSE : refused")
		}, unknownFlow},
		{"used while the provider was away", func(s *testServer, f flow) {
			s.idp.fail = &auth.Error{Code: auth.CodeUnavailable, Message: "asleep", RetryAfter: time.Second}
			s.post("/sign-in/idp", f.byCode("ann")).wantError(503, "The service is unavailable for now")
			s.idp.fail = nil
		}, unknownFlow},
		{"used for linking", func(s *testServer, f flow) {
			s.post("/link/idp", f.byCode("ann"), bearerOf(s.signUp("bob@example.com").idToken)).data()
		}, unknownFlow},
		{"expired", func(s *testServer, _ flow) { s.clock.Advance(10 * time.Minute) }, unknownFlow},
		{"provider disabled", func(s *testServer, _ flow) {
			s.putProvider(s.project(), "google.com", auth.ProviderChange{Enabled: &off})
		}, notConfigured},
		{"provider deleted", func(s *testServer, _ flow) {
			if err := s.admin.DeleteProvider(s.t.Context(), s.operator(s.project()), "google.com"); err != nil {
				s.t.Fatal(err)
			}
		}, notConfigured},
		{"callback taken from the list", func(s *testServer, _ flow) { s.set("callbackURLs", otherCallback) }, notOnTheList},
		{"sign-up closed", func(s *testServer, _ flow) { s.set("selfSignUp", "false") }, "ADMIN_ONLY_OPERATION"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newTestServer(t, nil)
			s.providers()
			s.atProvider("ann", "ann@example.com", true)
			f := s.begin("google.com")
			tt.end(s, f)
			s.post("/sign-in/idp", f.byCode("ann")).wantError(400, tt.detail)
		})
	}
	s := newTestServer(t, nil)
	s.providers()
	s.atProvider("ann", "ann@example.com", true)
	f := s.begin("google.com")
	s.putProvider(s.project(), "google.com", auth.ProviderChange{Enabled: &off})
	s.putProvider(s.project(), "google.com", auth.ProviderChange{Enabled: &on})
	s.clock.Advance(10*time.Minute - time.Millisecond)
	s.post("/sign-in/idp", f.byCode("ann")).data()
}

func TestFlowOfAnotherProject(t *testing.T) {
	s := newTestServer(t, nil)
	s.providers()
	s.atProvider("ann", "ann@example.com", true)
	s.createProject("shop", map[string]string{"callbackURLs": testCallback})
	shop, err := s.service.Project(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	s.putProvider(shop, "google.com", auth.ProviderChange{})
	f := s.begin("google.com")
	s.post("/sign-in/idp", f.byCode("ann"), header("X-Project-Id", "shop")).wantError(400, unknownFlow)
	here := s.post("/sign-in/idp", f.byCode("ann")).data()
	there := s.post("/sign-in/idp", s.begin("google.com", header("X-Project-Id", "shop")).byCode("ann"), header("X-Project-Id", "shop")).data()
	if there["isNewUser"] != true || there["localId"] == here["localId"] {
		t.Errorf("the account of one project is another's: %v", there)
	}
}

// TestCompletionsAtOneInstant: of many completions of one flow, one signs in; of many flows of one new user, all do, to the same account.
func TestCompletionsAtOneInstant(t *testing.T) {
	s := newTestServer(t, nil)
	s.providers()
	s.atProvider("ann", "ann@example.com", true)
	s.atProvider("bob", "bob@example.com", true)
	f := s.begin("google.com")
	bodies := make([]map[string]any, 16)
	for i := range bodies {
		bodies[i] = f.byCode("ann")
		if i%2 == 1 {
			bodies[i] = s.begin("google.com").byCode("bob")
		}
	}
	replies := make([]reply, len(bodies))
	var wg sync.WaitGroup
	for i := range bodies {
		wg.Go(func() { replies[i] = s.post("/sign-in/idp", bodies[i]) })
	}
	wg.Wait()
	signedIn, created := map[any]int{}, 0
	for i, r := range replies {
		if r.status != 200 {
			r.wantError(400, unknownFlow)
			continue
		}
		data := r.data()
		signedIn[data["email"]]++
		if data["isNewUser"] == true && i%2 == 1 {
			created++
		}
	}
	if diff := cmp.Diff(map[any]int{"ann@example.com": 1, "bob@example.com": 8}, signedIn); diff != "" || created != 1 {
		t.Errorf("%d accounts for bob; signed in (-want +got)\n%s", created, diff)
	}
}

// TestSameEmail: what becomes of an address that an account has already, as the contract says under "Same email, other credential".
func TestSameEmail(t *testing.T) {
	const email = "ann@example.com"
	confirm := func(verified bool) map[string]any {
		return map[string]any{
			"providerId": "google.com", "localId": "", "email": email, "emailVerified": verified, "rawUserInfo": `{"sub":"ann"}`, "firstName": "Ann", "lastName": "Example",
			"fullName": "Ann Example", "displayName": "Ann Example", "photoUrl": "https://pictures.example.com/ann.png", "isNewUser": false, "needConfirmation": true,
		}
	}
	for _, tt := range []struct {
		name     string
		account  func(s *testServer) signedUp
		verified bool // by the provider
	}{
		{"only the account is verified", func(s *testServer) signedUp { return s.verified(email) }, false},
		{"neither is verified", func(s *testServer) signedUp { return s.signUp(email) }, false},
		{"the account is disabled", func(s *testServer) signedUp {
			up := s.verified(email)
			s.do("PATCH", usersPath+"/"+up.uid, map[string]any{"disabled": true}, asAdmin()).data()
			return up
		}, true},
		{"the account is invited", func(s *testServer) signedUp {
			s.post("/invite", map[string]any{"email": email}).wantNoContent()
			return signedUp{email: email}
		}, true},
	} {
		t.Run("confirm: "+tt.name, func(t *testing.T) {
			s := newTestServer(t, nil)
			s.providers()
			up := tt.account(s)
			before := s.waysIn(email)
			s.atProvider("ann", email, tt.verified)
			s.signInAt("ann").wantData(confirm(tt.verified))
			s.signInAt("ann").wantData(confirm(tt.verified)) // nothing was joined meanwhile
			if diff := cmp.Diff(before, s.waysIn(email)); diff != "" {
				t.Errorf("ways in (-before +after)\n%s", diff)
			}
			if up.idToken != "" && !strings.Contains(tt.name, "disabled") {
				wantTokens(t, s.post("/sign-in/email", credentialsOf(email, testPassword)).data())
			}
		})
	}

	t.Run("link: both are verified", func(t *testing.T) {
		s := newTestServer(t, nil)
		s.providers()
		up := s.verified(email)
		s.atProvider("ann", email, true)
		data := s.signInAt("ann").data()
		wantTokens(t, data)
		if data["localId"] != up.uid || data["isNewUser"] != false || data["needConfirmation"] != false {
			t.Errorf("got %v", data)
		}
		s.post("/token/refresh", refreshOf(up.refreshToken)).data()
		wantTokens(t, s.post("/sign-in/email", credentialsOf(email, testPassword)).data())
	})

	t.Run("takeover: only the provider has verified it", func(t *testing.T) {
		s := newTestServer(t, nil)
		s.providers()
		squatter := s.signUp(email)
		s.atProvider("squatter", "squatter@example.com", true)
		s.post("/link/idp", s.begin("google.com").byCode("squatter"), bearerOf(squatter.idToken)).data()
		code := s.code(auth.MailVerifyEmail, email)
		s.atProvider("ann", email, true)
		data := s.signInAt("ann").data()
		idToken, _ := wantTokens(t, data)
		if data["localId"] != squatter.uid || data["emailVerified"] != true || data["isNewUser"] != false {
			t.Errorf("got %v", data)
		}
		s.post("/token/refresh", refreshOf(squatter.refreshToken)).wantError(400, "TOKEN_EXPIRED")
		s.post("/sign-in/email", credentialsOf(email, testPassword)).wantError(400, "INVALID_PASSWORD")
		s.post("/verify/email", map[string]any{"oobCode": code, "uid": squatter.uid}).wantError(400, "INVALID_OOB_CODE")
		s.post("/unlink", map[string]any{"providerId": "password"}, bearerOf(squatter.idToken)).wantError(403, "Auth token is invalid")
		if diff := cmp.Diff([]any{"ann"}, claimsOf(t, idToken)["firebase"].(map[string]any)["identities"].(map[string]any)["google.com"]); diff != "" {
			t.Errorf("identities (-want +got)\n%s", diff)
		}
		if again := s.signInAt("squatter").data(); again["localId"] == squatter.uid {
			t.Error("the squatter's identity still opens the account")
		}
	})
}

// TestProviderOfUnverifiedEmail: an address that no provider vouches for is verified as at any sign-up.
func TestProviderOfUnverifiedEmail(t *testing.T) {
	s := newTestServer(t, map[string]string{"verifyEmailEnforced": "true"})
	s.providers()
	s.atProvider("ann", "ann@example.com", false)
	r := s.signInAt("ann")
	data := r.data()
	if data["isNewUser"] != true || data["emailVerified"] != false || data["needConfirmation"] != false || data["idToken"] != nil || data["refreshToken"] != nil || data["expiresIn"] != nil {
		t.Errorf("got %s, want a new account without tokens", r.body)
	}
	if uid := s.link(auth.MailVerifyEmail, "ann@example.com").Query().Get("uid"); uid != data["localId"] {
		t.Errorf("the mail is for %q", uid)
	}
	s.signInAt("ann").wantError(400, "USER_DISABLED")

	s.set("verifyEmailEnforced", "false")
	s.atProvider("bob", "bob@example.com", false)
	data = s.signInAt("bob").data()
	if wantTokens(t, data); data["emailVerified"] != false {
		t.Errorf("got %v", data)
	}
}

func TestProviderWithoutEmail(t *testing.T) {
	s := newTestServer(t, nil)
	s.providers()
	for subject, email := range map[string]string{"ann": "", "bob": "no address"} {
		s.atProvider(subject, email, true)
		data := s.signInAt(subject).data()
		if wantTokens(t, data); data["email"] != "" || data["emailVerified"] != false || data["isNewUser"] != true {
			t.Errorf("%s: %v", subject, data)
		}
		if again := s.signInAt(subject).data(); again["localId"] != data["localId"] || again["isNewUser"] != false {
			t.Errorf("%s again: %v", subject, again)
		}
	}
}

func TestProviderSignInOfDisabledUser(t *testing.T) {
	s := newTestServer(t, nil)
	s.providers()
	s.atProvider("ann", "ann@example.com", true)
	uid := text(s.signInAt("ann").data(), "localId")
	s.do("PATCH", usersPath+"/"+uid, map[string]any{"disabled": true}, asAdmin()).data()
	s.signInAt("ann").wantError(400, "USER_DISABLED")
}

func TestLinkIDP(t *testing.T) {
	s := newTestServer(t, nil)
	s.providers()
	up := s.verified("ann@example.com")
	s.atProvider("ann", "ann@elsewhere.example", false)
	link := func(subject string, as signedUp) reply {
		t.Helper()
		return s.post("/link/idp", s.begin("google.com").byCode(subject), bearerOf(as.idToken))
	}
	r := link("ann", up)
	data := r.data()
	idToken := text(data, "idToken")
	if data["refreshToken"] != nil || data["expiresIn"] != "3600" || data["localId"] != up.uid || data["email"] != "ann@example.com" || data["isNewUser"] != false {
		t.Errorf("got %s", r.body)
	}
	claims, before := claimsOf(t, idToken), claimsOf(t, up.idToken)
	want := map[string]any{"identities": map[string]any{"email": []any{"ann@example.com"}, "google.com": []any{"ann"}}, "sign_in_provider": "password"}
	if diff := cmp.Diff(want, claims["firebase"]); diff != "" || claims["sid"] != before["sid"] || claims["auth_time"] != before["auth_time"] {
		t.Errorf("session %v, before %v (-want +got)\n%s", claims["sid"], before["sid"], diff)
	}
	s.post("/token/refresh", refreshOf(up.refreshToken)).data()
	if data := s.signInAt("ann").data(); data["localId"] != up.uid || data["email"] != "ann@example.com" {
		t.Errorf("signed in to %v", data)
	}
	link("ann", up).data() // once more changes nothing

	other := s.signUp("bob@example.com")
	link("ann", other).wantError(400, "FEDERATED_USER_ID_ALREADY_LINKED")
	s.post("/link/idp", s.begin("google.com").byCode("ann")).wantError(401, "Auth token is missing or is not a token")
	if diff := cmp.Diff([]any{"password"}, s.waysIn("bob@example.com")); diff != "" {
		t.Errorf("ways in (-want +got)\n%s", diff)
	}
	denied, err := s.store.ListAudit(t.Context(), auth.DefaultProject, auth.AuditFilter{Event: auth.EventIdentityLinked, Outcome: auth.OutcomeDenied, Limit: 10})
	if err != nil || len(denied) != 1 || denied[0].ActorID != other.uid || denied[0].Detail["code"] != string(auth.CodeIdentityInUse) {
		t.Errorf("audit has %+v, %v", denied, err)
	}
}

func TestUnlink(t *testing.T) {
	s := newTestServer(t, nil)
	s.providers()
	up := s.verified("ann@example.com")
	s.atProvider("ann", "ann@example.com", true)
	second := s.post("/sign-in/email", credentialsOf(up.email, testPassword)).data()
	unlink := func(body any, token string) reply {
		t.Helper()
		return s.post("/unlink", body, bearerOf(token))
	}
	choice := func(id any) map[string]any { return map[string]any{"providerId": id} }
	const lastWay = "OPERATION_NOT_ALLOWED : The account would have no way to sign in left."

	for _, body := range []any{"{}", choice(""), choice(1), choice(nil)} {
		unlink(body, up.idToken).wantError(422, missingStart)
	}
	unlink(choice("google.com"), up.idToken).wantError(404, "Not found")
	unlink(choice("password"), up.idToken).wantError(400, lastWay)
	s.post("/link/idp", s.begin("google.com").byCode("ann"), bearerOf(up.idToken)).data()
	unlink(choice("github.com"), up.idToken).wantError(404, "Not found")

	unlink(choice("password"), up.idToken).wantNoContent()
	unlink(choice("password"), up.idToken).wantError(404, "Not found")
	s.post("/sign-in/email", credentialsOf(up.email, testPassword)).wantError(400, "INVALID_PASSWORD")
	s.post("/token/refresh", refreshOf(text(second, "refreshToken"))).wantError(400, "TOKEN_EXPIRED") // another session
	s.post("/token/refresh", refreshOf(up.refreshToken)).data()                                       // the own one
	unlink(choice("google.com"), up.idToken).wantError(400, lastWay)
	if diff := cmp.Diff([]any{"google.com"}, s.waysIn(up.email)); diff != "" {
		t.Errorf("ways in (-want +got)\n%s", diff)
	}

	s.post("/link/idp", s.begin("github.com").byCode("ann"), bearerOf(up.idToken)).data()
	unlink(choice("google.com"), up.idToken).wantNoContent()
	if data := s.post("/sign-in/idp", s.begin("github.com").byCode("ann")).data(); data["localId"] != up.uid {
		t.Errorf("signed in to %v", data)
	}
	unlink(choice("github.com"), up.idToken).wantError(400, lastWay)
}
