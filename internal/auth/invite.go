package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// InviteParams are an address as typed, and for admins the roles that the invitee will have.
type InviteParams struct {
	Email string
	Roles []string // names or uids
}

// Invite creates an account that waits for its owner, and sends the invite. A pending invitee gets a new code that voids the old one. Under enumeration protection only an
// admin is told of an active account; it gives no User then.
// It fails with CodeMissingEmail, CodeEmailInUse, CodeTooManyAttempts, CodeBlockedByHook, and as the project's invitePermission says.
func (s *Service) Invite(ctx context.Context, c Caller, params InviteParams) (User, error) {
	return evenly(ctx, s, c, func() (User, error) { return s.invite(ctx, c, params) })
}

func (s *Service) invite(ctx context.Context, c Caller, params InviteParams) (User, error) {
	if err := c.notConsole(); err != nil {
		return User{}, err
	}
	p := c.Project
	roles := func() ([]Role, error) { return s.store.ListRoles(ctx, p.ID) }
	if err := p.Settings.InvitePermission.check(c, "", roles); err != nil {
		return User{}, s.deny(ctx, c, EventInvite, "", AsError(err))
	}
	if len(params.Roles) > 0 && !c.IsAdmin() {
		return User{}, s.deny(ctx, c, EventInvite, "", newError(CodeAdminRequired, "only an admin gives roles"))
	}
	email, err := ParseEmail(params.Email)
	if err != nil {
		return User{}, newError(CodeMissingEmail, "an email address is needed")
	}
	if !c.IsAdmin() { // whoever is registered (P28); and each question is a guess at that
		if err := s.takeGuess(ctx, c); err != nil {
			return User{}, s.limited(ctx, c, EventInvite, err)
		}
		if _, err := s.ask(ctx, c, signUpQuestion(email, false, providerInvite)); err != nil {
			return User{}, err
		}
	}
	var u User
	err = s.commitMail(ctx, func(tx Tx) (err error) {
		if u, err = s.inviteeOf(ctx, tx, c, email, params.Roles); err != nil {
			return err
		}
		if _, err := s.queueInvite(ctx, tx, c, u); err != nil {
			return err
		}
		return s.audit(ctx, tx, c, EventInvite, OutcomeAllowed, u.ID)
	})
	taken := errors.Is(err, ErrConflict) || CodeOf(err) == CodeEmailInUse
	switch {
	case taken && p.Settings.EnumerationSafe && !c.IsAdmin():
		return User{}, s.commitMail(ctx, func(tx Tx) error { return s.tellHolder(ctx, tx, c, EventInvite, email) })
	case taken:
		return User{}, s.deny(ctx, c, EventInvite, "", errEmailInUse)
	}
	return u, err
}

// queueInvite issues an invite's code, mails it, and gives the link.
func (s *Service) queueInvite(ctx context.Context, tx Tx, c Caller, u User) (link string, err error) {
	p := c.Project
	code := OOBCode{Project: p.ID, User: u.ID, Purpose: PurposeInvite, Email: u.Email}
	data, err := s.mailedCode(ctx, tx, p, code, p.Settings.InviteURL, PageInvite, p.Settings.InviteCodeTTL)
	if err != nil {
		return "", err
	}
	return data.Link, s.queueMail(ctx, tx, c, MailInvite, u.Email, u, data)
}

// providerInvite is what a blocking hook is told where an invite makes the account.
const providerInvite = "invite"

// inviteeOf finds the pending invitee or creates it. An account that is anything else is never altered (P10).
func (s *Service) inviteeOf(ctx context.Context, tx Tx, c Caller, email Email, roles []string) (User, error) {
	roleIDs, err := resolveRoles(ctx, tx, c.Project.ID, roles)
	if err != nil {
		return User{}, err
	}
	u, err := tx.GetUserByEmail(ctx, c.Project.ID, email)
	switch {
	case err == nil && !u.InvitePending:
		return User{}, errEmailInUse
	case err == nil:
		if len(roleIDs) > 0 {
			u.Roles, u.UpdatedAt = roleIDs, s.now()
			return u, tx.UpdateUser(ctx, u)
		}
		return u, nil
	case !errors.Is(err, ErrNotFound):
		return User{}, fmt.Errorf("user: %w", err)
	}
	if u, err = s.newUser(c, email); err != nil {
		return User{}, err
	}
	u.Locale = "" // the inviter's language says nothing of the invitee's
	u.InvitePending, u.Roles = true, roleIDs
	return u, tx.CreateUser(ctx, u)
}

// resolveRoles turns names or uids into uids. It fails with CodeInvalidArgument for one that does not exist.
func resolveRoles(ctx context.Context, r Reader, p ProjectID, names []string) ([]RoleID, error) {
	if len(names) == 0 {
		return nil, nil
	}
	all, err := r.ListRoles(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("roles: %w", err)
	}
	ids := make([]RoleID, 0, len(names))
	for _, name := range names {
		i := slices.IndexFunc(all, func(r Role) bool { return string(r.ID) == name || r.Name == name })
		if i < 0 {
			return nil, invalidArgument("roles", fmt.Sprintf("there is no role %q in this project", clip(name, 60)))
		}
		if !slices.Contains(ids, all[i].ID) {
			ids = append(ids, all[i].ID)
		}
	}
	return ids, nil
}

// AcceptInviteParams are what the link carried, and the password that its reader chose.
type AcceptInviteParams struct {
	Code        string
	User        UserID
	NewPassword string
}

// AcceptInvite sets the invitee's password, and enables and verifies the account. It fails with CodeMissingOOBCode, CodeNoUserForID, CodeInvalidOOBCode,
// CodeExpiredOOBCode, CodeWeakPassword, CodePasswordProviderOff, CodeTooManyAttempts and CodeUnavailable.
func (s *Service) AcceptInvite(ctx context.Context, c Caller, params AcceptInviteParams) error {
	ctx = withTrail(ctx, c)
	return s.guarded(ctx, c, EventInviteAccepted, func() error { return s.acceptInvite(ctx, c, params) })
}

func (s *Service) acceptInvite(ctx context.Context, c Caller, params AcceptInviteParams) error {
	if params.Code == "" || params.User == "" || params.NewPassword == "" {
		return errMissingCode
	}
	if !c.Project.Settings.PasswordProvider {
		return errPasswordProviderOff
	}
	u, err := s.userOfLink(ctx, c, params.User)
	if err != nil {
		return err
	}
	found, err := s.findCode(ctx, c.Project.ID, params.Code, PurposeInvite, u.ID)
	if err != nil {
		return s.codeDenied(ctx, c, EventInviteAccepted, u.ID, err)
	}
	return s.acceptInviteWith(ctx, c, u, found, params.NewPassword)
}

// acceptInviteWith is AcceptInvite with a code that was found, and its user.
func (s *Service) acceptInviteWith(ctx context.Context, c Caller, u User, found OOBCode, newPassword string) error {
	hash, err := s.hashPassword(ctx, c.Project, u.Email, newPassword, u.Name)
	if err != nil {
		return err
	}
	err = s.store.Update(ctx, func(tx Tx) error {
		u, err := s.useCode(ctx, tx, found)
		if err != nil {
			return err
		}
		if !u.InvitePending {
			return errInvalidCode
		}
		u.InvitePending = false
		return s.proveWithPassword(ctx, tx, c, EventInviteAccepted, u, hash)
	})
	return s.codeDenied(ctx, c, EventInviteAccepted, u.ID, err)
}

// proveWithPassword sets the password of an account whose address was just proven, and drops in the same transaction what unproven parties planted (P2).
func (s *Service) proveWithPassword(ctx context.Context, tx Tx, c Caller, event Event, u User, hash string) error {
	if _, err := s.dropPlanted(ctx, tx, u, u.Email, nil); err != nil {
		return err
	}
	now := s.now()
	u.EmailVerified = true
	u.PasswordHash, u.PasswordUpdatedAt, u.UpdatedAt = hash, now, now
	if err := tx.UpdateUser(ctx, u); err != nil {
		return err
	}
	if err := s.endSessions(ctx, tx, u, ""); err != nil {
		return err
	}
	return s.audit(ctx, tx, c, event, OutcomeAllowed, u.ID)
}
