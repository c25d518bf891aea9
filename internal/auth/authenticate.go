package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/doorward/doorward/internal/token"
)

// AuthenticateUser makes the caller the user that the id token was issued to, and checks what has happened since (P20).
// It fails with CodeUnauthenticated where there is no token or no JWT, CodeTokenExpired, and CodeTokenInvalid for all else.
func (s *Service) AuthenticateUser(ctx context.Context, c Caller, idToken string) (Caller, error) {
	signedIn, err := s.AuthenticateEnrolling(ctx, c, idToken)
	if err == nil && signedIn.session.lacksSecondFactor(c.Project.Settings) {
		return c, errTokenInvalid
	}
	return signedIn, err
}

// AuthenticateEnrolling is AuthenticateUser for enrolling a second factor: a session that began before the project required one is good for that alone.
func (s *Service) AuthenticateEnrolling(ctx context.Context, c Caller, idToken string) (Caller, error) {
	if idToken == "" {
		return c, newError(CodeUnauthenticated, "this needs a signed-in user")
	}
	ctx = withTrail(ctx, c)
	signedIn, err := s.authenticateUser(ctx, c, idToken)
	if err != nil {
		return c, s.explainLater(ctx, c, EventTokenRefused, err)
	}
	return signedIn, nil
}

func (s *Service) authenticateUser(ctx context.Context, c Caller, idToken string) (Caller, error) {
	claims, err := s.verifyIDToken(ctx, c.Project, idToken)
	if err != nil {
		return c, err
	}
	noteUser(ctx, UserID(claims.Subject))
	signedIn, err := s.signedInBy(ctx, c, SessionID(claims.SessionID))
	if err == nil && signedIn.user.ID != UserID(claims.Subject) {
		return c, errTokenInvalid
	}
	return signedIn, err
}

// signedInBy makes the caller the user of a session, if that lives and its user may sign in.
func (s *Service) signedInBy(ctx context.Context, c Caller, id SessionID) (Caller, error) {
	found, err := s.store.GetSignedIn(ctx, c.Project.ID, id)
	session, user := found.Session, found.User
	noteSession(ctx, c.Project.Settings, session, err, s.now())
	if errors.Is(err, ErrNotFound) {
		return c, errTokenInvalid
	}
	if err != nil {
		return c, fmt.Errorf("session and user: %w", err)
	}
	noteLookup(ctx, user, nil)
	if session.ended(c.Project.Settings, s.now()) || user.Blocked() {
		return c, errTokenInvalid
	}
	c.actor, c.user, c.session = ActorUser, &user, &session
	return c, nil
}

var errTokenInvalid = newError(CodeTokenInvalid, "the token is not valid")

func (s *Service) verifyIDToken(ctx context.Context, p *Project, idToken string) (token.Claims, error) {
	keys, err := s.verificationKeys(ctx, p.ID)
	if err != nil {
		return token.Claims{}, err
	}
	expect := token.Expect{Issuer: s.Issuer(p.ID), FormerIssuer: p.Settings.FormerIssuer, Audience: string(p.ID), Now: s.clock(), Leeway: clockSkew}
	claims, err := s.verify(idToken, keys, expect)
	noteVerification(ctx, err, s.now())
	switch {
	case errors.Is(err, token.ErrNotJWT):
		return claims, newError(CodeUnauthenticated, "this needs a signed-in user")
	case errors.Is(err, token.ErrExpired):
		return claims, newError(CodeTokenExpired, "the token has expired")
	case err != nil:
		return claims, errTokenInvalid
	}
	return claims, nil
}

// verify is token.Verify, but a signature that held once is not computed again. All that can change is looked at each time: the keys that count, and the claims against
// the clock and the project.
func (s *Service) verify(idToken string, keys []token.PublicKey, expect token.Expect) (token.Claims, error) {
	authentic, err := s.authentic.get(string(token.Hash(idToken)), func() (token.Authentic, error) { return token.Open(idToken, keys) })
	if err != nil {
		return token.Claims{}, err
	}
	return authentic.Check(keys, expect)
}

// clockSkew is how far the clocks of two nodes may differ without tokens of one being too young for the other.
const clockSkew = 5 * time.Minute

// AuthenticateAdmin makes the caller the project's admin. It fails with CodeAdminRequired or CodeTooManyAttempts, and writes that down.
func (s *Service) AuthenticateAdmin(ctx context.Context, c Caller, adminToken string) (Caller, error) {
	if adminToken == "" || c.projectID() == ConsoleProject || !token.Equal(token.Hash(adminToken), c.Project.AdminTokenHash) {
		return c, s.tooMany(ctx, c, s.deny(ctx, c, EventAdminDenied, "", newError(CodeAdminRequired, "this needs the project's admin token")))
	}
	c.actor = ActorAdmin
	return c, nil
}

// AuthenticateOperator makes the caller an operator of the instance, who is also every project's admin. It fails with CodeAdminRequired or CodeTooManyAttempts.
func (s *Service) AuthenticateOperator(ctx context.Context, c Caller, operatorToken string) (Caller, error) {
	t, err := s.store.GetOperatorTokenByHash(ctx, token.Hash(operatorToken))
	if errors.Is(err, ErrNotFound) {
		return c, s.tooMany(ctx, c, s.deny(ctx, c, EventAdminDenied, "", newError(CodeAdminRequired, "this needs an operator token")))
	}
	if err != nil {
		return c, fmt.Errorf("operator token: %w", err)
	}
	c.actor, c.name = ActorOperator, t.Name
	return c, nil
}

// LocalOperator makes the caller an operator because it holds the data directory itself, as the command line does.
func (s *Service) LocalOperator(c Caller) Caller {
	c.actor, c.name = ActorOperator, localOperator
	return c
}
