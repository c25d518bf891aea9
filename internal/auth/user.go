package auth

import (
	"slices"
	"time"
)

// UserID is a user's uid: 28 of [A-Za-z0-9], random, never reused.
type UserID string

// RoleID is a role's uid, of the same form as a UserID.
type RoleID string

// ProviderPassword is the provider id of email and password.
const ProviderPassword = "password"

// User is one account of a project. The facts that keep it from signing in are separate (P5): a flow clears only the one it owns.
type User struct {
	Project       ProjectID
	ID            UserID
	Email         Email // "" where the account has none
	EmailVerified bool
	Name          string
	Picture       string // URL
	Locale        string // BCP 47, for mails; "" where unknown

	PasswordHash      string // encoded as package password does; "" where no password is set
	PasswordUpdatedAt time.Time

	Disabled             bool // by an admin
	InvitePending        bool // invited, and the invite is not accepted yet
	VerificationRequired bool // signed up where verification is enforced: no tokens before the email is verified

	Roles        []RoleID
	CustomClaims map[string]any // top-level claims of its id tokens
	Attributes   map[string]any // the users table's own columns

	CreatedAt    time.Time
	UpdatedAt    time.Time
	LastSignInAt time.Time // zero before the first
	Author       UserID    // whose record it is in the users table: its own
}

// Blocked tells whether any fact keeps the account from getting tokens.
func (u User) Blocked() bool {
	return u.Disabled || u.InvitePending || (u.VerificationRequired && !u.EmailVerified)
}

// HasRole tells whether the user has one of the roles, named by uid.
func (u User) HasRole(roles ...RoleID) bool {
	return slices.ContainsFunc(roles, func(r RoleID) bool { return slices.Contains(u.Roles, r) })
}

// Role is a name that permissions can refer to.
type Role struct {
	Project   ProjectID
	ID        RoleID
	Name      string // unique in its project, compared exactly
	CreatedAt time.Time
}

// Identity is an account at an identity provider that is joined to a user. Its key is (Project, ProviderID, Subject), never the email (P1).
type Identity struct {
	Project       ProjectID
	User          UserID
	ProviderID    string // "google.com", "oidc.acme"
	Subject       string
	Email         string // as the provider wrote it; an attribute, not a key
	EmailVerified bool
	CreatedAt     time.Time
	LastSignInAt  time.Time
}

// UserState selects users by the facts above.
type UserState string

// The states that a search can ask for.
const (
	StateAny        UserState = ""
	StateActive     UserState = "active"
	StateDisabled   UserState = "disabled"
	StateInvited    UserState = "invited"
	StateUnverified UserState = "unverified"
)

// UserSearch is an operator's search. Empty fields do not restrict. Results come in the order of the uid, or the newest first.
type UserSearch struct {
	Email         Email  // exact
	EmailPrefix   string // canonical form of the beginning
	Role          RoleID
	State         UserState
	Provider      string // users with an identity of this provider; of ProviderPassword, those with a password
	EmailVerified *bool
	SecondFactor  *bool     // a confirmed one
	CreatedSince  time.Time // from this instant on
	CreatedUntil  time.Time // before this instant
	NewestFirst   bool
	After         UserID    // keyset: only uids greater than this; where the newest come first, those that come after this one
	AfterCreated  time.Time // when After was created, where the newest come first: After itself may be gone meanwhile
	Limit         int
}

// Operator of a Condition.
type Operator string

// The operators of the users table's query language, in one spelling.
const (
	OpEqual            Operator = "="
	OpNotEqual         Operator = "!="
	OpLess             Operator = "<"
	OpLessOrEqual      Operator = "<="
	OpGreater          Operator = ">"
	OpGreaterOrEqual   Operator = ">="
	OpIn               Operator = "in"
	OpNotIn            Operator = "not-in"
	OpArrayContains    Operator = "array-contains"
	OpArrayContainsAny Operator = "array-contains-any"
)

// Condition restricts one attribute. Values holds one value, or for OpIn, OpNotIn and OpArrayContainsAny one or more; each is a string, float64,
// bool or nil. As in the document stores that apps come from, OpNotEqual and OpNotIn match only records that have the attribute, and a comparison
// matches only values of the same type.
type Condition struct {
	Attribute string
	Operator  Operator
	Values    []any
}

// UserQuery is the users table's query: conditions joined by and, one sort, pages by offset.
// Built-in attributes are email, name, author, roles, createdAt, updatedAt, emailVerified and disabled; every other name is a custom attribute.
// createdAt and updatedAt are compared as RFC 3339 text or unix milliseconds.
type UserQuery struct {
	Where      []Condition
	Only       UserID // "" for all, else at most this user
	SortBy     string // "" sorts by creation
	Descending bool
	Limit      int
	Offset     int
	MaxBytes   int // bounds what the page's records take as JSON, about; 0 does not
}
