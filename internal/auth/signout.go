package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// listedSessions bounds a user's list of its own sessions.
const listedSessions = 200

// Sessions lists the signed-in user's living sessions, the newest first, and names the one that asks.
func (s *Service) Sessions(ctx context.Context, c Caller) (sessions []Session, current SessionID, err error) {
	user, session, err := c.requireUser()
	if err != nil {
		return nil, "", err
	}
	sessions, err = s.store.ListSessions(ctx, user.Project, user.ID, "", listedSessions)
	if err != nil {
		return nil, "", fmt.Errorf("sessions: %w", err)
	}
	now := s.now()
	living := slices.DeleteFunc(sessions, func(one Session) bool { return one.ended(c.Project.Settings, now) })
	return living, session.ID, nil
}

// SignOut ends one session of the signed-in user, which may be the one that asks. It fails with CodeNotFound.
func (s *Service) SignOut(ctx context.Context, c Caller, id SessionID) error {
	user, _, err := c.requireUser()
	if err != nil {
		return err
	}
	err = s.store.Update(ctx, func(tx Tx) error {
		session, err := tx.GetSession(ctx, user.Project, id)
		if err == nil && session.User != user.ID {
			err = ErrNotFound
		}
		if err != nil {
			return err
		}
		if err := tx.RevokeSession(ctx, user.Project, id, s.now()); err != nil {
			return err
		}
		if err := voidBegun(ctx, tx, user); err != nil {
			return err
		}
		return s.audit(ctx, tx, c, EventSessionRevoked, OutcomeAllowed, user.ID, "session", string(id))
	})
	if errors.Is(err, ErrNotFound) {
		return newError(CodeNotFound, "there is no such session")
	}
	return err
}

// SignOutEverywhere ends all sessions of the signed-in user, or with keepCurrent all but the one that asks.
func (s *Service) SignOutEverywhere(ctx context.Context, c Caller, keepCurrent bool) error {
	user, session, err := c.requireUser()
	if err != nil {
		return err
	}
	keep, reason := SessionID(""), "everywhere"
	if keepCurrent {
		keep, reason = session.ID, "everywhere else"
	}
	return s.store.Update(ctx, func(tx Tx) error {
		if _, err := tx.RevokeUserSessions(ctx, user.Project, user.ID, keep, s.now()); err != nil {
			return fmt.Errorf("revoke sessions: %w", err)
		}
		if err := voidBegun(ctx, tx, user); err != nil {
			return err
		}
		return s.audit(ctx, tx, c, EventSessionRevoked, OutcomeAllowed, user.ID, "sessions", reason)
	})
}

// voidBegun ends what a session that has ended may have begun: a wish for another address, and sign-ins that wait for their second factor (P7).
func voidBegun(ctx context.Context, tx Tx, u User) error {
	if err := tx.VoidOOBCodes(ctx, u.Project, u.ID, PurposeChangeEmail); err != nil {
		return fmt.Errorf("void codes: %w", err)
	}
	if err := tx.VoidPendingSignIns(ctx, u.Project, u.ID); err != nil {
		return fmt.Errorf("void pending sign-ins: %w", err)
	}
	return nil
}
