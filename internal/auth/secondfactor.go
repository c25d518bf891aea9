package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/doorward/doorward/internal/totp"
)

// SecondFactorID names a second factor: random, not secret.
type SecondFactorID string

// SecondFactorKind is how a second factor is proven.
type SecondFactorKind string

// The kinds. A user can enroll the first two; recovery codes come with the first factor.
const (
	FactorTOTP         SecondFactorKind = "totp" // RFC 6238
	FactorPasskey      SecondFactorKind = "passkey"
	FactorRecoveryCode SecondFactorKind = "recovery_code"
)

// The values of Settings.SecondFactor.
const (
	SecondFactorOff      = "off"
	SecondFactorOptional = "optional"
	SecondFactorRequired = "required"
)

// SecondFactor is something that a user has beside its password or its account at a provider. It proves nothing before it is confirmed.
type SecondFactor struct {
	Project        ProjectID
	ID             SecondFactorID
	User           UserID
	Kind           SecondFactorKind
	Name           string // for the user to tell them apart
	SecretSealed   []byte // of FactorTOTP
	CredentialHash []byte // of FactorPasskey: SHA-256 of the credential id
	Credential     []byte // of FactorPasskey: its public record, in the form of the [PasskeyClient]
	Counter        int64  // the last step or signature count that was used
	CreatedAt      time.Time
	ConfirmedAt    time.Time // zero until its first proof
	LastUsedAt     time.Time
}

const (
	maxSecondFactors = 10
	maxFactorName    = 64 // bytes
	// UnconfirmedFor is how long a factor that nobody confirms is kept.
	UnconfirmedFor = day
)

var (
	errSecondFactorOff      = newError(CodeSecondFactorOff, "second factors are off in this project")
	errSecondFactorNotFound = newError(CodeSecondFactorNotFound, "there is no such second factor")
	errWrongCode            = newError(CodeInvalidSecondFactorCode, "the code is wrong, or was used already")
	errSecondFactorLimit    = newError(CodeSecondFactorLimit, fmt.Sprintf("a user has at most %d second factors", maxSecondFactors))
	errProofTooOld          = newError(CodeRecentSignInRequired, "sign in again, with the second factor, to do this")
)

// secondFactorDue tells whether a sign-in of the user needs a second step, and gives the factors that it can be made with.
func secondFactorDue(ctx context.Context, r Reader, p *Project, u User) (factors []SecondFactor, due bool, err error) {
	if p.Settings.SecondFactor == SecondFactorOff {
		return nil, false, nil
	}
	factors, err = confirmedFactors(ctx, r, u.Project, u.ID)
	return factors, len(factors) > 0 || p.Settings.SecondFactor == SecondFactorRequired, err
}

func confirmedFactors(ctx context.Context, r Reader, p ProjectID, user UserID) ([]SecondFactor, error) {
	factors, err := r.ListSecondFactors(ctx, p, user)
	if err != nil {
		return nil, fmt.Errorf("second factors: %w", err)
	}
	return slices.DeleteFunc(factors, func(f SecondFactor) bool { return f.ConfirmedAt.IsZero() }), nil
}

// lacksSecondFactor tells whether the project has come to require what the session began without.
func (s Session) lacksSecondFactor(set *Settings) bool {
	return set.SecondFactor == SecondFactorRequired && s.SecondFactor == ""
}

// methods are the values of RFC 8176 for ways to prove oneself.
var methods = map[SecondFactorKind]string{FactorTOTP: "otp", FactorRecoveryCode: "otp", FactorPasskey: "pop"}

// addSecondFactorClaims says with what a session began, where that was more than one factor. A passkey that signs in by itself is both.
func addSecondFactorClaims(claims map[string]any, session Session) {
	if session.SecondFactor == "" {
		return
	}
	firebase, _ := claims["firebase"].(map[string]any)
	firebase["sign_in_second_factor"] = string(session.SecondFactor)
	if session.SecondFactorID != "" {
		firebase["second_factor_identifier"] = string(session.SecondFactorID)
	}
	amr := []string{methods[session.SecondFactor], "mfa"}
	if session.ProviderID == ProviderPassword {
		amr = append([]string{"pwd"}, amr...)
	}
	claims["amr"] = amr
}

// SecondFactors gives the signed-in user's factors, the oldest first, and how many recovery codes are left.
func (s *Service) SecondFactors(ctx context.Context, c Caller) (factors []SecondFactor, recoveryCodes int, err error) {
	user, _, err := c.requireUser()
	if err != nil {
		return nil, 0, err
	}
	if factors, err = confirmedFactors(ctx, s.store, user.Project, user.ID); err != nil {
		return nil, 0, err
	}
	recoveryCodes, err = s.store.CountRecoveryCodes(ctx, user.Project, user.ID)
	return factors, recoveryCodes, err
}

// SecondFactorProof is what a user shows: exactly one of Code, RecoveryCode and Credential.
type SecondFactorProof struct {
	Factor       SecondFactorID // whose code it is; "" tries all
	Code         string
	RecoveryCode string
	Credential   []byte // a passkey's answer, as JSON
	SessionID    string // of BeginPasskeySignIn, for a passkey that a signed-in user shows
}

func (p SecondFactorProof) check() error {
	given := 0
	for _, is := range []bool{p.Code != "", p.RecoveryCode != "", len(p.Credential) > 0} {
		if is {
			given++
		}
	}
	if given != 1 {
		return invalidArgument("code", "Please provide one of code, recoveryCode, and credential")
	}
	return nil
}

// provenFactor is a proof that was found right. It counts once use has succeeded, which writes what makes it work only once.
type provenFactor struct {
	kind SecondFactorKind
	id   SecondFactorID
	use  func(ctx context.Context, tx Tx) error
}

// prove checks a proof of the user's; challenge is the one that a passkey answers. It fails with CodeInvalidSecondFactorCode, CodeSecondFactorNotFound and CodeInvalidPasskey.
func (s *Service) prove(ctx context.Context, p *Project, u User, proof SecondFactorProof, challenge PasskeyChallenge) (provenFactor, error) {
	proven, err := s.checkProof(ctx, p, u, proof, challenge)
	noteSecondFactor(ctx, u, proof, proven, err)
	return proven, err
}

func (s *Service) checkProof(ctx context.Context, p *Project, u User, proof SecondFactorProof, challenge PasskeyChallenge) (provenFactor, error) {
	if proof.RecoveryCode != "" {
		return proveRecoveryCode(u, proof.RecoveryCode), nil
	}
	factors, err := confirmedFactors(ctx, s.store, u.Project, u.ID)
	if err != nil {
		return provenFactor{}, err
	}
	if proof.Factor != "" && !slices.ContainsFunc(factors, func(f SecondFactor) bool { return f.ID == proof.Factor }) {
		return provenFactor{}, errSecondFactorNotFound
	}
	if proof.Code != "" {
		return s.proveTOTP(factors, proof.Factor, proof.Code)
	}
	proven, err := s.provePasskey(p, u, factors, challenge, proof.Credential)
	if err == nil && proof.Factor != "" && proven.id != proof.Factor {
		return provenFactor{}, PasskeyRefused(errors.New("another passkey than the one that was named"))
	}
	return proven, err
}

// proveTOTP finds the factor that shows the code now; id "" tries all.
func (s *Service) proveTOTP(factors []SecondFactor, id SecondFactorID, code string) (provenFactor, error) {
	for _, f := range factors {
		if f.Kind != FactorTOTP || (id != "" && f.ID != id) {
			continue
		}
		step, ok, err := s.matchTOTP(f, code)
		if err != nil {
			return provenFactor{}, err
		}
		if ok {
			return s.usedFactor(f, step, nil, errWrongCode), nil
		}
	}
	return provenFactor{}, errWrongCode
}

func (s *Service) matchTOTP(f SecondFactor, code string) (step int64, ok bool, err error) {
	secret, err := s.keyring.Open(f.SecretSealed, SealedSecondFactor.AD(f.Project, string(f.ID)))
	if err != nil {
		return 0, false, fmt.Errorf("open second factor %s: %w", f.ID, err)
	}
	step, ok = totp.Match(secret, code, s.clock(), f.Counter)
	return step, ok, nil
}

// usedFactor is a factor whose proof was right; lost is what somebody is told who showed the same proof a moment later.
func (s *Service) usedFactor(f SecondFactor, counter int64, credential []byte, lost *Error) provenFactor {
	return provenFactor{kind: f.Kind, id: f.ID, use: func(ctx context.Context, tx Tx) error {
		err := tx.UseSecondFactor(ctx, f.Project, f.ID, counter, credential, s.now())
		if errors.Is(err, ErrNotFound) {
			return lost
		}
		return err
	}}
}

// factorBudgets are those that a guess at a second factor counts against (P29): the account's from all sources, since whoever guesses here has the first factor
// already, and the source's own.
func factorBudgets(ctx context.Context, r Reader, c Caller, user User) ([]budget, error) {
	set, from := c.Project.Settings, source(c.Addr)
	bySource := budget{"sign-in/source/" + from, set.SignInSourceInterval, set.SignInSourceBurst}
	account := "second-factor/account/" + string(user.ID)
	known, err := r.IsKnownSource(ctx, c.Project.ID, user.Email, from)
	if err != nil {
		return nil, fmt.Errorf("known source: %w", err)
	}
	if known {
		return []budget{{account + "/" + from, 30 * time.Second, 10}, bySource}, nil
	}
	return []budget{{account, 30 * time.Second, 10}, {"second-factor/slow/" + string(user.ID), 10 * time.Minute, 100}, bySource}, nil
}

func (s *Service) takeFactorTry(ctx context.Context, tx Tx, c Caller, user User) error {
	budgets, err := factorBudgets(ctx, tx, c, user)
	if err != nil {
		return err
	}
	return s.takeAll(ctx, tx, c, budgets)
}

func (s *Service) refundFactorTry(ctx context.Context, tx Tx, c Caller, user User) error {
	budgets, err := factorBudgets(ctx, tx, c, user)
	if err != nil {
		return err
	}
	return refundAll(ctx, tx, c, budgets)
}

// takeFactorChange bounds how often factors come and go, since each change sends a mail.
func (s *Service) takeFactorChange(ctx context.Context, tx Tx, c Caller, user UserID) error {
	return takeLimit(ctx, tx, c.Project.ID, "second-factor/change/"+string(user), s.now(), 30*time.Second, 20)
}

// factorDenied records a refused proof or change of second factors; every other error goes through.
func (s *Service) factorDenied(ctx context.Context, c Caller, event Event, user UserID, err error) error {
	switch CodeOf(err) {
	case CodeInvalidPendingCredential, CodeInvalidSecondFactorCode, CodeSecondFactorNotFound, CodeInvalidPasskey, CodeRecentSignInRequired, CodeLastSecondFactor,
		CodeSecondFactorLimit, CodeTooManyAttempts, CodeUserDisabled:
		return s.tooMany(ctx, c, s.deny(ctx, c, event, user, AsError(err)))
	}
	return err
}

// factorsChanged does in tx what every change of a user's factors brings: its other sessions and pending sign-ins end, and it is told by mail. Of its codes those
// go that could take the account over; the one that verifies the address stays, or a sign-up that has to enroll would void its own mail.
func (s *Service) factorsChanged(ctx context.Context, tx Tx, c Caller, u User, keep SessionID) error {
	if _, err := tx.RevokeUserSessions(ctx, u.Project, u.ID, keep, s.now()); err != nil {
		return fmt.Errorf("revoke sessions: %w", err)
	}
	if err := tx.VoidPendingSignIns(ctx, u.Project, u.ID); err != nil {
		return fmt.Errorf("void pending sign-ins: %w", err)
	}
	if err := tx.VoidOOBCodes(ctx, u.Project, u.ID, PurposeResetPassword, PurposeChangeEmail); err != nil {
		return fmt.Errorf("void codes: %w", err)
	}
	return s.tellOwner(ctx, tx, c, MailSecondFactorChanged, u, map[string]string{undoChange: changedFactor})
}

// livingUser reads in tx a signed-in user whose session still lives.
func livingUser(ctx context.Context, tx Tx, session Session) (User, error) {
	stored, err := tx.GetSession(ctx, session.Project, session.ID)
	if err != nil {
		return User{}, err
	}
	u, err := tx.GetUser(ctx, session.Project, session.User)
	if err != nil {
		return User{}, err
	}
	if !stored.RevokedAt.IsZero() || u.Blocked() {
		return User{}, ErrNotFound
	}
	return u, nil
}

func (s *Service) isRecent(c Caller, session Session) bool {
	return s.now().Sub(session.CreatedAt) <= c.Project.Settings.RecentSignIn
}

// RemoveSecondFactor takes a factor from the signed-in user, who signed in a moment ago and proves a second factor, or did so at that sign-in. With the last one
// the recovery codes go. It fails with CodeRecentSignInRequired, CodeSecondFactorNotFound, CodeLastSecondFactor, and as CompleteSignIn does of a wrong proof.
func (s *Service) RemoveSecondFactor(ctx context.Context, c Caller, id SecondFactorID, proof SecondFactorProof) error {
	user, session, err := c.requireUser()
	if err != nil {
		return err
	}
	proven := provenFactor{use: func(context.Context, Tx) error { return nil }}
	switch {
	case !s.isRecent(c, session):
		err = errProofTooOld
	case session.SecondFactor == "":
		proven, err = s.proveSignedIn(ctx, c, user, proof)
	}
	if err != nil {
		return s.factorDenied(ctx, c, EventSecondFactorRemoved, user.ID, err)
	}
	err = s.commitMail(ctx, func(tx Tx) error {
		u, err := livingUser(ctx, tx, session)
		if err != nil {
			return goneMeanwhile(err)
		}
		if err := proven.use(ctx, tx); err != nil {
			return err
		}
		if err := s.takeFactorChange(ctx, tx, c, u.ID); err != nil {
			return err
		}
		if err := removeFactor(ctx, tx, c.Project, u, id); err != nil {
			return err
		}
		if err := s.factorsChanged(ctx, tx, c, u, session.ID); err != nil {
			return err
		}
		return s.audit(ctx, tx, c, EventSecondFactorRemoved, OutcomeAllowed, u.ID, "factor", string(id))
	})
	return s.factorDenied(ctx, c, EventSecondFactorRemoved, user.ID, err)
}

func removeFactor(ctx context.Context, tx Tx, p *Project, u User, id SecondFactorID) error {
	factors, err := confirmedFactors(ctx, tx, u.Project, u.ID)
	if err != nil {
		return err
	}
	switch known := slices.ContainsFunc(factors, func(f SecondFactor) bool { return f.ID == id }); {
	case !known:
		return errSecondFactorNotFound
	case len(factors) > 1:
		return tx.DeleteSecondFactor(ctx, u.Project, u.ID, id)
	case p.Settings.SecondFactor == SecondFactorRequired:
		return newError(CodeLastSecondFactor, "the project requires a second factor")
	}
	_, err = tx.DeleteSecondFactors(ctx, u.Project, u.ID)
	return err
}

// proveSignedIn checks a proof that a signed-in user sends along. It counts first, as every check of a secret does (P29); what was right is given back with its use.
func (s *Service) proveSignedIn(ctx context.Context, c Caller, u User, proof SecondFactorProof) (provenFactor, error) {
	if proof.check() != nil {
		return provenFactor{}, errProofTooOld
	}
	var challenge PasskeyChallenge
	err := s.store.Update(ctx, func(tx Tx) (err error) {
		if err := s.takeFactorTry(ctx, tx, c, u); err != nil {
			return err
		}
		challenge, err = s.useChallenge(ctx, tx, c.Project.ID, purposeFirst, proof.SessionID, proof.Credential)
		return err
	})
	if err != nil {
		return provenFactor{}, err
	}
	proven, err := s.prove(ctx, c.Project, u, proof, challenge)
	if err != nil {
		return provenFactor{}, err
	}
	use := proven.use
	proven.use = func(ctx context.Context, tx Tx) error {
		if err := use(ctx, tx); err != nil {
			return err
		}
		return s.refundFactorTry(ctx, tx, c, u)
	}
	return proven, nil
}

// factorName gives the name that a user chose, or one for the kind.
func factorName(kind SecondFactorKind, chosen string) (string, error) {
	if err := checkText("displayName", chosen, maxFactorName); err != nil {
		return "", err
	}
	fallback := map[SecondFactorKind]string{FactorTOTP: "Authenticator app", FactorPasskey: "Passkey"}
	return cmp.Or(chosen, fallback[kind]), nil
}
