package main

import (
	"context"
	"math/rand/v2"
	"net/url"
	"slices"
)

// checker goes through accounts and tries everything that must work, and everything that must not.
type checker struct {
	*actor
	rng      *rand.Rand
	thorough bool // try every former password and dead token, and the account in the other projects
}

// check looks at one account. It tells whether it got answers; where not, it is to be called again.
func (c *checker) check(ctx context.Context, a *Account) bool {
	if a.Pending != nil && !c.settle(ctx, a) {
		return a.Broken
	}
	for _, step := range []func(context.Context, *Account) bool{c.user, c.passwords, c.sessions, c.codes, c.elsewhere} {
		if a.Broken {
			return true
		}
		if !step(ctx, a) {
			return a.Broken
		}
	}
	return true
}

// user asks the admin API.
func (c *checker) user(ctx context.Context, a *Account) bool {
	u, ok := c.lookUp(ctx, a)
	if !ok || a.Broken {
		return ok
	}
	switch there := a.Life == Active || a.Life == Invited; {
	case there && u == nil:
		c.found(a, Lost, "there is no such user any more")
	case !there && u != nil && a.Life == Deleted:
		c.found(a, Revived, "the user was deleted, and is there as %s", u.UID)
	case !there && u != nil:
		c.found(a, Phantom, "the user was never made, and is there as %s", u.UID)
	case u == nil:
	case u.UID != a.UID || u.Email != a.Email:
		c.found(a, Mixed, "the user %s has the address %s, not %s", u.UID, u.Email, a.UID)
	case u.Disabled != a.Disabled, u.InvitePending != (a.Life == Invited), u.EmailVerified != a.Verified:
		c.found(a, Lost, "disabled %v, invited %v, verified %v; acknowledged was %v, %v, %v", u.Disabled, u.InvitePending, u.EmailVerified, a.Disabled, a.Life == Invited, a.Verified)
	}
	return true
}

// passwords signs in with the one that must work, and tries the last ones that must not.
func (c *checker) passwords(ctx context.Context, a *Account) bool {
	if a.Password != "" {
		if answer := c.signIn(ctx, a, a.Password); answer.Phase != Done && answer.Phase != Refused {
			return false
		}
	}
	former := lastOf(a.Former, 1)
	if c.thorough {
		former = lastOf(a.Former, 3)
	}
	for _, password := range former {
		if a.Broken || password == "" {
			continue
		}
		if answer := c.signIn(ctx, a, password); answer.Phase != Done && answer.Phase != Refused {
			return false
		}
	}
	return true
}

// sessions refreshes with every token that must live, and with the newest of those that must not; of either with one alone where the check is not thorough.
func (c *checker) sessions(ctx context.Context, a *Account) bool {
	living, dead := 1, 1
	if c.thorough {
		living, dead = len(a.Sessions), 4
	}
	for _, s := range slices.Backward(slices.Clone(a.Sessions)) {
		left := &living
		if s.Dead {
			left = &dead
		}
		if *left--; *left < 0 {
			continue
		}
		if answer := c.refresh(ctx, a, s); answer.Phase != Done && answer.Phase != Refused {
			return false
		}
		if a.Broken || s.Dead && !c.deadIDToken(ctx, a, s) {
			return a.Broken
		}
	}
	return c.tidy(ctx, a)
}

// deadIDToken shows that the server's own endpoints look at the live state (P20).
func (c *checker) deadIDToken(ctx context.Context, a *Account, s *Session) bool {
	if s.IDToken == "" {
		return true
	}
	answer := c.caller.Do(ctx, Call{Method: "GET", Path: accountsPath + "/sessions", Project: a.Project, Bearer: s.IDToken})
	if answer.Phase == Done {
		c.found(a, Revived, "session %d ended, and its id token works", s.Number)
	}
	return answer.Phase == Refused
}

// maxSessions bounds what each check of an account costs.
const maxSessions = 6

func (c *checker) tidy(ctx context.Context, a *Account) bool {
	living := a.Living()
	if len(living) <= maxSessions {
		return true
	}
	return c.signOut(ctx, a, living[0])
}

// codes uses the last used code once more.
func (c *checker) codes(ctx context.Context, a *Account) bool {
	for _, code := range lastOf(a.UsedCodes, 1) {
		for _, path := range []string{"/verify/password-reset", "/verify/invite"} {
			fields := body{"oobCode": code, "uid": a.UID, "newPassword": "never-" + code[:12]}
			answer := c.caller.Do(ctx, c.post(a, path, "", fields))
			if answer.Phase == Done {
				c.found(a, Revived, "a used code works again at %s", path)
			}
			if answer.Phase != Refused {
				return a.Broken
			}
		}
	}
	return true
}

// elsewhere shows the account's secrets to another project, which has an account of the same address with others.
func (c *checker) elsewhere(ctx context.Context, a *Account) bool {
	if !c.thorough || len(c.projects) < 2 {
		return true
	}
	other := a.Project
	for other == a.Project {
		other = c.projects[c.rng.IntN(len(c.projects))]
	}
	calls := []Call{}
	if a.Password != "" && c.rng.IntN(4) == 0 {
		calls = append(calls, c.post(a, "/sign-in/email", "", body{"email": a.Email, "password": a.Password}))
	}
	if living := a.Living(); len(living) > 0 {
		calls = append(calls, c.post(a, "/token/refresh", "", body{"refresh_token": living[0].Token}))
	}
	if a.UID != "" {
		calls = append(calls, c.admin("GET", other, "/users/"+url.PathEscape(a.UID)))
	}
	for _, call := range calls {
		if call.Project != "" {
			call.Project = other
		}
		answer := c.caller.Do(ctx, call)
		if answer.Phase == Done {
			c.found(a, Mixed, "%s %s works in the project %s", call.Method, call.Path, other)
		}
		if answer.Phase != Refused {
			return a.Broken
		}
	}
	return true
}
