package e2e

import (
	"strings"
	"testing"
)

func TestUpdateEmail(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a := p.signUp(t)
	code, uid := p.mailbox(a.email).code(t, verifyURL)
	p.client().post(t, verifyEmail, M{"oobCode": code, "uid": uid}).want204(t)
	a = p.signIn(t, a.email, a.password)

	email := newEmail()
	p.client().bearer(a.idToken).post(t, updateEmail, M{"email": email}).want204(t)
	p.client().post(t, signin, a.credentials()).wantError(t, 400, "EMAIL_NOT_FOUND")
	p.client().post(t, signin, M{"email": email, "password": a.password}).wantData(t, session(email, false))

	// P11, documented preset: both addresses are told, and the old one gets a link that takes it back.
	p.mailbox(email).next(t, "")
	told := p.mailbox(a.email)
	eventually(t, mailLimit, func() error {
		for _, mail := range told.unseen(t) {
			if strings.Contains(mail.text, email) && len(mail.links) > 0 {
				return nil
			}
		}
		return errNoNotice
	})
}

// TestUpdateEmailFreesTheOldAddress: somebody else may sign up with it afterwards.
func TestUpdateEmailFreesTheOldAddress(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a := p.signUp(t)
	p.client().bearer(a.idToken).post(t, updateEmail, M{"email": newEmail()}).want204(t)
	r := p.client().post(t, signup, M{"email": a.email, "password": newPassword()})
	if data := r.wantData(t, session(a.email, false)); text(t, data, "uid") == a.uid {
		t.Error("the new account got the old one's uid")
	}
}

func TestUpdateEmailRefusals(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a, other := p.signUp(t), p.signUp(t)
	me := p.client().bearer(a.idToken)
	for name, c := range map[string]struct {
		body   M
		detail any
	}{
		"nothing":           {M{}, needEmailAndPassword},
		"empty":             {M{"email": ""}, needEmailAndPassword},
		"invalid":           {M{"email": "nobody"}, needEmailAndPassword},
		"two addresses":     {M{"email": "a@example.test, b@example.test"}, needEmailAndPassword},
		"number":            {M{"email": 1}, oneOf(names("email"), needEmailAndPassword)},
		"in use":            {M{"email": other.email}, emailInUse},
		"in use, uppercase": {M{"email": strings.ToUpper(other.email)}, emailInUse},
	} {
		t.Run(name, func(t *testing.T) { me.post(t, updateEmail, c.body).wantError(t, 422, c.detail) })
	}
	p.client().post(t, updateEmail, M{"email": newEmail()}).wantError(t, 401, isText)
	p.client().post(t, signin, a.credentials()).wantData(t, session(a.email, false))
}

// TestUpdateEmailVerified: with emailChange=verified the address changes only once the new one is proven.
func TestUpdateEmailVerified(t *testing.T) {
	t.Parallel()
	p := plain(t, "emailChange=verified")
	a := p.signUp(t)
	email := newEmail()
	p.client().bearer(a.idToken).post(t, updateEmail, M{"email": email}).want204(t)
	p.client().post(t, signin, a.credentials()).wantData(t, session(a.email, false))
	p.client().post(t, signin, M{"email": email, "password": a.password}).wantError(t, 400, "EMAIL_NOT_FOUND")
	if mail := p.mailbox(email).next(t, ""); len(mail.links) == 0 {
		t.Errorf("the mail %q to the new address has no link", mail.subject)
	}
}

func TestUpdatePassword(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a := p.signUp(t)
	elsewhere := p.signIn(t, a.email, a.password)
	password := newPassword()
	p.client().bearer(a.idToken).post(t, updatePass, M{"oldPassword": a.password, "newPassword": password}).want204(t)
	p.client().post(t, signin, a.credentials()).wantError(t, 400, "INVALID_PASSWORD")
	p.client().post(t, signin, M{"email": a.email, "password": password}).wantData(t, session(a.email, false))
	p.wantDeadSession(t, a)
	p.wantDeadSession(t, elsewhere)
}

func TestUpdatePasswordRefusals(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a := p.signUp(t)
	me := p.client().bearer(a.idToken)
	good := newPassword()
	for _, c := range []struct {
		name   string
		body   M
		status int
		detail any
	}{
		{"wrong old password", M{"oldPassword": "wrong-password", "newPassword": good}, 400, "INVALID_PASSWORD"},
		{"weak new password", M{"oldPassword": a.password, "newPassword": "12345"}, 400, isWeakPassword},
		{"10 kB new password", M{"oldPassword": a.password, "newPassword": strings.Repeat("x", 10_000)}, 400, isWeakPassword},
		{"number as oldPassword", M{"oldPassword": 1, "newPassword": good}, 422, names("oldPassword")},
		{"number as newPassword", M{"oldPassword": a.password, "newPassword": 1}, 422, names("newPassword")},
	} {
		t.Run(c.name, func(t *testing.T) { me.post(t, updatePass, c.body).wantError(t, c.status, c.detail) })
	}
	for _, body := range []M{{}, {"oldPassword": a.password}, {"newPassword": good}} {
		if r := me.post(t, updatePass, body); r.status != 400 && r.status != 422 {
			t.Errorf("body %s: %d %s", compact(body), r.status, r.body)
		}
	}
	p.client().post(t, updatePass, M{"oldPassword": a.password, "newPassword": good}).wantError(t, 401, isText)
	p.signIn(t, a.email, a.password) // nothing above changed it
}
