package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/doorward/doorward/internal/token"
)

const (
	successorSaltBytes = 32
	userIDChars        = 28
	refreshTokenChars  = userIDChars + (refreshTokenBytes*8+5)/6 // a uid, and the secret in unpadded base64url
)

// Refresh gives a new id token for a refresh token. Where the project rotates, it gives a new refresh token too: the same one again to a repeated refresh within the grace
// window, while reuse of an older one ends the session (P21). It fails with CodeMissingRefreshToken, CodeInvalidRefreshToken, CodeExpiredRefreshToken, CodeUserDisabled,
// CodeRefreshTokenUserGone, CodeBlockedByHook, and CodeTooManyAttempts instead of one of these.
func (s *Service) Refresh(ctx context.Context, c Caller, presented string) (Tokens, error) {
	tokens, err := s.refresh(ctx, c, presented)
	return tokens, s.tooMany(ctx, c, err)
}

func (s *Service) refresh(ctx context.Context, c Caller, presented string) (Tokens, error) {
	if presented == "" {
		return Tokens{}, newError(CodeMissingRefreshToken, "a refresh token is needed")
	}
	ctx = withTrail(ctx, c)
	found, err := s.store.GetRefreshable(ctx, c.Project.ID, token.Hash(presented))
	row, u, session := found.Token, found.User, found.Session
	noteRefreshToken(ctx, row, err, s.now())
	if errors.Is(err, ErrNotFound) {
		return Tokens{}, s.refuseUnknownToken(ctx, c, presented)
	}
	if err != nil {
		return Tokens{}, fmt.Errorf("refresh token: %w", err)
	}
	if err := s.mayRefresh(ctx, c, found.SignedIn); err != nil {
		return Tokens{}, s.deny(ctx, c, EventRefresh, row.User, AsError(err))
	}
	if u, session, err = s.askRefresh(ctx, c, row, u, session, presented); err != nil {
		return Tokens{}, err
	}
	next, err := s.nextRefreshToken(ctx, c, row, session, presented)
	if err != nil {
		return Tokens{}, err
	}
	tokens, err := s.signSession(ctx, c.Project, u, session, next)
	if next != presented {
		err = AfterCommit(err)
	}
	return tokens, err
}

// askRefresh asks the project's blocking hook about a refresh that is in order, and looks again at what may have changed while it was asked (P20). The reuse of a
// token ends its session before anybody is asked.
func (s *Service) askRefresh(ctx context.Context, c Caller, row RefreshToken, u User, session Session, presented string) (User, Session, error) {
	if !row.RotatedAt.IsZero() {
		if _, err := s.repeatedRefresh(ctx, c, row, session, presented); err != nil {
			return User{}, Session{}, err
		}
	}
	asked, err := s.ask(ctx, c, tokenQuestion(EventRefresh, u, session.ProviderID))
	if err != nil || !asked {
		return u, session, err
	}
	if u, session, err = s.refreshable(ctx, c, row); err != nil && CodeOf(err) != CodeInternal {
		err = s.deny(ctx, c, EventRefresh, row.User, AsError(err))
	}
	return u, session, err
}

// refuseUnknownToken tells a token whose user was deleted from one that never was of this project: by the uid that it begins with, and the record of the deletion.
func (s *Service) refuseUnknownToken(ctx context.Context, c Caller, presented string) error {
	refusal := errInvalidRefreshToken
	if len(presented) == refreshTokenChars && isUserID(presented[:userIDChars]) {
		gone := AuditFilter{Event: EventUserDeleted, Outcome: OutcomeAllowed, User: UserID(presented[:userIDChars]), Limit: 1}
		records, err := s.store.ListAudit(ctx, c.Project.ID, gone)
		if err != nil {
			return fmt.Errorf("record of deletion: %w", err)
		}
		if len(records) > 0 {
			refusal = newError(CodeRefreshTokenUserGone, "the user of the refresh token is gone")
		}
	}
	return s.deny(ctx, c, EventRefresh, "", refusal)
}

var errInvalidRefreshToken = newError(CodeInvalidRefreshToken, "the refresh token is not valid")

// refreshable looks again at what can have happened to the session and its user.
func (s *Service) refreshable(ctx context.Context, c Caller, row RefreshToken) (User, Session, error) {
	found, err := s.store.GetSignedIn(ctx, row.Project, row.Session)
	if errors.Is(err, ErrNotFound) { // with the user, its sessions are gone
		return User{}, Session{}, s.whyGone(ctx, c, row)
	}
	if err != nil {
		return User{}, Session{}, fmt.Errorf("session and user: %w", err)
	}
	return found.User, found.Session, s.mayRefresh(ctx, c, found)
}

// whyGone is the refusal of a token whose session was there a moment ago.
func (s *Service) whyGone(ctx context.Context, c Caller, row RefreshToken) error {
	u, err := s.store.GetUser(ctx, row.Project, row.User)
	noteLookup(ctx, u, err)
	switch {
	case errors.Is(err, ErrNotFound):
		return newError(CodeRefreshTokenUserGone, "the user of the refresh token is gone")
	case err != nil:
		return fmt.Errorf("user: %w", err)
	case u.Blocked():
		return newError(CodeUserDisabled, "the account is disabled")
	}
	noteSession(ctx, c.Project.Settings, Session{}, ErrNotFound, s.now())
	return errSessionEnded
}

// mayRefresh checks everything that can have happened to a session and its user since the token was given (P5, P20).
func (s *Service) mayRefresh(ctx context.Context, c Caller, found SignedIn) error {
	noteLookup(ctx, found.User, nil)
	if found.User.Blocked() {
		return newError(CodeUserDisabled, "the account is disabled")
	}
	noteSession(ctx, c.Project.Settings, found.Session, nil, s.now())
	if found.Session.ended(c.Project.Settings, s.now()) || found.Session.lacksSecondFactor(c.Project.Settings) {
		return errSessionEnded
	}
	return nil
}

var errSessionEnded = newError(CodeExpiredRefreshToken, "the session has ended; sign in again")

// ended tells whether the session was revoked or ran into one of its limits.
func (s Session) ended(set *Settings, now time.Time) bool {
	idle := set.RefreshTokenIdleTTL > 0 && now.Sub(s.LastUsedAt) > set.RefreshTokenIdleTTL
	old := set.RefreshTokenAbsoluteTTL > 0 && now.Sub(s.CreatedAt) > set.RefreshTokenAbsoluteTTL
	return !s.RevokedAt.IsZero() || idle || old
}

// touchEvery is how exactly a session's last use is known: finer than any idle limit needs, and rare enough to cost nothing.
const touchEvery = time.Minute

// nextRefreshToken gives the token that the client shall use from now on.
func (s *Service) nextRefreshToken(ctx context.Context, c Caller, row RefreshToken, session Session, presented string) (string, error) {
	if !row.RotatedAt.IsZero() {
		return s.repeatedRefresh(ctx, c, row, session, presented)
	}
	if !c.Project.Settings.RefreshTokenRotation {
		return presented, s.touchSession(ctx, c, session)
	}
	salt := make([]byte, successorSaltBytes)
	if _, err := io.ReadFull(s.rand, salt); err != nil {
		return "", fmt.Errorf("salt: %w", err)
	}
	next, lost := token.Successor(presented, salt), false
	err := s.store.Update(ctx, func(tx Tx) (err error) {
		now := s.now()
		err = tx.RotateRefreshToken(ctx, row.Project, row.Hash, token.Hash(next), salt, now)
		if lost = errors.Is(err, ErrNotFound); lost {
			// Somebody else rotated it at the same moment, perhaps in this very commit: only here is that seen, and only after it may it be told.
			stored, err := tx.GetRefreshToken(ctx, row.Project, row.Hash)
			if err != nil { // the callback may run again, and needs the row that it began with
				return err
			}
			row = stored
			return s.stillLives(ctx, tx, c, session)
		}
		if err != nil {
			return err
		}
		successor := RefreshToken{Project: row.Project, Hash: token.Hash(next), Session: row.Session, User: row.User, CreatedAt: now}
		if err := tx.CreateRefreshToken(ctx, successor); err != nil {
			return err
		}
		if err := tx.TouchSession(ctx, row.Project, row.Session, now); err != nil {
			return err
		}
		return s.audit(ctx, tx, c, EventRefresh, OutcomeAllowed, row.User)
	})
	switch {
	case errors.Is(err, ErrNotFound):
		return "", errSessionEnded // the session or its user went meanwhile
	case err != nil:
		return "", err
	case !lost:
		return next, nil
	}
	return s.repeatedRefresh(ctx, c, row, session, presented)
}

// stillLives fails with errSessionEnded, or ErrNotFound, where the session ended since it was read.
func (s *Service) stillLives(ctx context.Context, tx Tx, c Caller, session Session) error {
	stored, err := tx.GetSession(ctx, session.Project, session.ID)
	if err == nil && stored.ended(c.Project.Settings, s.now()) {
		return errSessionEnded
	}
	return err
}

// touchSession notes the use of a session, and records it, at most once in touchEvery.
func (s *Service) touchSession(ctx context.Context, c Caller, session Session) error {
	now, exactness := s.now(), touchEvery
	if idle := c.Project.Settings.RefreshTokenIdleTTL; idle > 0 {
		exactness = min(exactness, idle/10)
	}
	if now.Sub(session.LastUsedAt) < exactness {
		return nil
	}
	err := s.store.Update(ctx, func(tx Tx) error {
		if err := tx.TouchSession(ctx, session.Project, session.ID, now); err != nil {
			return err
		}
		return s.audit(ctx, tx, c, EventRefresh, OutcomeAllowed, session.User)
	})
	if errors.Is(err, ErrNotFound) {
		return errSessionEnded // revoked meanwhile
	}
	return err
}

// repeatedRefresh answers for a token that is rotated already: with the same successor while that is fresh and unused itself, else by ending the session.
func (s *Service) repeatedRefresh(ctx context.Context, c Caller, row RefreshToken, session Session, presented string) (string, error) {
	successor, err := s.store.GetRefreshToken(ctx, row.Project, row.SuccessorHash)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return "", fmt.Errorf("successor: %w", err)
	}
	fresh := s.now().Sub(row.RotatedAt) <= c.Project.Settings.RefreshTokenGrace
	if err == nil && fresh && successor.RotatedAt.IsZero() {
		return token.Successor(presented, row.SuccessorSalt), nil
	}
	noteReuse(ctx, row, successor, err, c.Project.Settings.RefreshTokenGrace, s.now())
	err = s.store.Update(ctx, func(tx Tx) error {
		if err := tx.RevokeSession(ctx, session.Project, session.ID, s.now()); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		return s.audit(ctx, tx, c, EventTokenReuse, OutcomeDenied, row.User)
	})
	if err != nil {
		return "", err
	}
	return "", errInvalidRefreshToken
}

func isUserID(s string) bool {
	for _, b := range []byte(s) {
		if !('0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z') {
			return false
		}
	}
	return len(s) == userIDChars
}
