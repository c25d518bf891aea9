package e2e

import (
	"net/http"
	"sync"
	"testing"
	"time"
)

// refreshAnswer is the whole data of row 13.
func refreshAnswer(p project, uid string, refreshToken any) M {
	return M{"expires_in": "3600", "token_type": "Bearer", "refresh_token": refreshToken, "id_token": isJWT,
		"access_token": isJWT, "user_id": uid, "project_id": p.id,
		"idToken": isJWT, "refreshToken": refreshToken, "expiresIn": "3600"}
}

// refresh exchanges a refresh token that must work, and returns the answer's data.
func (p project) refresh(t *testing.T, uid, token string) M {
	t.Helper()
	r := p.client().post(t, refreshPath, M{"refresh_token": token})
	data := r.wantData(t, refreshAnswer(p, uid, isRefreshToken)).(M)
	if data["access_token"] != data["id_token"] || data["idToken"] != data["id_token"] || data["refreshToken"] != data["refresh_token"] {
		t.Errorf("%s: the aliases differ", r.what)
	}
	remember("ID token", text(t, data, "id_token"))
	remember("refresh token", text(t, data, "refresh_token"))
	return data
}

// TestRefresh: by default the same token comes back, and works for ever.
func TestRefresh(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a := p.signUp(t)
	_, first := jwtParts(t, a.idToken)
	for range 3 {
		data := p.refresh(t, a.uid, a.refreshToken)
		if data["refresh_token"] != a.refreshToken {
			t.Error("the refresh token was rotated where rotation is off")
		}
		token := text(t, data, "id_token")
		_, claims := jwtParts(t, token)
		if claims["sub"] != a.uid || claims["auth_time"] != first["auth_time"] {
			t.Errorf("claims after a refresh: %s", compact(claims))
		}
		p.client().bearer(token).get(t, users+"/"+a.uid).wantStatus(t, 200)
	}
}

func TestRefreshRefusals(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a := p.signUp(t)
	elsewhere := plain(t, "errorEnvelope=nested").signUp(t)
	for name, c := range map[string]struct {
		body   M
		status int
		detail any
	}{
		"nothing":               {M{}, 400, "MISSING_REFRESH_TOKEN"},
		"empty":                 {M{"refresh_token": ""}, 400, "MISSING_REFRESH_TOKEN"},
		"alias is no input":     {M{"refreshToken": a.refreshToken}, 400, "MISSING_REFRESH_TOKEN"},
		"number":                {M{"refresh_token": 1}, 422, names("refresh_token")},
		"unknown":               {M{"refresh_token": randomText(60)}, 400, "INVALID_REFRESH_TOKEN"},
		"cut":                   {M{"refresh_token": a.refreshToken[:len(a.refreshToken)-1]}, 400, "INVALID_REFRESH_TOKEN"},
		"and more":              {M{"refresh_token": a.refreshToken + "A"}, 400, "INVALID_REFRESH_TOKEN"},
		"an ID token":           {M{"refresh_token": a.idToken}, 400, "INVALID_REFRESH_TOKEN"},
		"other project's token": {M{"refresh_token": elsewhere.refreshToken}, 400, "INVALID_REFRESH_TOKEN"},
	} {
		t.Run(name, func(t *testing.T) { p.client().post(t, refreshPath, c.body).wantError(t, c.status, c.detail) })
	}
	p.client().bearer(a.refreshToken).get(t, users+"/"+a.uid).wantError(t, 401, isText) // no JWT
}

// TestRefreshOfDisabledUser: disabling ends the sessions, and enabling again revives none (P22).
func TestRefreshOfDisabledUser(t *testing.T) {
	t.Parallel()
	p := plain(t)
	a := p.signUp(t)
	p.patchUser(t, a.uid, M{"disabled": true})
	p.client().post(t, refreshPath, M{"refresh_token": a.refreshToken}).wantError(t, 400, "USER_DISABLED")
	p.client().bearer(a.idToken).get(t, users+"/"+a.uid).wantError(t, 403, tokenInvalid)
	p.patchUser(t, a.uid, M{"disabled": false})
	p.wantDeadSession(t, a)
	p.signIn(t, a.email, a.password)
}

// TestRefreshRotation: each refresh gives a new token; within the grace window the old one gets the
// same successor again; an older ancestor ends the whole session.
func TestRefreshRotation(t *testing.T) {
	t.Parallel()
	p := plain(t, "refreshTokenRotation=true", "refreshTokenGrace=30s")
	a, bystander := p.signUp(t), p.signUp(t)
	second := text(t, p.refresh(t, a.uid, a.refreshToken), "refresh_token")
	if second == a.refreshToken {
		t.Fatal("the refresh token was not rotated")
	}
	if again := text(t, p.refresh(t, a.uid, a.refreshToken), "refresh_token"); again != second {
		t.Error("a repeated refresh within the grace window got another successor")
	}
	last := p.refresh(t, a.uid, second)
	third := text(t, last, "refresh_token")
	if third == second || third == a.refreshToken {
		t.Error("the second refresh gave a token that was there before")
	}

	p.client().post(t, refreshPath, M{"refresh_token": a.refreshToken}).wantError(t, 400, deadRefreshToken)
	p.wantDeadSession(t, account{uid: a.uid, idToken: text(t, last, "id_token"), refreshToken: third})
	p.client().post(t, refreshPath, M{"refresh_token": second}).wantError(t, 400, deadRefreshToken)
	p.refresh(t, bystander.uid, bystander.refreshToken)
	p.signIn(t, a.email, a.password)
}

// TestRefreshReuseAfterGrace: the same token again after the grace window ends the family.
func TestRefreshReuseAfterGrace(t *testing.T) {
	t.Parallel()
	p := plain(t, "refreshTokenRotation=true", "refreshTokenGrace=1s")
	a := p.signUp(t)
	otherSession := p.signIn(t, a.email, a.password)
	second := p.refresh(t, a.uid, a.refreshToken)
	time.Sleep(2200 * time.Millisecond)
	p.client().post(t, refreshPath, M{"refresh_token": a.refreshToken}).wantError(t, 400, deadRefreshToken)
	p.wantDeadSession(t, account{uid: a.uid, idToken: text(t, second, "id_token"), refreshToken: text(t, second, "refresh_token")})
	p.refresh(t, a.uid, otherSession.refreshToken) // another session of the user is another family
}

// TestParallelRefreshes: fifty at once all succeed, and agree.
func TestParallelRefreshes(t *testing.T) {
	for name, p := range map[string]project{
		"without rotation": plain(t),
		"with rotation":    plain(t, "refreshTokenRotation=true", "refreshTokenGrace=30s"),
	} {
		t.Run(name, func(t *testing.T) {
			a := p.signUp(t)
			const n = 50
			replies := make([]reply, n)
			errs := make([]error, n)
			var wg sync.WaitGroup
			for i := range n {
				wg.Go(func() {
					replies[i], errs[i] = p.client().send(http.MethodPost, apiBase+refreshPath, M{"refresh_token": a.refreshToken})
				})
			}
			wg.Wait()
			successors := map[string]bool{}
			for i, r := range replies {
				if errs[i] != nil {
					t.Fatal(errs[i])
				}
				data := r.wantData(t, refreshAnswer(p, a.uid, isRefreshToken))
				successors[text(t, data, "refresh_token")] = true
			}
			if len(successors) != 1 {
				t.Errorf("%d different refresh tokens came of one", len(successors))
			}
			for successor := range successors {
				p.refresh(t, a.uid, successor)
			}
		})
	}
}
