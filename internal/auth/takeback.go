package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// undoTTL is how long a change of an account's ways in can be taken back with the link that its address was mailed.
const undoTTL = 7 * 24 * time.Hour

// The keys of OOBCode.Undoes, and the values of undoChange.
const (
	undoChange   = "change"
	undoProvider = "provider"
	undoSubject  = "subject"
	undoEmail    = "email"
	undoVouched  = "email_verified" // "true" where the provider vouched for it

	changedPassword = "password"
	changedLinked   = "linked"
	changedUnlinked = "unlinked"
	changedFactor   = "second factor"
)

// undoOf describes a change of identities so that it can be taken back.
func undoOf(change string, i Identity) map[string]string {
	return map[string]string{undoChange: change, undoProvider: i.ProviderID, undoSubject: i.Subject, undoEmail: i.Email, undoVouched: fmt.Sprint(i.EmailVerified)}
}

// tellOwner mails the account's address that its ways in changed, with a link that takes the change back. What an admin did has no such link.
func (s *Service) tellOwner(ctx context.Context, tx Tx, c Caller, kind MailKind, u User, undoes map[string]string) error {
	if u.Email.IsZero() {
		return nil
	}
	data := MailData{Methods: undoes[undoProvider]}
	if !c.IsAdmin() {
		code, err := s.issueCode(ctx, tx, OOBCode{Project: u.Project, User: u.ID, Purpose: PurposeTakeBack, Email: u.Email, Undoes: undoes}, undoTTL)
		if err != nil {
			return err
		}
		data.Link, data.ExpiresIn = s.link(c.Project, "", PageTakeBack, code, u.ID), undoTTL
	}
	if u.EmailVerified { // its owner is always told: nobody can use the address' mails up first
		return s.queueUnlimited(ctx, tx, c, kind, u.Email, u, data)
	}
	if err := s.queueMail(ctx, tx, c, kind, u.Email, u, data); err != nil && CodeOf(err) != CodeTooManyAttempts {
		return err
	}
	return nil
}

// TakeBack undoes a change of password, identities or second factors with the code that the account's address was mailed. Its owner is proven by that, and whoever made the change may
// hold the rest too: so the password and all sessions go, every way in that was
// added since the change goes, and a reset link is sent (P2, P22). It fails with CodeMissingOOBCode, CodeInvalidOOBCode, CodeExpiredOOBCode and
// CodeTooManyAttempts.
func (s *Service) TakeBack(ctx context.Context, c Caller, code string) error {
	ctx = withTrail(ctx, c)
	return s.guarded(ctx, c, EventTakenBack, func() error { return s.takeBack(ctx, c, code) })
}

func (s *Service) takeBack(ctx context.Context, c Caller, code string) error {
	if code == "" {
		return errMissingCode
	}
	found, err := s.findCode(ctx, c.Project.ID, code, PurposeTakeBack, "")
	if err != nil {
		return s.codeDenied(ctx, c, EventTakenBack, "", err)
	}
	err = s.commitMail(ctx, func(tx Tx) error {
		u, err := s.useCode(ctx, tx, found)
		if err != nil {
			return err
		}
		if moved, err := s.giveBack(ctx, tx, c, u); err != nil || moved { // the account is somebody else's, who moved it here
			return err
		}
		if _, err := s.dropPlanted(ctx, tx, u, found.Email, nil); err != nil {
			return err
		}
		if err := s.dropAddedSince(ctx, tx, u, found.CreatedAt); err != nil {
			return err
		}
		if err := s.undo(ctx, tx, u, found.Undoes); err != nil {
			return err
		}
		u.EmailVerified = true
		u.PasswordHash, u.PasswordUpdatedAt, u.UpdatedAt = "", s.now(), s.now()
		if err := tx.UpdateUser(ctx, u); err != nil {
			return err
		}
		if err := s.endSessions(ctx, tx, u, ""); err != nil {
			return err
		}
		if c.Project.Settings.PasswordProvider {
			if err := s.queueOwnedReset(ctx, tx, c, u); err != nil {
				return err
			}
		}
		return s.audit(ctx, tx, c, EventTakenBack, OutcomeAllowed, u.ID, "change", found.Undoes[undoChange])
	})
	return s.codeDenied(ctx, c, EventTakenBack, found.User, err)
}

// dropAddedSince takes away identities and second factors that came at the instant or later.
func (s *Service) dropAddedSince(ctx context.Context, tx Tx, u User, since time.Time) error {
	identities, err := tx.ListIdentities(ctx, u.Project, u.ID)
	if err != nil {
		return err
	}
	for _, i := range identities {
		if i.CreatedAt.Before(since) {
			continue
		}
		if err := tx.DeleteIdentity(ctx, u.Project, i.ProviderID, i.Subject); err != nil {
			return err
		}
	}
	factors, err := tx.ListSecondFactors(ctx, u.Project, u.ID)
	if err != nil {
		return err
	}
	older := slices.DeleteFunc(slices.Clone(factors), func(f SecondFactor) bool { return f.ConfirmedAt.IsZero() || !f.ConfirmedAt.Before(since) })
	if len(older) == 0 {
		_, err := tx.DeleteSecondFactors(ctx, u.Project, u.ID) // recovery codes too
		return err
	}
	for _, f := range factors {
		if slices.ContainsFunc(older, func(o SecondFactor) bool { return o.ID == f.ID }) {
			continue
		}
		if err := tx.DeleteSecondFactor(ctx, u.Project, u.ID, f.ID); err != nil {
			return err
		}
	}
	return nil
}

// undo reverses a change of identities, as far as the identity is still where the change left it.
func (s *Service) undo(ctx context.Context, tx Tx, u User, undoes map[string]string) error {
	if change := undoes[undoChange]; change != changedLinked && change != changedUnlinked {
		return nil // no password and no added factor survives a take-back
	}
	identity := Identity{
		Project: u.Project, User: u.ID, ProviderID: undoes[undoProvider], Subject: undoes[undoSubject], Email: undoes[undoEmail], EmailVerified: undoes[undoVouched] == "true",
		CreatedAt: s.now(),
	}
	known, err := tx.GetIdentity(ctx, u.Project, identity.ProviderID, identity.Subject)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	switch missing := err != nil; {
	case undoes[undoChange] == changedLinked && !missing && known.User == u.ID:
		err = tx.DeleteIdentity(ctx, u.Project, identity.ProviderID, identity.Subject)
	case undoes[undoChange] == changedUnlinked && missing:
		err = tx.CreateIdentity(ctx, identity)
	default:
		return nil
	}
	if err != nil {
		return err
	}
	return s.announceIdentities(ctx, tx, u)
}
