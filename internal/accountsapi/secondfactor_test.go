package accountsapi

import (
	"encoding/base32"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/authtest"
	"github.com/doorward/doorward/internal/totp"
)

// app is an authenticator app that was shown a secret.
type app struct {
	s      *testServer
	id     string
	secret []byte
}

// code is what the app shows next.
func (a app) code() string {
	a.s.clock.Advance(30 * time.Second)
	return totp.Code(a.secret, totp.Step(a.s.clock.Now()))
}

func (s *testServer) appOf(begun map[string]any) app {
	s.t.Helper()
	shown, _ := begun["totp"].(map[string]any)
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(text(shown, "secret"))
	if err != nil || len(secret) != 20 || !strings.HasPrefix(text(shown, "uri"), "otpauth://totp/") || !strings.HasPrefix(text(shown, "qr"), "data:image/png;base64,") {
		s.t.Fatalf("start of an enrollment: %v", begun)
	}
	return app{s, text(begun, "mfaEnrollmentId"), secret}
}

func TestSecondFactorOverTheWire(t *testing.T) {
	s := newTestServer(t, nil)
	ann := s.signUp("ann@example.com")
	s.do("GET", basePath+"/auth/accounts/mfa", nil, bearerOf(ann.idToken)).wantData(map[string]any{"mfaInfo": []any{}, "recoveryCodesLeft": 0.0})
	phone := s.appOf(s.post("/mfa/enroll/start", map[string]any{"kind": "totp", "displayName": "Phone"}, bearerOf(ann.idToken)).data())
	s.post("/mfa/enroll/finalize", map[string]any{"mfaEnrollmentId": phone.id, "code": "000000"}, bearerOf(ann.idToken)).wantError(400, "INVALID_CODE")
	done := s.post("/mfa/enroll/finalize", map[string]any{"mfaEnrollmentId": phone.id, "code": phone.code(), "credential": nil}, bearerOf(ann.idToken)).data()
	codes, _ := done["recoveryCodes"].([]any)
	if len(codes) != 10 || len(done) != 1 {
		t.Fatalf("got %v", done)
	}
	info := []any{map[string]any{"mfaEnrollmentId": phone.id, "displayName": "Phone", "kind": "totp", "enrolledAt": "2026-03-01T12:00:30Z"}}
	s.do("GET", basePath+"/auth/accounts/mfa", nil, bearerOf(ann.idToken)).wantData(map[string]any{"mfaInfo": info, "recoveryCodesLeft": 10.0})

	signIn := func() string {
		t.Helper()
		r := s.post("/sign-in/email", map[string]any{"email": "ann@example.com", "password": testPassword})
		pending := text(r.data(), "mfaPendingCredential")
		r.wantData(map[string]any{"uid": ann.uid, "email": "ann@example.com", "emailVerified": false, "disabled": false, "mfaPendingCredential": pending, "mfaInfo": info})
		return pending
	}
	pending := signIn()
	finalize := func(body map[string]any) reply {
		t.Helper()
		return s.post("/mfa/sign-in/finalize", body)
	}
	finalize(map[string]any{"mfaPendingCredential": pending}).wantError(422, "Please provide one of code, recoveryCode, and credential")
	finalize(map[string]any{"mfaPendingCredential": "x", "code": "000000"}).wantError(400, "INVALID_MFA_PENDING_CREDENTIAL")
	finalize(map[string]any{"mfaPendingCredential": pending, "code": "000000"}).wantError(400, "INVALID_CODE")
	finalize(map[string]any{"mfaPendingCredential": pending, "code": "000000", "mfaEnrollmentId": "x"}).wantError(400, "MFA_ENROLLMENT_NOT_FOUND")
	finalize(map[string]any{"mfaPendingCredential": pending, "credential": map[string]any{}}).wantError(400, "INVALID_PASSKEY")
	s.post("/mfa/sign-in/start", map[string]any{"mfaPendingCredential": pending, "mfaEnrollmentId": phone.id}).wantError(400, "MFA_ENROLLMENT_NOT_FOUND") // no passkey
	in := finalize(map[string]any{"mfaPendingCredential": pending, "code": phone.code(), "mfaEnrollmentId": phone.id}).data()
	if text(in, "uid") != ann.uid || text(in, "idToken") == "" || text(in, "refreshToken") == "" || text(in, "expiresIn") != "3600" || len(in) != 7 {
		t.Errorf("got %v", in)
	}
	in = finalize(map[string]any{"mfaPendingCredential": signIn(), "recoveryCode": codes[0]}).data()
	fresh := s.post("/mfa/recovery-codes", map[string]any{}, bearerOf(text(in, "idToken"))).data()
	if list, _ := fresh["recoveryCodes"].([]any); len(list) != 10 || list[0] == codes[0] {
		t.Errorf("got %v", fresh)
	}
	remove := func(id string, body any, options ...requestOption) reply {
		t.Helper()
		return s.do("DELETE", basePath+"/auth/accounts/mfa/"+id, body, options...)
	}
	remove("nosuch", nil, bearerOf(text(in, "idToken"))).wantError(400, "MFA_ENROLLMENT_NOT_FOUND")
	remove(phone.id, nil, bearerOf(text(in, "idToken"))).wantNoContent()
	s.post("/sign-in/email", map[string]any{"email": "ann@example.com", "password": testPassword}).data()
	s.clock.Advance(6 * time.Minute)
	s.post("/mfa/enroll/start", map[string]any{"kind": "totp"}, bearerOf(text(in, "idToken"))).wantError(403, "CREDENTIAL_TOO_OLD_LOGIN_AGAIN")
}

// A session without the second factor removes it only with a proof in the body.
func TestRemovalNeedsProof(t *testing.T) {
	s := newTestServer(t, nil)
	ann := s.signUp("ann@example.com")
	phone := s.appOf(s.post("/mfa/enroll/start", map[string]any{"kind": "totp"}, bearerOf(ann.idToken)).data())
	s.post("/mfa/enroll/finalize", map[string]any{"mfaEnrollmentId": phone.id, "code": phone.code()}, bearerOf(ann.idToken)).data()
	s.set("secondFactor", "off")
	s.post("/mfa/enroll/start", map[string]any{"kind": "totp"}, bearerOf(ann.idToken)).wantError(400, "OPERATION_NOT_ALLOWED : Second factors are off in this project.")
	weak := text(s.post("/sign-in/email", map[string]any{"email": "ann@example.com", "password": testPassword}).data(), "idToken")
	s.set("secondFactor", "optional")
	path := basePath + "/auth/accounts/mfa/" + phone.id
	s.do("DELETE", path, nil, bearerOf(weak)).wantError(403, "CREDENTIAL_TOO_OLD_LOGIN_AGAIN")
	s.do("DELETE", path, map[string]any{}, bearerOf(weak)).wantError(403, "CREDENTIAL_TOO_OLD_LOGIN_AGAIN")
	s.do("DELETE", path, map[string]any{"code": "000000"}, bearerOf(weak)).wantError(400, "INVALID_CODE")
	s.do("DELETE", path, "{", bearerOf(weak)).wantError(422, "The request body is not valid JSON")
	s.do("DELETE", path, map[string]any{"code": phone.code()}, bearerOf(weak)).wantNoContent()
}

func TestRequiredSecondFactorOverTheWire(t *testing.T) {
	s := newTestServer(t, map[string]string{"secondFactor": "required"})
	r := s.post("/signup", map[string]any{"email": "ann@example.com", "password": testPassword})
	pending := text(r.data(), "mfaPendingCredential")
	r.wantData(map[string]any{
		"uid": text(r.data(), "uid"), "email": "ann@example.com", "emailVerified": false, "disabled": false, "mfaPendingCredential": pending, "mfaInfo": []any{}, "mfaEnrollmentRequired": true,
	})
	key := authtest.NewSecurityKey(t, testPublicURL)
	begun := s.post("/mfa/enroll/start", map[string]any{"kind": "passkey", "mfaPendingCredential": pending}).data()
	options, _ := json.Marshal(begun["publicKey"])
	finish := map[string]any{"mfaEnrollmentId": begun["mfaEnrollmentId"], "credential": json.RawMessage(key.Create(options)), "mfaPendingCredential": pending}
	done := s.post("/mfa/enroll/finalize", finish).data()
	if text(done, "idToken") == "" || text(done, "refreshToken") == "" || len(done["recoveryCodes"].([]any)) != 10 || len(done) != 8 {
		t.Errorf("got %v", done)
	}
	s.do("DELETE", basePath+"/auth/accounts/mfa/"+text(begun, "mfaEnrollmentId"), nil, bearerOf(text(done, "idToken"))).
		wantError(400, "OPERATION_NOT_ALLOWED : The project requires a second factor.")

	start := s.post("/sign-in/passkey/start", map[string]any{}).data()
	options, _ = json.Marshal(start["publicKey"])
	s.post("/sign-in/passkey", map[string]any{"sessionId": start["sessionId"], "credential": nil}).wantError(422, "Please provide sessionId and credential")
	in := s.post("/sign-in/passkey", map[string]any{"sessionId": start["sessionId"], "credential": json.RawMessage(key.Get(options))}).data()
	if text(in, "uid") != text(r.data(), "uid") || text(in, "idToken") == "" {
		t.Errorf("got %v", in)
	}
	s.post("/sign-in/passkey", map[string]any{"sessionId": start["sessionId"], "credential": json.RawMessage(key.Get(options))}).wantError(400, "INVALID_PASSKEY")

	pending = text(s.post("/sign-in/email", map[string]any{"email": "ann@example.com", "password": testPassword}).data(), "mfaPendingCredential")
	second := s.post("/mfa/sign-in/start", map[string]any{"mfaPendingCredential": pending}).data()
	options, _ = json.Marshal(second["publicKey"])
	in = s.post("/mfa/sign-in/finalize", map[string]any{"mfaPendingCredential": pending, "credential": json.RawMessage(key.Get(options))}).data()
	if text(in, "refreshToken") == "" {
		t.Errorf("got %v", in)
	}
}

// A project that comes to require a second factor takes weak sessions only where one is enrolled.
func TestWeakSessionEnrolls(t *testing.T) {
	s := newTestServer(t, nil)
	ann := s.signUp("ann@example.com")
	s.set("secondFactor", "required")
	s.do("GET", basePath+"/auth/accounts/mfa", nil, bearerOf(ann.idToken)).wantError(403, "Auth token is invalid")
	s.post("/token/refresh", map[string]any{"refresh_token": ann.refreshToken}).wantError(400, "TOKEN_EXPIRED")
	phone := s.appOf(s.post("/mfa/enroll/start", map[string]any{"kind": "totp"}, bearerOf(ann.idToken)).data())
	s.post("/mfa/enroll/finalize", map[string]any{"mfaEnrollmentId": phone.id, "code": phone.code()}, bearerOf(ann.idToken)).data()
	s.do("GET", basePath+"/auth/accounts/mfa", nil, bearerOf(ann.idToken)).data()
	s.post("/token/refresh", map[string]any{"refresh_token": ann.refreshToken}).data()
}

func TestProviderSignInAsksForSecondFactor(t *testing.T) {
	s := newTestServer(t, map[string]string{"secondFactor": "required"})
	s.providers()
	s.atProvider("ann", "ann@example.com", true)
	data := s.signInAt("ann").data()
	if text(data, "idToken") != "" || text(data, "mfaPendingCredential") == "" || data["mfaEnrollmentRequired"] != true || text(data, "localId") == "" {
		t.Errorf("got %v", data)
	}
}
