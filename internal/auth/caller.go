package auth

import (
	"cmp"
	"net/netip"
)

// ActorKind is in whose name a call is made.
type ActorKind string

// The actors.
const (
	ActorAnonymous ActorKind = "anonymous"
	ActorUser      ActorKind = "user"
	ActorAdmin     ActorKind = "admin"    // holder of the project's admin token
	ActorOperator  ActorKind = "operator" // of the instance
	ActorSystem    ActorKind = "system"   // the server itself
)

// Caller is who calls, from where, and about which project. Only [Service] and [Admin] make one that is more than anonymous.
type Caller struct {
	Project   *Project // never nil for calls about a project
	Addr      netip.Addr
	UserAgent string
	RequestID string
	Languages []string // what the caller prefers, best first, BCP 47
	Browser   bool     // a hosted page calls: a sign-in gives a browser token, for its cookie, instead of an id token and a refresh token

	actor   ActorKind
	name    string   // of an operator: its token's, its email address, or localOperator
	user    *User    // as it stood when the token was checked
	session *Session // likewise

	operator UserID // of an operator who signed in to the console

	newUserID UserID // of the account that the call may make; "" draws one. A call whose transaction runs again keeps to one.
}

// Actor tells in whose name the call is made.
func (c Caller) Actor() ActorKind {
	if c.actor == "" {
		return ActorAnonymous
	}
	return c.actor
}

// User gives the signed-in user, if any.
func (c Caller) User() (User, bool) {
	if c.user == nil {
		return User{}, false
	}
	return *c.user, true
}

// IsAdmin tells whether the caller may do everything in its project.
func (c Caller) IsAdmin() bool {
	return c.actor == ActorOperator || c.actor == ActorAdmin && c.projectID() != ConsoleProject
}

// OperatorName tells people which operator calls: the email address, or the name of the token; "" where it is none.
func (c Caller) OperatorName() string {
	if c.actor != ActorOperator {
		return ""
	}
	return c.name
}

// localOperator is the name of whoever holds the data directory.
const localOperator = "local"

func (c Caller) isLocal() bool { return c.actor == ActorOperator && c.name == localOperator }

// projectID is "" for calls about the instance.
func (c Caller) projectID() ProjectID {
	if c.Project == nil {
		return ""
	}
	return c.Project.ID
}

func (c Caller) actorID() string {
	if c.user != nil {
		return string(c.user.ID)
	}
	return cmp.Or(string(c.operator), c.name)
}

func (c Caller) requireAdmin() error {
	if c.IsAdmin() {
		return nil
	}
	return newError(CodeAdminRequired, "this needs the project's admin token")
}

func (c Caller) requireOperator() error {
	if c.actor == ActorOperator {
		return nil
	}
	return newError(CodeAdminRequired, "this needs an operator of the instance")
}

func (c Caller) requireUser() (User, Session, error) {
	if c.user == nil || c.session == nil {
		return User{}, Session{}, newError(CodeUnauthenticated, "this needs a signed-in user")
	}
	return *c.user, *c.session, nil
}
