package auth

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/doorward/doorward/internal/token"
)

// A short code stands beside the link of a mail, for who reads that on another device. It is of the link's own row, so that both are used up, voided and expire together.
// Having 40 random bits instead of the 128 of P7, it is sealed where a hash would soon be undone, asked for together with its address, and dead after shortCodeTries.
const (
	shortCodeBytes = 5
	shortCodeChars = 8
	shortCodeTries = 5
)

// shortCodeEncoding has the alphabet of Crockford's base 32, which leaves out I, L, O and U.
var shortCodeEncoding = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// TypedCode is a short code as it was typed, and the address that its mail came to.
type TypedCode struct{ Email, Code string }

var errWrongTypedCode = newError(CodeInvalidOOBCode, "the typed code is wrong, or does not work any more")

// mailedCode issues a code and gives what its mail tells of it: the link to the page, which setting replaces where it is not "", and the short code. A project that turned
// the hosted pages off for its own gets none, since its own pages could not take it.
func (s *Service) mailedCode(ctx context.Context, tx Tx, p *Project, code OOBCode, setting, page string, ttl time.Duration) (MailData, error) {
	data := MailData{ExpiresIn: ttl}
	if setting == "" || p.Settings.HostedPages {
		short, err := s.newShortCode()
		if err != nil {
			return MailData{}, err
		}
		code.ShortID = shortCodeID(code.Purpose, code.Email)
		if code.ShortSealed, err = s.keyring.Seal([]byte(short), SealedShortCode.AD(p.ID, code.ShortID)); err != nil {
			return MailData{}, fmt.Errorf("seal short code: %w", err)
		}
		data.Code, data.CodePage = short[:shortCodeChars/2]+"-"+short[shortCodeChars/2:], s.Issuer(p.ID)+"/"+page
	}
	plain, err := s.issueCode(ctx, tx, code, ttl)
	if err != nil {
		return MailData{}, err
	}
	data.Link = s.link(p, setting, page, plain, code.User)
	return data, nil
}

func (s *Service) newShortCode() (string, error) {
	random := make([]byte, shortCodeBytes)
	if _, err := io.ReadFull(s.rand, random); err != nil {
		return "", fmt.Errorf("short code: read randomness: %w", err)
	}
	return shortCodeEncoding.EncodeToString(random), nil
}

// shortCodeID is what a short code is looked up by. An address has one at most for each purpose: that of the newest mail.
func shortCodeID(purpose OOBPurpose, email Email) string {
	return string(purpose) + "/" + string(email)
}

// parseShortCode reads a code as people type it: in either case and width, with spaces and hyphens anywhere, O for 0, I and L for 1. It gives "" for what cannot be one.
func parseShortCode(typed string) string {
	if len(typed) > 100 {
		return ""
	}
	plain := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || unicode.Is(unicode.Bidi_Control, r):
			return -1
		case r == 'O':
			return '0'
		case r == 'I' || r == 'L':
			return '1'
		}
		return r
	}, strings.ToUpper(norm.NFKC.String(typed)))
	if random, err := shortCodeEncoding.DecodeString(plain); err != nil || len(random) != shortCodeBytes {
		return ""
	}
	return plain
}

// VerifyEmailTyped is VerifyEmail with a typed code. It fails with CodeInvalidEmail, CodeInvalidOOBCode, whether or not there is such an account (P28), and CodeTooManyAttempts.
func (s *Service) VerifyEmailTyped(ctx context.Context, c Caller, typed TypedCode) error {
	return s.withTypedCode(ctx, c, EventEmailVerified, PurposeVerifyEmail, typed, func(ctx context.Context, found OOBCode) error {
		return s.verifyEmailWith(ctx, c, found)
	})
}

// AcceptInviteTyped is AcceptInvite with a typed code. It fails as VerifyEmailTyped does, and with CodeMissingPassword, CodeWeakPassword, CodePasswordProviderOff and
// CodeUnavailable.
func (s *Service) AcceptInviteTyped(ctx context.Context, c Caller, typed TypedCode, newPassword string) error {
	if err := checkNewPassword(c, newPassword); err != nil {
		return err
	}
	return s.withTypedCode(ctx, c, EventInviteAccepted, PurposeInvite, typed, func(ctx context.Context, found OOBCode) error {
		invitee, err := s.userOfLink(ctx, c, found.User)
		if err != nil {
			return err
		}
		return s.acceptInviteWith(ctx, c, invitee, found, newPassword)
	})
}

// ResetPasswordTyped is ResetPassword with a typed code. It fails as AcceptInviteTyped does.
func (s *Service) ResetPasswordTyped(ctx context.Context, c Caller, typed TypedCode, newPassword string) error {
	if err := checkNewPassword(c, newPassword); err != nil {
		return err
	}
	return s.withTypedCode(ctx, c, EventPasswordReset, PurposeResetPassword, typed, func(ctx context.Context, found OOBCode) error {
		return s.resetPasswordWith(ctx, c, found, newPassword)
	})
}

// ConfirmEmailChangeTyped is ConfirmEmailChange with a typed code; its address is the new one. It fails as VerifyEmailTyped does, and with CodeEmailInUse.
func (s *Service) ConfirmEmailChangeTyped(ctx context.Context, c Caller, typed TypedCode) error {
	return s.withTypedCode(ctx, c, EventEmailChanged, PurposeChangeEmail, typed, func(ctx context.Context, found OOBCode) error {
		return s.confirmEmailChangeWith(ctx, c, found)
	})
}

// checkNewPassword refuses what no code could make good, so that none is tried for it.
func checkNewPassword(c Caller, newPassword string) error {
	if newPassword == "" {
		return newError(CodeMissingPassword, "a new password is needed")
	}
	if !c.Project.Settings.PasswordProvider {
		return errPasswordProviderOff
	}
	return nil
}

// withTypedCode uses the code that was typed, if it is right. Only wrong ones add up.
func (s *Service) withTypedCode(ctx context.Context, c Caller, event Event, purpose OOBPurpose, typed TypedCode, use func(context.Context, OOBCode) error) error {
	email, err := ParseEmail(typed.Email)
	if err != nil {
		return err
	}
	ctx = withTrail(ctx, c)
	return evenlyDone(ctx, s, c, func() error {
		return s.guarded(ctx, c, event, func() error {
			found, err := s.findTypedCode(ctx, c, purpose, email, typed.Code)
			if err != nil {
				return s.codeDenied(ctx, c, event, found.User, s.limited(ctx, c, event, err))
			}
			defer s.refundTypedCode(ctx, c, found)
			return use(ctx, found)
		})
	})
}

// findTypedCode counts a try and only then looks whether it is right (P29). A try at an address without a code writes and answers the same (P28). It fails with
// CodeInvalidOOBCode, then with the code that was tried if there is one, and CodeTooManyAttempts.
func (s *Service) findTypedCode(ctx context.Context, c Caller, purpose OOBPurpose, email Email, typed string) (OOBCode, error) {
	plain := parseShortCode(typed)
	if plain == "" { // no try: the form of a code is no secret
		return OOBCode{}, errWrongTypedCode
	}
	id := shortCodeID(purpose, email)
	var code OOBCode
	var unknown error
	err := s.store.Update(ctx, func(tx Tx) error {
		budgets, err := tryBudgets(ctx, tx, c, shortCodeBudget, string(email))
		if err != nil {
			return err
		}
		if err := s.takeAll(ctx, tx, c, budgets); err != nil {
			return err
		}
		code, unknown = tx.TakeShortCodeTry(ctx, c.Project.ID, id, s.now(), shortCodeTries)
		if errors.Is(unknown, ErrNotFound) {
			return nil // the try stays counted
		}
		return unknown
	})
	if err != nil {
		return OOBCode{}, err
	}
	right := false
	if unknown == nil {
		short, err := s.keyring.Open(code.ShortSealed, SealedShortCode.AD(c.Project.ID, id))
		if err != nil {
			return OOBCode{}, fmt.Errorf("open short code: %w", err)
		}
		right = token.Equal(short, []byte(plain))
	}
	noteShortCode(ctx, code, unknown, right, purpose, s.now())
	if !right {
		return code, errWrongTypedCode
	}
	return code, nil
}

const shortCodeBudget = "typed-code"

// refundTypedCode gives the try back that a right code took: its use may have failed for a weak password.
func (s *Service) refundTypedCode(ctx context.Context, c Caller, found OOBCode) {
	ctx = context.WithoutCancel(ctx) // as in refundLater
	err := s.store.Update(ctx, func(tx Tx) error {
		budgets, err := tryBudgets(ctx, tx, c, shortCodeBudget, string(found.Email))
		if err != nil {
			return err
		}
		if err := refundAll(ctx, tx, c, budgets); err != nil {
			return err
		}
		return tx.RefundShortCodeTry(ctx, found.Project, found.Hash)
	})
	if err != nil {
		s.log.WarnContext(ctx, "a right code stays counted as a wrong one", "error", err)
	}
}
