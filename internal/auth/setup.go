package auth

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/doorward/doorward/internal/token"
)

// SetupCode opens the set-up of the console, once (P38).
type SetupCode struct {
	Hash      []byte
	CreatedAt time.Time
	ExpiresAt time.Time
}

// SetupTTL is how long a set-up link works.
const SetupTTL = time.Hour

// SetupPath is where a set-up link leads to, under the public URL; its query has the code.
const SetupPath = "/console/setup"

// SetupLink gives a link under which somebody makes an operator's account, or gets the own one back, without being one. It works once and for SetupTTL, and voids all earlier
// ones. Only for who holds the data directory. It fails with CodePermissionDenied.
func (a *Admin) SetupLink(ctx context.Context, c Caller) (string, error) {
	if !c.isLocal() {
		return "", errOnlyLocal
	}
	c, err := a.onConsole(ctx, c)
	if err != nil {
		return "", err
	}
	plain, err := token.NewOpaque("", refreshTokenBytes, a.rand)
	if err != nil {
		return "", err
	}
	now := a.now()
	err = a.store.Update(ctx, func(tx Tx) error {
		if err := tx.ReplaceSetupCode(ctx, SetupCode{Hash: token.Hash(plain), CreatedAt: now, ExpiresAt: now.Add(SetupTTL)}); err != nil {
			return fmt.Errorf("set-up code: %w", err)
		}
		return a.audit(ctx, tx, c, EventSetupLink, OutcomeAllowed, "")
	})
	if err != nil {
		return "", err
	}
	return a.publicURL + SetupPath + "?code=" + url.QueryEscape(plain), nil
}

var errOnlyLocal = newError(CodePermissionDenied, "this works only with the data directory at hand; run it where the server runs")

// FirstSetupLink gives a SetupLink while there is no operator's account, and else "".
func (a *Admin) FirstSetupLink(ctx context.Context, c Caller) (string, error) {
	if !c.isLocal() {
		return "", errOnlyLocal
	}
	n, err := a.store.CountUsers(ctx, ConsoleProject)
	if err != nil || n > 0 {
		return "", err
	}
	return a.SetupLink(ctx, c)
}

// CheckSetup tells whether the code of a set-up link works, and uses nothing up (P8). It fails with CodeMissingOOBCode, CodeInvalidOOBCode, CodeExpiredOOBCode and CodeTooManyAttempts.
func (s *Service) CheckSetup(ctx context.Context, c Caller, code string) error {
	c, err := s.withConsole(ctx, c)
	if err != nil {
		return err
	}
	return s.guarded(ctx, c, EventOperatorSetUp, func() error {
		_, err := s.findSetupCode(ctx, c, code)
		return err
	})
}

// SetupParams are what a set-up link carried, and what its reader typed.
type SetupParams struct {
	Code        string
	Email       string
	DisplayName string
	Password    string
}

// Setup uses a set-up link up and makes an operator's account, whose address counts as proven: who has the link holds the instance. An operator who has an account of this
// address already, gets it anew: with this password, enabled, without second factors and sessions. The answer is a pending sign-in, which enrolls a second factor.
// It fails with CodeMissingOOBCode, CodeInvalidOOBCode, CodeExpiredOOBCode, CodeInvalidEmail, CodeMissingPassword, CodeWeakPassword, CodeInvalidArgument, CodeTooManyAttempts and
// CodeUnavailable.
func (s *Service) Setup(ctx context.Context, c Caller, params SetupParams) (tokens Tokens, err error) {
	if c, err = s.withConsole(ctx, c); err != nil {
		return Tokens{}, err
	}
	ctx = withTrail(ctx, c)
	err = s.guarded(ctx, c, EventOperatorSetUp, func() (err error) {
		tokens, err = s.setUp(ctx, c, params)
		return err
	})
	return tokens, err
}

func (s *Service) setUp(ctx context.Context, c Caller, params SetupParams) (Tokens, error) {
	found, err := s.findSetupCode(ctx, c, params.Code)
	if err != nil {
		return Tokens{}, err
	}
	email, err := checkCredentials(c.Project, params.Email, params.Password)
	if err != nil {
		return Tokens{}, err
	}
	newcomer, err := s.newUser(c, email)
	if err != nil {
		return Tokens{}, err
	}
	newcomer.Name = params.DisplayName
	if err := checkProfile(newcomer); err != nil {
		return Tokens{}, err
	}
	if newcomer.PasswordHash, err = s.hashPassword(ctx, c.Project, email, params.Password, params.DisplayName); err != nil {
		return Tokens{}, err
	}
	var u User
	var begun issued
	err = s.store.Update(ctx, func(tx Tx) (err error) {
		if err := tx.UseSetupCode(ctx, found.Hash, s.now()); errors.Is(err, ErrNotFound) {
			return errInvalidCode
		} else if err != nil {
			return fmt.Errorf("use set-up code: %w", err)
		}
		if u, err = s.setUpAccount(ctx, tx, newcomer); err != nil {
			return err
		}
		if begun, err = s.issueSession(ctx, tx, c, u, ProviderPassword); err != nil {
			return err
		}
		return s.audit(ctx, tx, c, EventOperatorSetUp, OutcomeAllowed, u.ID)
	})
	if err != nil {
		return Tokens{}, s.codeDenied(ctx, c, EventOperatorSetUp, "", err)
	}
	return s.signIssued(ctx, c.Project, u, begun)
}

// setUpAccount stores in tx the account that a set-up makes, or the one of its address as it then begins anew.
func (s *Service) setUpAccount(ctx context.Context, tx Tx, newcomer User) (User, error) {
	now := s.now()
	u, err := tx.GetUserByEmail(ctx, newcomer.Project, newcomer.Email)
	exists := err == nil
	switch {
	case errors.Is(err, ErrNotFound):
		u = newcomer
	case err != nil:
		return User{}, fmt.Errorf("user: %w", err)
	}
	if newcomer.Name != "" {
		u.Name = newcomer.Name
	}
	u.PasswordHash, u.PasswordUpdatedAt, u.UpdatedAt, u.LastSignInAt = newcomer.PasswordHash, now, now, now
	u.EmailVerified, u.Disabled, u.InvitePending, u.VerificationRequired = true, false, false, false
	if !exists {
		return u, tx.CreateUser(ctx, u)
	}
	if _, err := tx.DeleteSecondFactors(ctx, u.Project, u.ID); err != nil {
		return User{}, err
	}
	if err := s.endSessions(ctx, tx, u, ""); err != nil {
		return User{}, err
	}
	if err := tx.VoidOOBCodes(ctx, u.Project, u.ID); err != nil { // a rescue must not be undone by links that went out before (P7)
		return User{}, err
	}
	return u, tx.UpdateUser(ctx, u)
}

// findSetupCode looks a code up without using it, and records a refusal.
func (s *Service) findSetupCode(ctx context.Context, c Caller, plain string) (SetupCode, error) {
	if plain == "" {
		return SetupCode{}, errMissingCode
	}
	code, err := s.store.GetSetupCode(ctx, token.Hash(plain))
	switch {
	case errors.Is(err, ErrNotFound):
		err = errInvalidCode
	case err != nil:
		return SetupCode{}, fmt.Errorf("set-up code: %w", err)
	case !code.ExpiresAt.After(s.now()):
		err = newError(CodeExpiredOOBCode, "the link has expired")
	}
	return code, s.codeDenied(ctx, c, EventOperatorSetUp, "", err)
}
