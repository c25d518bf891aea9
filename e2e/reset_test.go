package e2e

import (
	"net/http"
	"sync"
	"testing"
	"time"
)

// waitPast sleeps until a lifetime of so many seconds is surely over.
func waitPast(seconds int) { time.Sleep(time.Duration(seconds)*time.Second + 1200*time.Millisecond) }

func TestPasswordReset(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a := p.signUp(t)
	p.client().post(t, resetPath, M{"email": a.email}).want204(t)
	code, _ := p.mailbox(a.email).code(t, resetURL+"?oobCode=")
	p.client().post(t, signin, a.credentials()).wantData(t, session(a.email, false)) // asking changes nothing

	password := newPassword()
	p.client().post(t, verifyReset, M{"oobCode": code, "newPassword": password}).want204(t)
	p.client().post(t, signin, a.credentials()).wantError(t, 400, "INVALID_PASSWORD")
	p.client().post(t, signin, M{"email": a.email, "password": password}).wantData(t, M{"uid": a.uid, "email": a.email,
		"emailVerified": oneOf(true, false), "disabled": false, "idToken": isJWT, "refreshToken": isRefreshToken, "expiresIn": "3600"})
	p.client().post(t, verifyReset, M{"oobCode": code, "newPassword": newPassword()}).wantError(t, 400, "INVALID_OOB_CODE")
	p.wantDeadSession(t, a)
}

// wantDeadSession checks that neither token of an ended session is good for anything.
func (p project) wantDeadSession(t *testing.T, a account) {
	t.Helper()
	p.client().post(t, refreshPath, M{"refresh_token": a.refreshToken}).wantError(t, 400, deadRefreshToken)
	p.client().bearer(a.idToken).get(t, users+"/"+a.uid).wantError(t, 403, tokenInvalid)
}

// deadRefreshToken: the contract's table has both, and does not say which of them an ended session gets.
var deadRefreshToken = oneOf("INVALID_REFRESH_TOKEN", "TOKEN_EXPIRED")

func TestPasswordResetRefusals(t *testing.T) {
	t.Parallel()
	p := plain(t)
	elsewhere := plain(t, "errorEnvelope=nested").signUp(t)
	for name, c := range map[string]struct {
		body   M
		detail any
	}{
		"nothing":              {M{}, noEmail},
		"empty email":          {M{"email": ""}, noEmail},
		"number":               {M{"email": 1}, oneOf(names("email"), noEmail)},
		"unknown email":        {M{"email": newEmail()}, noUserForEmail},
		"other project's user": {M{"email": elsewhere.email}, noUserForEmail},
	} {
		t.Run(name, func(t *testing.T) { p.client().post(t, resetPath, c.body).wantError(t, 422, c.detail) })
	}
}

func TestVerifyPasswordResetRefusals(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a := p.signUp(t)
	mails := p.mailbox(a.email)
	verificationCode, _ := mails.code(t, verifyURL)
	p.client().post(t, resetPath, M{"email": a.email}).want204(t)
	code, _ := mails.code(t, resetURL)
	password := newPassword()
	for _, c := range []struct {
		name   string
		body   M
		status int
		detail any
	}{
		{"nothing", M{}, 422, noCode},
		{"no oobCode", M{"newPassword": password}, 422, noCode},
		{"no newPassword", M{"oobCode": code}, 422, noCode},
		{"empty newPassword", M{"oobCode": code, "newPassword": ""}, 422, noCode},
		{"number as oobCode", M{"oobCode": 1, "newPassword": password}, 422, oneOf(names("oobCode"), noCode)},
		{"number as newPassword", M{"oobCode": code, "newPassword": 1}, 422, oneOf(names("newPassword"), noCode)},
		{"unknown code", M{"oobCode": randomText(43), "newPassword": password}, 400, "INVALID_OOB_CODE"},
		{"code cut", M{"oobCode": code[:len(code)-1], "newPassword": password}, 400, "INVALID_OOB_CODE"},
		{"code and more", M{"oobCode": code + "A", "newPassword": password}, 400, "INVALID_OOB_CODE"},
		{"code of another purpose", M{"oobCode": verificationCode, "newPassword": password}, 400, "INVALID_OOB_CODE"},
		{"weak password", M{"oobCode": code, "newPassword": "12345"}, 400, isWeakPassword},
	} {
		t.Run(c.name, func(t *testing.T) { p.client().post(t, verifyReset, c.body).wantError(t, c.status, c.detail) })
	}
	elsewhere := plain(t, "errorEnvelope=nested")
	elsewhere.client().post(t, verifyReset, M{"oobCode": code, "newPassword": password}).wantError(t, 400, "INVALID_OOB_CODE")
	p.client().post(t, verifyReset, M{"oobCode": code, "newPassword": password}).want204(t)
}

// TestPasswordResetNewestCodeOnly: a code dies when a newer one is issued (P7).
func TestPasswordResetNewestCodeOnly(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a := p.signUp(t)
	mails := p.mailbox(a.email)
	p.client().post(t, resetPath, M{"email": a.email}).want204(t)
	first, _ := mails.code(t, resetURL)
	p.client().post(t, resetPath, M{"email": a.email}).want204(t)
	second, _ := mails.code(t, resetURL)
	p.client().post(t, verifyReset, M{"oobCode": first, "newPassword": newPassword()}).wantError(t, 400, "INVALID_OOB_CODE")
	p.client().post(t, verifyReset, M{"oobCode": second, "newPassword": newPassword()}).want204(t)
}

func TestPasswordResetExpired(t *testing.T) {
	t.Parallel()
	p := plain(t, "inviteCodeTTL=1s", "verifyCodeTTL=1s", "resetCodeTTL=1s")
	a := p.signUp(t)
	p.client().post(t, resetPath, M{"email": a.email}).want204(t)
	code, _ := p.mailbox(a.email).code(t, resetURL)
	waitPast(1)
	p.client().post(t, verifyReset, M{"oobCode": code, "newPassword": newPassword()}).wantError(t, 400, "EXPIRED_OOB_CODE")
	p.client().post(t, signin, a.credentials()).wantData(t, session(a.email, false))
}

// TestPasswordResetLinkKeepsQuery: a URL that has a query already keeps it.
func TestPasswordResetLinkKeepsQuery(t *testing.T) {
	t.Parallel()
	p := plain(t, "resetPasswordURL=https://app.example.test/reset?lang=en", "verifyEmailURL=https://app.example.test/verify?a=1&b=2")
	a := p.signUp(t)
	mails := p.mailbox(a.email)
	mails.code(t, "https://app.example.test/verify?a=1&b=2&oobCode=")
	p.client().post(t, resetPath, M{"email": a.email}).want204(t)
	code, _ := mails.code(t, "https://app.example.test/reset?lang=en&oobCode=")
	p.client().post(t, verifyReset, M{"oobCode": code, "newPassword": newPassword()}).want204(t)
}

// TestPasswordResetTwiceAtOnce: a code used twice at the same instant works once.
func TestPasswordResetTwiceAtOnce(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a := p.signUp(t)
	p.client().post(t, resetPath, M{"email": a.email}).want204(t)
	code, _ := p.mailbox(a.email).code(t, resetURL)
	const n = 20
	passwords := make([]string, n)
	replies := make([]reply, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		passwords[i] = newPassword()
		wg.Go(func() {
			replies[i], errs[i] = p.client().send(http.MethodPost, apiBase+verifyReset,
				M{"oobCode": code, "newPassword": passwords[i]})
		})
	}
	wg.Wait()
	var winners []int
	for i, r := range replies {
		if errs[i] != nil {
			t.Fatal(errs[i])
		}
		switch r.status {
		case http.StatusNoContent:
			winners = append(winners, i)
		case http.StatusTooManyRequests, http.StatusServiceUnavailable:
			r.wantRetryAfter(t)
		default:
			r.wantError(t, 400, "INVALID_OOB_CODE")
		}
	}
	if len(winners) != 1 {
		t.Fatalf("the code worked %d times", len(winners))
	}
	p.signIn(t, a.email, passwords[winners[0]])
}
