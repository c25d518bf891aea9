package e2e

import (
	"strings"
	"testing"
)

// The contract's "same email, other credential", with accounts that were there before somebody came from Dex (P2, P3).

// TestDexLinksVerified: both sides have proven the address, so the identity joins the account, and everything of it stays.
func TestDexLinksVerified(t *testing.T) {
	t.Parallel()
	p, d := withDex(t)
	u := newDexUser(t, true)
	owner := p.signUpAs(t, u.email, true)
	a := p.signInAtDex(t, d, u, owner.uid, false)
	_, claims := jwtParts(t, a.idToken)
	for _, d := range diff("firebase", M{"identities": M{"email": L{u.email}, dexID: L{a.subject}}, "sign_in_provider": dexID}, claims["firebase"]) {
		t.Error(d)
	}
	p.ways(t, u.email, "password", dexID)
	p.client().post(t, signin, owner.credentials()).wantData(t, session(u.email, true))
	p.refresh(t, owner.uid, owner.refreshToken)
}

// TestDexTakesOverUnverified: whoever squatted on the address keeps no way in.
func TestDexTakesOverUnverified(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string][]string{"can sign in": nil, "waits for verification": {"verifyEmailEnforced=true"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, d := withDex(t, settings...)
			u := newDexUser(t, true)
			squatter := account{email: u.email, password: newPassword()}
			r := p.client().post(t, signup, squatter.credentials())
			if settings == nil {
				squatter = squatter.fill(t, r)
			}
			mails := p.mailbox(u.email)
			verifyCode, uid := mails.code(t, verifyURL)
			p.client().post(t, resetPath, M{"email": u.email}).want204(t)
			resetCode, _ := mails.code(t, resetURL)

			a := p.signInAtDex(t, d, u, uid, false)
			p.ways(t, u.email, dexID)
			p.client().post(t, signin, squatter.credentials()).wantError(t, 400, "INVALID_PASSWORD")
			if settings == nil {
				p.wantDeadSession(t, squatter)
			}
			p.client().post(t, verifyEmail, M{"oobCode": verifyCode, "uid": uid}).wantError(t, 400, "INVALID_OOB_CODE")
			p.client().post(t, verifyReset, M{"oobCode": resetCode, "newPassword": newPassword()}).wantError(t, 400, "INVALID_OOB_CODE")
			p.refresh(t, a.uid, a.refreshToken)
			if _, claims := jwtParts(t, a.idToken); claims["email_verified"] != true {
				t.Errorf("email_verified is %v", claims["email_verified"])
			}
		})
	}
}

// TestDexTakesOverLinked: what a squatter linked goes too, also an identity at the same provider.
func TestDexTakesOverLinked(t *testing.T) {
	t.Parallel()
	p, d := withDex(t)
	owner, squatter := newDexUser(t, true), newDexUser(t, false)
	account := p.signUpAs(t, owner.email, false)
	p.link(t, d, account, squatter)
	p.signInAtDex(t, d, owner, account.uid, false)
	p.wantDeadSession(t, account)
	p.signInAtDex(t, d, squatter, matcher{name: "another uid", ok: func(v any) bool { return v != account.uid && isUID.ok(v) }}, true)
}

// link joins the user's identity at Dex to the signed-in account, as an app does.
func (p project) link(t *testing.T, d *dex, a account, u dexUser) (data any) {
	t.Helper()
	f := p.begin(t, dexID)
	want := u.external(d).told(a.uid, false, false)
	want["email"], want["emailVerified"] = a.email, oneOf(true, false) // the account's
	want["idToken"], want["expiresIn"] = isJWT, "3600"
	data = p.client().bearer(a.idToken).post(t, linkPath, f.with("code", d.code(t, f.authURI, u))).wantData(t, want)
	remember("ID token", text(t, data, "idToken"))
	return data
}

// TestDexLinkedBeforeTheProof: what was joined to an account before its address was proven goes with the proof (P2); what vouches for
// that address stays.
func TestDexLinkedBeforeTheProof(t *testing.T) {
	t.Parallel()
	p, d := withDex(t)
	planted := newDexUser(t, true) // of another address
	mine := p.signUp(t)
	p.link(t, d, mine, planted)
	code, uid := p.mailbox(mine.email).code(t, verifyURL)
	p.client().post(t, verifyEmail, M{"oobCode": code, "uid": uid}).want204(t)
	p.ways(t, mine.email, "password")
	p.wantDeadSession(t, mine)
	p.signIn(t, mine.email, mine.password)

	own := newDexUser(t, true)
	mine = p.signUpAs(t, own.email, false)
	p.link(t, d, mine, own)
	code, uid = p.mailbox(mine.email).code(t, verifyURL)
	p.client().post(t, verifyEmail, M{"oobCode": code, "uid": uid}).want204(t)
	p.ways(t, mine.email, "password", dexID)
	p.signInAtDex(t, d, own, mine.uid, false)
}

// TestDexNeedsConfirmation: where joining would not be safe there are no tokens, nothing changes, and the user can join both himself.
func TestDexNeedsConfirmation(t *testing.T) {
	t.Parallel()
	for name, verified := range map[string]bool{"verified account": true, "unverified account": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, d := withDex(t)
			u := newDexUser(t, false)
			owner := p.signUpAs(t, u.email, verified)
			f := p.begin(t, dexID)
			code := d.code(t, f.authURI, u)
			p.client().post(t, idpPath, f.with("code", code)).wantData(t, u.external(d).told("", false, true))
			p.client().post(t, idpPath, f.with("code", code)).wantError(t, 400, startsWith(invalidResponse))
			p.ways(t, u.email, "password")
			owner = p.signIn(t, owner.email, owner.password)

			data := p.link(t, d, owner, u)
			_, claims := jwtParts(t, text(t, data, "idToken"))
			for _, d := range diff("firebase", M{"identities": M{"email": L{u.email}, dexID: L{isText}}, "sign_in_provider": "password"}, claims["firebase"]) {
				t.Error(d)
			}
			p.refresh(t, owner.uid, owner.refreshToken)
			want := u.external(d).signedIn(owner.uid, false)
			want["emailVerified"] = verified
			p.signInAtDexAs(t, d, u, want)
			p.ways(t, u.email, "password", dexID)
		})
	}
}

// TestDexAndInvite: a provider's word accepts no invite (P10).
func TestDexAndInvite(t *testing.T) {
	t.Parallel()
	p, d := withDex(t)
	u := newDexUser(t, true)
	p.client().post(t, inviteePath, M{"email": u.email}).want204(t)
	code, uid := p.mailbox(u.email).code(t, inviteURL)
	f := p.begin(t, dexID)
	want := u.external(d).told("", false, true)
	p.client().post(t, idpPath, f.with("code", d.code(t, f.authURI, u))).wantData(t, want)
	p.client().post(t, verifyInvite, M{"oobCode": code, "uid": uid, "newPassword": newPassword()}).want204(t)
	p.signInAtDex(t, d, u, uid, false)
}

// TestDexAndDisabledAccount: neither a known identity nor a matching address opens a disabled account.
func TestDexAndDisabledAccount(t *testing.T) {
	t.Parallel()
	p, d := withDex(t)
	known := newDexUser(t, true)
	a := p.signInAtDex(t, d, known, isUID, true)
	p.patchUser(t, a.uid, M{"disabled": true})
	f := p.begin(t, dexID)
	p.client().post(t, idpPath, f.with("code", d.code(t, f.authURI, known))).wantError(t, 400, "USER_DISABLED")
	p.client().post(t, refreshPath, M{"refresh_token": a.refreshToken}).wantError(t, 400, oneOf("USER_DISABLED", "TOKEN_EXPIRED", "INVALID_REFRESH_TOKEN"))
	p.patchUser(t, a.uid, M{"disabled": false})
	p.signInAtDex(t, d, known, a.uid, false)

	matching := newDexUser(t, true)
	b := p.signUpAs(t, matching.email, true)
	p.patchUser(t, b.uid, M{"disabled": true})
	f = p.begin(t, dexID)
	p.client().post(t, idpPath, f.with("code", d.code(t, f.authURI, matching))).wantData(t, matching.external(d).told("", false, true))
	p.patchUser(t, b.uid, M{"disabled": false})
	p.ways(t, matching.email, "password")
}

// TestDexWhereSignUpIsClosed: a provider opens no door that sign-up keeps shut (P5), and those who have an account come in.
func TestDexWhereSignUpIsClosed(t *testing.T) {
	t.Parallel()
	p, d := withDex(t, "selfSignUp=false")
	u, invited := newDexUser(t, true), newDexUser(t, true)
	f := p.begin(t, dexID)
	p.client().post(t, idpPath, f.with("code", d.code(t, f.authURI, u))).wantError(t, 400, "ADMIN_ONLY_OPERATION")
	p.ways(t, u.email)
	p.asAdmin().post(t, inviteePath, M{"email": invited.email}).want204(t)
	code, uid := p.mailbox(invited.email).code(t, inviteURL)
	p.client().post(t, verifyInvite, M{"oobCode": code, "uid": uid, "newPassword": newPassword()}).want204(t)
	p.signInAtDex(t, d, invited, uid, false)
}

// TestDexWhereVerificationIsEnforced: the provider's word is proof enough; without it there are no tokens until the address is proven.
func TestDexWhereVerificationIsEnforced(t *testing.T) {
	t.Parallel()
	p, d := withDex(t, "verifyEmailEnforced=true")
	p.signInAtDex(t, d, newDexUser(t, true), isUID, true)
	u := newDexUser(t, false)
	f := p.begin(t, dexID)
	p.client().post(t, idpPath, f.with("code", d.code(t, f.authURI, u))).wantData(t, u.external(d).told(isUID, true, false))
	f = p.begin(t, dexID)
	p.client().post(t, idpPath, f.with("code", d.code(t, f.authURI, u))).wantError(t, 400, "USER_DISABLED")
	code, uid := p.mailbox(u.email).code(t, verifyURL)
	p.client().post(t, verifyEmail, M{"oobCode": code, "uid": uid}).want204(t)
	want := u.external(d).signedIn(uid, false)
	want["emailVerified"] = true
	p.signInAtDexAs(t, d, u, want)
}

// TestDexLinking: link/idp and unlink, by the signed-in user alone.
func TestDexLinking(t *testing.T) {
	t.Parallel()
	p, d := withDex(t)
	u, stranger := newDexUser(t, true), newDexUser(t, true)
	mine := p.signUp(t) // another address than at Dex
	taken := p.signInAtDex(t, d, stranger, isUID, true)

	f := p.begin(t, dexID)
	code := d.code(t, f.authURI, stranger)
	p.client().post(t, linkPath, f.with("code", code)).wantError(t, 401, isText)
	p.client().bearer(mine.idToken).post(t, linkPath, M{}).wantError(t, 422, isText)
	p.client().bearer(mine.idToken).post(t, linkPath, f.with("code", code)).wantError(t, 400, "FEDERATED_USER_ID_ALREADY_LINKED")

	p.client().bearer(mine.idToken).post(t, unlinkPath, M{"providerId": dexID}).wantError(t, 404, isText)
	p.client().bearer(mine.idToken).post(t, unlinkPath, M{"providerId": "password"}).wantError(t, 400, startsWith(notAllowed))
	p.link(t, d, mine, u)
	p.link(t, d, mine, u) // a second time changes nothing
	p.ways(t, mine.email, "password", dexID)
	want := u.external(d).signedIn(mine.uid, false)
	want["email"], want["emailVerified"] = mine.email, false
	second := p.signInAtDexAs(t, d, u, want)

	p.client().bearer(mine.idToken).post(t, unlinkPath, M{"providerId": dexID}).want204(t)
	p.wantDeadSession(t, second.account)
	p.refresh(t, mine.uid, mine.refreshToken)
	p.ways(t, mine.email, "password")
	if strings.Contains(string(mustMarshal(p.user(t, mine.uid))), second.subject) {
		t.Error("the identity is still among the user's attributes")
	}
	p.signInAtDex(t, d, u, matcher{name: "another uid", ok: func(v any) bool { return v != mine.uid && isUID.ok(v) }}, true)

	p.client().bearer(taken.idToken).post(t, unlinkPath, M{"providerId": dexID}).wantError(t, 400, startsWith(notAllowed))
	p.signInAtDex(t, d, stranger, taken.uid, false)
}
