package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/doorward/doorward/internal/token"
)

// BrowserToken is what the cookie of a hosted page holds, stored as its hash. It names an ordinary session and dies with it (P39). A sign-in gives one instead of an id
// token and a refresh token where [Caller].Browser asks for it, so that none is ever taken for another (P23).
type BrowserToken struct {
	Project   ProjectID
	Hash      []byte
	Session   SessionID
	CreatedAt time.Time
}

// createBrowserToken makes the token of a session that begins in tx.
func (s *Service) createBrowserToken(ctx context.Context, tx Tx, session Session) (string, error) {
	plain, err := token.NewOpaque("", refreshTokenBytes, s.rand)
	if err != nil {
		return "", err
	}
	row := BrowserToken{Project: session.Project, Hash: token.Hash(plain), Session: session.ID, CreatedAt: s.now()}
	if err := tx.CreateBrowserToken(ctx, row); err != nil {
		return "", fmt.Errorf("create browser token: %w", err)
	}
	return plain, nil
}

var errSecondFactorRequired = newError(CodeSecondFactorRequired, "the project requires a second factor")

// AuthenticateBrowser makes the caller the user whose browser holds the token, checks what has happened since (P20), and notes the use of the session as a refresh does.
// It fails with CodeUnauthenticated where there is no token, CodeTokenInvalid where it is unknown or its session has ended, and with CodeSecondFactorRequired where the
// session began without the second factor that the project has come to require.
func (s *Service) AuthenticateBrowser(ctx context.Context, c Caller, browserToken string) (Caller, error) {
	signedIn, err := s.AuthenticateBrowserEnrolling(ctx, c, browserToken)
	if err == nil && signedIn.session.lacksSecondFactor(c.Project.Settings) {
		return c, errSecondFactorRequired
	}
	return signedIn, err
}

// AuthenticateBrowserEnrolling is AuthenticateBrowser for enrolling a second factor, without CodeSecondFactorRequired.
func (s *Service) AuthenticateBrowserEnrolling(ctx context.Context, c Caller, browserToken string) (Caller, error) {
	if browserToken == "" {
		return c, newError(CodeUnauthenticated, "this needs a signed-in user")
	}
	ctx = withTrail(ctx, c)
	signedIn, err := s.authenticateBrowser(ctx, c, browserToken)
	if err != nil {
		return c, s.explainLater(ctx, c, EventTokenRefused, err)
	}
	return signedIn, nil
}

func (s *Service) authenticateBrowser(ctx context.Context, c Caller, browserToken string) (Caller, error) {
	row, err := s.store.GetBrowserToken(ctx, c.Project.ID, token.Hash(browserToken))
	noteBrowserToken(ctx, row, err, s.now())
	if errors.Is(err, ErrNotFound) {
		return c, errTokenInvalid
	}
	if err != nil {
		return c, fmt.Errorf("browser token: %w", err)
	}
	signedIn, err := s.signedInBy(ctx, c, row.Session)
	if err != nil {
		return c, err
	}
	signedIn.Browser = true
	err = s.touchSession(ctx, signedIn, *signedIn.session)
	if errors.Is(err, errSessionEnded) { // revoked meanwhile
		err = errTokenInvalid
	}
	return signedIn, err
}
