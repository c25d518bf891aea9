package auth

import (
	"context"
)

// ChangePassword replaces the signed-in user's password and ends all its sessions, this one too. It fails with CodeMissingPassword, CodeWrongPassword,
// CodeWeakPassword, CodeTooManyAttempts, CodePasswordProviderOff and CodeUnavailable.
func (s *Service) ChangePassword(ctx context.Context, c Caller, oldPassword, newPassword string) error {
	ctx = withTrail(ctx, c)
	user, _, err := c.requireUser()
	if err != nil {
		return err
	}
	if !c.Project.Settings.PasswordProvider {
		return errPasswordProviderOff
	}
	if oldPassword == "" || newPassword == "" {
		return newError(CodeMissingPassword, "the old and the new password are needed")
	}
	if err := s.checkPassword(c.Project, user.Email, newPassword, user.Name); err != nil {
		return err
	}
	if err := s.takeSignInTry(ctx, c, accountName(user)); err != nil {
		return s.limited(ctx, c, EventPasswordChanged, err)
	}
	ok, _, err := s.verifyPassword(ctx, c.Project, user.PasswordHash, oldPassword)
	if err != nil {
		return err
	}
	if !ok {
		return s.deny(ctx, c, EventPasswordChanged, user.ID, errWrongPassword)
	}
	hash, err := s.hashPassword(ctx, c.Project, user.Email, newPassword, user.Name)
	if err != nil {
		return err
	}
	err = s.commitMail(ctx, func(tx Tx) error {
		u, err := tx.GetUser(ctx, user.Project, user.ID)
		if err != nil {
			return err
		}
		if u.PasswordHash != user.PasswordHash {
			return errWrongPassword // changed since it was checked
		}
		u.PasswordHash, u.PasswordUpdatedAt, u.UpdatedAt = hash, s.now(), s.now()
		if err := tx.UpdateUser(ctx, u); err != nil {
			return err
		}
		if err := s.refundSignInTry(ctx, tx, c, accountName(user)); err != nil {
			return err
		}
		if err := s.endSessions(ctx, tx, u, ""); err != nil {
			return err
		}
		if err := s.tellOwner(ctx, tx, c, MailPasswordChanged, u, map[string]string{undoChange: changedPassword}); err != nil {
			return err
		}
		return s.audit(ctx, tx, c, EventPasswordChanged, OutcomeAllowed, u.ID)
	})
	return goneMeanwhile(err)
}

var errWrongPassword = newError(CodeWrongPassword, "the password is wrong")
