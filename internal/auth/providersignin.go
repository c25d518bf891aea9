package auth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/token"
)

// Authorization is where an app sends the browser, and what it keeps to finish the sign-in with.
type Authorization struct {
	URL        string
	ProviderID string
	SessionID  string // secret of the app
	State      string // that the provider sends back; in the URL too
}

// Authorize begins a sign-in at a provider: one record of session id, state, nonce, code verifier, provider, callback and expiry (P14).
// It fails with CodeMissingProvider, CodeProviderNotConfigured, CodeRedirectNotAllowed, CodeInvalidProviderResponse and CodeUnavailable.
func (s *Service) Authorize(ctx context.Context, c Caller, providerID, redirectURI string) (Authorization, error) {
	ctx = withTrail(ctx, c)
	begun, err := s.authorize(ctx, c, providerID, redirectURI)
	if err != nil {
		return Authorization{}, s.explainLater(ctx, c, EventSignInBegun, err)
	}
	return begun, nil
}

func (s *Service) authorize(ctx context.Context, c Caller, providerID, redirectURI string) (Authorization, error) {
	if providerID == "" || redirectURI == "" {
		return Authorization{}, newError(CodeMissingProvider, "a provider and a callback are needed")
	}
	provider, err := s.enabledProvider(ctx, c, providerID)
	if err != nil {
		return Authorization{}, err
	}
	if !s.mayReturn(c, redirectURI) {
		return Authorization{}, errRedirectNotAllowed
	}
	var secrets [4]string // session id, state, nonce, verifier
	for i := range secrets {
		if secrets[i], err = token.NewOpaque("", 32, s.rand); err != nil {
			return Authorization{}, err
		}
	}
	target, err := s.providers.AuthorizationURL(ctx, provider, AuthorizationParams{RedirectURI: redirectURI, State: secrets[1], Nonce: secrets[2], CodeVerifier: secrets[3]})
	noteProvider(ctx, provider.ID, providerAuthorize, err)
	if err != nil {
		return Authorization{}, err
	}
	flow, err := s.newFlow(c.Project, provider.ID, redirectURI, secrets)
	if err != nil {
		return Authorization{}, err
	}
	err = s.store.Update(ctx, func(tx Tx) error {
		set := c.Project.Settings
		if err := takeLimit(ctx, tx, c.Project.ID, "authorize/source/"+source(c.Addr), s.now(), set.SignInSourceInterval, set.SignInSourceBurst); err != nil {
			return err
		}
		return tx.CreateSignInFlow(ctx, flow)
	})
	if err != nil {
		return Authorization{}, fmt.Errorf("create flow: %w", err)
	}
	return Authorization{URL: target, ProviderID: provider.ID, SessionID: secrets[0], State: secrets[1]}, nil
}

var (
	errProviderNotConfigured = newError(CodeProviderNotConfigured, "the identity provider is not configured")
	errRedirectNotAllowed    = newError(CodeRedirectNotAllowed, "the callback is not on the project's list")
	errFlowUnknown           = newError(CodeInvalidProviderResponse, "The sign-in session is unknown, expired, or was used already")
)

func (s *Service) newFlow(p *Project, providerID, redirectURI string, secrets [4]string) (SignInFlow, error) {
	id, err := s.newID()
	if err != nil {
		return SignInFlow{}, err
	}
	sealed, err := s.keyring.Seal([]byte(secrets[3]), SealedFlow.AD(p.ID, id))
	if err != nil {
		return SignInFlow{}, fmt.Errorf("seal code verifier: %w", err)
	}
	now := s.now()
	return SignInFlow{
		Project: p.ID, ID: id, SessionHash: token.Hash(secrets[0]), StateHash: token.Hash(secrets[1]), NonceHash: token.Hash(secrets[2]), VerifierSealed: sealed,
		ProviderID: providerID, RedirectURI: redirectURI, CreatedAt: now, ExpiresAt: now.Add(p.Settings.FlowTTL),
	}, nil
}

// enabledProvider reads the provider's settings, at the beginning and again at the end of a sign-in (P16).
func (s *Service) enabledProvider(ctx context.Context, c Caller, id string) (IdentityProvider, error) {
	provider, err := s.store.GetIdentityProvider(ctx, c.Project.ID, id)
	if errors.Is(err, ErrNotFound) || (err == nil && !provider.Enabled) {
		noteProvider(ctx, cmp.Or(provider.ID, "unknown"), providerSettings, errProviderNotConfigured)
		return IdentityProvider{}, errProviderNotConfigured
	}
	return provider, err
}

func (s *Service) providerSecrets(i IdentityProvider) (ProviderSecrets, error) {
	var secrets ProviderSecrets
	if len(i.SecretSealed) == 0 {
		return secrets, nil
	}
	plain, err := s.keyring.Open(i.SecretSealed, SealedProvider.AD(i.Project, i.ID))
	if err != nil {
		return secrets, fmt.Errorf("open secrets of provider %s: %w", i.ID, err)
	}
	if err := json.Unmarshal(plain, &secrets); err != nil {
		return secrets, fmt.Errorf("secrets of provider %s are malformed", i.ID)
	}
	return secrets, nil
}

// ProviderSignInParams are what an app finishes a sign-in with. Token wins over Code. State and Issuer are checked where they are given.
type ProviderSignInParams struct {
	SessionID   string
	ProviderID  string
	RedirectURI string
	State       string
	Issuer      string // whose answer it says it is (RFC 9207)
	Token       string
	Code        string
}

// ProviderSignIn is the outcome of a sign-in at a provider.
type ProviderSignIn struct {
	Tokens           // without tokens where NeedConfirmation, where the account is blocked until its email is verified, or where a second factor is due
	ProviderID       string
	Identity         ExternalIdentity
	IsNewUser        bool
	NeedConfirmation bool // an account has the address already; its owner must sign in to it first
}

// SignInWithProvider finishes a sign-in that Authorize began. It fails with CodeMissingFlowPart, CodeProviderNotConfigured, CodeRedirectNotAllowed,
// CodeInvalidProviderResponse, CodeUnavailable, CodeSignUpOff, CodeTooManyAttempts, CodeUserDisabled and CodeBlockedByHook.
func (s *Service) SignInWithProvider(ctx context.Context, c Caller, params ProviderSignInParams) (ProviderSignIn, error) {
	ctx = withTrail(ctx, c)
	var result ProviderSignIn
	err := s.guarded(ctx, c, EventSignIn, func() (err error) {
		result, err = s.signInWithProvider(ctx, c, params)
		return err
	})
	return result, err
}

func (s *Service) signInWithProvider(ctx context.Context, c Caller, params ProviderSignInParams) (ProviderSignIn, error) {
	identity, err := s.identify(ctx, c, params)
	if err != nil {
		return ProviderSignIn{}, s.providerDenied(ctx, c, EventSignIn, err)
	}
	result, err := s.joinAndSignIn(ctx, c, params.ProviderID, identity)
	if errors.Is(err, ErrConflict) { // two first sign-ins at the same instant: the second finds what the first made
		result, err = s.joinAndSignIn(ctx, c, params.ProviderID, identity)
	}
	if err != nil {
		return ProviderSignIn{}, s.providerDenied(ctx, c, EventSignIn, err)
	}
	return result, nil
}

// providerDenied records a refusal; failures of the server itself go through.
func (s *Service) providerDenied(ctx context.Context, c Caller, event Event, err error) error {
	switch CodeOf(err) {
	case CodeInvalidProviderResponse, CodeProviderNotConfigured, CodeRedirectNotAllowed, CodeSignUpOff, CodeUserDisabled, CodeIdentityInUse, CodeLastWayIn:
		return s.deny(ctx, c, event, "", AsError(err))
	case CodeUnavailable:
		return s.explainLater(ctx, c, event, err)
	}
	return err
}

// identify checks every part of the flow against its record, uses it up, and asks the provider who it was (P14, P15).
func (s *Service) identify(ctx context.Context, c Caller, params ProviderSignInParams) (ExternalIdentity, error) {
	if params.SessionID == "" || params.ProviderID == "" || params.RedirectURI == "" || (params.Token == "" && params.Code == "") {
		return ExternalIdentity{}, newError(CodeMissingFlowPart, "a part of the sign-in is missing")
	}
	provider, err := s.enabledProvider(ctx, c, params.ProviderID)
	if err != nil {
		return ExternalIdentity{}, err
	}
	if !s.mayReturn(c, params.RedirectURI) {
		return ExternalIdentity{}, errRedirectNotAllowed
	}
	flow, err := s.useFlow(ctx, c, provider, params)
	if err != nil {
		return ExternalIdentity{}, err
	}
	return s.askProvider(ctx, provider, flow, params, trailOf(ctx).hear)
}

// askProvider has the provider say whom the code or token of a flow that was used up speaks for. heard is that of CompletionParams.
func (s *Service) askProvider(ctx context.Context, provider IdentityProvider, flow SignInFlow, params ProviderSignInParams, heard func(func() []ProviderAnswer)) (ExternalIdentity, error) {
	verifier, err := s.keyring.Open(flow.VerifierSealed, SealedFlow.AD(flow.Project, flow.ID))
	if err != nil {
		return ExternalIdentity{}, fmt.Errorf("open code verifier: %w", err)
	}
	secrets, err := s.providerSecrets(provider)
	if err != nil {
		return ExternalIdentity{}, err
	}
	completion := CompletionParams{
		RedirectURI: flow.RedirectURI, CodeVerifier: string(verifier), Token: params.Token,
		CheckNonce: func(nonce string) bool { return nonce != "" && token.Equal(token.Hash(nonce), flow.NonceHash) },
		Heard:      heard,
	}
	if params.Token == "" {
		completion.Code = params.Code
	}
	identity, err := s.providers.Identify(ctx, provider, secrets, completion)
	if err == nil && identity.Subject == "" {
		err = newError(CodeInvalidProviderResponse, "The provider named no subject")
	}
	noteProvider(ctx, provider.ID, providerIdentify, err)
	return identity, err
}

// flowMisfit is what an app finishes a sign-in with that is not what the sign-in was begun with.
type flowMisfit struct{ provider, callback, state, issuer bool }

func (s *Service) misfit(flow SignInFlow, provider IdentityProvider, params ProviderSignInParams) flowMisfit {
	return flowMisfit{
		provider: flow.ProviderID != params.ProviderID,
		callback: flow.RedirectURI != params.RedirectURI,
		state:    params.State != "" && !token.Equal(token.Hash(params.State), flow.StateHash),
		issuer:   params.Issuer != "" && !s.providers.IsIssuer(provider, params.Issuer),
	}
}

// useFlow compares all parts with the record, and then uses it up: of two completions at once one goes on. An answer of another provider is never handed to this
// one, which could use its code (RFC 9207 section 1).
func (s *Service) useFlow(ctx context.Context, c Caller, provider IdentityProvider, params ProviderSignInParams) (SignInFlow, error) {
	hash := token.Hash(params.SessionID)
	flow, err := s.store.GetSignInFlow(ctx, c.Project.ID, hash)
	wrong := s.misfit(flow, provider, params)
	noteFlow(ctx, flow, err, params, wrong, s.now())
	if errors.Is(err, ErrNotFound) {
		return SignInFlow{}, errFlowUnknown
	}
	if err != nil {
		return SignInFlow{}, fmt.Errorf("flow: %w", err)
	}
	if wrong.provider || wrong.callback || wrong.state {
		return SignInFlow{}, newError(CodeInvalidProviderResponse, "The sign-in session belongs to another provider, callback, or state")
	}
	if wrong.issuer {
		return SignInFlow{}, newError(CodeInvalidProviderResponse, "The answer names another issuer than the provider's")
	}
	err = s.store.Update(ctx, func(tx Tx) (err error) {
		flow, err = tx.ConsumeSignInFlow(ctx, c.Project.ID, hash, s.now())
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return SignInFlow{}, errFlowUnknown
	}
	return flow, err
}

// joinAndSignIn decides what the identity is to the project, makes it so, and begins the session, in one transaction.
func (s *Service) joinAndSignIn(ctx context.Context, c Caller, providerID string, identity ExternalIdentity) (ProviderSignIn, error) {
	newUserID, err := s.newID()
	if err != nil {
		return ProviderSignIn{}, err
	}
	c.newUserID = UserID(newUserID)
	result := ProviderSignIn{ProviderID: providerID, Identity: identity}
	var begun issued
	err = s.commitMail(ctx, func(tx Tx) error {
		result = ProviderSignIn{ProviderID: providerID, Identity: identity}
		begun = issued{}
		u, decision, err := s.join(ctx, tx, c, providerID, identity)
		if err != nil {
			return err
		}
		result.User, result.IsNewUser, result.NeedConfirmation = u, decision == joinCreate, decision == joinConfirm
		if decision == joinConfirm {
			return s.audit(ctx, tx, c, EventSignIn, OutcomeDenied, u.ID, "provider", providerID, "decision", string(decision))
		}
		if decision != joinCreate || !u.Blocked() { // a new account may have to wait until its email is verified; the mail is on its way
			if begun, err = s.issueSession(ctx, tx, c, u, providerID); err != nil {
				return err
			}
		}
		return s.audit(ctx, tx, c, begun.event(), OutcomeAllowed, u.ID, "provider", providerID, "decision", string(decision))
	})
	if err != nil {
		return result, err
	}
	result.Tokens, err = s.signIssued(ctx, c.Project, result.User, begun)
	return result, err
}

// joining is what a provider's account is to a project.
type joining struct {
	external ExternalIdentity // as far as it counts
	known    Identity         // zero where nobody has it
	user     User             // whose account it, or its address, is; zero where nobody's
	decision joinDecision
}

// join carries out decideJoin.
func (s *Service) join(ctx context.Context, tx Tx, c Caller, providerID string, external ExternalIdentity) (User, joinDecision, error) {
	j, err := s.judge(ctx, tx, c, providerID, external)
	if err != nil {
		return User{}, "", err
	}
	u, err := s.carryOut(ctx, tx, c, j.decision, j.user, j.known, s.newIdentity(c, providerID, j.external), j.external)
	return u, j.decision, err
}

// judge gathers the facts and decides. All that it may change is that an account goes back to the address of its owner.
func (s *Service) judge(ctx context.Context, tx Tx, c Caller, providerID string, external ExternalIdentity) (joining, error) {
	known, err := tx.GetIdentity(ctx, c.Project.ID, providerID, external.Subject)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return joining{}, err
	}
	facts := joinFacts{identityKnown: err == nil, signUpOpen: c.Project.Settings.SelfSignUp, addressNeeded: c.Project.Settings.VerifyEmailEnforced}
	if !plainlySpelled(external.Email) {
		external.EmailVerified = false // it may be another mailbox than the one that its canonical form names
	}
	if c.Project.Settings.EnumerationSafe && !external.EmailVerified {
		external.Email = "" // anybody may tell a provider any address: what becomes of one that is not vouched for must not tell who has it (P28)
	}
	email, emailErr := ParseEmail(external.Email)
	facts.identityEmail, facts.identityVerified = emailErr == nil, emailErr == nil && external.EmailVerified
	u, err := s.accountFor(ctx, tx, c, known, email)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return joining{}, err
	}
	facts.accountExists = err == nil
	if facts.accountExists && !facts.identityKnown && facts.identityVerified {
		moved, err := s.giveBack(ctx, tx, c, u)
		if err != nil {
			return joining{}, err
		}
		if moved { // the address is free again
			facts.accountExists, u = false, User{}
		}
	}
	facts.accountVerified, facts.accountIsInvitee, facts.accountIsDisabled = u.EmailVerified, u.InvitePending, u.Disabled
	decision := decideJoin(facts)
	noteJoin(ctx, facts, decision, u)
	return joining{external, known, u, decision}, nil
}

// plainlySpelled tells whether an address is its own canonical form, but for the case of ASCII letters and spaces around it. A provider vouches for what it wrote, not for
// what folding makes of it (P3).
func plainlySpelled(address string) bool {
	email, err := ParseEmail(address)
	lower := strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, strings.TrimSpace(address))
	return err == nil && lower == string(email)
}

// accountFor finds the account of a known identity, or else of the address.
func (s *Service) accountFor(ctx context.Context, tx Tx, c Caller, known Identity, email Email) (User, error) {
	if known.User != "" {
		return tx.GetUser(ctx, c.Project.ID, known.User)
	}
	if email.IsZero() {
		return User{}, ErrNotFound
	}
	return tx.GetUserByEmail(ctx, c.Project.ID, email)
}

func (s *Service) newIdentity(c Caller, providerID string, external ExternalIdentity) Identity {
	now := s.now()
	return Identity{
		Project: c.Project.ID, ProviderID: providerID, Subject: external.Subject, Email: cutBytes(external.Email, maxEmailBytes), EmailVerified: external.EmailVerified,
		CreatedAt: now, LastSignInAt: now,
	}
}

func (s *Service) carryOut(ctx context.Context, tx Tx, c Caller, decision joinDecision, u User, known, fresh Identity, external ExternalIdentity) (User, error) {
	switch decision {
	case joinSignIn:
		known.Email, known.EmailVerified, known.LastSignInAt = fresh.Email, fresh.EmailVerified, fresh.LastSignInAt
		if err := tx.UpdateIdentity(ctx, known); err != nil {
			return User{}, err
		}
		return s.signedIn(ctx, tx, u, external)
	case joinCreate:
		return s.createFromIdentity(ctx, tx, c, fresh, external)
	case joinTakeover:
		if err := s.dropUnproven(ctx, tx, &u); err != nil {
			return User{}, err
		}
		fallthrough
	case joinLink:
		fresh.User = u.ID
		if err := tx.CreateIdentity(ctx, fresh); err != nil {
			return User{}, err
		}
		if decision == joinLink {
			if err := s.tellOwner(ctx, tx, c, MailIdentityLinked, u, undoOf(changedLinked, fresh)); err != nil {
				return User{}, err
			}
		}
		if err := s.announceIdentities(ctx, tx, u); err != nil {
			return User{}, err
		}
		return s.signedIn(ctx, tx, u, external)
	case joinConfirm:
		return u, nil
	case joinUnproven:
		return User{}, newError(CodeInvalidProviderResponse, "The provider vouches for no email address, and this project needs a verified one")
	}
	return User{}, errSignUpClosed
}

// dropUnproven makes an account that never proved its address the proven owner's: password, sessions, identities, second factors and codes go (P2).
func (s *Service) dropUnproven(ctx context.Context, tx Tx, u *User) error {
	identities, err := tx.ListIdentities(ctx, u.Project, u.ID)
	if err != nil {
		return err
	}
	for _, i := range identities {
		if err := tx.DeleteIdentity(ctx, u.Project, i.ProviderID, i.Subject); err != nil {
			return err
		}
	}
	if _, err := tx.DeleteSecondFactors(ctx, u.Project, u.ID); err != nil {
		return err
	}
	u.PasswordHash, u.PasswordUpdatedAt, u.EmailVerified = "", time.Time{}, true
	if err := tx.VoidOOBCodes(ctx, u.Project, u.ID); err != nil {
		return err
	}
	return s.endSessions(ctx, tx, *u, "")
}

// signedIn notes the sign-in, and fills in of the profile what was unknown.
func (s *Service) signedIn(ctx context.Context, tx Tx, u User, external ExternalIdentity) (User, error) {
	if u.Blocked() {
		return User{}, newError(CodeUserDisabled, "the account is disabled")
	}
	fillProfile(&u, external)
	u.LastSignInAt, u.UpdatedAt = s.now(), s.now()
	return u, tx.UpdateUser(ctx, u)
}

func fillProfile(u *User, external ExternalIdentity) {
	if u.Name == "" {
		u.Name = cutBytes(external.Name, 256)
	}
	if u.Picture == "" && len(external.Picture) <= maxProfileBytes {
		u.Picture = external.Picture
	}
}

// createFromIdentity makes the account of somebody new. An address that the provider does not vouch for is kept unverified, and verified as at any sign-up (P5).
func (s *Service) createFromIdentity(ctx context.Context, tx Tx, c Caller, identity Identity, external ExternalIdentity) (User, error) {
	email, err := ParseEmail(external.Email)
	if err != nil {
		email = ""
	}
	if err := s.takeAll(ctx, tx, c, signUpBudgets(c)); err != nil {
		return User{}, err
	}
	u, err := s.newUser(c, email)
	if err != nil {
		return User{}, err
	}
	fillProfile(&u, external)
	u.EmailVerified = external.EmailVerified && !email.IsZero()
	u.VerificationRequired = c.Project.Settings.VerifyEmailEnforced && !u.EmailVerified
	if err := s.approve(ctx, tx, c, signUpQuestion(email, u.EmailVerified, identity.ProviderID)); err != nil {
		return User{}, err
	}
	if !u.Blocked() {
		u.LastSignInAt = u.CreatedAt
	}
	if err := tx.CreateUser(ctx, u); err != nil {
		return User{}, err
	}
	identity.User, identity.CreatedAt = u.ID, u.CreatedAt // the same instant marks it as founding
	if err := tx.CreateIdentity(ctx, identity); err != nil {
		return User{}, err
	}
	if err := s.audit(ctx, tx, c, EventSignUp, OutcomeAllowed, u.ID, "provider", identity.ProviderID); err != nil {
		return User{}, err
	}
	if email.IsZero() || u.EmailVerified {
		return u, nil
	}
	return u, s.sendVerification(ctx, tx, c, u, u.VerificationRequired)
}
