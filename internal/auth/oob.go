package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/token"
)

// The paths of the hosted pages under {public_url}/{project}/, where no URL is set.
const (
	PageVerifyEmail   = "verify-email"
	PageInvite        = "accept-invite"
	PageResetPassword = "reset-password"
	PageChangeEmail   = "confirm-email"
	PageTakeBackEmail = "take-back-email"
	PageTakeBack      = "take-back"
)

// issueCode makes a one-time code in tx, which voids the user's earlier ones of its purpose (P7). code's Hash, CreatedAt and ExpiresAt are filled in.
func (s *Service) issueCode(ctx context.Context, tx Tx, code OOBCode, ttl time.Duration) (string, error) {
	plain, err := token.NewOpaque("", refreshTokenBytes, s.rand)
	if err != nil {
		return "", err
	}
	if !code.Purpose.takesBack() { // each change has its own way back
		if err := tx.VoidOOBCodes(ctx, code.Project, code.User, code.Purpose); err != nil {
			return "", fmt.Errorf("void codes: %w", err)
		}
	}
	code.Hash, code.CreatedAt = token.Hash(plain), s.now()
	code.ExpiresAt = code.CreatedAt.Add(ttl)
	if err := tx.CreateOOBCode(ctx, code); err != nil {
		return "", fmt.Errorf("create code: %w", err)
	}
	return plain, nil
}

// findCode looks a code up without using it, so that what else may be wrong is told before it is gone. user "" does not restrict.
// It fails with CodeInvalidOOBCode and CodeExpiredOOBCode.
func (s *Service) findCode(ctx context.Context, p ProjectID, plain string, purpose OOBPurpose, user UserID) (OOBCode, error) {
	code, err := s.store.GetOOBCode(ctx, p, token.Hash(plain))
	noteCode(ctx, code, err, purpose, user, s.now())
	if errors.Is(err, ErrNotFound) {
		return OOBCode{}, errInvalidCode
	}
	if err != nil {
		return OOBCode{}, fmt.Errorf("code: %w", err)
	}
	if code.Purpose != purpose || !code.ConsumedAt.IsZero() || (user != "" && code.User != user) {
		return OOBCode{}, errInvalidCode
	}
	if !code.ExpiresAt.After(s.now()) {
		return OOBCode{}, newError(CodeExpiredOOBCode, "the link has expired")
	}
	return code, nil
}

var (
	errInvalidCode = newError(CodeInvalidOOBCode, "the link does not work, or was used already")
	errMissingCode = newError(CodeMissingOOBCode, "a part of the link is missing")
)

// useCode consumes a found code in tx and gives its user as it now stands. The address that the code went to must still be the account's, except for the
// purposes that are about another address. It fails with CodeInvalidOOBCode.
func (s *Service) useCode(ctx context.Context, tx Tx, found OOBCode) (User, error) {
	code, err := tx.ConsumeOOBCode(ctx, found.Project, found.Hash, found.Purpose, s.now())
	if errors.Is(err, ErrNotFound) {
		return User{}, errInvalidCode
	}
	if err != nil {
		return User{}, fmt.Errorf("consume code: %w", err)
	}
	u, err := tx.GetUser(ctx, code.Project, code.User)
	if errors.Is(err, ErrNotFound) {
		return User{}, errInvalidCode
	}
	if err != nil {
		return User{}, fmt.Errorf("user: %w", err)
	}
	ownAddress := code.Purpose != PurposeChangeEmail && code.Purpose != PurposeTakeBackEmail && code.Purpose != PurposeTakeBackClaim
	if ownAddress && code.Email != u.Email {
		return User{}, errInvalidCode
	}
	return u, nil
}

func (p OOBPurpose) takesBack() bool {
	return p == PurposeTakeBackEmail || p == PurposeTakeBackClaim || p == PurposeTakeBack
}

// codeDenied records a refused code; every other error goes through.
func (s *Service) codeDenied(ctx context.Context, c Caller, event Event, user UserID, err error) error {
	switch CodeOf(err) {
	case CodeInvalidOOBCode, CodeExpiredOOBCode:
		return s.deny(ctx, c, event, user, AsError(err))
	}
	return err
}

// voidCodes ends the user's codes and pending sign-ins because its credentials, email or state changed (P7). The ways back from an email change outlive that: undoing is what they are for.
func voidCodes(ctx context.Context, tx Tx, u User) error {
	err := tx.VoidOOBCodes(ctx, u.Project, u.ID, PurposeVerifyEmail, PurposeInvite, PurposeResetPassword, PurposeChangeEmail)
	if err != nil {
		return fmt.Errorf("void codes: %w", err)
	}
	if err := tx.VoidPendingSignIns(ctx, u.Project, u.ID); err != nil {
		return fmt.Errorf("void pending sign-ins: %w", err)
	}
	return nil
}

// link is where a mail's reader goes: the project's URL for it, or the hosted page. A query that the URL has is kept.
func (s *Service) link(p *Project, setting, page, code string, user UserID) string {
	target := cmp.Or(setting, s.publicURL+"/"+string(p.ID)+"/"+page)
	separator := "?"
	if strings.Contains(target, "?") {
		separator = "&"
	}
	return target + separator + "oobCode=" + url.QueryEscape(code) + "&uid=" + url.QueryEscape(string(user))
}
