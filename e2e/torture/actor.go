package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
)

// actor makes calls for accounts: it writes each to the ledger before and after, and judges the answer by what the ledger says must be true.
type actor struct {
	process  string // for the ledger
	caller   Caller
	operator string // token
	ledger   *Ledger
	findings *Findings
	projects []string
}

const accountsPath = "/api/v1/auth/accounts"

func (x *actor) found(a *Account, v Verdict, format string, args ...any) {
	a.Broken = true
	x.findings.Add(Finding{v, a.Project, a.Email, fmt.Sprintf(format, args...)})
}

// attempt makes a call between its two entries. complete fills the second one in from an answer of success, and finds what is wrong with it.
func (x *actor) attempt(ctx context.Context, a *Account, e Entry, call Call, complete func(*Entry, Answer) error) Answer {
	e.Project, e.Account, e.Process, e.Phase = a.Project, a.Email, x.process, Intent
	x.write(a, e)
	answer := x.caller.Do(ctx, call)
	e.Phase, e.Status, e.Detail, e.Took = answer.Phase, answer.Status, answer.Detail, float64(answer.Took.Microseconds())/1000
	if answer.Phase == Done && complete != nil {
		if err := complete(&e, answer); err != nil {
			x.found(a, Corrupt, "%s: the answer cannot be read: %v", e.Op, err)
		}
	}
	x.write(a, e)
	return answer
}

// write puts an entry into the ledger and into the model.
func (x *actor) write(a *Account, e Entry) {
	written, err := x.ledger.Write(e)
	if err == nil {
		err = a.Apply(written)
	}
	if err != nil {
		panic(err) // without its ledger the harness knows nothing
	}
}

// resolve writes what became of the pending call.
func (x *actor) resolve(a *Account, happened bool) {
	e := *a.Pending
	e.Phase = Nothing
	if happened {
		e.Phase = Happened
	}
	x.write(a, e)
}

// gave takes the tokens of an answer over, and sees that they are the account's own.
func (x *actor) gave(a *Account) func(*Entry, Answer) error {
	return func(e *Entry, answer Answer) error {
		t, err := answer.told()
		if err != nil {
			return err
		}
		uid := t.UID + t.UserID // a refresh has the other one
		if e.UID = uid; a.UID != "" && uid != a.UID {
			x.found(a, Mixed, "%s answers for the user %s, not %s", e.Op, uid, a.UID)
		}
		if t.Email != "" && t.Email != a.Email {
			x.found(a, Mixed, "%s answers for the address %s", e.Op, t.Email)
		}
		if t.ProjectID != "" && t.ProjectID != a.Project {
			x.found(a, Mixed, "%s answers for the project %s", e.Op, t.ProjectID)
		}
		e.Token, e.IDToken = t.RefreshToken, t.IDToken
		return nil
	}
}

// must finds a verdict where the account may do what was refused.
func (x *actor) must(a *Account, op Op, answer Answer) bool {
	if answer.Phase == Refused {
		x.found(a, Lost, "%s was refused, and must work: %d %s", op, answer.Status, answer.Detail)
	}
	return answer.Phase == Done
}

type body map[string]any

func (x *actor) post(a *Account, path, bearer string, fields body) Call {
	return Call{Method: "POST", Path: accountsPath + path, Project: a.Project, Bearer: bearer, Body: fields}
}

func (x *actor) admin(method, project, path string) Call {
	return Call{Method: method, Path: "/admin/v1/projects/" + project + path, Bearer: x.operator}
}

func (x *actor) signUp(ctx context.Context, a *Account, password string) bool {
	answer := x.attempt(ctx, a, Entry{Op: SignUp, Password: password}, x.post(a, "/signup", "", body{"email": a.Email, "password": password}), x.gave(a))
	if answer.Phase == Refused {
		x.found(a, Phantom, "the sign-up of an address that nobody used was refused: %s", answer.Detail)
	}
	return answer.Phase == Done
}

// signIn tries a password, which may be wrong: then it must be refused.
func (x *actor) signIn(ctx context.Context, a *Account, password string) Answer {
	may := a.MaySignIn(password)
	answer := x.attempt(ctx, a, Entry{Op: SignIn, Password: password}, x.post(a, "/sign-in/email", "", body{"email": a.Email, "password": password}), x.gave(a))
	switch {
	case may:
		x.must(a, SignIn, answer)
	case answer.Phase == Done:
		x.found(a, Revived, "signs in (%s, disabled %v) with a password that must not work", a.Life, a.Disabled)
	}
	return answer
}

// refresh uses the newest token of a session, which must work unless the session is dead.
func (x *actor) refresh(ctx context.Context, a *Account, s *Session) Answer {
	before := s.Token
	e := Entry{Op: Refresh, Session: s.Number}
	answer := x.attempt(ctx, a, e, x.post(a, "/token/refresh", "", body{"refresh_token": before}), func(e *Entry, answer Answer) error {
		err := x.gave(a)(e, answer)
		e.Rotated = e.Token != before
		return err
	})
	switch {
	case !s.Dead:
		x.must(a, Refresh, answer)
	case answer.Phase == Done:
		x.found(a, Revived, "session %d ended, and refreshes", s.Number)
	}
	return answer
}

func (x *actor) changePassword(ctx context.Context, a *Account, s *Session, password string) bool {
	call := x.post(a, "/update-password", s.IDToken, body{"oldPassword": a.Password, "newPassword": password})
	return x.must(a, ChangePassword, x.attempt(ctx, a, Entry{Op: ChangePassword, Password: password}, call, nil))
}

func (x *actor) requestReset(ctx context.Context, a *Account) bool {
	return x.must(a, RequestReset, x.attempt(ctx, a, Entry{Op: RequestReset}, x.post(a, "/password-reset", "", body{"email": a.Email}), nil))
}

func (x *actor) resetPassword(ctx context.Context, a *Account, code, password string) bool {
	call := x.post(a, "/verify/password-reset", "", body{"oobCode": code, "newPassword": password})
	return x.must(a, ResetPassword, x.attempt(ctx, a, Entry{Op: ResetPassword, Code: code, Password: password}, call, nil))
}

func (x *actor) invite(ctx context.Context, a *Account) bool {
	call := x.admin("POST", a.Project, "/invites")
	call.Body = body{"email": a.Email}
	answer := x.attempt(ctx, a, Entry{Op: Invite}, call, func(e *Entry, answer Answer) error {
		var u adminUser
		err := json.Unmarshal(answer.Body, &u)
		e.UID = u.UID
		return err
	})
	if answer.Phase == Refused {
		x.found(a, Phantom, "the invite of an address that nobody used was refused: %s", answer.Detail)
	}
	return answer.Phase == Done
}

func (x *actor) acceptInvite(ctx context.Context, a *Account, code, password string) bool {
	call := x.post(a, "/verify/invite", "", body{"oobCode": code, "uid": a.UID, "newPassword": password})
	return x.must(a, AcceptInvite, x.attempt(ctx, a, Entry{Op: AcceptInvite, Code: code, Password: password}, call, nil))
}

// signOut ends a session with the help of another one, or of itself.
func (x *actor) signOut(ctx context.Context, a *Account, s *Session) bool {
	id, err := claim(s.IDToken, "sid")
	if err != nil {
		x.found(a, Corrupt, "the id token of session %d: %v", s.Number, err)
		return false
	}
	call := Call{Method: "DELETE", Path: accountsPath + "/sessions/" + url.PathEscape(id), Project: a.Project, Bearer: s.IDToken}
	return x.must(a, SignOut, x.attempt(ctx, a, Entry{Op: SignOut, Session: s.Number}, call, nil))
}

func (x *actor) signOutAll(ctx context.Context, a *Account, s *Session) bool {
	call := Call{Method: "DELETE", Path: accountsPath + "/sessions", Project: a.Project, Bearer: s.IDToken}
	return x.must(a, SignOutAll, x.attempt(ctx, a, Entry{Op: SignOutAll}, call, nil))
}

// byAdmin is what an admin does to a user.
func (x *actor) byAdmin(ctx context.Context, a *Account, op Op, method, path string) bool {
	return x.must(a, op, x.attempt(ctx, a, Entry{Op: op}, x.admin(method, a.Project, "/users/"+a.UID+path), nil))
}

func (x *actor) deleteOwn(ctx context.Context, a *Account, s *Session) bool {
	call := Call{Method: "DELETE", Path: accountsPath, Project: a.Project, Bearer: s.IDToken}
	return x.must(a, Delete, x.attempt(ctx, a, Entry{Op: Delete}, call, nil))
}

// reuseToken presents an ancestor of a rotated token whose successor was used: that must be refused, and ends the session.
func (x *actor) reuseToken(ctx context.Context, a *Account, s *Session) {
	e := Entry{Op: ReuseToken, Session: s.Number, Project: a.Project, Account: a.Email, Process: x.process, Phase: Intent}
	x.write(a, e)
	answer := x.caller.Do(ctx, x.post(a, "/token/refresh", "", body{"refresh_token": s.Before[0]}))
	e.Phase, e.Status, e.Detail = answer.Phase, answer.Status, answer.Detail
	switch answer.Phase {
	case Done:
		x.found(a, Revived, "a refresh token of session %d that was replaced twice works again", s.Number)
	case Refused: // which is what reuse-token wants
		e.Phase = Done
	}
	x.write(a, e)
}

// lookUp asks the admin API for the account of the address: nil where there is none, and ok false where no answer came.
func (x *actor) lookUp(ctx context.Context, a *Account) (u *adminUser, ok bool) {
	answer := x.caller.Do(ctx, x.admin("GET", a.Project, "/users?email="+url.QueryEscape(a.Email)))
	if answer.Phase != Done {
		return nil, false
	}
	var list struct{ Users []adminUser }
	if err := json.Unmarshal(answer.Body, &list); err != nil {
		x.found(a, Corrupt, "the search for the address cannot be read: %v", err)
		return nil, false
	}
	switch len(list.Users) {
	case 0:
		return nil, true
	case 1:
		return &list.Users[0], true
	}
	x.found(a, Doubled, "%d users have the address", len(list.Users))
	return &list.Users[0], true
}

// settle finds out what became of a pending call. It tells whether it could.
func (x *actor) settle(ctx context.Context, a *Account) bool {
	switch e := a.Pending; e.Op {
	case ChangePassword, ResetPassword:
		return x.settlePassword(ctx, a, e.Password)
	case SignOut, ReuseToken:
		return x.settleSession(ctx, a, a.session(e.Session))
	case SignOutAll, RevokeAll:
		living := a.Living()
		if len(living) == 0 {
			x.resolve(a, true)
			return true
		}
		return x.settleSession(ctx, a, living[0])
	default:
		return x.settleUser(ctx, a)
	}
}

// look makes a call that only finds something out. conclude writes what it found before the entry that closes the look.
func (x *actor) look(ctx context.Context, a *Account, e Entry, call Call, conclude func(Phase)) Phase {
	e.Op, e.Project, e.Account, e.Process, e.Phase = Look, a.Project, a.Email, x.process, Intent
	x.write(a, e)
	answer := x.caller.Do(ctx, call)
	conclude(answer.Phase)
	e.Phase, e.Status, e.Detail = answer.Phase, answer.Status, answer.Detail
	x.write(a, e)
	return answer.Phase
}

// settlePassword tries the new password, and where that is refused the old one must work.
func (x *actor) settlePassword(ctx context.Context, a *Account, password string) bool {
	call := x.post(a, "/sign-in/email", "", body{"email": a.Email, "password": password})
	phase := x.look(ctx, a, Entry{Password: password}, call, func(phase Phase) {
		if phase == Done || phase == Refused {
			x.resolve(a, phase == Done)
		}
	})
	if phase == Refused {
		x.signIn(ctx, a, a.Password)
	}
	return a.Pending == nil
}

// settleSession refreshes. A token that is rotated by that goes on working by its grace.
func (x *actor) settleSession(ctx context.Context, a *Account, s *Session) bool {
	x.look(ctx, a, Entry{Session: s.Number}, x.post(a, "/token/refresh", "", body{"refresh_token": s.Token}), func(phase Phase) {
		if phase == Done || phase == Refused {
			x.resolve(a, phase == Refused)
		}
	})
	return a.Pending == nil
}

func (x *actor) settleUser(ctx context.Context, a *Account) bool {
	u, ok := x.lookUp(ctx, a)
	if !ok {
		return false
	}
	e := a.Pending
	happened := false
	switch e.Op {
	case SignUp, Invite:
		if happened = u != nil; happened {
			e.UID = u.UID
		}
	case AcceptInvite:
		happened = u != nil && !u.InvitePending
	case Disable:
		happened = u != nil && u.Disabled
	case Enable:
		happened = u != nil && !u.Disabled
	case Delete, AdminDelete:
		happened = u == nil
	}
	x.resolve(a, happened)
	return true
}

// lastOf gives the newest n of a list.
func lastOf[T any](list []T, n int) []T { return slices.Clone(list[max(0, len(list)-n):]) }
