package adminapi

import (
	"fmt"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

// NewUser is what an account is created with.
type NewUser struct {
	Email         string         `json:"email"`
	Password      string         `json:"password,omitempty"` // "": the user comes in by a reset link or a provider
	EmailVerified bool           `json:"emailVerified,omitempty"`
	Name          string         `json:"name,omitempty"`
	Picture       string         `json:"picture,omitempty"` // URL
	Locale        string         `json:"locale,omitempty"`  // BCP 47
	Disabled      bool           `json:"disabled,omitempty"`
	Roles         []string       `json:"roles,omitempty"` // names or uids
	CustomClaims  map[string]any `json:"customClaims,omitempty"`
	Attributes    map[string]any `json:"attributes,omitempty"`
}

// UserPatch is what shall change of an account; nil fields stay.
type UserPatch struct {
	Email         *string         `json:"email,omitempty"` // "" removes it
	Password      *string         `json:"password,omitempty"`
	EmailVerified *bool           `json:"emailVerified,omitempty"`
	Name          *string         `json:"name,omitempty"`
	Picture       *string         `json:"picture,omitempty"`
	Locale        *string         `json:"locale,omitempty"`
	Disabled      *bool           `json:"disabled,omitempty"`
	Roles         *[]string       `json:"roles,omitempty"`        // names or uids; replaces all
	CustomClaims  *map[string]any `json:"customClaims,omitempty"` // replaces all
	Attributes    map[string]any  `json:"attributes,omitempty"`   // merged; a nil value removes one (RFC 7396)
}

// userPatchBody is how UserPatch arrives: null is a wrong type instead of a wish that nobody hears.
type userPatchBody struct {
	Email         web.Optional[string]         `json:"email"`
	Password      web.Optional[string]         `json:"password"`
	EmailVerified web.Optional[bool]           `json:"emailVerified"`
	Name          web.Optional[string]         `json:"name"`
	Picture       web.Optional[string]         `json:"picture"`
	Locale        web.Optional[string]         `json:"locale"`
	Disabled      web.Optional[bool]           `json:"disabled"`
	Roles         web.Optional[[]string]       `json:"roles"`
	CustomClaims  web.Optional[map[string]any] `json:"customClaims"`
	Attributes    map[string]any               `json:"attributes"`
}

// User is one account.
type User struct {
	UID                  string         `json:"uid"`
	Email                string         `json:"email,omitempty"`
	EmailVerified        bool           `json:"emailVerified"`
	Name                 string         `json:"name,omitempty"`
	Picture              string         `json:"picture,omitempty"`
	Locale               string         `json:"locale,omitempty"`
	HasPassword          bool           `json:"hasPassword"`
	PasswordUpdatedAt    time.Time      `json:"passwordUpdatedAt,omitzero"`
	Disabled             bool           `json:"disabled"`             // by an admin
	InvitePending        bool           `json:"invitePending"`        // the invite is not accepted yet
	VerificationRequired bool           `json:"verificationRequired"` // no tokens before the email is verified
	Roles                []string       `json:"roles"`                // names
	CustomClaims         map[string]any `json:"customClaims,omitempty"`
	Attributes           map[string]any `json:"attributes,omitempty"`
	CreatedAt            time.Time      `json:"createdAt"`
	UpdatedAt            time.Time      `json:"updatedAt"`
	LastSignInAt         time.Time      `json:"lastSignInAt,omitzero"`
}

// Identity is an account at an identity provider that is joined to a user.
type Identity struct {
	ProviderID    string    `json:"providerId"`
	Subject       string    `json:"subject"`
	Email         string    `json:"email,omitempty"` // as the provider wrote it
	EmailVerified bool      `json:"emailVerified"`
	CreatedAt     time.Time `json:"createdAt"`
	LastSignInAt  time.Time `json:"lastSignInAt,omitzero"`
}

// UserDetails is an account with its identities.
type UserDetails struct {
	User
	Identities []Identity `json:"identities"`
}

// UserList is a page of users in the order of their uids.
type UserList struct {
	Users []User `json:"users"`
	Next  string `json:"next,omitempty"`
}

// UserSearch restricts a list of users. Empty fields do not.
type UserSearch struct {
	Email         string // exact
	EmailPrefix   string
	Role          string // name or uid
	State         string // active, disabled, invited or unverified
	Provider      string // users with an identity of this provider; "password" those with a password
	EmailVerified *bool
	SecondFactor  *bool     // whether the user has one
	CreatedSince  time.Time // from this instant on
	CreatedUntil  time.Time // before this instant
	After         string    // the Next of the page before
	Limit         int       // 0: 50; at most 1000
}

// Invite is an address to invite, and the roles that the invitee will have.
type Invite struct {
	Email string   `json:"email"`
	Roles []string `json:"roles,omitempty"` // names or uids
}

var userStates = []auth.UserState{auth.StateAny, auth.StateActive, auth.StateDisabled, auth.StateInvited, auth.StateUnverified}

func (a *API) searchUsers(q request) (UserList, error) {
	names, err := a.roleNames(q)
	if err != nil {
		return UserList{}, err
	}
	search, err := userSearch(q, names)
	if err != nil {
		return UserList{}, err
	}
	limit := search.Limit
	search.Limit++
	users, err := a.admin.SearchUsers(q.ctx, q.caller, search)
	if err != nil {
		return UserList{}, err
	}
	list, next := page(users, limit, names.userOf, func(u User) string { return u.UID })
	return UserList{list, next}, nil
}

func userSearch(q request, names roleNames) (s auth.UserSearch, err error) {
	if s.Limit, err = q.limit(); err != nil {
		return s, err
	}
	if s.State, err = oneOf(q, "state", userStates); err != nil {
		return s, err
	}
	if email := q.param("email"); email != "" {
		if s.Email, err = auth.ParseEmail(email); err != nil {
			return s, err
		}
	}
	if role := q.param("role"); role != "" {
		id, ok := names.find(role)
		if !ok {
			return s, badParam("role", "names no role of this project")
		}
		s.Role = id
	}
	if s.EmailVerified, err = q.optionalFlag("emailVerified"); err != nil {
		return s, err
	}
	if s.SecondFactor, err = q.optionalFlag("secondFactor"); err != nil {
		return s, err
	}
	if s.CreatedSince, err = q.instant("createdSince"); err != nil {
		return s, err
	}
	if s.CreatedUntil, err = q.instant("createdUntil"); err != nil {
		return s, err
	}
	s.Provider = q.param("provider")
	s.EmailPrefix, s.After = strings.ToLower(q.param("emailPrefix")), auth.UserID(q.param("after"))
	return s, nil
}

func (n roleNames) userOf(u auth.User) User {
	return User{
		UID: string(u.ID), Email: string(u.Email), EmailVerified: u.EmailVerified, Name: u.Name, Picture: u.Picture, Locale: u.Locale,
		HasPassword: u.PasswordHash != "", PasswordUpdatedAt: u.PasswordUpdatedAt,
		Disabled: u.Disabled, InvitePending: u.InvitePending, VerificationRequired: u.VerificationRequired,
		Roles: n.of(u), CustomClaims: u.CustomClaims, Attributes: u.Attributes,
		CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt, LastSignInAt: u.LastSignInAt,
	}
}

// named encodes a user that a domain call gave, with err where that failed.
func (a *API) named(q request, u auth.User, err error) (User, error) {
	if err != nil {
		return User{}, err
	}
	names, err := a.roleNames(q)
	if err != nil {
		return User{}, err
	}
	return names.userOf(u), nil
}

// changed is named for a user who was just changed: what fails now does not undo that.
func (a *API) changed(q request, u auth.User, err error) (User, error) {
	if err != nil {
		return User{}, err
	}
	out, err := a.named(q, u, nil)
	return out, auth.AfterCommit(err)
}

func (a *API) createUser(q request, body NewUser) (User, error) {
	patch := auth.UserPatch{
		Name: &body.Name, Picture: &body.Picture, Locale: &body.Locale, EmailVerified: &body.EmailVerified, Disabled: &body.Disabled, Attributes: body.Attributes,
	}
	if len(body.Roles) > 0 {
		patch.Roles = &body.Roles
	}
	if len(body.CustomClaims) > 0 {
		patch.CustomClaims = &body.CustomClaims
	}
	u, err := a.admin.CreateUser(q.ctx, q.caller, auth.CreateUserParams{Email: body.Email, Password: body.Password, UserPatch: patch})
	return a.changed(q, u, err)
}

func (a *API) getUser(q request) (UserDetails, error) {
	stored, err := a.admin.GetUser(q.ctx, q.caller, q.uid())
	u, err := a.named(q, stored, err)
	if err != nil {
		return UserDetails{}, err
	}
	identities, err := a.admin.UserIdentities(q.ctx, q.caller, q.uid())
	if err != nil {
		return UserDetails{}, err
	}
	details := UserDetails{User: u, Identities: []Identity{}}
	for _, i := range identities {
		details.Identities = append(details.Identities, identityOf(i))
	}
	return details, nil
}

func identityOf(i auth.Identity) Identity {
	return Identity{i.ProviderID, i.Subject, i.Email, i.EmailVerified, i.CreatedAt, i.LastSignInAt}
}

func (a *API) updateUser(q request, body userPatchBody) (User, error) {
	return a.patchUser(q, auth.UserPatch{
		Email: given(body.Email), Password: given(body.Password), EmailVerified: given(body.EmailVerified),
		Name: given(body.Name), Picture: given(body.Picture), Locale: given(body.Locale), Disabled: given(body.Disabled),
		Roles: given(body.Roles), CustomClaims: given(body.CustomClaims), Attributes: body.Attributes,
	})
}

// given gives the value of a field that was there, else nil.
func given[T any](field web.Optional[T]) *T {
	if !field.Present {
		return nil
	}
	return &field.Value
}

// patchUser changes the user in the path. It is read again, since what UpdateUser gives lacks updatedAt and what else follows from the change.
func (a *API) patchUser(q request, patch auth.UserPatch) (User, error) {
	u, err := a.admin.UpdateUser(q.ctx, q.caller, q.uid(), patch)
	return a.changed(q, u, err)
}

func (a *API) disableUser(q request) (User, error) { return a.setDisabled(q, true) }

func (a *API) enableUser(q request) (User, error) { return a.setDisabled(q, false) }

func (a *API) setDisabled(q request, disabled bool) (User, error) {
	return a.patchUser(q, auth.UserPatch{Disabled: &disabled})
}

func (a *API) deleteUser(q request) error { return a.admin.DeleteUser(q.ctx, q.caller, q.uid()) }

func (a *API) sendPasswordReset(q request) error {
	return a.admin.SendReset(q.ctx, q.caller, q.uid())
}

func (a *API) sendVerification(q request) error {
	return a.admin.SendVerificationTo(q.ctx, q.caller, q.uid())
}

func (a *API) inviteUser(q request, body Invite) (User, error) {
	u, err := a.admin.Invite(q.ctx, q.caller, auth.InviteParams{Email: body.Email, Roles: body.Roles})
	return a.changed(q, u, err)
}

func badParam(name, complaint string) *auth.Error {
	return &auth.Error{Code: auth.CodeInvalidArgument, Field: name, Message: fmt.Sprintf("the query parameter %s %s", name, complaint)}
}
