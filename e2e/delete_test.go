package e2e

import "testing"

func TestDeleteAccount(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a, bystander := p.signUp(t), p.signUp(t)
	p.client().post(t, resetPath, M{"email": a.email}).want204(t)
	code, _ := p.mailbox(a.email).code(t, resetURL)

	p.client().bearer(a.idToken).delete(t, accountPath).want204(t)
	p.client().post(t, signin, a.credentials()).wantError(t, 400, "EMAIL_NOT_FOUND")
	p.client().bearer(a.idToken).get(t, users+"/"+a.uid).wantError(t, 403, tokenInvalid)
	p.client().post(t, refreshPath, M{"refresh_token": a.refreshToken}).
		wantError(t, 400, oneOf("INVALID_REFRESH_TOKEN", "TOKEN_EXPIRED", "USER_NOT_FOUND"))
	p.client().post(t, verifyReset, M{"oobCode": code, "newPassword": newPassword()}).wantError(t, 400, "INVALID_OOB_CODE")
	p.asAdmin().get(t, users+"/"+a.uid).wantError(t, 404, isText)
	p.client().bearer(a.idToken).delete(t, accountPath).wantError(t, 403, tokenInvalid)

	// The address is free again, and its next owner is somebody else (P6).
	data := p.client().post(t, signup, a.credentials()).wantData(t, session(a.email, false))
	if text(t, data, "uid") == a.uid {
		t.Error("the uid of a deleted account came back")
	}
	p.signIn(t, bystander.email, bystander.password)
}

func TestDeleteAccountUnauthorized(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a := p.signUp(t)
	p.client().delete(t, accountPath).wantError(t, 401, isText)
	p.client().bearer("nonsense").delete(t, accountPath).wantError(t, 401, isText)
	p.signIn(t, a.email, a.password)
}
