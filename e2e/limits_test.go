package e2e

import (
	"strconv"
	"testing"
)

// wantLimited checks a 429 and that it says how long to wait (P29).
func wantLimited(t *testing.T, r reply) {
	t.Helper()
	r.wantError(t, 429, "TOO_MANY_ATTEMPTS_TRY_LATER")
	if seconds, err := strconv.Atoi(r.header.Get("Retry-After")); err != nil || seconds < 1 {
		t.Errorf("%s: Retry-After is %q", r.what, r.header.Get("Retry-After"))
	}
}

// TestGuessersFromEverywhere: many addresses guess at one account. They are slowed down, newcomers with the right password too, and the
// owner gets in where it was in before.
func TestGuessersFromEverywhere(t *testing.T) {
	t.Parallel()
	p := newProject(t, "signInAccountBurst=2", "signInAccountInterval=1h")
	home := p.client()
	a := account{email: newEmail(), password: newPassword()}
	a.fill(t, home.post(t, signup, a.credentials()))
	var last reply
	for range 12 {
		last = p.client().post(t, signin, M{"email": a.email, "password": "wrong-password"})
	}
	wantLimited(t, last)
	wantLimited(t, p.client().post(t, signin, a.credentials()))
	home.post(t, signin, a.credentials()).wantData(t, session(a.email, false))
}

// TestLimitsSeeThroughSpellings: another spelling of address, path or proxy header is no other budget.
func TestLimitsSeeThroughSpellings(t *testing.T) {
	t.Parallel()
	p := newProject(t, "signInAccountBurst=2", "signInAccountInterval=1h")
	a := p.signUp(t)
	from := p.client()
	for _, email := range []string{a.email, " " + a.email + " "} {
		from.post(t, signin, M{"email": email, "password": "wrong-password"}).wantError(t, 400, "INVALID_PASSWORD")
	}
	wantLimited(t, from.post(t, signin, M{"email": a.email, "password": "wrong-password"}))
	wantLimited(t, from.post(t, signin+"?again=1", M{"email": a.email, "password": "wrong-password"}))
	for _, name := range []string{"X-Real-Ip", "Forwarded", "X-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip"} {
		spoofed := from
		spoofed.header = from.header.Clone()
		spoofed.header.Set(name, "203.0.113.77")
		wantLimited(t, spoofed.post(t, signin, M{"email": a.email, "password": "wrong-password"}))
	}
}

// TestOtherLimits: sign-ups, mails to many mailboxes, wrong codes and tokens, and questions about addresses have budgets of their own.
func TestOtherLimits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		settings []string
		try      func(p project, c client) reply
	}{
		"sign-up": {[]string{"signUpSourceBurst=3", "signUpSourceInterval=1h"}, func(p project, c client) reply {
			return c.post(t, signup, M{"email": newEmail(), "password": newPassword()})
		}},
		"mail": {[]string{"mailSourceBurst=3", "mailSourceInterval=1h"}, func(p project, c client) reply {
			return c.post(t, inviteePath, M{"email": newEmail()})
		}},
		"code": {[]string{"guessSourceBurst=3", "guessSourceInterval=1h"}, func(p project, c client) reply {
			return c.post(t, verifyReset, M{"oobCode": randomText(43), "newPassword": newPassword()})
		}},
		"refresh token": {[]string{"guessSourceBurst=3", "guessSourceInterval=1h"}, func(p project, c client) reply {
			return c.post(t, refreshPath, M{"refresh_token": randomText(71)})
		}},
		"admin token": {[]string{"guessSourceBurst=3", "guessSourceInterval=1h"}, func(p project, c client) reply {
			return c.admin("wrong").get(t, rolesPath)
		}},
		"question": {[]string{"guessSourceBurst=3", "guessSourceInterval=1h"}, func(p project, c client) reply {
			return c.post(t, providers, M{"email": newEmail()})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProject(t, c.settings...)
			from := p.client()
			for i := range 3 {
				if r := c.try(p, from); r.status == 429 {
					t.Fatalf("try %d of 3 is refused", i)
				}
			}
			wantLimited(t, c.try(p, from))
			if r := c.try(p, p.client()); r.status == 429 {
				t.Error("another source pays for it")
			}
		})
	}
}
