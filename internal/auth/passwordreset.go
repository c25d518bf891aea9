package auth

import (
	"context"
	"errors"
	"fmt"
)

// SendPasswordReset mails a link that sets a new password. It fails with CodePasswordProviderOff, CodeMissingEmail, CodeTooManyAttempts, and CodeNoUserForEmail, the last not under
// enumeration protection.
func (s *Service) SendPasswordReset(ctx context.Context, c Caller, email string) error {
	return evenlyDone(ctx, s, c, func() error { return s.sendPasswordReset(ctx, c, email) })
}

func (s *Service) sendPasswordReset(ctx context.Context, c Caller, email string) error {
	if !c.Project.Settings.PasswordProvider {
		return errPasswordProviderOff
	}
	u, err := s.userByTypedEmail(ctx, c, email)
	if err != nil {
		return s.unknownAddress(ctx, c, EventResetRequested, email, err, CodeNoUserForEmail)
	}
	return s.commitMail(ctx, func(tx Tx) error {
		if err := s.queueReset(ctx, tx, c, u); err != nil {
			return err
		}
		return s.audit(ctx, tx, c, EventResetRequested, OutcomeAllowed, u.ID)
	})
}

func (s *Service) queueReset(ctx context.Context, tx Tx, c Caller, u User) error {
	if u.InvitePending && u.Project == ConsoleProject && !c.IsAdmin() { // a new link would void the one that an operator handed on
		return s.takeMailLimit(ctx, tx, c, u.Email)
	}
	if u.InvitePending { // a new password alone would not let the invitee in
		_, err := s.queueInvite(ctx, tx, c, u)
		return err
	}
	if err := s.takeMailLimit(ctx, tx, c, u.Email); err != nil {
		return err
	}
	return s.queueOwnedReset(ctx, tx, c, u)
}

// queueOwnedReset is queueReset for a caller who has just proven the address.
func (s *Service) queueOwnedReset(ctx context.Context, tx Tx, c Caller, u User) error {
	p := c.Project
	code := OOBCode{Project: p.ID, User: u.ID, Purpose: PurposeResetPassword, Email: u.Email}
	data, err := s.mailedCode(ctx, tx, p, code, p.Settings.ResetPasswordURL, PageResetPassword, p.Settings.ResetCodeTTL)
	if err != nil {
		return err
	}
	return s.queueUnlimited(ctx, tx, c, MailResetPassword, u.Email, u, data)
}

// ResetPassword sets a new password with the code of a reset link, proves the address, and ends all sessions. What else keeps the account from signing in
// stays as it is (P5). It fails with CodeMissingOOBCode, CodeInvalidOOBCode, CodeExpiredOOBCode, CodeWeakPassword, CodePasswordProviderOff, CodeTooManyAttempts and CodeUnavailable.
func (s *Service) ResetPassword(ctx context.Context, c Caller, code, newPassword string) error {
	ctx = withTrail(ctx, c)
	return s.guarded(ctx, c, EventPasswordReset, func() error { return s.resetPassword(ctx, c, code, newPassword) })
}

func (s *Service) resetPassword(ctx context.Context, c Caller, code, newPassword string) error {
	if code == "" || newPassword == "" {
		return errMissingCode
	}
	if !c.Project.Settings.PasswordProvider {
		return errPasswordProviderOff
	}
	found, err := s.findCode(ctx, c.Project.ID, code, PurposeResetPassword, "")
	if err != nil {
		return s.codeDenied(ctx, c, EventPasswordReset, "", err)
	}
	return s.resetPasswordWith(ctx, c, found, newPassword)
}

// resetPasswordWith is ResetPassword with a code that was found.
func (s *Service) resetPasswordWith(ctx context.Context, c Caller, found OOBCode, newPassword string) error {
	owner, err := s.store.GetUser(ctx, c.Project.ID, found.User)
	if errors.Is(err, ErrNotFound) {
		return s.codeDenied(ctx, c, EventPasswordReset, "", errInvalidCode)
	}
	if err != nil {
		return fmt.Errorf("user: %w", err)
	}
	hash, err := s.hashPassword(ctx, c.Project, found.Email, newPassword, owner.Name)
	if err != nil {
		return err
	}
	closed := false
	err = s.commitMail(ctx, func(tx Tx) error {
		u, err := s.useCode(ctx, tx, found)
		if err != nil {
			return err
		}
		moved, err := s.giveBack(ctx, tx, c, u)
		if err != nil {
			return err
		}
		if closed = moved && !c.Project.Settings.SelfSignUp; closed { // the account is its owner's again, and nobody gets one without an invite
			return nil
		}
		if moved {
			return s.createProven(ctx, tx, c, found.Email, hash)
		}
		if err := s.proveWithPassword(ctx, tx, c, EventPasswordReset, u, hash); err != nil {
			return err
		}
		u.EmailVerified = true
		return s.tellOwner(ctx, tx, c, MailPasswordChanged, u, map[string]string{undoChange: changedPassword})
	})
	if err == nil && closed {
		return s.deny(ctx, c, EventPasswordReset, found.User, errSignUpClosed)
	}
	return s.codeDenied(ctx, c, EventPasswordReset, found.User, err)
}

// createProven makes a clean account for whoever has just proven an address that somebody else's account had merely claimed.
func (s *Service) createProven(ctx context.Context, tx Tx, c Caller, email Email, hash string) error {
	u, err := s.newUser(c, email)
	if err != nil {
		return err
	}
	if err := s.approve(ctx, tx, c, signUpQuestion(email, true, ProviderPassword)); err != nil {
		return err
	}
	u.EmailVerified = true
	u.PasswordHash, u.PasswordUpdatedAt = hash, u.CreatedAt
	if err := tx.CreateUser(ctx, u); err != nil {
		return err
	}
	return s.audit(ctx, tx, c, EventPasswordReset, OutcomeAllowed, u.ID, "account", "new")
}
