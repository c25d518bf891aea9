package auth

import (
	"context"
	"errors"
	"fmt"
)

// SignInParams are an end user's email and password, as typed.
type SignInParams struct {
	Email    string
	Password string
}

// SignIn checks email and password and begins a session, or a pending sign-in where a second factor is due. It fails with CodePasswordProviderOff, CodeInvalidEmail, CodeMissingPassword, CodeTooManyAttempts,
// CodeUnavailable, and with CodeEmailNotFound, CodeWrongPassword or CodeUserDisabled; under enumeration protection with CodeInvalidCredentials for the first two.
func (s *Service) SignIn(ctx context.Context, c Caller, params SignInParams) (Tokens, error) {
	ctx = withTrail(ctx, c)
	began := s.clock()
	tokens, err := s.signIn(ctx, c, params)
	if err != nil {
		s.evenOut(ctx, c, began)
	}
	return tokens, err
}

func (s *Service) signIn(ctx context.Context, c Caller, params SignInParams) (Tokens, error) {
	p := c.Project
	email, err := checkCredentials(p, params.Email, params.Password)
	if err != nil {
		return Tokens{}, err
	}
	if s.hashing.Full(string(p.ID)) { // before anything is written: refusing must cost nothing
		return Tokens{}, errBusy(nil)
	}
	if err := s.takeSignInTry(ctx, c, string(email)); err != nil {
		return Tokens{}, s.limited(ctx, c, EventSignIn, err)
	}
	u, err := s.store.GetUserByEmail(ctx, p.ID, email)
	noteLookup(ctx, u, err)
	if errors.Is(err, ErrNotFound) {
		return Tokens{}, s.refuseUnknown(ctx, c, params.Password)
	}
	if err != nil {
		return Tokens{}, fmt.Errorf("user: %w", err)
	}
	ok, rehash, err := s.verifyPassword(ctx, p, u.PasswordHash, params.Password)
	if err != nil {
		return Tokens{}, err
	}
	if !ok {
		return Tokens{}, s.deny(ctx, c, EventSignIn, u.ID, wrongCredentials(p, CodeWrongPassword))
	}
	return s.finishSignIn(ctx, c, u, rehash)
}

// refuseUnknown refuses an address that has no account, after the time that a wrong password takes (P28).
func (s *Service) refuseUnknown(ctx context.Context, c Caller, plain string) error {
	if _, _, err := s.verifyPassword(ctx, c.Project, "", plain); err != nil {
		return err
	}
	return s.deny(ctx, c, EventSignIn, "", wrongCredentials(c.Project, CodeEmailNotFound))
}

func wrongCredentials(p *Project, code Code) *Error {
	if p.Settings.EnumerationSafe {
		code = CodeInvalidCredentials
	}
	return newError(code, "email or password is wrong")
}

// blocked refuses an account that may not sign in, to whoever knows its password. Where sign-up does not tell whether an address was free, neither may the first
// sign-in with the password of that sign-up (P28).
func blocked(p *Project, u User) *Error {
	waiting := u.VerificationRequired && !u.EmailVerified && !u.Disabled
	if waiting && p.Settings.SignUpByMail && p.Settings.EnumerationSafe {
		return wrongCredentials(p, CodeWrongPassword)
	}
	return newError(CodeUserDisabled, "the account is disabled")
}

// finishSignIn begins the session of a user whose password was right: checked is the account as it was then.
func (s *Service) finishSignIn(ctx context.Context, c Caller, checked User, rehash string) (Tokens, error) {
	var u User
	var begun issued
	var counted []budget
	err := s.store.Update(ctx, func(tx Tx) (err error) {
		if u, err = tx.GetUser(ctx, checked.Project, checked.ID); err != nil {
			return err
		}
		if u.PasswordHash != checked.PasswordHash || u.Email != checked.Email {
			noteSessionRefused(ctx, reasonChanged)
			return ErrNotFound // changed since it was checked
		}
		if u.Blocked() {
			noteSessionRefused(ctx, reasonBlocked)
			return blocked(c.Project, u)
		}
		if rehash != "" {
			u.PasswordHash = rehash
		}
		u.LastSignInAt = s.now()
		if err := tx.UpdateUser(ctx, u); err != nil {
			return err
		}
		if counted, err = signInBudgets(ctx, tx, c, accountName(checked)); err != nil { // before the source becomes a known one
			return err
		}
		if begun, err = s.issueSession(ctx, tx, c, u, ProviderPassword); err != nil {
			return err
		}
		return s.audit(ctx, tx, c, begun.event(), OutcomeAllowed, u.ID, "provider", ProviderPassword)
	})
	switch {
	case errors.Is(err, ErrNotFound):
		return Tokens{}, s.deny(ctx, c, EventSignIn, checked.ID, wrongCredentials(c.Project, CodeWrongPassword))
	case CodeOf(err) == CodeUserDisabled, CodeOf(err) == CodeInvalidCredentials:
		return Tokens{}, s.deny(ctx, c, EventSignIn, checked.ID, AsError(err))
	case err != nil: // as when a blocking hook refuses or fails: the password was right
		ctx := context.WithoutCancel(ctx) // as in refundLater
		if refund := s.store.Count(ctx, func(l Limits) error { return s.refundSignInTry(ctx, l, c, accountName(checked)) }); refund != nil {
			s.log.WarnContext(ctx, "a right password stays counted as a failure", "error", refund)
		}
		return Tokens{}, err
	}
	s.refundLater(ctx, c, counted)
	return s.signIssued(ctx, c.Project, u, begun)
}
