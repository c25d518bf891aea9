package auth

import (
	"context"
	"errors"
	"fmt"
)

// SendVerification sends the verification mail again. An address that is verified already gets none. It fails with CodeMissingEmail, CodeTooManyAttempts,
// and CodeNoUserForID, the last not under enumeration protection.
func (s *Service) SendVerification(ctx context.Context, c Caller, email string) error {
	return evenlyDone(ctx, s, c, func() error { return s.sendVerificationAgain(ctx, c, email) })
}

func (s *Service) sendVerificationAgain(ctx context.Context, c Caller, email string) error {
	u, err := s.userByTypedEmail(ctx, c, email)
	if err != nil {
		return s.unknownAddress(ctx, c, EventVerifyRequested, email, err, CodeNoUserForID)
	}
	if u.EmailVerified || u.InvitePending { // counted all the same, or a limit would tell who is registered
		return s.store.Update(ctx, func(tx Tx) error { return s.takeMailLimit(ctx, tx, c, u.Email) })
	}
	return s.commitMail(ctx, func(tx Tx) error {
		if err := s.sendVerification(ctx, tx, c, u, true); err != nil {
			return err
		}
		return s.audit(ctx, tx, c, EventVerifyRequested, OutcomeAllowed, u.ID)
	})
}

// userByTypedEmail finds an account by what somebody typed. It fails with CodeMissingEmail and ErrNotFound.
func (s *Service) userByTypedEmail(ctx context.Context, c Caller, email string) (User, error) {
	parsed, err := ParseEmail(email)
	if err != nil {
		return User{}, newError(CodeMissingEmail, "an email address is needed")
	}
	return s.store.GetUserByEmail(ctx, c.Project.ID, parsed)
}

// unknownAddress answers for an address without an account: under enumeration protection as if there were one, limits included (P28).
func (s *Service) unknownAddress(ctx context.Context, c Caller, event Event, typed string, err error, code Code) error {
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	email, err := ParseEmail(typed)
	if err != nil {
		return err
	}
	err = s.store.Update(ctx, func(tx Tx) error {
		if err := s.takeMailLimit(ctx, tx, c, email); err != nil {
			return err
		}
		return s.audit(ctx, tx, c, event, OutcomeDenied, "", "code", string(code))
	})
	if err != nil || c.Project.Settings.EnumerationSafe {
		return err
	}
	return newError(code, "there is no account with this address")
}

// commitMail runs a transaction that queues mail, and wakes the worker once it is committed.
func (s *Service) commitMail(ctx context.Context, f func(Tx) error) error {
	if err := s.store.Update(ctx, f); err != nil {
		return err
	}
	s.mailQueued()
	return nil
}

// VerifyEmail proves the account's address with the code that was sent to it. Where verification is enforced, this is what enables the account.
// It fails with CodeNoUserForID, CodeMissingOOBCode, CodeInvalidOOBCode, CodeExpiredOOBCode and CodeTooManyAttempts.
func (s *Service) VerifyEmail(ctx context.Context, c Caller, code string, id UserID) error {
	ctx = withTrail(ctx, c)
	return s.guarded(ctx, c, EventEmailVerified, func() error { return s.verifyEmail(ctx, c, code, id) })
}

func (s *Service) verifyEmail(ctx context.Context, c Caller, code string, id UserID) error {
	if _, err := s.userOfLink(ctx, c, id); err != nil {
		return err
	}
	if code == "" {
		return s.codeDenied(ctx, c, EventEmailVerified, id, errInvalidCode)
	}
	found, err := s.findCode(ctx, c.Project.ID, code, PurposeVerifyEmail, id)
	if err != nil {
		return s.codeDenied(ctx, c, EventEmailVerified, id, err)
	}
	return s.verifyEmailWith(ctx, c, found)
}

// verifyEmailWith is VerifyEmail with a code that was found.
func (s *Service) verifyEmailWith(ctx context.Context, c Caller, found OOBCode) error {
	err := s.store.Update(ctx, func(tx Tx) error {
		u, err := s.useCode(ctx, tx, found)
		if err != nil {
			return err
		}
		// What the account was made with stays, password or identity: whoever made it asked for this code. Identities that were joined later, before the address was
		// proven, go, and with them all sessions, since one may be theirs (P2).
		dropped, err := s.dropPlanted(ctx, tx, u, u.Email, founding)
		if err != nil {
			return err
		}
		if dropped {
			if err := s.endSessions(ctx, tx, u, ""); err != nil {
				return err
			}
		}
		if err := tx.VoidOOBCodes(ctx, u.Project, u.ID, PurposeVerifyEmail, PurposeChangeEmail); err != nil {
			return err
		}
		u.EmailVerified = true
		u.UpdatedAt = s.now()
		if err := tx.UpdateUser(ctx, u); err != nil {
			return err
		}
		return s.audit(ctx, tx, c, EventEmailVerified, OutcomeAllowed, u.ID)
	})
	return s.codeDenied(ctx, c, EventEmailVerified, found.User, err)
}

// userOfLink finds the user that a link names. It fails with CodeNoUserForID, under enumeration protection as with a wrong code.
func (s *Service) userOfLink(ctx context.Context, c Caller, id UserID) (User, error) {
	u, err := s.userByID(ctx, c, id)
	if CodeOf(err) == CodeNoUserForID && c.Project.Settings.EnumerationSafe {
		err = errInvalidCode
	}
	return u, err
}

// userByID fails with CodeNoUserForID.
func (s *Service) userByID(ctx context.Context, c Caller, id UserID) (User, error) {
	u, err := s.store.GetUser(ctx, c.Project.ID, id)
	if errors.Is(err, ErrNotFound) {
		return User{}, newError(CodeNoUserForID, "there is no such user")
	}
	if err != nil {
		return User{}, fmt.Errorf("user: %w", err)
	}
	return u, nil
}

// dropPlanted drops what was planted while the account's address was unproven: identities, unless they vouch for the address that is proven now, ways back to
// addresses that nobody ever proved, and second factors (P2).
// keep, which may be nil, spares some identities, and the factors with them where no identity has to go. It tells whether identities went.
func (s *Service) dropPlanted(ctx context.Context, tx Tx, u User, proven Email, keep func(User, Identity) bool) (dropped bool, err error) {
	if u.EmailVerified {
		return false, nil
	}
	if err := tx.VoidOOBCodes(ctx, u.Project, u.ID, PurposeTakeBackClaim); err != nil {
		return false, fmt.Errorf("void codes: %w", err)
	}
	identities, err := tx.ListIdentities(ctx, u.Project, u.ID)
	if err != nil {
		return false, fmt.Errorf("identities: %w", err)
	}
	for _, i := range identities {
		if vouched, err := ParseEmail(i.Email); err == nil && i.EmailVerified && vouched == proven {
			continue
		}
		if keep != nil && keep(u, i) {
			continue
		}
		if err := tx.DeleteIdentity(ctx, u.Project, i.ProviderID, i.Subject); err != nil {
			return false, fmt.Errorf("delete identity: %w", err)
		}
		dropped = true
	}
	if dropped {
		if err := s.announceIdentities(ctx, tx, u); err != nil {
			return false, err
		}
	}
	if dropped || keep == nil {
		if _, err := tx.DeleteSecondFactors(ctx, u.Project, u.ID); err != nil {
			return false, fmt.Errorf("delete second factors: %w", err)
		}
	}
	return dropped, nil
}

// founding tells whether the account was made by signing in with this identity.
func founding(u User, i Identity) bool { return i.CreatedAt.Equal(u.CreatedAt) && u.PasswordHash == "" }

// endSessions revokes the user's living sessions but the one to keep, and voids its codes: what every change of credentials does (P7, P22).
func (s *Service) endSessions(ctx context.Context, tx Tx, u User, keep SessionID) error {
	if _, err := tx.RevokeUserSessions(ctx, u.Project, u.ID, keep, s.now()); err != nil {
		return fmt.Errorf("revoke sessions: %w", err)
	}
	return voidCodes(ctx, tx, u)
}
