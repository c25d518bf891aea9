package e2e

import "testing"

func TestInvite(t *testing.T) {
	t.Parallel()
	p := plain(t)
	email, password := newEmail(), newPassword()
	p.client().post(t, inviteePath, M{"email": email}).want204(t)
	p.client().post(t, signin, M{"email": email, "password": password}).
		wantError(t, 400, oneOf("USER_DISABLED", "INVALID_PASSWORD"))

	code, uid := p.mailbox(email).code(t, inviteURL+"?oobCode=")
	if len(isUIDDiff(uid)) > 0 {
		t.Fatalf("the link's uid is %q", uid)
	}
	p.client().post(t, verifyInvite, M{"oobCode": code, "uid": uid, "newPassword": password}).want204(t)
	data := p.client().post(t, signin, M{"email": email, "password": password}).wantData(t, session(email, true))
	if text(t, data, "uid") != uid {
		t.Error("the invited user signed in to another uid")
	}
	p.client().post(t, verifyInvite, M{"oobCode": code, "uid": uid, "newPassword": password}).
		wantError(t, 400, "INVALID_OOB_CODE")
	p.client().post(t, inviteePath, M{"email": email}).wantError(t, 422, emailInUse)
}

func isUIDDiff(uid string) []string { return diff("uid", isUID, uid) }

// TestInviteCreatesDisabledUser: before the link is followed the user is there and disabled.
func TestInviteCreatesDisabledUser(t *testing.T) {
	t.Parallel()
	p := plain(t)
	email := newEmail()
	p.client().post(t, inviteePath, M{"email": email}).want204(t)
	_, uid := p.mailbox(email).code(t, inviteURL)
	if got := p.user(t, uid); got["email"] != email {
		t.Errorf("the invited user is %s", compact(got))
	}
	p.client().post(t, signup, M{"email": email, "password": newPassword()}).wantError(t, 422, emailInUse)
}

func TestInviteRefusals(t *testing.T) {
	t.Parallel()
	p := plain(t)
	active := p.signUp(t)
	for name, c := range map[string]struct {
		body   M
		detail any
	}{
		"nothing":      {M{}, noEmail},
		"empty email":  {M{"email": ""}, noEmail},
		"number":       {M{"email": 1}, oneOf(names("email"), noEmail)},
		"active user":  {M{"email": active.email}, emailInUse},
		"not an email": {M{"email": "nobody"}, isText},
	} {
		t.Run(name, func(t *testing.T) { p.client().post(t, inviteePath, c.body).wantError(t, 422, c.detail) })
	}
}

// TestInviteAgain: a second invite of a pending user sends a new code and voids the old one.
func TestInviteAgain(t *testing.T) {
	t.Parallel()
	p := plain(t)
	email, password := newEmail(), newPassword()
	mails := p.mailbox(email)
	p.client().post(t, inviteePath, M{"email": email}).want204(t)
	first, uid := mails.code(t, inviteURL)
	p.client().post(t, inviteePath, M{"email": email}).want204(t)
	second, sameUID := mails.code(t, inviteURL)
	if uid != sameUID || first == second {
		t.Errorf("uids %q and %q, same code: %v", uid, sameUID, first == second)
	}
	p.client().post(t, verifyInvite, M{"oobCode": first, "uid": uid, "newPassword": password}).
		wantError(t, 400, "INVALID_OOB_CODE")
	p.client().post(t, verifyInvite, M{"oobCode": second, "uid": uid, "newPassword": password}).want204(t)
	p.client().post(t, signin, M{"email": email, "password": password}).wantData(t, session(email, true))
}

func TestVerifyInviteRefusals(t *testing.T) {
	t.Parallel()
	p := plain(t)
	email, password := newEmail(), newPassword()
	p.client().post(t, inviteePath, M{"email": email}).want204(t)
	code, uid := p.mailbox(email).code(t, inviteURL)
	other := p.signUp(t)
	p.client().post(t, resetPath, M{"email": other.email}).want204(t)
	resetCode, _ := p.mailbox(other.email).code(t, resetURL)
	elsewhere := plain(t, "errorEnvelope=nested")
	for _, c := range []struct {
		name   string
		body   M
		status int
		detail any
	}{
		{"nothing", M{}, 422, noCode},
		{"no oobCode", M{"uid": uid, "newPassword": password}, 422, noCode},
		{"no uid", M{"oobCode": code, "newPassword": password}, 422, noCode},
		{"no newPassword", M{"oobCode": code, "uid": uid}, 422, noCode},
		{"empty oobCode", M{"oobCode": "", "uid": uid, "newPassword": password}, 422, noCode},
		{"number as uid", M{"oobCode": code, "uid": 1, "newPassword": password}, 422, oneOf(names("uid"), noCode)},
		{"unknown uid", M{"oobCode": code, "uid": randomText(28), "newPassword": password}, 422, noUserForID},
		{"unknown code", M{"oobCode": randomText(43), "uid": uid, "newPassword": password}, 400, "INVALID_OOB_CODE"},
		{"code cut", M{"oobCode": code[:len(code)-1], "uid": uid, "newPassword": password}, 400, "INVALID_OOB_CODE"},
		{"other user's code", M{"oobCode": code, "uid": other.uid, "newPassword": password}, 400, "INVALID_OOB_CODE"},
		{"code of another purpose", M{"oobCode": resetCode, "uid": other.uid, "newPassword": password}, 400, "INVALID_OOB_CODE"},
		{"weak password", M{"oobCode": code, "uid": uid, "newPassword": "12345"}, 400, isWeakPassword},
	} {
		t.Run(c.name, func(t *testing.T) { p.client().post(t, verifyInvite, c.body).wantError(t, c.status, c.detail) })
	}
	full := M{"oobCode": code, "uid": uid, "newPassword": password}
	elsewhere.client().post(t, verifyInvite, full).wantError(t, 422, noUserForID)
	// No refusal above used the code up: a code is consumed together with its effect (P7).
	p.client().post(t, verifyInvite, full).want204(t)
}

func TestVerifyInviteExpired(t *testing.T) {
	t.Parallel()
	p := plain(t, "inviteCodeTTL=1s", "verifyCodeTTL=1s", "resetCodeTTL=1s")
	email := newEmail()
	p.client().post(t, inviteePath, M{"email": email}).want204(t)
	code, uid := p.mailbox(email).code(t, inviteURL)
	waitPast(1)
	p.client().post(t, verifyInvite, M{"oobCode": code, "uid": uid, "newPassword": newPassword()}).
		wantError(t, 400, "EXPIRED_OOB_CODE")
}

// TestInvitePermission walks the values of the setting that the contract names.
func TestInvitePermission(t *testing.T) {
	t.Parallel()
	t.Run("user", func(t *testing.T) {
		p := plain(t, "invitePermission=user")
		a := p.signUp(t)
		p.client().post(t, inviteePath, M{"email": newEmail()}).wantError(t, 401, isText)
		p.client().bearer(a.idToken).post(t, inviteePath, M{"email": newEmail()}).want204(t)
		p.asAdmin().post(t, inviteePath, M{"email": newEmail()}).want204(t)
	})
	t.Run("admin", func(t *testing.T) {
		p := plain(t, "invitePermission=admin")
		a := p.signUp(t)
		p.client().post(t, inviteePath, M{"email": newEmail()}).wantError(t, 403, isText)
		p.client().bearer(a.idToken).post(t, inviteePath, M{"email": newEmail()}).wantError(t, 403, isText)
		p.asAdmin().post(t, inviteePath, M{"email": newEmail()}).want204(t)
	})
	t.Run("roles", func(t *testing.T) {
		p := newProject(t, "invitePermission=roles:inviter")
		inviter, other := p.signUp(t), p.signUp(t)
		p.srv.cli(t, "role", "create", "inviter", "--project", p.id, "--json")
		p.srv.cli(t, "role", "assign", "inviter", inviter.uid, "--project", p.id)
		inviter = p.signIn(t, inviter.email, inviter.password)
		p.client().bearer(other.idToken).post(t, inviteePath, M{"email": newEmail()}).wantError(t, 403, isText)
		p.client().bearer(inviter.idToken).post(t, inviteePath, M{"email": newEmail()}).want204(t)
	})
	t.Run("public where self sign-up is off is admin", func(t *testing.T) {
		p := plain(t, "selfSignUp=false")
		p.client().post(t, inviteePath, M{"email": newEmail()}).wantError(t, 403, isText)
		p.asAdmin().post(t, inviteePath, M{"email": newEmail()}).want204(t)
	})
}
