package accountsapi

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/auth"
)

func credentialsOf(email, password string) map[string]any {
	return map[string]any{"email": email, "password": password}
}

func refreshOf(token string) map[string]any { return map[string]any{"refresh_token": token} }

// wantTokens checks the three token members, and takes them out of data.
func wantTokens(t *testing.T, data map[string]any) (idToken, refreshToken string) {
	t.Helper()
	idToken, refreshToken = text(data, "idToken"), text(data, "refreshToken")
	if strings.Count(idToken, ".") != 2 || len(refreshToken) < 43 || text(data, "expiresIn") != "3600" {
		t.Fatalf("tokens: %v", data)
	}
	delete(data, "idToken")
	delete(data, "refreshToken")
	delete(data, "expiresIn")
	return idToken, refreshToken
}

// TestAccountLife walks one account from sign-up to its end, with the keys that projects get by default.
func TestAccountLife(t *testing.T) {
	s := newTestServer(t, map[string]string{"signingAlgorithm": "RS256"})
	const email, second = "ann@example.com", "battery staple two"

	data := s.post("/signup", credentialsOf(" Ann@Example.com ", testPassword)).data()
	wantTokens(t, data)
	uid := text(data, "uid")
	if diff := cmp.Diff(map[string]any{"uid": uid, "email": email, "emailVerified": false, "disabled": false}, data); diff != "" {
		t.Errorf("sign-up: (-want +got)\n%s", diff)
	}
	if len(uid) != 28 {
		t.Errorf("uid %q has %d characters, want 28", uid, len(uid))
	}

	link := s.link(auth.MailVerifyEmail, email)
	if got := link.Scheme + "://" + link.Host + link.Path; got != testPublicURL+"/default/verify-email" || link.Query().Get("uid") != uid {
		t.Errorf("verification link is %s", link)
	}
	verify := map[string]any{"oobCode": link.Query().Get("oobCode"), "uid": uid}
	s.post("/verify/email", verify).wantNoContent()
	s.post("/verify/email", verify).wantError(400, "INVALID_OOB_CODE")

	data = s.post("/sign-in/email", credentialsOf(email, testPassword)).data()
	idToken, refreshToken := wantTokens(t, data)
	if diff := cmp.Diff(map[string]any{"uid": uid, "email": email, "emailVerified": true, "disabled": false}, data); diff != "" {
		t.Errorf("sign-in: (-want +got)\n%s", diff)
	}
	checkIDToken(t, s, idToken, uid, email)

	s.clock.Advance(10 * time.Second)
	data = s.post("/token/refresh", refreshOf(refreshToken)).data()
	fresh := text(data, "id_token")
	want := map[string]any{
		"expires_in": "3600", "token_type": "Bearer", "refresh_token": refreshToken, "id_token": fresh, "access_token": fresh, "user_id": uid, "project_id": "default",
		"idToken": fresh, "refreshToken": refreshToken, "expiresIn": "3600",
	}
	if diff := cmp.Diff(want, data); diff != "" || fresh == idToken {
		t.Errorf("refresh: the same id token: %v; (-want +got)\n%s", fresh == idToken, diff)
	}

	change := map[string]any{"oldPassword": testPassword, "newPassword": second}
	s.post("/update-password", change, bearerOf(fresh)).wantNoContent()
	s.post("/token/refresh", refreshOf(refreshToken)).wantError(400, "TOKEN_EXPIRED")
	s.post("/update-password", change, bearerOf(fresh)).wantError(403, "Auth token is invalid")
	s.post("/sign-in/email", credentialsOf(email, testPassword)).wantError(400, "INVALID_PASSWORD")

	data = s.post("/sign-in/email", credentialsOf(email, second)).data()
	idToken, refreshToken = wantTokens(t, data)
	remove := func(token string) reply { return s.do("DELETE", basePath+"/auth/accounts", nil, bearerOf(token)) }
	remove(idToken).wantNoContent()
	remove(idToken).wantError(403, "Auth token is invalid")
	s.post("/token/refresh", refreshOf(refreshToken)).wantError(400, "USER_NOT_FOUND")
	s.post("/sign-in/email", credentialsOf(email, second)).wantError(400, "EMAIL_NOT_FOUND")
	s.post("/verify/email", verify).wantError(422, "There is no user record corresponding to the provided identifier.")
	if again := s.signUp(email); again.uid == uid {
		t.Error("a uid is given twice")
	}
}

// checkIDToken reads header and claims, which the domain signed and the published keys are named for.
func checkIDToken(t *testing.T, s *testServer, idToken, uid, email string) {
	t.Helper()
	parts := strings.Split(idToken, ".")
	read := func(part string) (v map[string]any) {
		t.Helper()
		decoded, err := base64.RawURLEncoding.DecodeString(part)
		if err == nil {
			err = json.Unmarshal(decoded, &v)
		}
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	now := float64(s.clock.Now().Unix())
	claims := read(parts[1])
	if text(claims, "sid") == "" {
		t.Error("the id token names no session")
	}
	delete(claims, "sid")
	want := map[string]any{
		"iss": testPublicURL + "/default", "aud": "default", "sub": uid, "user_id": uid, "auth_time": now, "iat": now, "exp": now + 3600, "email": email, "email_verified": true,
		"firebase": map[string]any{"identities": map[string]any{"email": []any{email}}, "sign_in_provider": "password"},
	}
	if diff := cmp.Diff(want, claims); diff != "" {
		t.Errorf("claims: (-want +got)\n%s", diff)
	}
	keys, _ := s.do("GET", "/default/.well-known/jwks.json", nil).object()["keys"].([]any)
	if len(keys) != 1 {
		t.Fatalf("%d published keys, want 1", len(keys))
	}
	if diff := cmp.Diff(map[string]any{"alg": "RS256", "typ": "JWT", "kid": keys[0].(map[string]any)["kid"]}, read(parts[0])); diff != "" {
		t.Errorf("header: (-want +got)\n%s", diff)
	}
}

func TestSignUpRefusals(t *testing.T) {
	s := newTestServer(t, nil)
	s.signUp("ann@example.com")
	const bad, inUse = "Please provide a valid email and password", "The email address is already in use by another account."
	for _, tt := range []struct {
		body   any
		status int
		detail string
	}{
		{"{}", 422, bad},
		{map[string]any{"email": "b@example.com"}, 422, bad},
		{map[string]any{"password": testPassword}, 422, bad},
		{credentialsOf("", testPassword), 422, bad},
		{credentialsOf("b@example.com", ""), 422, bad},
		{credentialsOf("no address", testPassword), 422, bad},
		{credentialsOf("a@b.co,c@d.co", testPassword), 422, bad},
		{map[string]any{"email": 1, "password": testPassword}, 422, bad},
		{map[string]any{"email": "b@example.com", "password": 123456}, 422, bad},
		{map[string]any{"email": nil, "password": nil}, 422, bad},
		{map[string]any{"Email": "b@example.com", "Password": testPassword}, 422, bad},
		{credentialsOf("b@example.com", "12345"), 400, "WEAK_PASSWORD : Password should be at least 6 characters"},
		{credentialsOf("ANN@example.com", testPassword), 422, inUse},
	} {
		s.post("/signup", tt.body).wantError(tt.status, tt.detail)
	}
	s.set("selfSignUp", "false")
	s.post("/signup", credentialsOf("b@example.com", testPassword)).wantError(400, "ADMIN_ONLY_OPERATION")
	s.set("passwordProvider", "false")
	for _, path := range []string{"/signup", "/sign-in/email"} {
		s.post(path, credentialsOf("b@example.com", testPassword)).
			wantError(422, "Email/password setup is not complete. Please complete the Email/Password Authentication setup in your project")
	}
}

// TestSignUpIgnoresOtherFields: no field but the two documented ones reaches the account.
func TestSignUpIgnoresOtherFields(t *testing.T) {
	s := newTestServer(t, nil)
	data := s.post("/signup", map[string]any{
		"email": "ann@example.com", "password": testPassword, "uid": "mine", "emailVerified": true, "disabled": true, "roles": []string{"admin"}, "name": "Ann", "customClaims": map[string]any{"admin": true},
	}).data()
	uid := text(data, "uid")
	if data["emailVerified"] != false || data["disabled"] != false || uid == "mine" {
		t.Errorf("got %v", data)
	}
	record := s.do("GET", usersPath+"/"+uid, nil, asAdmin()).data()
	if record["name"] != "" || len(record["roles"].([]any)) != 0 || len(record) != 6 {
		t.Errorf("got %v", record)
	}
}

func TestSignUpWithVerificationEnforced(t *testing.T) {
	s := newTestServer(t, map[string]string{"verifyEmailEnforced": "true", "verifyEmailURL": "https://app.example.com/verify?lang=en"})
	r := s.post("/signup", credentialsOf("ann@example.com", testPassword))
	uid := text(r.data(), "uid")
	r.wantData(map[string]any{"uid": uid, "email": "ann@example.com", "emailVerified": false, "disabled": true})
	s.post("/sign-in/email", credentialsOf("ann@example.com", testPassword)).wantError(400, "USER_DISABLED")

	first := s.link(auth.MailVerifyEmail, "ann@example.com")
	if !strings.HasPrefix(first.String(), "https://app.example.com/verify?lang=en&oobCode=") {
		t.Errorf("link is %s, want the project's page with its query kept", first)
	}
	s.clock.Advance(time.Second)
	s.post("/verify/email", map[string]any{"email": "Ann@example.com"}).wantNoContent()
	body := map[string]any{"oobCode": first.Query().Get("oobCode"), "uid": uid}
	s.post("/verify/email", body).wantError(400, "INVALID_OOB_CODE") // voided by the second
	body["oobCode"] = s.code(auth.MailVerifyEmail, "ann@example.com")
	s.clock.Advance(25 * time.Hour)
	s.post("/verify/email", body).wantError(400, "EXPIRED_OOB_CODE")
	s.post("/verify/email", map[string]any{"email": "ann@example.com"}).wantNoContent()
	body["oobCode"] = s.code(auth.MailVerifyEmail, "ann@example.com")
	s.post("/verify/email", body).wantNoContent()
	wantTokens(t, s.post("/sign-in/email", credentialsOf("ann@example.com", testPassword)).data())
}

func TestVerifyEmailRefusals(t *testing.T) {
	s := newTestServer(t, nil)
	ann, bob := s.signUp("ann@example.com"), s.signUp("bob@example.com")
	code := s.code(auth.MailVerifyEmail, ann.email)
	const noUser = "There is no user record corresponding to the provided identifier."
	for _, tt := range []struct {
		body   any
		status int
		detail string
	}{
		{"{}", 422, noUser},
		{map[string]any{"oobCode": code}, 422, noUser},
		{map[string]any{"oobCode": code, "uid": "nobody"}, 422, noUser},
		{map[string]any{"oobCode": code, "uid": bob.uid}, 400, "INVALID_OOB_CODE"},
		{map[string]any{"oobCode": "wrong", "uid": ann.uid}, 400, "INVALID_OOB_CODE"},
		{map[string]any{"oobCode": "", "uid": ann.uid}, 400, "INVALID_OOB_CODE"},
		{map[string]any{"uid": ann.uid}, 400, "INVALID_OOB_CODE"},
		{map[string]any{"email": ann.email, "uid": ann.uid}, 400, "INVALID_OOB_CODE"},
		{map[string]any{"email": "nobody@example.com"}, 422, noUser},
		{map[string]any{"email": "no address"}, 422, "No email address provided"},
		{map[string]any{"oobCode": 1, "uid": ann.uid}, 422, `The field "oobCode" must be a string`},
	} {
		s.post("/verify/email", tt.body).wantError(tt.status, tt.detail)
	}
	s.post("/verify/email", map[string]any{"oobCode": code, "uid": ann.uid}).wantNoContent()
}

func TestInvite(t *testing.T) {
	s := newTestServer(t, nil)
	const email = "ann@example.com"
	s.post("/invite", "{}").wantError(422, "No email address provided")
	s.post("/invite", map[string]any{"email": 1}).wantError(422, "No email address provided")
	s.post("/invite", map[string]any{"email": email}).wantNoContent()
	first := s.link(auth.MailInvite, email)
	s.clock.Advance(time.Second)
	s.post("/invite", map[string]any{"email": email}).wantNoContent()
	second := s.link(auth.MailInvite, email)
	uid := second.Query().Get("uid")
	if uid == "" || uid != first.Query().Get("uid") || second.Path != "/default/accept-invite" {
		t.Errorf("links are %s and %s", first, second)
	}
	s.post("/sign-in/email", credentialsOf(email, testPassword)).wantError(400, "INVALID_PASSWORD")

	accept := func(code, uid, password any) reply {
		return s.post("/verify/invite", map[string]any{"oobCode": code, "uid": uid, "newPassword": password})
	}
	code := second.Query().Get("oobCode")
	for _, parts := range [][3]any{{"", uid, testPassword}, {code, "", testPassword}, {code, uid, ""}, {nil, uid, testPassword}, {code, 1, testPassword}} {
		accept(parts[0], parts[1], parts[2]).wantError(422, "No newPassword, uid, or oobCode provided")
	}
	accept(code, "nobody", testPassword).wantError(422, "There is no user record corresponding to the provided identifier.")
	accept(first.Query().Get("oobCode"), uid, testPassword).wantError(400, "INVALID_OOB_CODE")
	accept(code, uid, "12345").wantError(400, "WEAK_PASSWORD : Password should be at least 6 characters")
	accept(code, uid, testPassword).wantNoContent()
	accept(code, uid, testPassword).wantError(400, "INVALID_OOB_CODE")
	data := s.post("/sign-in/email", credentialsOf(email, testPassword)).data()
	if data["emailVerified"] != true || data["uid"] != uid {
		t.Errorf("got %v, want the invitee, verified", data)
	}
	s.post("/invite", map[string]any{"email": email}).wantError(422, "The email address is already in use by another account.")
	s.set("selfSignUp", "false")
	s.post("/invite", map[string]any{"email": "bob@example.com"}).wantError(403, "Admin token is missing or invalid")
	s.post("/invite", map[string]any{"email": "bob@example.com"}, asAdmin()).wantNoContent()
	s.clock.Advance(8 * 24 * time.Hour)
	link := s.link(auth.MailInvite, "bob@example.com")
	accept(link.Query().Get("oobCode"), link.Query().Get("uid"), testPassword).wantError(400, "EXPIRED_OOB_CODE")
}

func TestPasswordReset(t *testing.T) {
	s := newTestServer(t, nil)
	ann := s.signUp("ann@example.com")
	s.post("/password-reset", "{}").wantError(422, "No email address provided")
	s.post("/password-reset", map[string]any{"email": "nobody@example.com"}).wantError(422, "There is no user record corresponding to the provided email.")
	s.post("/password-reset", map[string]any{"email": "Ann@Example.com"}).wantNoContent()
	code := s.code(auth.MailResetPassword, ann.email)
	reset := func(code, password any) reply {
		return s.post("/verify/password-reset", map[string]any{"oobCode": code, "newPassword": password})
	}
	const second = "battery staple two"
	reset("", second).wantError(422, "No newPassword, uid, or oobCode provided")
	reset(code, "").wantError(422, "No newPassword, uid, or oobCode provided")
	reset(s.code(auth.MailVerifyEmail, ann.email), second).wantError(400, "INVALID_OOB_CODE")
	reset(code, "12345").wantError(400, "WEAK_PASSWORD : Password should be at least 6 characters")
	reset(code, second).wantNoContent()
	reset(code, second).wantError(400, "INVALID_OOB_CODE")
	s.post("/token/refresh", refreshOf(ann.refreshToken)).wantError(400, "TOKEN_EXPIRED")
	wantTokens(t, s.post("/sign-in/email", credentialsOf(ann.email, second)).data())
	s.clock.Advance(time.Second)
	s.post("/password-reset", map[string]any{"email": ann.email}).wantNoContent()
	code = s.code(auth.MailResetPassword, ann.email)
	s.clock.Advance(time.Hour)
	reset(code, testPassword).wantError(400, "EXPIRED_OOB_CODE")
}

// TestCodeWorksOnceAtOneInstant: of many uses of one code side by side, one sets the password.
func TestCodeWorksOnceAtOneInstant(t *testing.T) {
	s := newTestServer(t, nil)
	ann := s.signUp("ann@example.com")
	s.post("/password-reset", map[string]any{"email": ann.email}).wantNoContent()
	code := s.code(auth.MailResetPassword, ann.email)
	statuses := make([]int, 6) // fits into the hashing queue
	var wg sync.WaitGroup
	for i := range statuses {
		wg.Go(func() {
			statuses[i] = s.post("/verify/password-reset", map[string]any{"oobCode": code, "newPassword": testPassword}).status
		})
	}
	wg.Wait()
	count := map[int]int{}
	for _, status := range statuses {
		count[status]++
	}
	if diff := cmp.Diff(map[int]int{204: 1, 400: len(statuses) - 1}, count); diff != "" {
		t.Errorf("statuses: (-want +got)\n%s", diff)
	}
}

func TestUpdatePasswordRefusals(t *testing.T) {
	s := newTestServer(t, nil)
	ann := s.signUp("ann@example.com")
	for _, tt := range []struct {
		body   any
		status int
		detail string
	}{
		{"{}", 422, "Please provide a valid email and password"},
		{map[string]any{"oldPassword": testPassword}, 422, "Please provide a valid email and password"},
		{map[string]any{"oldPassword": testPassword, "newPassword": 1}, 422, `The field "newPassword" must be a string`},
		{map[string]any{"oldPassword": "wrong", "newPassword": testPassword}, 400, "INVALID_PASSWORD"},
		{map[string]any{"oldPassword": testPassword, "newPassword": "12345"}, 400, "WEAK_PASSWORD : Password should be at least 6 characters"},
	} {
		s.post("/update-password", tt.body, bearerOf(ann.idToken)).wantError(tt.status, tt.detail)
	}
	s.post("/token/refresh", refreshOf(ann.refreshToken)).data() // nothing was changed
}

func TestUpdateEmail(t *testing.T) {
	s := newTestServer(t, nil)
	ann := s.signUp("ann@example.com")
	s.signUp("bob@example.com")
	own := bearerOf(ann.idToken)
	for _, body := range []any{"{}", map[string]any{"email": "no address"}, map[string]any{"email": 1}} {
		s.post("/update-email", body, own).wantError(422, "Please provide a valid email and password")
	}
	s.post("/update-email", map[string]any{"email": "BOB@example.com"}, own).wantError(422, "The email address is already in use by another account.")
	s.post("/update-email", map[string]any{"email": "ann@new.example.com"}, own).wantNoContent()
	s.link(auth.MailEmailChanged, ann.email) // with the way back
	data := s.post("/sign-in/email", credentialsOf("ann@new.example.com", testPassword)).data()
	if data["emailVerified"] != false || data["uid"] != ann.uid {
		t.Errorf("got %v, want the same account, unverified", data)
	}
	s.set("emailChange", "verified")
	s.clock.Advance(6 * time.Minute)
	s.post("/update-email", map[string]any{"email": "third@example.com"}, own).wantError(403, "CREDENTIAL_TOO_OLD_LOGIN_AGAIN")
}

func TestRefreshRefusals(t *testing.T) {
	s := newTestServer(t, nil)
	ann := s.signUp("ann@example.com")
	for _, tt := range []struct {
		body   any
		status int
		detail string
	}{
		{"{}", 400, "MISSING_REFRESH_TOKEN"},
		{refreshOf(""), 400, "MISSING_REFRESH_TOKEN"},
		{map[string]any{"refresh_token": 1}, 422, `The field "refresh_token" must be a string`},
		{map[string]any{"refresh_token": nil}, 422, `The field "refresh_token" must be a string`},
		{refreshOf("wrong"), 400, "INVALID_REFRESH_TOKEN"},
		{refreshOf(ann.refreshToken + "x"), 400, "INVALID_REFRESH_TOKEN"},
		{refreshOf(strings.Repeat("x", 27) + strings.Repeat("é", 20)), 400, "INVALID_REFRESH_TOKEN"}, // the uid would end within a character
	} {
		s.post("/token/refresh", tt.body).wantError(tt.status, tt.detail)
	}
	s.do("PATCH", usersPath+"/"+ann.uid, map[string]any{"disabled": true}, asAdmin()).data()
	s.post("/token/refresh", refreshOf(ann.refreshToken)).wantError(400, "USER_DISABLED")
	s.post("/sign-in/email", credentialsOf(ann.email, testPassword)).wantError(400, "USER_DISABLED")
	s.do("PATCH", usersPath+"/"+ann.uid, map[string]any{"disabled": false}, asAdmin()).data()
	s.post("/token/refresh", refreshOf(ann.refreshToken)).wantError(400, "TOKEN_EXPIRED") // enabling revives nothing
}

func TestSignInLimit(t *testing.T) {
	s := newTestServer(t, map[string]string{"signInAccountBurst": "2", "signInAccountInterval": "90s"})
	ann := s.signUp("ann@example.com")
	wrong, right := credentialsOf(ann.email, "wrong password"), credentialsOf(ann.email, testPassword)
	s.post("/sign-in/email", wrong).wantError(400, "INVALID_PASSWORD")
	s.post("/sign-in/email", wrong).wantError(400, "INVALID_PASSWORD")
	refused := s.post("/sign-in/email", right)
	refused.wantError(429, "TOO_MANY_ATTEMPTS_TRY_LATER")
	if got := refused.header.Get("Retry-After"); got != "90" {
		t.Errorf("Retry-After is %q, want 90", got)
	}
	s.clock.Advance(90 * time.Second)
	s.post("/sign-in/email", right).data()
}

// TestEnumerationProtection: with it, no answer tells a registered address from another.
func TestEnumerationProtection(t *testing.T) {
	s := newTestServer(t, map[string]string{"emailEnumerationProtection": "true"})
	ann := s.signUp("ann@example.com")
	for _, email := range []string{ann.email, "nobody@example.com"} {
		s.post("/sign-in/email", credentialsOf(email, "wrong password")).wantError(400, "INVALID_LOGIN_CREDENTIALS")
		s.post("/password-reset", map[string]any{"email": email}).wantNoContent()
		s.post("/verify/email", map[string]any{"email": email}).wantNoContent()
		s.post("/email-providers", map[string]any{"email": email}).wantData(map[string]any{"allProviders": []any{}, "registered": false})
	}
}

func TestEmailProviders(t *testing.T) {
	s := newTestServer(t, nil)
	ann := s.signUp("ann@example.com")
	s.post("/email-providers", map[string]any{"email": "ANN@example.com"}).wantData(map[string]any{"allProviders": []any{"password"}, "registered": true})
	s.post("/email-providers", map[string]any{"email": "nobody@example.com"}).wantData(map[string]any{"allProviders": []any{}, "registered": false})
	for _, body := range []any{"{}", map[string]any{"email": ""}, map[string]any{"email": []string{ann.email}}, map[string]any{"email": "no address"}} {
		s.post("/email-providers", body).wantError(422, "No email address provided")
	}
}

func TestRoles(t *testing.T) {
	s := newTestServer(t, nil)
	list := func() reply { return s.do("GET", basePath+"/auth/accounts/roles", nil, asAdmin()) }
	if r := list(); r.status != http.StatusOK || r.body != `{"data":[]}` {
		t.Errorf("got %d %s, want an empty list", r.status, r.body)
	}
	var want []any
	for _, name := range []string{"editor", "viewer"} {
		role, err := s.admin.CreateRole(t.Context(), s.operator(s.project()), name)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, map[string]any{"uid": string(role.ID), "name": name})
	}
	if diff := cmp.Diff(map[string]any{"data": want}, list().object()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestWellKnown(t *testing.T) {
	s := newTestServer(t, nil)
	s.createProject("shop", map[string]string{"errorEnvelope": "nested"})
	for _, id := range []string{"default", "shop"} {
		r := s.do("GET", "/"+id+"/.well-known/openid-configuration", nil)
		want := map[string]any{
			"issuer": testPublicURL + "/" + id, "jwks_uri": testPublicURL + "/" + id + "/.well-known/jwks.json", "response_types_supported": []any{"id_token"},
			"subject_types_supported": []any{"public"}, "id_token_signing_alg_values_supported": []any{"ES256"},
		}
		if diff := cmp.Diff(want, r.object()); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", r.what, diff)
		}
		jwks := s.do("GET", "/"+id+"/.well-known/jwks.json", nil)
		keys, _ := jwks.object()["keys"].([]any)
		if len(keys) != 1 || keys[0].(map[string]any)["d"] != nil || keys[0].(map[string]any)["alg"] != "ES256" {
			t.Errorf("%s: got %s, want one public key", jwks.what, jwks.body)
		}
		for _, got := range []reply{r, jwks} {
			if got.header.Get("Cache-Control") != "public, max-age=300" || got.header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("%s: headers are %v", got.what, got.header)
			}
		}
	}
	s.do("GET", "/nobody/.well-known/jwks.json", nil).wantError(404, "Project not found")
	s.do("GET", "/nobody/.well-known/openid-configuration", nil).wantError(404, "Project not found")
	s.do("POST", "/shop/.well-known/jwks.json", "{}").wantError(405, "The method is not allowed here")
}
