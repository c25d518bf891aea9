package e2e

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// authenticatorApp shows codes as RFC 6238 has it.
type authenticatorApp struct {
	id     string
	secret []byte
	last   int64 // the step it showed last
}

// code is one that was not shown yet and is valid now: codes of the step before and after are too, so that a test rarely has to wait.
func (a *authenticatorApp) code() string {
	step := max(time.Now().Unix()/30-1, a.last+1)
	for step > time.Now().Unix()/30+1 {
		time.Sleep(100 * time.Millisecond)
	}
	a.last = step
	return a.at(step)
}

func (a *authenticatorApp) at(step int64) string {
	mac := hmac.New(sha1.New, a.secret)
	_ = binary.Write(mac, binary.BigEndian, step)
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[offset:offset+4])&0x7fffffff%1_000_000)
}

// startApp begins to enroll an app; more goes into the body.
func startApp(t *testing.T, c client, more M) *authenticatorApp {
	t.Helper()
	body := M{"kind": "totp", "displayName": "Phone"}
	for name, value := range more {
		body[name] = value
	}
	data := c.post(t, enrollStart, body).wantData(t, M{"mfaEnrollmentId": isText, "totp": M{
		"secret": matches(`^[A-Z2-7]{32}$`), "uri": startsWith("otpauth://totp/"), "qr": startsWith("data:image/png;base64,"),
	}})
	typed := text(t, data.(M)["totp"], "secret")
	remember("TOTP secret", typed)
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(typed)
	if err != nil {
		t.Fatal(err)
	}
	return &authenticatorApp{id: text(t, data, "mfaEnrollmentId"), secret: secret}
}

var isRecoveryCodes = matcher{name: "ten recovery codes", ok: func(v any) bool {
	list, is := v.(L)
	seen := map[string]bool{}
	for _, code := range list {
		text, _ := code.(string)
		seen[text] = len(strings.ReplaceAll(text, "-", "")) == 28
		remember("recovery code", text)
	}
	return is && len(list) == 10 && len(seen) == 10
}}

// enrollApp gives the account an app, and its recovery codes.
func (p project) enrollApp(t *testing.T, a account) (*authenticatorApp, L) {
	t.Helper()
	c := p.client().bearer(a.idToken)
	app := startApp(t, c, nil)
	data := c.post(t, enrollFinish, M{"mfaEnrollmentId": app.id, "code": app.code()}).wantData(t, M{"recoveryCodes": isRecoveryCodes})
	return app, data.(M)["recoveryCodes"].(L)
}

var isFactor = M{"mfaEnrollmentId": isText, "displayName": isText, "kind": oneOf("totp", "passkey"), "enrolledAt": isInstant}

// pending signs in up to the second factor, of n that would do.
func (p project) pending(t *testing.T, a account, n int) string {
	t.Helper()
	info := L{}
	for range n {
		info = append(info, isFactor)
	}
	want := M{"uid": a.uid, "email": a.email, "emailVerified": isAny, "disabled": false, "mfaPendingCredential": isRefreshToken, "mfaInfo": info}
	if n == 0 {
		want["mfaEnrollmentRequired"] = true
	}
	pending := text(t, p.client().post(t, signin, a.credentials()).wantData(t, want), "mfaPendingCredential")
	remember("pending credential", pending)
	return pending
}

func (p project) complete(t *testing.T, body M) reply {
	t.Helper()
	return p.client().post(t, secondFinish, body)
}

func secondFactorOf(t *testing.T, idToken string) any {
	t.Helper()
	_, claims := jwtParts(t, idToken)
	return claims["firebase"].(M)["sign_in_second_factor"]
}

func TestAuthenticatorApp(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	a := p.signUp(t)
	other := p.signIn(t, a.email, a.password)
	box := p.mailbox(a.email)
	app, codes := p.enrollApp(t, a)
	p.client().post(t, refreshPath, M{"refresh_token": other.refreshToken}).wantError(t, 400, "TOKEN_EXPIRED")
	eventually(t, mailLimit, func() error {
		for _, m := range box.unseen(t) {
			if strings.Contains(m.subject, "second factor") {
				return nil
			}
		}
		return fmt.Errorf("no mail about the new second factor")
	})
	p.client().bearer(a.idToken).get(t, factorsPath).wantData(t, M{"mfaInfo": L{isFactor}, "recoveryCodesLeft": 10})

	pending := p.pending(t, a, 1)
	p.complete(t, M{"mfaPendingCredential": pending, "code": "000000"}).wantError(t, 400, "INVALID_CODE")
	shown := app.code()
	in := a.fill(t, p.complete(t, M{"mfaPendingCredential": pending, "code": shown}))
	if got := secondFactorOf(t, in.idToken); got != "totp" {
		t.Errorf("sign_in_second_factor is %v", got)
	}
	p.complete(t, M{"mfaPendingCredential": pending, "code": shown}).wantError(t, 400, "INVALID_MFA_PENDING_CREDENTIAL")
	p.complete(t, M{"mfaPendingCredential": p.pending(t, a, 1), "code": shown}).wantError(t, 400, "INVALID_CODE") // a replay

	in = a.fill(t, p.complete(t, M{"mfaPendingCredential": p.pending(t, a, 1), "recoveryCode": codes[0]}))
	p.complete(t, M{"mfaPendingCredential": p.pending(t, a, 1), "recoveryCode": codes[0]}).wantError(t, 400, "INVALID_CODE")
	p.client().bearer(in.idToken).post(t, recoveryPath, M{}).wantData(t, M{"recoveryCodes": isRecoveryCodes})
	p.complete(t, M{"mfaPendingCredential": p.pending(t, a, 1), "recoveryCode": codes[1]}).wantError(t, 400, "INVALID_CODE")

	me := p.client().bearer(in.idToken)
	me.delete(t, factorsPath+"/nosuch").wantError(t, 400, "MFA_ENROLLMENT_NOT_FOUND")
	me.delete(t, factorsPath+"/"+app.id).want204(t)
	p.signIn(t, a.email, a.password)
	if listed := p.srv.cli(t, "audit", "list", "--project", p.id, "--json"); !strings.Contains(listed, "second_factor.enroll") || !strings.Contains(listed, "second_factor.remove") {
		t.Error("the audit log lacks the changes of second factors")
	}
}

// Of several who show one code at once, one gets in.
func TestRacedSecondFactor(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	a := p.signUp(t)
	app, codes := p.enrollApp(t, a)
	one := p.pending(t, a, 1)
	shown, next := app.code(), app.code()
	race := func(name string, bodies ...M) {
		t.Helper()
		answers := make([]reply, len(bodies))
		var wait sync.WaitGroup
		for i, body := range bodies {
			wait.Add(1)
			go func() {
				defer wait.Done()
				answers[i], _ = p.client().send("POST", apiBase+secondFinish, body)
			}()
		}
		wait.Wait()
		won := 0
		for _, r := range answers {
			switch r.status {
			case 200:
				won++
				a.fill(t, r)
			case 400:
			default:
				t.Errorf("%s: status %d %s", name, r.status, r.body)
			}
		}
		if won != 1 {
			t.Errorf("%s: %d got in, want 1", name, won)
		}
	}
	race("one sign-in", M{"mfaPendingCredential": one, "code": shown}, M{"mfaPendingCredential": one, "code": shown}, M{"mfaPendingCredential": one, "code": shown})
	race("one code, two sign-ins", M{"mfaPendingCredential": p.pending(t, a, 1), "code": next}, M{"mfaPendingCredential": p.pending(t, a, 1), "code": next})
	race("one recovery code", M{"mfaPendingCredential": p.pending(t, a, 1), "recoveryCode": codes[0]}, M{"mfaPendingCredential": p.pending(t, a, 1), "recoveryCode": codes[0]})
}

// A pending sign-in is of its project, and dies with the credentials it was begun with.
func TestPendingSignInIsBound(t *testing.T) {
	t.Parallel()
	p, foreign := newProject(t), newProject(t)
	a := p.signUp(t)
	app, codes := p.enrollApp(t, a)
	pending := p.pending(t, a, 1)
	foreign.complete(t, M{"mfaPendingCredential": pending, "code": app.code()}).wantError(t, 400, "INVALID_MFA_PENDING_CREDENTIAL")
	changed := account{email: a.email, password: newPassword()}
	p.client().bearer(a.idToken).post(t, updatePass, M{"oldPassword": a.password, "newPassword": changed.password}).want204(t)
	p.complete(t, M{"mfaPendingCredential": pending, "recoveryCode": codes[0]}).wantError(t, 400, "INVALID_MFA_PENDING_CREDENTIAL")
	p.client().post(t, secondStart, M{"mfaPendingCredential": pending}).wantError(t, 400, "INVALID_MFA_PENDING_CREDENTIAL")
	changed.uid = a.uid
	a.fill(t, p.complete(t, M{"mfaPendingCredential": p.pending(t, changed, 1), "recoveryCode": codes[0]}))
}

// Guessing ends: each sign-in after five tries, and the account's for a while, from wherever they come; success gives a try back.
func TestGuessingSecondFactors(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	a := p.signUp(t)
	app, codes := p.enrollApp(t, a)
	for i := range 9 { // what is right costs nothing
		a.fill(t, p.complete(t, M{"mfaPendingCredential": p.pending(t, a, 1), "recoveryCode": codes[i]}))
	}
	pending := p.pending(t, a, 1)
	for range 5 {
		p.complete(t, M{"mfaPendingCredential": pending, "code": "000000"}).wantError(t, 400, "INVALID_CODE")
	}
	p.complete(t, M{"mfaPendingCredential": pending, "code": app.code()}).wantError(t, 400, "INVALID_MFA_PENDING_CREDENTIAL")
	limited := reply{}
	for n := 0; n < 3 && limited.status == 0; n++ {
		pending = p.pending(t, a, 1)
		for range 5 {
			r := p.client().maybeShed().post(t, secondFinish, M{"mfaPendingCredential": pending, "code": "000000"}) // each from an address of its own
			if r.status == 429 {
				limited = r
				break
			}
			r.wantError(t, 400, "INVALID_CODE")
		}
	}
	limited.wantError(t, 429, "TOO_MANY_ATTEMPTS_TRY_LATER")
	limited.wantRetryAfter(t)
}

// Where the project requires a second factor, no way gives a token without one.
func TestRequiredSecondFactor(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	early := p.signUp(t)
	p.set(t, "secondFactor=required")
	eventually(t, 60*time.Second, func() error {
		r, err := p.client().send("POST", apiBase+refreshPath, M{"refresh_token": early.refreshToken})
		if err != nil || r.status == 400 {
			return err
		}
		return fmt.Errorf("a session without a second factor still gives %d %s", r.status, r.body)
	})
	p.client().post(t, refreshPath, M{"refresh_token": early.refreshToken}).wantError(t, 400, "TOKEN_EXPIRED")
	p.client().bearer(early.idToken).get(t, users+"/"+early.uid).wantError(t, 403, tokenInvalid)
	p.enrollApp(t, early) // all that the old session is good for
	p.client().bearer(early.idToken).get(t, users+"/"+early.uid).wantStatus(t, 200)

	a := account{email: newEmail(), password: newPassword()}
	data := p.client().post(t, signup, a.credentials()).wantData(t, M{
		"uid": isUID, "email": a.email, "emailVerified": false, "disabled": false, "mfaPendingCredential": isRefreshToken, "mfaInfo": L{}, "mfaEnrollmentRequired": true,
	})
	a.uid = text(t, data, "uid")
	p.pending(t, a, 0)
	pending := text(t, data, "mfaPendingCredential")
	app := startApp(t, p.client(), M{"mfaPendingCredential": pending})
	p.client().post(t, enrollFinish, M{"mfaEnrollmentId": app.id, "code": "000000", "mfaPendingCredential": pending}).wantError(t, 400, "INVALID_CODE")
	want := session(a.email, false)
	want["recoveryCodes"] = isRecoveryCodes
	done := p.client().post(t, enrollFinish, M{"mfaEnrollmentId": app.id, "code": app.code(), "mfaPendingCredential": pending})
	done.wantData(t, want)
	in := a.fill(t, done)
	p.refresh(t, a.uid, in.refreshToken)
	if got := secondFactorOf(t, in.idToken); got != "totp" {
		t.Errorf("sign_in_second_factor is %v", got)
	}
	p.client().bearer(in.idToken).delete(t, factorsPath+"/"+app.id).wantError(t, 400, "OPERATION_NOT_ALLOWED : The project requires a second factor.")
	code, uid := p.mailbox(a.email).code(t, verifyURL) // the mail of the sign-up outlives the enrollment
	p.client().post(t, verifyEmail, M{"oobCode": code, "uid": uid}).want204(t)
	p.pending(t, a, 1)
}

// A sign-in at a provider waits for the second factor as well.
func TestRequiredSecondFactorAtAProvider(t *testing.T) {
	t.Parallel()
	p, f := newProject(t, "secondFactor=required"), newFakeProvider(t)
	f.useFacebook(t, p)
	who := facebookPerson(f, newEmail())
	begun := p.begin(t, "facebook.com")
	r := p.client().post(t, idpPath, begun.with("code", f.code(t, begun, who, "")))
	r.wantStatus(t, 200)
	data := parseJSON(t, r.what, r.body).(M)["data"].(M)
	if data["idToken"] != nil || data["refreshToken"] != nil || data["mfaEnrollmentRequired"] != true {
		t.Fatalf("got %s", compact(data))
	}
	key := newSecurityKey(t, p.srv.publicURL)
	in := p.enrollKey(t, p.client(), key, M{"mfaPendingCredential": data["mfaPendingCredential"]})
	_, claims := jwtParts(t, text(t, in, "idToken"))
	if f := claims["firebase"].(M); f["sign_in_provider"] != "facebook.com" || f["sign_in_second_factor"] != "passkey" {
		t.Errorf("claims %s", compact(f))
	}
}

// enrollKey gives the client's user a passkey, and returns what the server answers.
func (p project) enrollKey(t *testing.T, c client, key *securityKey, more M) any {
	t.Helper()
	body := M{"kind": "passkey"}
	finish := M{}
	for name, value := range more {
		body[name], finish[name] = value, value
	}
	data := c.post(t, enrollStart, body).wantData(t, M{"mfaEnrollmentId": isText, "publicKey": isAny})
	finish["mfaEnrollmentId"], finish["credential"] = text(t, data, "mfaEnrollmentId"), parseJSON(t, "credential", key.Create(rawOf(t, data)))
	r := c.post(t, enrollFinish, finish)
	r.wantStatus(t, 200)
	return parseJSON(t, r.what, r.body).(M)["data"]
}

// rawOf is the publicKey of an answer as JSON.
func rawOf(t *testing.T, data any) []byte {
	t.Helper()
	raw, err := json.Marshal(data.(M)["publicKey"])
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (p project) passkeyStart(t *testing.T) (session string, options []byte) {
	t.Helper()
	data := p.client().post(t, passkeyStart, M{}).wantData(t, M{"sessionId": isRefreshToken, "publicKey": isAny})
	remember("passkey session", text(t, data, "sessionId"))
	return text(t, data, "sessionId"), rawOf(t, data)
}

func (p project) passkeySignIn(t *testing.T, session string, credential []byte) reply {
	t.Helper()
	return p.client().post(t, passkeyPath, M{"sessionId": session, "credential": parseJSON(t, "credential", credential)})
}

func TestPasskeys(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	a := p.signUp(t)
	key := newSecurityKey(t, p.srv.publicURL)
	p.enrollKey(t, p.client().bearer(a.idToken), key, nil)

	begun, options := p.passkeyStart(t)
	clone := key.Clone()
	in := a.fill(t, p.passkeySignIn(t, begun, key.Get(options)))
	_, claims := jwtParts(t, in.idToken)
	if f := claims["firebase"].(M); in.uid != a.uid || f["sign_in_provider"] != "passkey" || f["sign_in_second_factor"] != "passkey" {
		t.Errorf("claims %s", compact(claims))
	}
	p.passkeySignIn(t, begun, key.Get(options)).wantError(t, 400, "INVALID_PASSKEY") // answered already
	begun, options = p.passkeyStart(t)
	p.passkeySignIn(t, begun, clone.Get(options)).wantError(t, 400, "INVALID_PASSKEY") // its counter went back
	for name, change := range map[string]func(k *securityKey){
		"another origin":    func(k *securityKey) { k.Origin = "https://evil.example.test" },
		"user not verified": func(k *securityKey) { k.Unverified = true },
		"another domain":    func(k *securityKey) { k.RPID = "example.test" },
	} {
		bad := key.Clone()
		bad.Counter += 1000
		change(bad)
		begun, options = p.passkeyStart(t)
		if r := p.passkeySignIn(t, begun, bad.Get(options)); r.status != 400 || r.detail(t) != "INVALID_PASSKEY" {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	begun, options = p.passkeyStart(t)
	p.passkeySignIn(t, begun, newSecurityKey(t, p.srv.publicURL).Get(options)).wantError(t, 400, "INVALID_PASSKEY")
	foreign := newProject(t)
	begun, options = foreign.passkeyStart(t)
	foreign.passkeySignIn(t, begun, key.Get(options)).wantError(t, 400, "INVALID_PASSKEY")

	pending := p.pending(t, a, 1)
	second := p.client().post(t, secondStart, M{"mfaPendingCredential": pending}).wantData(t, M{"publicKey": isAny})
	key.Unverified = true // beside a password, somebody being there is enough
	in = a.fill(t, p.complete(t, M{"mfaPendingCredential": pending, "credential": parseJSON(t, "credential", key.Get(rawOf(t, second)))}))
	if got := secondFactorOf(t, in.idToken); got != "passkey" {
		t.Errorf("sign_in_second_factor is %v", got)
	}
}

// What somebody enrolled at an address that is not theirs goes with the first proof of it.
func TestPlantedSecondFactor(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	squatter := p.signUp(t)
	key := newSecurityKey(t, p.srv.publicURL)
	p.enrollKey(t, p.client().bearer(squatter.idToken), key, nil)
	p.client().post(t, resetPath, M{"email": squatter.email}).wantStatus(t, 204)
	code, _ := p.mailbox(squatter.email).code(t, resetURL)
	owner := account{email: squatter.email, password: newPassword()}
	p.client().post(t, verifyReset, M{"oobCode": code, "newPassword": owner.password}).want204(t)
	p.signIn(t, owner.email, owner.password)
	begun, options := p.passkeyStart(t)
	p.passkeySignIn(t, begun, key.Get(options)).wantError(t, 400, "INVALID_PASSKEY")
}

// An operator sees and resets what a user lost.
func TestSecondFactorVerbs(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	a := p.signUp(t)
	p.enrollApp(t, a)
	verb := func(name string, args ...string) M {
		t.Helper()
		return parseJSON(t, name, []byte(p.srv.cli(t, append([]string{"user", name, a.email, "--project", p.id, "--json"}, args...)...))).(M)
	}
	listed := verb("second-factors")
	if list, _ := listed["secondFactors"].(L); len(list) != 1 || listed["recoveryCodesLeft"] != 10.0 {
		t.Errorf("user second-factors printed %s", compact(listed))
	}
	if removed := verb("reset-second-factors"); removed["removed"] != 1.0 {
		t.Errorf("user reset-second-factors printed %s", compact(removed))
	}
	p.wantDeadSession(t, a)
	p.signIn(t, a.email, a.password)
	wantRefusal(t, p.srv, []string{"user", "reset-second-factors", "nosuch", "--project", p.id, "--yes"})
	wantRefusal(t, p.srv, []string{"project", "set", p.id, "passkeyRPID=192.0.2.1"})
	wantRefusal(t, p.srv, []string{"project", "set", p.id, "passkeyRPID=example.test", "passkeyOrigins=https://example.org"})
}
