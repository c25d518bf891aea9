package auth

import (
	"context"
	"errors"
	"fmt"
)

// ChangeEmail gives the signed-in user another address. With emailChange immediate it counts at once, unverified: both addresses are told, and the old one gets
// a link that takes it back. With verified it needs a recent sign-in and counts once the new address is proven (P11).
// It fails with CodeInvalidEmail, CodeEmailInUse, CodeRecentSignInRequired and CodeTooManyAttempts.
func (s *Service) ChangeEmail(ctx context.Context, c Caller, newEmail string) error {
	user, session, err := c.requireUser()
	if err != nil {
		return err
	}
	email, err := ParseEmail(newEmail)
	if err != nil {
		return err
	}
	if email == user.Email {
		return nil
	}
	if err := s.takeGuess(ctx, c); err != nil { // at who has an account
		return s.limited(ctx, c, EventEmailChangeAsked, err)
	}
	if c.Project.Settings.EmailChange == EmailChangeVerified {
		return evenlyDone(ctx, s, c, func() error { return s.askEmailChange(ctx, c, user, session, email) })
	}
	err = s.commitMail(ctx, func(tx Tx) error {
		u, err := livingUser(ctx, tx, session)
		if err != nil {
			return err
		}
		changed, err := s.replaceEmail(ctx, tx, c, u, email, false, session.ID)
		if err != nil {
			return err
		}
		return s.sendVerification(ctx, tx, c, changed, true)
	})
	return s.emailTaken(ctx, c, user.ID, goneMeanwhile(err))
}

func (s *Service) emailTaken(ctx context.Context, c Caller, user UserID, err error) error {
	if errors.Is(err, ErrConflict) {
		return s.deny(ctx, c, EventEmailChanged, user, errEmailInUse)
	}
	return err
}

// replaceEmail writes the new address, ends the user's other sessions, voids codes that went to the old address, and tells that address how to take it back.
func (s *Service) replaceEmail(ctx context.Context, tx Tx, c Caller, u User, email Email, verified bool, keep SessionID) (User, error) {
	old := u
	returning, err := s.voidDetours(ctx, tx, u, email)
	if err != nil {
		return User{}, err
	}
	u.Email, u.EmailVerified, u.UpdatedAt = email, verified, s.now()
	if err := tx.UpdateUser(ctx, u); err != nil {
		return User{}, err
	}
	if err := s.endSessions(ctx, tx, u, keep); err != nil {
		return User{}, err
	}
	if err := s.tellOldAddress(ctx, tx, c, old, u, !returning); err != nil {
		return User{}, err
	}
	return u, s.audit(ctx, tx, c, EventEmailChanged, OutcomeAllowed, u.ID)
}

// voidDetours tells whether the address is one that the account was moved away from, and then ends the ways back to the addresses that it had in between: whoever
// takes an account round such a detour must not hold a way back to it.
func (s *Service) voidDetours(ctx context.Context, tx Tx, u User, email Email) (returning bool, err error) {
	ways, err := tx.ListOOBCodes(ctx, u.Project, u.ID, PurposeTakeBackEmail)
	if err != nil {
		return false, fmt.Errorf("ways back: %w", err)
	}
	for _, way := range ways {
		if way.Email != email || !way.ConsumedAt.IsZero() {
			continue
		}
		returning = true
		if err := tx.VoidLaterOOBCodes(ctx, u.Project, u.ID, PurposeTakeBackEmail, way.CreatedAt); err != nil {
			return false, err
		}
	}
	return returning, nil
}

// tellOldAddress mails the address that the account is moved away from, withWayBack with a link that takes it back.
func (s *Service) tellOldAddress(ctx context.Context, tx Tx, c Caller, old, u User, withWayBack bool) error {
	if old.Email.IsZero() {
		return nil
	}
	if !withWayBack || old.Project == ConsoleProject { // as in tellOwner
		return s.queueMail(ctx, tx, c, MailEmailChanged, old.Email, old, MailData{NewEmail: string(u.Email)})
	}
	p := c.Project
	purpose := PurposeTakeBackEmail
	if !old.EmailVerified {
		purpose = PurposeTakeBackClaim
	}
	code, err := s.issueCode(ctx, tx, OOBCode{Project: p.ID, User: u.ID, Purpose: purpose, Email: old.Email, NewEmail: u.Email}, takeBackTTL)
	if err != nil {
		return err
	}
	data := MailData{NewEmail: string(u.Email), Link: s.link(p, "", PageTakeBackEmail, code, u.ID), ExpiresIn: takeBackTTL}
	return s.queueMail(ctx, tx, c, MailEmailChanged, old.Email, old, data)
}

// askEmailChange sends the new address a code to confirm it with, and announces the wish to the old address. Under enumeration protection an address that is taken
// differs only in what it is mailed (P28).
func (s *Service) askEmailChange(ctx context.Context, c Caller, user User, session Session, email Email) error {
	p := c.Project
	if s.now().Sub(session.CreatedAt) > p.Settings.RecentSignIn {
		return s.deny(ctx, c, EventEmailChangeAsked, user.ID, newError(CodeRecentSignInRequired, "sign in again to change the email address"))
	}
	_, err := s.store.GetUserByEmail(ctx, p.ID, email)
	taken := err == nil
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("user: %w", err)
	}
	if taken && !p.Settings.EnumerationSafe {
		return s.deny(ctx, c, EventEmailChangeAsked, user.ID, errEmailInUse)
	}
	err = s.commitMail(ctx, func(tx Tx) error {
		if _, err := livingUser(ctx, tx, session); err != nil {
			return err
		}
		tell := s.askNewAddress
		if taken {
			tell = s.tellTakenAddress
		}
		if err := tell(ctx, tx, c, user, email); err != nil {
			return err
		}
		if user.Email.IsZero() {
			return nil
		}
		return s.queueMail(ctx, tx, c, MailEmailChanged, user.Email, user, MailData{NewEmail: string(email)})
	})
	return goneMeanwhile(err)
}

func (s *Service) askNewAddress(ctx context.Context, tx Tx, c Caller, user User, email Email) error {
	p := c.Project
	code := OOBCode{Project: p.ID, User: user.ID, Purpose: PurposeChangeEmail, Email: email, NewEmail: email}
	data, err := s.mailedCode(ctx, tx, p, code, "", PageChangeEmail, p.Settings.VerifyCodeTTL)
	if err != nil {
		return err
	}
	data.NewEmail = string(email)
	if err := s.queueMail(ctx, tx, c, MailChangeEmail, email, user, data); err != nil {
		return err
	}
	return s.audit(ctx, tx, c, EventEmailChangeAsked, OutcomeAllowed, user.ID)
}

func (s *Service) tellTakenAddress(ctx context.Context, tx Tx, c Caller, user User, email Email) error {
	if err := tx.VoidOOBCodes(ctx, user.Project, user.ID, PurposeChangeEmail); err != nil { // as the wish for a free address does, or an older code would tell
		return err
	}
	return s.tellHolder(ctx, tx, c, EventEmailChangeAsked, email)
}

// ConfirmEmailChange makes an address that was asked for the account's own, with the code that was sent to it.
// It fails with CodeMissingOOBCode, CodeInvalidOOBCode, CodeExpiredOOBCode and CodeEmailInUse.
func (s *Service) ConfirmEmailChange(ctx context.Context, c Caller, code string) error {
	ctx = withTrail(ctx, c)
	return s.guarded(ctx, c, EventEmailChanged, func() error { return s.confirmEmailChange(ctx, c, code) })
}

func (s *Service) confirmEmailChange(ctx context.Context, c Caller, code string) error {
	if code == "" {
		return errMissingCode
	}
	found, err := s.findCode(ctx, c.Project.ID, code, PurposeChangeEmail, "")
	if err != nil {
		return s.codeDenied(ctx, c, EventEmailChanged, "", err)
	}
	return s.confirmEmailChangeWith(ctx, c, found)
}

// confirmEmailChangeWith is ConfirmEmailChange with a code that was found.
func (s *Service) confirmEmailChangeWith(ctx context.Context, c Caller, found OOBCode) error {
	err := s.commitMail(ctx, func(tx Tx) error {
		u, err := s.useCode(ctx, tx, found)
		if err != nil {
			return err
		}
		_, err = s.replaceEmail(ctx, tx, c, u, found.NewEmail, true, "")
		return err
	})
	return s.codeDenied(ctx, c, EventEmailChanged, found.User, s.emailTaken(ctx, c, found.User, err))
}

// TakeBackEmail undoes an email change with the code that went to the old address. Its owner is proven by that, and whoever changed it may know the password: so the
// password and all sessions go, and a reset link is sent to the address (P2). It fails with CodeMissingOOBCode, CodeInvalidOOBCode, CodeExpiredOOBCode and CodeEmailInUse.
func (s *Service) TakeBackEmail(ctx context.Context, c Caller, code string) error {
	ctx = withTrail(ctx, c)
	return s.guarded(ctx, c, EventEmailTakenBack, func() error { return s.takeBackEmail(ctx, c, code) })
}

func (s *Service) takeBackEmail(ctx context.Context, c Caller, code string) error {
	if code == "" {
		return errMissingCode
	}
	found, err := s.findCode(ctx, c.Project.ID, code, PurposeTakeBackEmail, "")
	if CodeOf(err) == CodeInvalidOOBCode {
		found, err = s.findCode(ctx, c.Project.ID, code, PurposeTakeBackClaim, "")
	}
	if err != nil {
		return s.codeDenied(ctx, c, EventEmailTakenBack, "", err)
	}
	err = s.commitMail(ctx, func(tx Tx) error {
		u, err := s.useCode(ctx, tx, found)
		if err != nil {
			return err
		}
		if err := s.evictSquatter(ctx, tx, c, u, found.Email); err != nil {
			return err
		}
		u.EmailVerified = found.Purpose == PurposeTakeBackEmail // who proved the address before keeps what is older than the change
		if err := s.cleanForOwner(ctx, tx, u, found); err != nil {
			return err
		}
		// Whoever changed the address again since then holds ways back of their own.
		if err := tx.VoidLaterOOBCodes(ctx, u.Project, u.ID, PurposeTakeBackEmail, found.CreatedAt); err != nil {
			return err
		}
		u.Email, u.EmailVerified = found.Email, true
		u.PasswordHash, u.PasswordUpdatedAt, u.UpdatedAt = "", s.now(), s.now()
		if err := tx.UpdateUser(ctx, u); err != nil {
			return err
		}
		if err := s.endSessions(ctx, tx, u, ""); err != nil {
			return err
		}
		if err := s.queueOwnedReset(ctx, tx, c, u); err != nil {
			return err
		}
		return s.audit(ctx, tx, c, EventEmailTakenBack, OutcomeAllowed, u.ID)
	})
	return s.codeDenied(ctx, c, EventEmailTakenBack, found.User, s.emailTaken(ctx, c, found.User, err))
}

// evictSquatter takes the address from another account that claimed it meanwhile without ever proving it (P2). One that proved it keeps it: CodeEmailInUse.
func (s *Service) evictSquatter(ctx context.Context, tx Tx, c Caller, u User, email Email) error {
	squatter, err := tx.GetUserByEmail(ctx, u.Project, email)
	if errors.Is(err, ErrNotFound) || (err == nil && squatter.ID == u.ID) {
		return nil
	}
	if err != nil {
		return err
	}
	if squatter.EmailVerified {
		return errEmailInUse
	}
	squatter.Email, squatter.UpdatedAt = "", s.now()
	if err := tx.UpdateUser(ctx, squatter); err != nil {
		return err
	}
	if err := s.endSessions(ctx, tx, squatter, ""); err != nil {
		return err
	}
	return s.audit(ctx, tx, c, EventEmailChanged, OutcomeAllowed, squatter.ID, "reason", "taken back by its owner")
}

// giveBack deals with an account that a proven owner moved to an address without proving that one: now that somebody else proves it, the account returns to its
// owner's address, without sessions, and the address is free for a clean account of whoever proved it (P2). It tells whether the account is such a one.
// Otherwise the owner's way back could later take the account from whoever began to use it.
func (s *Service) giveBack(ctx context.Context, tx Tx, c Caller, u User) (bool, error) {
	if u.EmailVerified {
		return false, nil
	}
	ways, err := tx.ListOOBCodes(ctx, u.Project, u.ID, PurposeTakeBackEmail)
	if err != nil {
		return false, fmt.Errorf("ways back: %w", err)
	}
	for _, way := range ways {
		if way.Email == u.Email { // who proves it now proved it before: the owner, to whom others have moved the account back
			return false, tx.VoidOOBCodes(ctx, u.Project, u.ID, PurposeTakeBackEmail)
		}
	}
	for _, way := range ways {
		if way.NewEmail != u.Email || !way.ConsumedAt.IsZero() || !way.ExpiresAt.After(s.now()) {
			continue
		}
		return true, s.returnTo(ctx, tx, c, u, way.Email)
	}
	return false, nil
}

// returnTo gives the account its proven address again. Where another account has proven that address since, it is left without one.
func (s *Service) returnTo(ctx context.Context, tx Tx, c Caller, u User, owned Email) error {
	switch err := s.evictSquatter(ctx, tx, c, u, owned); CodeOf(err) {
	case "":
	case CodeEmailInUse:
		owned = ""
	default:
		return err
	}
	u.Email, u.EmailVerified, u.UpdatedAt = owned, owned != "", s.now()
	if err := tx.UpdateUser(ctx, u); err != nil {
		return err
	}
	if err := tx.VoidOOBCodes(ctx, u.Project, u.ID); err != nil {
		return err
	}
	if err := s.endSessions(ctx, tx, u, ""); err != nil {
		return err
	}
	return s.audit(ctx, tx, c, EventEmailChanged, OutcomeAllowed, u.ID, "reason", "the new address was proven by somebody else")
}
