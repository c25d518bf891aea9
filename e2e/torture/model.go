package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Life is how far an account has come.
type Life string

// The lives of an account.
const (
	Absent  Life = "absent"
	Invited Life = "invited"
	Active  Life = "active"
	Deleted Life = "deleted"
)

// Session is one sign-in that the harness holds the tokens of.
type Session struct {
	Number  int
	Token   string   // the newest refresh token
	Before  []string // those that it replaced, oldest first
	IDToken string
	Dead    bool // ended with an acknowledgement
}

// Span is how many of something there may be.
type Span struct{ Least, Most int }

// Account is what must be true of one account, as the ledger has it. One goroutine at a time works with it: its worker, or the checker while the load pauses.
type Account struct {
	Project, Email string

	UID      string
	Life     Life
	Disabled bool
	Verified bool
	Password string
	Former   []string // passwords that must not work, the newest last
	Sessions []*Session
	// Spare is how many living sessions there may be beside those held: of sign-ins whose answer was lost.
	Spare     int
	UsedCodes []string // they must not work again
	Mails     map[string]Span
	Records   map[string]Span // audit records of what was allowed

	Pending *Entry // a call whose outcome is unknown; no other is made before it is resolved
	Broken  bool   // something was found; nothing more is expected of it
	Buried  bool   // found to be deleted in every way: only the last check asks again

	open *Entry // an intent whose end the ledger does not have yet
}

// Model is what must be true of all accounts. It is safe for concurrent use; its accounts are not.
type Model struct {
	mu       sync.Mutex
	accounts map[[2]string]*Account
	order    []*Account
}

// NewModel knows nothing yet.
func NewModel() *Model { return &Model{accounts: map[[2]string]*Account{}} }

// Account gives the account of an address in a project, which is absent at first.
func (m *Model) Account(project, email string) *Account {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := [2]string{project, email}
	a, ok := m.accounts[key]
	if !ok {
		a = &Account{Project: project, Email: email, Life: Absent, Mails: map[string]Span{}, Records: map[string]Span{}}
		m.accounts[key] = a
		m.order = append(m.order, a)
	}
	return a
}

// Accounts lists all, in the order in which they came up.
func (m *Model) Accounts() []*Account {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.order)
}

// Apply takes an entry of the ledger in. It fails where a ledger contradicts itself.
func (a *Account) Apply(e Entry) error {
	switch e.Phase {
	case Intent:
		a.open = &e
	case Done:
		a.take(e)
		a.open = nil
	case Refused, Failed:
		a.open = nil
	case Unknown:
		a.doubt(e)
		a.open = nil
	case Happened:
		a.take(e)
		a.Pending = nil
	case Nothing:
		a.Pending = nil
	default:
		return fmt.Errorf("ledger line %d: no phase %q", e.N, e.Phase)
	}
	return nil
}

// doubt takes in that a call may have happened. Where the account itself tells whether it did, it is pending until somebody looks.
func (a *Account) doubt(e Entry) {
	switch e.Op {
	case SignIn:
		a.Spare++
	case Look:
		a.looked(e)
	case Refresh: // the token that was presented goes on working, by the grace of its successor, which nobody holds
	case RequestReset:
		a.mail("reset-password", 0, 1)
		a.record("password.reset_request", 0, 1)
	default:
		a.Pending = &e
	}
}

// take takes in that a call happened.
func (a *Account) take(e Entry) {
	switch e.Op {
	case SignUp:
		a.Life, a.UID, a.Password = Active, e.UID, e.Password
		a.mail("verify-email", 1, 1)
		a.record("user.sign_up", 1, 1)
		a.began(e)
	case SignIn:
		a.began(e)
	case Look:
		a.looked(e)
	case Refresh:
		a.refreshed(e)
	case ChangePassword:
		a.newPassword(e.Password)
		a.mail("password-changed", 1, 1)
		a.record("password.change", 1, 1)
	case RequestReset:
		a.mail("reset-password", 1, 1)
		a.record("password.reset_request", 1, 1)
	case ResetPassword:
		a.newPassword(e.Password)
		a.Verified = true
		a.used(e.Code)
		a.mail("password-changed", 1, 1)
		a.record("password.reset", 1, 1)
	case SignOut:
		a.session(e.Session).Dead = true
	case SignOutAll, RevokeAll:
		a.endSessions()
	case ReuseToken:
		a.session(e.Session).Dead = true
	case Invite:
		a.Life, a.UID = Invited, e.UID
		a.mail("invite", 1, 1)
		a.record("user.invite", 1, 1)
	case AcceptInvite:
		a.Life, a.Password, a.Verified = Active, e.Password, true
		a.used(e.Code)
		a.record("user.invite_accept", 1, 1)
	case Disable:
		a.Disabled = true
		a.endSessions()
		a.record("user.disable", 1, 1)
	case Enable:
		a.Disabled = false
		a.record("user.enable", 1, 1)
	case Delete, AdminDelete:
		a.Life, a.Disabled = Deleted, false
		a.endSessions()
		a.record("user.delete", 1, 1)
	}
}

// began takes in a session. One whose answer was lost has no token, and may be there.
func (a *Account) began(e Entry) {
	if e.Token == "" {
		a.Spare++
		return
	}
	a.Sessions = append(a.Sessions, &Session{Number: len(a.Sessions) + 1, Token: e.Token, IDToken: e.IDToken})
}

// looked takes in the session of a look that signed in, or may have.
func (a *Account) looked(e Entry) {
	if e.Password != "" {
		a.Spare++
	}
}

func (a *Account) refreshed(e Entry) {
	s := a.session(e.Session)
	if e.Rotated {
		s.Before = append(s.Before, s.Token)
	}
	s.Token, s.IDToken = e.Token, e.IDToken
}

func (a *Account) session(number int) *Session { return a.Sessions[number-1] }

// Living lists the sessions that must work.
func (a *Account) Living() (living []*Session) {
	for _, s := range a.Sessions {
		if !s.Dead {
			living = append(living, s)
		}
	}
	return living
}

func (a *Account) endSessions() {
	for _, s := range a.Sessions {
		s.Dead = true
	}
	a.Spare = 0
}

func (a *Account) newPassword(p string) {
	a.Former = append(a.Former, a.Password)
	a.Password = p
	a.endSessions()
}

func (a *Account) used(code string) {
	if code != "" {
		a.UsedCodes = append(a.UsedCodes, code)
	}
}

func (a *Account) mail(kind string, least, most int) {
	s := a.Mails[kind]
	a.Mails[kind] = Span{s.Least + least, s.Most + most}
}

func (a *Account) record(event string, least, most int) {
	s := a.Records[event]
	a.Records[event] = Span{s.Least + least, s.Most + most}
}

// MaySignIn tells whether the password must be let in.
func (a *Account) MaySignIn(password string) bool {
	return a.Life == Active && !a.Disabled && password == a.Password
}

// String names the account.
func (a *Account) String() string { return strings.Join([]string{a.Project, a.Email}, "/") }
