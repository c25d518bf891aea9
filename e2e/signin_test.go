package e2e

import (
	"net/http"
	"strings"
	"testing"
)

func TestSignIn(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a := p.signUp(t)
	r := p.client().post(t, signin, a.credentials())
	data := r.wantData(t, session(a.email, false))
	again := a.fill(t, r)
	if text(t, data, "uid") != a.uid {
		t.Error("sign-in answers another uid than sign-up")
	}
	if again.refreshToken == a.refreshToken {
		t.Error("two sign-ins share a refresh token")
	}
}

func TestSignInRefusals(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a := p.signUp(t)
	disabled := p.signUp(t)
	p.patchUser(t, disabled.uid, M{"disabled": true})
	elsewhere := plain(t, "errorEnvelope=nested").signUp(t)
	for name, c := range map[string]struct {
		body   M
		status int
		detail any
	}{
		"nothing":              {M{}, 422, needEmailAndPassword},
		"no password":          {M{"email": a.email}, 422, needEmailAndPassword},
		"no email":             {M{"password": a.password}, 422, needEmailAndPassword},
		"empty password":       {M{"email": a.email, "password": ""}, 422, needEmailAndPassword},
		"invalid email":        {M{"email": "nobody", "password": a.password}, 422, needEmailAndPassword},
		"number as email":      {M{"email": 1, "password": a.password}, 422, oneOf(names("email"), needEmailAndPassword)},
		"number as password":   {M{"email": a.email, "password": 1}, 422, oneOf(names("password"), needEmailAndPassword)},
		"unknown email":        {M{"email": newEmail(), "password": a.password}, 400, "EMAIL_NOT_FOUND"},
		"wrong password":       {M{"email": a.email, "password": a.password + "x"}, 400, "INVALID_PASSWORD"},
		"password cut":         {M{"email": a.email, "password": a.password[:len(a.password)-1]}, 400, "INVALID_PASSWORD"},
		"password, other case": {M{"email": a.email, "password": strings.ToUpper(a.password)}, 400, "INVALID_PASSWORD"},
		"disabled":             {disabled.credentials(), 400, "USER_DISABLED"},
		"other project's user": {elsewhere.credentials(), 400, "EMAIL_NOT_FOUND"},
	} {
		t.Run(name, func(t *testing.T) {
			p.client().post(t, signin, c.body).wantError(t, c.status, c.detail)
		})
	}
	p.patchUser(t, disabled.uid, M{"disabled": false})
	p.client().post(t, signin, disabled.credentials()).wantData(t, session(disabled.email, false))
}

// TestSignInTooManyAttempts: guessing ends in 429, the limit comes before the password is looked at,
// and it neither hits another account nor lets another spelling of the address start anew.
func TestSignInTooManyAttempts(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	a, bystander := p.signUp(t), p.signUp(t)
	guesser := p.client()
	const most = 150
	limited := reply{}
	for i := 0; i < most && limited.status == 0; i++ {
		email := a.email
		if i%2 == 1 {
			email = strings.ToUpper(email)
		}
		r := guesser.post(t, signin, M{"email": email, "password": "wrong-password"})
		if r.status == http.StatusTooManyRequests {
			limited = r
			continue
		}
		r.wantError(t, 400, "INVALID_PASSWORD")
	}
	if limited.status == 0 {
		t.Fatalf("%d wrong passwords from one address were never limited", most)
	}
	limited.wantError(t, 429, "TOO_MANY_ATTEMPTS_TRY_LATER")
	limited.wantRetryAfter(t)

	r := guesser.post(t, signin, a.credentials())
	r.wantError(t, 429, "TOO_MANY_ATTEMPTS_TRY_LATER")
	r.wantRetryAfter(t)
	p.client().post(t, signin, bystander.credentials()).wantData(t, session(bystander.email, false))
}
