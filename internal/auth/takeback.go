package auth

import (
	"context"
	"errors"
	"fmt"
	"strconv"
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
	undoSince    = "since"          // when the identity came, in unix milliseconds

	changedPassword = "password"
	changedLinked   = "linked"
	changedUnlinked = "unlinked"
	changedFactor   = "second factor"
)

// undoOf describes a change of identities so that it can be taken back.
func undoOf(change string, i Identity) map[string]string {
	return map[string]string{
		undoChange: change, undoProvider: i.ProviderID, undoSubject: i.Subject, undoEmail: i.Email, undoVouched: fmt.Sprint(i.EmailVerified),
		undoSince: strconv.FormatInt(i.CreatedAt.UnixMilli(), 10),
	}
}

// tellOwner mails the account's address that its ways in changed, with a link that takes the change back. What an admin did has no such link. Nor has what changed
// for an operator: whoever reads a mailbox must not get past the second factor to the whole instance. Other operators and the set-up link are their way back.
func (s *Service) tellOwner(ctx context.Context, tx Tx, c Caller, kind MailKind, u User, undoes map[string]string) error {
	if u.Email.IsZero() {
		return nil
	}
	data := MailData{Methods: undoes[undoProvider]}
	if !c.IsAdmin() && u.Project != ConsoleProject {
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

// TakeBack undoes a change of password, identities or second factors with the code that the account's address was mailed. Its owner is proven by that, and whoever made
// the change may hold the rest too: so the password, all sessions, the recovery codes, and every way in that is younger than undoTTL before the change go, and a reset link
// is sent (P2, P22). It fails with CodeMissingOOBCode, CodeInvalidOOBCode, CodeExpiredOOBCode and CodeTooManyAttempts.
func (s *Service) TakeBack(ctx context.Context, c Caller, code string) error {
	ctx = withTrail(ctx, c)
	return s.guarded(ctx, c, EventTakenBack, func() error { return s.takeBack(ctx, c, code) })
}

func (s *Service) takeBack(ctx context.Context, c Caller, code string) error {
	if code == "" {
		return errMissingCode
	}
	if c.projectID() == ConsoleProject { // none is issued there
		return s.codeDenied(ctx, c, EventTakenBack, "", errInvalidCode)
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
		if err := s.cleanForOwner(ctx, tx, u, found); err != nil {
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

// cleanForOwner takes from the account what its owner, who has just proven to be that with a way back, cannot have made. Of an account whose address nobody had
// proven before, that is all; else it is what is young, and the change itself.
func (s *Service) cleanForOwner(ctx context.Context, tx Tx, u User, found OOBCode) error {
	if err := tx.VoidOOBCodes(ctx, u.Project, u.ID, PurposeTakeBack, PurposeTakeBackClaim); err != nil { // other links would undo what the owner does next
		return err
	}
	if err := tx.DeleteKnownSources(ctx, u.Project, u.ID); err != nil {
		return err
	}
	if !u.EmailVerified {
		_, err := s.dropPlanted(ctx, tx, u, found.Email, nil)
		return err
	}
	since := found.CreatedAt.Add(-undoTTL)
	dropped, err := s.dropAddedSince(ctx, tx, u, since)
	if err != nil {
		return err
	}
	restored, err := s.restore(ctx, tx, u, found.Undoes, since)
	if err != nil || !dropped && !restored {
		return err
	}
	return s.announceIdentities(ctx, tx, u)
}

// dropAddedSince takes away identities and second factors that came at the instant or later, but an identity that the account was made with, and all recovery codes.
// It tells whether identities went.
func (s *Service) dropAddedSince(ctx context.Context, tx Tx, u User, since time.Time) (dropped bool, err error) {
	identities, err := tx.ListIdentities(ctx, u.Project, u.ID)
	if err != nil {
		return false, err
	}
	for _, i := range identities {
		if i.CreatedAt.Before(since) || founding(u, i) {
			continue
		}
		if err := tx.DeleteIdentity(ctx, u.Project, i.ProviderID, i.Subject); err != nil {
			return false, err
		}
		dropped = true
	}
	factors, err := tx.ListSecondFactors(ctx, u.Project, u.ID)
	if err != nil {
		return false, err
	}
	for _, f := range factors {
		if !f.ConfirmedAt.IsZero() && f.ConfirmedAt.Before(since) {
			continue
		}
		if err := tx.DeleteSecondFactor(ctx, u.Project, u.ID, f.ID); err != nil {
			return false, err
		}
	}
	return dropped, tx.ReplaceRecoveryCodes(ctx, u.Project, u.ID, nil, s.now())
}

// restore brings an identity back that was unlinked, if it had been there since before the instant: a younger one may be a stranger's own.
func (s *Service) restore(ctx context.Context, tx Tx, u User, undoes map[string]string, since time.Time) (restored bool, err error) {
	came, err := strconv.ParseInt(undoes[undoSince], 10, 64)
	if undoes[undoChange] != changedUnlinked || err != nil {
		return false, nil
	}
	created := time.UnixMilli(came).UTC()
	if !created.Before(since) {
		return false, nil
	}
	identity := Identity{
		Project: u.Project, User: u.ID, ProviderID: undoes[undoProvider], Subject: undoes[undoSubject], Email: undoes[undoEmail], EmailVerified: undoes[undoVouched] == "true",
		CreatedAt: created,
	}
	if _, err := tx.GetIdentity(ctx, u.Project, identity.ProviderID, identity.Subject); !errors.Is(err, ErrNotFound) {
		return false, err // it is somebody's already
	}
	return true, tx.CreateIdentity(ctx, identity)
}
