package e2e

import (
	"net/http"
	"testing"
)

// TestSessions: a user sees where it is signed in, ends one of those sign-ins, and all.
func TestSessions(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a := p.signUp(t)
	phone := p.client()
	phone.header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	b := account{email: a.email, password: a.password}.fill(t, phone.post(t, signin, a.credentials()))

	list := func(idToken string) L {
		t.Helper()
		r := p.client().bearer(idToken).get(t, sessionsPath)
		r.wantStatus(t, http.StatusOK)
		body, _ := parseJSON(t, r.what, r.body).(M)
		sessions, _ := body["data"].(L)
		return sessions
	}
	both := list(b.idToken)
	if len(both) != 2 {
		t.Fatalf("%d sessions, want 2: %v", len(both), both)
	}
	newest, _ := both[0].(M)
	oldest, _ := both[1].(M)
	if newest["device"] != "Firefox on Linux" || newest["current"] != true || newest["address"] != phone.source || oldest["current"] != false {
		t.Errorf("sessions: %v", both)
	}
	other := p.signUp(t)
	p.client().bearer(other.idToken).delete(t, sessionsPath+"/"+text(t, oldest, "id")).wantError(t, 404, isText)
	p.client().bearer(b.idToken).delete(t, sessionsPath+"/"+text(t, oldest, "id")).want204(t)
	p.client().post(t, refreshPath, M{"refresh_token": a.refreshToken}).wantError(t, 400, "TOKEN_EXPIRED")
	p.client().bearer(a.idToken).get(t, sessionsPath).wantError(t, 403, isText)
	p.client().bearer(b.idToken).delete(t, sessionsPath).want204(t)
	p.client().post(t, refreshPath, M{"refresh_token": b.refreshToken}).wantError(t, 400, "TOKEN_EXPIRED")
	if got := len(list(other.idToken)); got != 1 {
		t.Errorf("a stranger has %d sessions, want its own", got)
	}
}

// TestPasswordChangeIsTakenBack: the mail about a change of password has a link that undoes it, with a browser's form.
func TestPasswordChangeIsTakenBack(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	a := p.signUp(t)
	thief := newPassword()
	p.client().bearer(a.idToken).post(t, updatePass, M{"oldPassword": a.password, "newPassword": thief}).want204(t)
	page := p.srv.publicURL + "/" + p.id + "/take-back"
	link := p.mailbox(a.email).next(t, page).link(page)
	in := p.signIn(t, a.email, thief)
	p.srv.submit(t, link, p.srv.openPage(t, link), "").wantStatus(t, http.StatusOK)
	p.client().post(t, refreshPath, M{"refresh_token": in.refreshToken}).wantError(t, 400, "TOKEN_EXPIRED")
	p.client().post(t, signin, M{"email": a.email, "password": thief}).wantError(t, 400, "INVALID_PASSWORD")
	code, _ := p.mailbox(a.email).code(t, resetURL)
	p.client().post(t, verifyReset, M{"oobCode": code, "newPassword": a.password}).want204(t)
	p.signIn(t, a.email, a.password)
}
