package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/doorward/doorward/internal/totp"
)

// EnrollmentParams say which second factor a user wants to add. PendingCredential stands in for a session where the project requires a first second factor.
type EnrollmentParams struct {
	Kind              SecondFactorKind
	Name              string
	PendingCredential string
}

// Enrollment is what the user's app or authenticator needs. The secret is told this once.
type Enrollment struct {
	ID              SecondFactorID
	Kind            SecondFactorKind
	TOTPSecret      string // base32
	TOTPURI         string // otpauth://
	TOTPImage       []byte // the URI as a QR code, PNG
	PasskeyCreation []byte // options for navigator.credentials.create, as JSON
}

// enrolling finds who adds a second factor: a signed-in user who signed in a moment ago, with a second factor if there is one already; or, without a session, somebody
// who signs in, whose project requires a second factor, and who has none. It fails with CodeSecondFactorOff, CodeRecentSignInRequired, CodeInvalidPendingCredential and
// CodeSecondFactorLimit.
func (s *Service) enrolling(ctx context.Context, r Reader, c Caller, pendingCredential string) (User, error) {
	if c.Project.Settings.SecondFactor == SecondFactorOff {
		return User{}, errSecondFactorOff
	}
	user, session, err := c.requireUser()
	if err != nil {
		return s.enrollingPending(ctx, r, c, pendingCredential)
	}
	factors, err := confirmedFactors(ctx, r, user.Project, user.ID)
	switch {
	case err != nil:
		return User{}, err
	case !s.isRecent(c, session), len(factors) > 0 && session.SecondFactor == "":
		return user, errProofTooOld
	case len(factors) >= maxSecondFactors:
		return user, errSecondFactorLimit
	}
	return user, nil
}

func (s *Service) enrollingPending(ctx context.Context, r Reader, c Caller, credential string) (User, error) {
	if credential == "" {
		return User{}, newError(CodeUnauthenticated, "this needs a signed-in user")
	}
	u, err := s.findPending(ctx, r, c.Project.ID, credential)
	if err != nil {
		return User{}, err
	}
	factors, err := confirmedFactors(ctx, r, u.Project, u.ID)
	if err == nil && (len(factors) > 0 || c.Project.Settings.SecondFactor != SecondFactorRequired) {
		return u, errInvalidPending // what the sign-in waits for is a proof of those
	}
	return u, err
}

// BeginEnrollment makes a second factor that proves nothing until FinishEnrollment confirms it; an earlier one that was not confirmed goes. It fails as enrolling does,
// and with CodeInvalidArgument and CodePasskeysNotSetUp.
func (s *Service) BeginEnrollment(ctx context.Context, c Caller, params EnrollmentParams) (Enrollment, error) {
	u, err := s.enrolling(ctx, s.store, c, params.PendingCredential)
	if err != nil {
		return Enrollment{}, s.factorDenied(ctx, c, EventSecondFactorEnrolled, u.ID, err)
	}
	f, e, challenge, err := s.newFactor(ctx, c.Project, u, params)
	if err != nil {
		return Enrollment{}, err
	}
	err = s.store.Update(ctx, func(tx Tx) error {
		if err := s.takePasskeyStart(ctx, tx, c); err != nil {
			return err
		}
		if err := tx.DeleteUnconfirmedSecondFactors(ctx, u.Project, u.ID); err != nil {
			return err
		}
		if err := tx.CreateSecondFactor(ctx, f); err != nil {
			return err
		}
		if f.Kind != FactorPasskey {
			return nil
		}
		return tx.PutPasskeyChallenge(ctx, challenge)
	})
	if errors.Is(err, ErrNotFound) { // the user was deleted meanwhile
		return Enrollment{}, errTokenInvalid
	}
	return e, err
}

func (s *Service) newFactor(ctx context.Context, p *Project, u User, params EnrollmentParams) (f SecondFactor, e Enrollment, challenge PasskeyChallenge, err error) {
	name, err := factorName(params.Kind, params.Name)
	if err != nil {
		return f, e, challenge, err
	}
	id, err := s.newID()
	if err != nil {
		return f, e, challenge, err
	}
	f = SecondFactor{Project: u.Project, ID: SecondFactorID(id), User: u.ID, Kind: params.Kind, Name: name, CreatedAt: s.now()}
	switch params.Kind {
	case FactorTOTP:
		e, err = s.newTOTP(p, u, &f)
	case FactorPasskey:
		e.PasskeyCreation, challenge, err = s.beginRegistration(ctx, p, u, f.ID)
	default:
		err = invalidArgument("kind", "kind is totp or passkey")
	}
	e.ID, e.Kind = f.ID, f.Kind
	return f, e, challenge, err
}

func (s *Service) newTOTP(p *Project, u User, f *SecondFactor) (e Enrollment, err error) {
	secret, err := totp.NewSecret(s.rand)
	if err != nil {
		return e, err
	}
	if f.SecretSealed, err = s.keyring.Seal(secret, SealedSecondFactor.AD(f.Project, string(f.ID))); err != nil {
		return e, fmt.Errorf("seal totp secret: %w", err)
	}
	e.TOTPSecret, e.TOTPURI = totp.Encode(secret), totp.URI(p.DisplayName, accountName(u), secret)
	e.TOTPImage, err = totp.QR(e.TOTPURI)
	return e, err
}

// EnrollmentProof confirms a factor: a code of the new app, or the answer of the new passkey.
type EnrollmentProof struct {
	ID                SecondFactorID
	Code              string
	Credential        []byte // JSON
	PendingCredential string
}

// Enrolled is what confirming a factor gives. RecoveryCodes come with the first one, and are told this once; Tokens where it finished a sign-in.
type Enrolled struct {
	RecoveryCodes []string
	Tokens        *Tokens
}

// FinishEnrollment confirms a second factor. The user's other sessions end, and the user is told by mail. It fails as BeginEnrollment does, and with
// CodeSecondFactorNotFound, CodeInvalidSecondFactorCode, CodeInvalidPasskey and CodeTooManyAttempts.
func (s *Service) FinishEnrollment(ctx context.Context, c Caller, proof EnrollmentProof) (Enrolled, error) {
	u, err := s.enrolling(ctx, s.store, c, proof.PendingCredential)
	if err != nil {
		return Enrolled{}, s.factorDenied(ctx, c, EventSecondFactorEnrolled, u.ID, err)
	}
	if (proof.Code == "") == (len(proof.Credential) == 0) {
		return Enrolled{}, invalidArgument("code", "Please provide either code or credential")
	}
	confirmed, err := s.confirmable(ctx, c, u, proof)
	if err != nil {
		return Enrolled{}, s.factorDenied(ctx, c, EventSecondFactorEnrolled, u.ID, err)
	}
	var e Enrolled
	var begun issued
	err = s.commitMail(ctx, func(tx Tx) (err error) {
		e, begun, err = s.enroll(ctx, tx, c, confirmed, proof.PendingCredential)
		return err
	})
	if errors.Is(err, ErrConflict) {
		err = PasskeyRefused(errors.New("the passkey is enrolled already"))
	}
	if err != nil {
		return Enrolled{}, s.factorDenied(ctx, c, EventSecondFactorEnrolled, u.ID, err)
	}
	if !begun.begins() { // in a session that there was already
		return e, nil
	}
	tokens, err := s.signIssued(ctx, c.Project, u, begun)
	e.Tokens = &tokens
	return e, err
}

// confirmable counts the try and checks the proof; it gives the factor as it is to be stored.
func (s *Service) confirmable(ctx context.Context, c Caller, u User, proof EnrollmentProof) (SecondFactor, error) {
	factors, err := s.store.ListSecondFactors(ctx, u.Project, u.ID)
	if err != nil {
		return SecondFactor{}, fmt.Errorf("second factors: %w", err)
	}
	i := slices.IndexFunc(factors, func(f SecondFactor) bool { return f.ID == proof.ID && f.ConfirmedAt.IsZero() })
	if i < 0 {
		return SecondFactor{}, errSecondFactorNotFound
	}
	f := factors[i]
	var challenge PasskeyChallenge
	err = s.store.Update(ctx, func(tx Tx) (err error) {
		if c.user == nil {
			if _, err := s.tryPending(ctx, tx, c, proof.PendingCredential); err != nil {
				return err
			}
		} else if err := s.takeFactorTry(ctx, tx, c, u); err != nil {
			return err
		}
		challenge, err = s.useChallenge(ctx, tx, c.Project.ID, purposeEnroll, string(f.ID), proof.Credential)
		return err
	})
	if err != nil {
		return SecondFactor{}, err
	}
	f.ConfirmedAt = s.now()
	if f.Kind == FactorPasskey {
		return s.finishRegistration(c.Project, u, f, challenge, proof.Credential)
	}
	step, ok, err := s.matchTOTP(f, proof.Code)
	if err == nil && !ok {
		err = errWrongCode
	}
	f.Counter = step // this code is used
	return f, err
}

// enroll stores a confirmed factor in tx with all that follows from it.
func (s *Service) enroll(ctx context.Context, tx Tx, c Caller, f SecondFactor, pendingCredential string) (e Enrolled, begun issued, err error) {
	u, err := s.enrolling(ctx, tx, c, pendingCredential) // once more: much may have changed since it was checked
	if err != nil {
		return e, begun, err
	}
	if err := s.takeFactorChange(ctx, tx, c, u.ID); err != nil {
		return e, begun, err
	}
	earlier, err := confirmedFactors(ctx, tx, u.Project, u.ID)
	if err != nil {
		return e, begun, err
	}
	if err := tx.ConfirmSecondFactor(ctx, f); err != nil {
		return e, begun, notConfirmed(err)
	}
	if len(earlier) == 0 {
		if e.RecoveryCodes, err = s.newRecoveryCodes(ctx, tx, u); err != nil {
			return e, begun, err
		}
	}
	if begun, err = s.enrolledSession(ctx, tx, c, f, pendingCredential); err != nil {
		return e, begun, err
	}
	if err := s.factorsChanged(ctx, tx, c, u, begun.session.ID); err != nil {
		return e, begun, err
	}
	return e, begun, s.audit(ctx, tx, c, EventSecondFactorEnrolled, OutcomeAllowed, u.ID, "factor", string(f.ID), "kind", string(f.Kind))
}

func notConfirmed(err error) error {
	if errors.Is(err, ErrNotFound) {
		return errSecondFactorNotFound
	}
	return err
}

// enrolledSession is the session that goes on: that of the sign-in which waited for the factor, or the user's own, in which the factor is proven now.
func (s *Service) enrolledSession(ctx context.Context, tx Tx, c Caller, f SecondFactor, pendingCredential string) (issued, error) {
	proven := provenFactor{kind: f.Kind, id: f.ID, use: func(context.Context, Tx) error { return nil }}
	if c.user == nil {
		_, begun, err := s.finishPending(ctx, tx, c, pendingCredential, proven)
		return begun, err
	}
	u, err := livingUser(ctx, tx, *c.session)
	if err != nil {
		return issued{}, goneMeanwhile(err)
	}
	if err := s.refundFactorTry(ctx, tx, c, u); err != nil {
		return issued{}, err
	}
	if c.session.SecondFactor != "" {
		return issued{session: *c.session}, nil
	}
	return issued{session: *c.session}, goneMeanwhile(tx.StrengthenSession(ctx, f.Project, c.session.ID, f.Kind, f.ID))
}
