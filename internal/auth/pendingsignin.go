package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/doorward/doorward/internal/token"
)

// PendingSignIn is a sign-in whose first factor is proven. It is bound to the user's credentials as they were then, works once, and dies when they change (P7).
type PendingSignIn struct {
	Project           ProjectID
	Hash              []byte // of the pending credential
	User              UserID
	ProviderID        string // of the first factor
	Email             Email
	PasswordUpdatedAt time.Time
	Tries             int // of the second factor
	CreatedAt         time.Time
	ExpiresAt         time.Time
}

const (
	pendingTTL   = 5 * time.Minute
	pendingTries = 5
)

var errInvalidPending = newError(CodeInvalidPendingCredential, "the sign-in is unknown, expired or used up; begin again")

// createPending makes a pending sign-in in tx and gives its credential.
func (s *Service) createPending(ctx context.Context, tx Tx, u User, providerID string) (string, error) {
	credential, err := token.NewOpaque("", refreshTokenBytes, s.rand)
	if err != nil {
		return "", err
	}
	now := s.now()
	pending := PendingSignIn{
		Project: u.Project, Hash: token.Hash(credential), User: u.ID, ProviderID: providerID, Email: u.Email, PasswordUpdatedAt: u.PasswordUpdatedAt, CreatedAt: now,
		ExpiresAt: now.Add(pendingTTL),
	}
	if err := tx.CreatePendingSignIn(ctx, pending); err != nil {
		return "", fmt.Errorf("create pending sign-in: %w", err)
	}
	return credential, nil
}

// userOf gives the user of a pending sign-in, if its credentials are still those that the first factor was proven with. It fails with CodeInvalidPendingCredential.
func (p PendingSignIn) userOf(ctx context.Context, r Reader) (User, error) {
	u, err := r.GetUser(ctx, p.Project, p.User)
	if errors.Is(err, ErrNotFound) {
		return User{}, errInvalidPending
	}
	if err != nil {
		return User{}, fmt.Errorf("user: %w", err)
	}
	if u.Blocked() || u.Email != p.Email || !u.PasswordUpdatedAt.Equal(p.PasswordUpdatedAt) {
		return User{}, errInvalidPending
	}
	return u, nil
}

// findPending looks at a pending sign-in without counting a try.
func (s *Service) findPending(ctx context.Context, r Reader, p ProjectID, credential string) (User, error) {
	pending, err := r.GetPendingSignIn(ctx, p, token.Hash(credential), s.now())
	if errors.Is(err, ErrNotFound) {
		return User{}, errInvalidPending
	}
	if err != nil {
		return User{}, fmt.Errorf("pending sign-in: %w", err)
	}
	return pending.userOf(ctx, r)
}

// tryPending counts a try of the second factor in tx, against the pending sign-in and against the account's and the source's budgets, before anything is checked (P29).
func (s *Service) tryPending(ctx context.Context, tx Tx, c Caller, credential string) (User, error) {
	pending, err := tx.TryPendingSignIn(ctx, c.Project.ID, token.Hash(credential), pendingTries, s.now())
	if errors.Is(err, ErrNotFound) {
		return User{}, errInvalidPending
	}
	if err != nil {
		return User{}, fmt.Errorf("pending sign-in: %w", err)
	}
	u, err := pending.userOf(ctx, tx)
	if err != nil {
		return User{}, err
	}
	return u, s.takeFactorTry(ctx, tx, c, u)
}

// finishPending uses a pending sign-in up in tx, with the proof that it waited for, and begins its session.
func (s *Service) finishPending(ctx context.Context, tx Tx, c Caller, credential string, proven provenFactor) (User, issued, error) {
	pending, err := tx.ConsumePendingSignIn(ctx, c.Project.ID, token.Hash(credential), s.now())
	if errors.Is(err, ErrNotFound) {
		return User{}, issued{}, errInvalidPending
	}
	if err != nil {
		return User{}, issued{}, fmt.Errorf("pending sign-in: %w", err)
	}
	u, err := pending.userOf(ctx, tx)
	if err != nil {
		return User{}, issued{}, err
	}
	if err := proven.use(ctx, tx); err != nil {
		return User{}, issued{}, err
	}
	if err := s.refundFactorTry(ctx, tx, c, u); err != nil {
		return User{}, issued{}, err
	}
	if err := s.audit(ctx, tx, c, EventSignIn, OutcomeAllowed, u.ID, "provider", pending.ProviderID, "second_factor", string(proven.kind)); err != nil {
		return User{}, issued{}, err
	}
	begun, err := s.beginSession(ctx, tx, c, u, pending.ProviderID, proven)
	return u, begun, err
}

// CompleteSignIn finishes a pending sign-in with a second factor. It fails with CodeInvalidPendingCredential, CodeInvalidArgument, CodeTooManyAttempts,
// CodeInvalidSecondFactorCode, CodeSecondFactorNotFound and CodeInvalidPasskey.
func (s *Service) CompleteSignIn(ctx context.Context, c Caller, credential string, proof SecondFactorProof) (Tokens, error) {
	ctx = withTrail(ctx, c)
	if err := proof.check(); err != nil {
		return Tokens{}, err
	}
	var u User
	var challenge PasskeyChallenge
	err := s.store.Update(ctx, func(tx Tx) (err error) {
		if u, err = s.tryPending(ctx, tx, c, credential); err != nil {
			return err
		}
		challenge, err = s.useChallenge(ctx, tx, c.Project.ID, purposeSecond, credential, proof.Credential)
		return err
	})
	if err != nil {
		return Tokens{}, s.factorDenied(ctx, c, EventSignIn, u.ID, err)
	}
	user := u.ID
	proven, err := s.prove(ctx, c.Project, u, proof, challenge)
	if err != nil {
		return Tokens{}, s.factorDenied(ctx, c, EventSignIn, user, err)
	}
	var begun issued
	err = s.store.Update(ctx, func(tx Tx) (err error) {
		u, begun, err = s.finishPending(ctx, tx, c, credential, proven)
		return err
	})
	if err != nil {
		return Tokens{}, s.factorDenied(ctx, c, EventSignIn, user, err)
	}
	return s.signIssued(ctx, c.Project, u, begun)
}
