package auth

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/doorward/doorward/internal/token"
)

const (
	recoveryCodes     = 10
	recoveryCodeBytes = 17 // 136 random bits in full groups: beyond guessing, so a fast hash will do (P7)
	recoveryCodeGroup = 4
)

var recoveryEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// newRecoveryCodes replaces the user's recovery codes in tx and gives the new ones, which are told this once.
func (s *Service) newRecoveryCodes(ctx context.Context, tx Tx, u User) ([]string, error) {
	codes, hashes := make([]string, recoveryCodes), make([][]byte, recoveryCodes)
	for i := range codes {
		secret := make([]byte, recoveryCodeBytes)
		if _, err := io.ReadFull(s.rand, secret); err != nil {
			return nil, fmt.Errorf("recovery code: read randomness: %w", err)
		}
		plain := strings.ToLower(recoveryEncoding.EncodeToString(secret))
		codes[i], hashes[i] = grouped(plain), hashRecoveryCode(plain)
	}
	if err := tx.ReplaceRecoveryCodes(ctx, u.Project, u.ID, hashes, s.now()); err != nil {
		return nil, fmt.Errorf("store recovery codes: %w", err)
	}
	return codes, nil
}

// grouped writes a code as people copy it best: abcd-efgh-ijkl-mnop-qrst-uvwx-yz23.
func grouped(code string) string {
	var groups []string
	for ; len(code) > recoveryCodeGroup; code = code[recoveryCodeGroup:] {
		groups = append(groups, code[:recoveryCodeGroup])
	}
	return strings.Join(append(groups, code), "-")
}

// hashRecoveryCode is what is stored of a code, however its groups and letters were typed. Its alphabet has no 0, 1 and 8, so what looks like them is meant.
func hashRecoveryCode(typed string) []byte {
	plain := strings.NewReplacer("-", "", " ", "", "0", "o", "1", "i", "8", "b").Replace(strings.ToLower(typed))
	return token.Hash("recovery-code/" + plain)
}

// proveRecoveryCode leaves the check to the statement that uses the code up.
func proveRecoveryCode(u User, typed string) provenFactor {
	return provenFactor{kind: FactorRecoveryCode, use: func(ctx context.Context, tx Tx) error {
		err := tx.UseRecoveryCode(ctx, u.Project, u.ID, hashRecoveryCode(typed))
		if errors.Is(err, ErrNotFound) {
			return errWrongCode
		}
		return err
	}}
}

// RenewRecoveryCodes gives the signed-in user ten new recovery codes and voids the old ones. The user must have signed in a moment ago, with a second factor.
// It fails with CodeRecentSignInRequired and CodeSecondFactorNotFound.
func (s *Service) RenewRecoveryCodes(ctx context.Context, c Caller) (codes []string, err error) {
	user, session, err := c.requireUser()
	if err != nil {
		return nil, err
	}
	if !s.isRecent(c, session) || session.SecondFactor == "" {
		return nil, s.deny(ctx, c, EventRecoveryCodesRenewed, user.ID, errProofTooOld)
	}
	err = s.commitMail(ctx, func(tx Tx) error {
		u, err := livingUser(ctx, tx, session)
		if err != nil {
			return goneMeanwhile(err)
		}
		factors, err := confirmedFactors(ctx, tx, u.Project, u.ID)
		if err != nil {
			return err
		}
		if len(factors) == 0 {
			return errSecondFactorNotFound
		}
		if codes, err = s.newRecoveryCodes(ctx, tx, u); err != nil {
			return err
		}
		if err := s.takeFactorChange(ctx, tx, c, u.ID); err != nil {
			return err
		}
		if err := s.tellOwner(ctx, tx, c, MailSecondFactorChanged, u, map[string]string{undoChange: changedFactor}); err != nil {
			return err
		}
		return s.audit(ctx, tx, c, EventRecoveryCodesRenewed, OutcomeAllowed, u.ID)
	})
	return codes, s.factorDenied(ctx, c, EventRecoveryCodesRenewed, user.ID, err)
}
