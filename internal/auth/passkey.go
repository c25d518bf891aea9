package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/token"
)

// RelyingParty is the project as authenticators know it (Web Authentication Level 3, section 4).
type RelyingParty struct {
	ID      string // a domain name
	Name    string
	Origins []string // whose pages may use its passkeys; or AndroidOrigin with the hash of an app's key
}

// AndroidOrigin is how the origin of an Android app begins.
const AndroidOrigin = "android:apk-key-hash:"

// Passkey is one as it is stored: its public record, in the form of the [PasskeyClient].
type Passkey struct {
	ID        []byte
	Record    []byte
	SignCount uint32
}

// PasskeyOwner is whose passkeys a ceremony is about; nobody's where anyone may sign in.
type PasskeyOwner struct {
	Handle      []byte // tells authenticators nothing of who it is
	Name        string
	DisplayName string
	Passkeys    []Passkey
}

// Ceremony is a begun registration or sign-in.
type Ceremony struct {
	Options []byte // for the browser, as JSON
	State   []byte // for the end of the ceremony; it stays with the server
}

// PasskeyClient speaks WebAuthn. Its errors are CodeInvalidPasskey for an answer that proves nothing.
type PasskeyClient interface {
	BeginRegistration(rp RelyingParty, o PasskeyOwner, challenge []byte) (Ceremony, error)
	FinishRegistration(rp RelyingParty, o PasskeyOwner, state, response []byte) (Passkey, error)
	// BeginSignIn asks for one of the owner's passkeys; where the owner has none, for anybody's, and then the authenticator must verify its user.
	BeginSignIn(rp RelyingParty, o PasskeyOwner, challenge []byte) (Ceremony, error)
	// CredentialID names the passkey that an answer claims to come from; nothing is verified yet.
	CredentialID(response []byte) ([]byte, error)
	// FinishSignIn gives the passkey with its new counter. It refuses one whose counter did not grow.
	FinishSignIn(rp RelyingParty, o PasskeyOwner, state, response []byte) (Passkey, error)
}

// PasskeyPurpose is what the answer to a challenge is good for.
type PasskeyPurpose string

// The purposes. An answer to a challenge of one never works for another (P23).
const (
	purposeEnroll PasskeyPurpose = "enroll"
	purposeSecond PasskeyPurpose = "second" // finishes a pending sign-in
	purposeFirst  PasskeyPurpose = "first"  // signs in by itself
)

// PasskeyChallenge is a ceremony that an authenticator has not answered yet.
type PasskeyChallenge struct {
	Project   ProjectID
	Purpose   PasskeyPurpose
	Hash      []byte // of the enrollment's id, the pending credential, or the session id
	User      UserID // "" where anyone may answer
	State     []byte
	ExpiresAt time.Time
}

const (
	challengeTTL   = 5 * time.Minute
	challengeBytes = 32
)

// ProviderPasskey is the provider id of sessions that began with a passkey alone.
const ProviderPasskey = "passkey"

// relyingParty gives the project's. It fails with CodePasskeysNotSetUp.
func (s *Service) relyingParty(p *Project) (RelyingParty, error) {
	rp, err := s.relyingPartyOf(p.Settings)
	if CodeOf(err) == CodeInvalidArgument {
		return rp, newError(CodePasskeysNotSetUp, AsError(err).Message)
	}
	rp.Name = p.DisplayName
	return rp, err
}

// relyingPartyOf gives what the settings say, and else the server's public URL (P12). It fails with CodeInvalidArgument where that does not fit together.
func (s *Service) relyingPartyOf(set *Settings) (RelyingParty, error) {
	rp := RelyingParty{ID: set.PasskeyRPID, Origins: set.PasskeyOrigins}
	public, err := url.Parse(s.publicURL)
	if err != nil {
		return rp, fmt.Errorf("public URL: %w", err)
	}
	if rp.ID == "" {
		rp.ID = public.Hostname()
	}
	if len(rp.Origins) == 0 {
		rp.Origins = []string{public.Scheme + "://" + public.Host}
	}
	return rp, checkRelyingParty(rp.ID, rp.Origins)
}

// checkRelyingParty tells whether browsers would let the origins use the relying party's passkeys: its id must be each one's host, or a parent of it.
func checkRelyingParty(id string, origins []string) error {
	if err := applyPasskeyRPID(&Settings{}, id); err != nil || id == "" {
		return invalidArgument("passkeyRPID", fmt.Sprintf("passkeys need a domain name, and %q is none: set passkeyRPID and passkeyOrigins", clip(id, 60)))
	}
	isApp := func(origin string) bool { return strings.HasPrefix(origin, AndroidOrigin) }
	if !slices.ContainsFunc(origins, func(origin string) bool { return !isApp(origin) }) {
		return invalidArgument("passkeyOrigins", "passkeyOrigins needs a web origin beside those of Android apps")
	}
	for _, origin := range origins {
		u, err := url.Parse(origin)
		switch {
		case isApp(origin):
		case err != nil, u.Hostname() != id && !strings.HasSuffix(u.Hostname(), "."+id):
			return invalidArgument("passkeyOrigins", fmt.Sprintf("the origin %s is neither on passkeyRPID %s nor under it: set passkeyRPID and passkeyOrigins to match", clip(origin, 100), id))
		case u.Scheme != "https" && !isLoopbackName(u.Hostname()):
			return invalidArgument("passkeyOrigins", fmt.Sprintf("browsers use passkeys over https only, and the origin %s is not: set passkeyOrigins", clip(origin, 100)))
		}
	}
	return nil
}

func isLoopbackName(host string) bool {
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

var domainPattern = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func applyPasskeyRPID(s *Settings, v string) error {
	_, notAddress := netip.ParseAddr(v)
	single := v != "" && v != "localhost" && !strings.Contains(v, ".") // com would span all of its domains
	if v != "" && (notAddress == nil || single || len(v) > 253 || !domainPattern.MatchString(v)) {
		return fmt.Errorf("not a domain name in small letters, without scheme and port")
	}
	s.PasskeyRPID = v
	return nil
}

func checkPasskeyOrigin(v string) error {
	if hash, ok := strings.CutPrefix(v, AndroidOrigin); ok {
		if hash == "" || len(hash) > 100 || strings.ContainsFunc(hash, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			return fmt.Errorf("%q is not %s with the hash of a key", clip(v, 60), AndroidOrigin)
		}
		return nil
	}
	u, err := url.Parse(v)
	if v == "*" || err != nil || (u.Scheme != "https" && (u.Scheme != "http" || !isLoopbackName(u.Hostname()))) {
		return fmt.Errorf("%q is not an https origin such as https://app.example.com", clip(v, 60))
	}
	return checkOrigin(v)
}

// ownerOf is the user as authenticators know it. The handle is a hash, since imported uids may be longer than a handle or tell who it is (section 14.6.1).
func ownerOf(u User, passkeys []SecondFactor) PasskeyOwner {
	handle := sha256.Sum256([]byte("doorward/passkey-handle/v1\x00" + string(u.Project) + "\x00" + string(u.ID)))
	name := accountName(u)
	owner := PasskeyOwner{Handle: handle[:], Name: name, DisplayName: name}
	if u.Name != "" {
		owner.DisplayName = u.Name
	}
	for _, f := range passkeys {
		if f.Kind == FactorPasskey && !f.ConfirmedAt.IsZero() {
			owner.Passkeys = append(owner.Passkeys, Passkey{Record: f.Credential, SignCount: uint32(f.Counter)})
		}
	}
	return owner
}

func hashCredentialID(id []byte) []byte {
	sum := sha256.Sum256(id)
	return sum[:]
}

func (s *Service) newChallenge() ([]byte, error) {
	challenge := make([]byte, challengeBytes)
	if _, err := io.ReadFull(s.rand, challenge); err != nil {
		return nil, fmt.Errorf("challenge: read randomness: %w", err)
	}
	return challenge, nil
}

// beginRegistration makes the challenge for a new passkey.
func (s *Service) beginRegistration(ctx context.Context, p *Project, u User, id SecondFactorID) (options []byte, c PasskeyChallenge, err error) {
	rp, err := s.relyingParty(p)
	if err != nil {
		return nil, c, err
	}
	factors, err := confirmedFactors(ctx, s.store, u.Project, u.ID)
	if err != nil {
		return nil, c, err
	}
	challenge, err := s.newChallenge()
	if err != nil {
		return nil, c, err
	}
	begun, err := s.passkeys.BeginRegistration(rp, ownerOf(u, factors), challenge)
	if err != nil {
		return nil, c, err
	}
	c = PasskeyChallenge{Project: p.ID, Purpose: purposeEnroll, Hash: token.Hash(string(id)), User: u.ID, State: begun.State, ExpiresAt: s.now().Add(challengeTTL)}
	return begun.Options, c, nil
}

// finishRegistration verifies the answer of a new passkey and gives the factor with its public record.
func (s *Service) finishRegistration(p *Project, u User, f SecondFactor, challenge PasskeyChallenge, response []byte) (SecondFactor, error) {
	rp, err := s.relyingParty(p)
	if err != nil {
		return f, err
	}
	if challenge.User != u.ID || len(response) == 0 {
		return f, PasskeyRefused(errors.New("no open challenge"))
	}
	passkey, err := s.passkeys.FinishRegistration(rp, ownerOf(u, nil), challenge.State, response)
	if err != nil {
		return f, err
	}
	f.CredentialHash, f.Credential, f.Counter = hashCredentialID(passkey.ID), passkey.Record, int64(passkey.SignCount)
	return f, nil
}

// useChallenge uses up in tx the challenge that a passkey's answer belongs to, so that it is answered once, rightly or not. Without an answer there is nothing to use.
// One that is unknown or expired gives a challenge that nothing answers: the try stays counted.
func (s *Service) useChallenge(ctx context.Context, tx Tx, p ProjectID, purpose PasskeyPurpose, key string, response []byte) (PasskeyChallenge, error) {
	if len(response) == 0 {
		return PasskeyChallenge{}, nil
	}
	challenge, err := tx.UsePasskeyChallenge(ctx, p, purpose, token.Hash(key), s.now())
	if errors.Is(err, ErrNotFound) {
		return PasskeyChallenge{}, nil
	}
	return challenge, err
}

// provePasskey verifies an answer to the challenge with one of the user's passkeys.
func (s *Service) provePasskey(p *Project, u User, factors []SecondFactor, challenge PasskeyChallenge, response []byte) (provenFactor, error) {
	rp, err := s.relyingParty(p)
	if err != nil {
		return provenFactor{}, err
	}
	if len(challenge.State) == 0 || (challenge.User != "" && challenge.User != u.ID) {
		return provenFactor{}, PasskeyRefused(errors.New("no open challenge"))
	}
	id, err := s.passkeys.CredentialID(response)
	if err != nil {
		return provenFactor{}, err
	}
	hash := hashCredentialID(id)
	i := slices.IndexFunc(factors, func(f SecondFactor) bool { return f.Kind == FactorPasskey && token.Equal(f.CredentialHash, hash) })
	if i < 0 {
		return provenFactor{}, PasskeyRefused(errors.New("not one of the user's passkeys"))
	}
	// All of the user's: a challenge names those that may answer it, and they must be the user's still.
	passkey, err := s.passkeys.FinishSignIn(rp, ownerOf(u, factors), challenge.State, response)
	if err != nil {
		return provenFactor{}, err
	}
	return s.usedFactor(factors[i], int64(passkey.SignCount), passkey.Record, PasskeyRefused(errors.New("the signature counter was used already"))), nil
}

// takePasskeyStart bounds the challenges and factors that one source can have made.
func (s *Service) takePasskeyStart(ctx context.Context, tx Tx, c Caller) error {
	set := c.Project.Settings
	return takeLimit(ctx, tx, c.Project.ID, "passkey/source/"+source(c.Addr), s.now(), set.SignInSourceInterval, set.SignInSourceBurst)
}

// BeginSecondFactor gives a challenge for one of the passkeys that a pending sign-in can be finished with, as options for navigator.credentials.get; id "" takes
// all. It fails with CodeInvalidPendingCredential, CodeSecondFactorNotFound, CodePasskeysNotSetUp and CodeTooManyAttempts.
func (s *Service) BeginSecondFactor(ctx context.Context, c Caller, pendingCredential string, id SecondFactorID) ([]byte, error) {
	u, err := s.findPending(ctx, s.store, c.Project.ID, pendingCredential)
	if err != nil {
		return nil, s.factorDenied(ctx, c, EventSignIn, "", err)
	}
	factors, err := confirmedFactors(ctx, s.store, u.Project, u.ID)
	if err != nil {
		return nil, err
	}
	factors = slices.DeleteFunc(factors, func(f SecondFactor) bool { return f.Kind != FactorPasskey || (id != "" && f.ID != id) })
	if len(factors) == 0 {
		return nil, errSecondFactorNotFound
	}
	return s.beginPasskey(ctx, c, PasskeyChallenge{Purpose: purposeSecond, Hash: token.Hash(pendingCredential), User: u.ID}, ownerOf(u, factors))
}

// beginPasskey makes a challenge for the owner's passkeys, and stores it.
func (s *Service) beginPasskey(ctx context.Context, c Caller, challenge PasskeyChallenge, owner PasskeyOwner) ([]byte, error) {
	rp, err := s.relyingParty(c.Project)
	if err != nil {
		return nil, err
	}
	random, err := s.newChallenge()
	if err != nil {
		return nil, err
	}
	begun, err := s.passkeys.BeginSignIn(rp, owner, random)
	if err != nil {
		return nil, err
	}
	challenge.Project, challenge.State, challenge.ExpiresAt = c.Project.ID, begun.State, s.now().Add(challengeTTL)
	err = s.store.Update(ctx, func(tx Tx) error {
		if err := s.takePasskeyStart(ctx, tx, c); err != nil {
			return err
		}
		return tx.PutPasskeyChallenge(ctx, challenge)
	})
	if errors.Is(err, ErrNotFound) { // the user was deleted meanwhile
		return nil, errInvalidPending
	}
	return begun.Options, err
}

// PasskeyStart begins a sign-in with a passkey alone.
type PasskeyStart struct {
	SessionID string // secret of the app
	Options   []byte // for navigator.credentials.get, as JSON
}

// BeginPasskeySignIn gives a challenge that any passkey of the project can answer. It asks for no address, so it tells nothing about any (P28).
// It fails with CodeSecondFactorOff, CodePasskeysNotSetUp and CodeTooManyAttempts.
func (s *Service) BeginPasskeySignIn(ctx context.Context, c Caller) (PasskeyStart, error) {
	if c.Project.Settings.SecondFactor == SecondFactorOff {
		return PasskeyStart{}, errSecondFactorOff
	}
	session, err := token.NewOpaque("", refreshTokenBytes, s.rand)
	if err != nil {
		return PasskeyStart{}, err
	}
	options, err := s.beginPasskey(ctx, c, PasskeyChallenge{Purpose: purposeFirst, Hash: token.Hash(session)}, PasskeyOwner{})
	return PasskeyStart{SessionID: session, Options: options}, err
}

// SignInWithPasskey begins a session with a passkey whose authenticator has verified its user: what one has, and what one knows or is. So it counts as both factors.
// It fails with CodeInvalidArgument, CodeSecondFactorOff, CodePasskeysNotSetUp, CodeTooManyAttempts, CodeInvalidPasskey and CodeUserDisabled.
func (s *Service) SignInWithPasskey(ctx context.Context, c Caller, sessionID string, response []byte) (Tokens, error) {
	ctx = withTrail(ctx, c)
	if c.Project.Settings.SecondFactor == SecondFactorOff {
		return Tokens{}, errSecondFactorOff
	}
	if sessionID == "" || len(response) == 0 {
		return Tokens{}, invalidArgument("credential", "Please provide sessionId and credential")
	}
	set, budget := c.Project.Settings, "sign-in/source/"+source(c.Addr)
	var challenge PasskeyChallenge
	err := s.store.Update(ctx, func(tx Tx) (err error) {
		if err := takeLimit(ctx, tx, c.Project.ID, budget, s.now(), set.SignInSourceInterval, set.SignInSourceBurst); err != nil {
			return err
		}
		challenge, err = s.useChallenge(ctx, tx, c.Project.ID, purposeFirst, sessionID, response)
		return err
	})
	if err != nil {
		return Tokens{}, s.factorDenied(ctx, c, EventSignIn, "", err)
	}
	u, proven, err := s.provePasskeyOfAnyone(ctx, c.Project, challenge, response)
	noteSecondFactor(ctx, u, SecondFactorProof{Credential: response}, proven, err)
	if err != nil {
		return Tokens{}, s.factorDenied(ctx, c, EventSignIn, u.ID, err)
	}
	user := u.ID
	var begun issued
	err = s.store.Update(ctx, func(tx Tx) (err error) {
		if err = proven.use(ctx, tx); err != nil {
			return err
		}
		if u, err = tx.GetUser(ctx, c.Project.ID, user); err != nil {
			return err
		}
		u.LastSignInAt = s.now()
		if err := tx.UpdateUser(ctx, u); err != nil {
			return err
		}
		if err := tx.RefundLimit(ctx, c.Project.ID, budget, set.SignInSourceInterval); err != nil {
			return err
		}
		if begun, err = s.beginSession(ctx, tx, c, u, ProviderPasskey, proven); err != nil {
			return err
		}
		return s.audit(ctx, tx, c, EventSignIn, OutcomeAllowed, user, "provider", ProviderPasskey, "second_factor", string(proven.kind))
	})
	if errors.Is(err, ErrNotFound) {
		err = PasskeyRefused(errors.New("the user is gone"))
	}
	if err != nil {
		return Tokens{}, s.factorDenied(ctx, c, EventSignIn, user, err)
	}
	return s.signIssued(ctx, c.Project, u, begun)
}

// provePasskeyOfAnyone finds whose passkey answered, and verifies that it did.
func (s *Service) provePasskeyOfAnyone(ctx context.Context, p *Project, challenge PasskeyChallenge, response []byte) (User, provenFactor, error) {
	id, err := s.passkeys.CredentialID(response)
	if err != nil {
		return User{}, provenFactor{}, err
	}
	f, err := s.store.GetPasskey(ctx, p.ID, hashCredentialID(id))
	if errors.Is(err, ErrNotFound) {
		return User{}, provenFactor{}, PasskeyRefused(errors.New("unknown passkey"))
	}
	if err != nil {
		return User{}, provenFactor{}, fmt.Errorf("passkey: %w", err)
	}
	u, err := s.store.GetUser(ctx, p.ID, f.User)
	if errors.Is(err, ErrNotFound) {
		return User{}, provenFactor{}, PasskeyRefused(errors.New("the user is gone"))
	}
	if err != nil {
		return User{}, provenFactor{}, fmt.Errorf("user: %w", err)
	}
	proven, err := s.provePasskey(p, u, []SecondFactor{f}, challenge, response)
	return u, proven, err
}
