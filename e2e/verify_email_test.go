package e2e

import "testing"

func TestVerifyEmail(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a := p.signUp(t)
	code, uid := p.mailbox(a.email).code(t, verifyURL)
	if uid != a.uid {
		t.Errorf("the link names uid %q, want %q", uid, a.uid)
	}
	p.client().post(t, verifyEmail, M{"oobCode": code, "uid": uid}).want204(t)
	p.client().post(t, signin, a.credentials()).wantData(t, session(a.email, true))
	p.client().post(t, verifyEmail, M{"oobCode": code, "uid": uid}).wantError(t, 400, "INVALID_OOB_CODE")

	// A refresh tells the new state too.
	refreshed := p.client().post(t, refreshPath, M{"refresh_token": a.refreshToken})
	if refreshed.status == 200 {
		body := parseJSON(t, refreshed.what, refreshed.body).(M)
		if _, claims := jwtParts(t, text(t, body["data"], "id_token")); claims["email_verified"] != true {
			t.Errorf("email_verified after a refresh is %v", claims["email_verified"])
		}
	}
}

// TestVerifyEmailByEmail (Decided): with email alone the verification mail is sent again,
// and the newer code voids the older.
func TestVerifyEmailByEmail(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a := p.signUp(t)
	mails := p.mailbox(a.email)
	first, _ := mails.code(t, verifyURL)
	p.client().post(t, verifyEmail, M{"email": a.email}).want204(t)
	second, uid := mails.code(t, verifyURL)
	p.client().post(t, verifyEmail, M{"oobCode": first, "uid": uid}).wantError(t, 400, "INVALID_OOB_CODE")
	p.client().post(t, verifyEmail, M{"oobCode": second, "uid": uid}).want204(t)
	p.client().post(t, signin, a.credentials()).wantData(t, session(a.email, true))
}

func TestVerifyEmailRefusals(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a, other := p.signUp(t), p.signUp(t)
	mails := p.mailbox(a.email)
	code, _ := mails.code(t, verifyURL)
	p.client().post(t, resetPath, M{"email": a.email}).want204(t)
	resetCode, _ := mails.code(t, resetURL)
	for _, c := range []struct {
		name   string
		body   M
		status int
		detail any
	}{
		{"nothing", M{}, 422, isText},
		{"number as oobCode", M{"oobCode": 1, "uid": a.uid}, 422, names("oobCode")},
		{"number as email", M{"email": 1}, 422, names("email")},
		{"unknown uid", M{"oobCode": code, "uid": randomText(28)}, 422, noUserForID},
		{"unknown email", M{"email": newEmail()}, 422, noUserForID},
		{"unknown code", M{"oobCode": randomText(43), "uid": a.uid}, 400, "INVALID_OOB_CODE"},
		{"other user's code", M{"oobCode": code, "uid": other.uid}, 400, "INVALID_OOB_CODE"},
		{"code of another purpose", M{"oobCode": resetCode, "uid": a.uid}, 400, "INVALID_OOB_CODE"},
	} {
		t.Run(c.name, func(t *testing.T) { p.client().post(t, verifyEmail, c.body).wantError(t, c.status, c.detail) })
	}
	// Half of the pair is a refusal; the contract does not say which of its two.
	for _, body := range []M{{"oobCode": code}, {"uid": a.uid}} {
		if r := p.client().post(t, verifyEmail, body); r.status != 400 && r.status != 422 {
			t.Errorf("%s with %s: %d", r.what, compact(body), r.status)
		}
	}
	p.client().post(t, verifyEmail, M{"oobCode": code, "uid": a.uid}).want204(t)
}

func TestVerifyEmailExpired(t *testing.T) {
	t.Parallel()
	p := plain(t, "inviteCodeTTL=1s", "verifyCodeTTL=1s", "resetCodeTTL=1s")
	a := p.signUp(t)
	code, uid := p.mailbox(a.email).code(t, verifyURL)
	waitPast(1)
	p.client().post(t, verifyEmail, M{"oobCode": code, "uid": uid}).wantError(t, 400, "EXPIRED_OOB_CODE")
	p.client().post(t, signin, a.credentials()).wantData(t, session(a.email, false))
}
