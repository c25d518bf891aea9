package auth

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/doorward/doorward/internal/token"
)

// Tokens is what a sign-in gives: the account as it now stands, and tokens unless it may not have any yet.
type Tokens struct {
	User         User
	IDToken      string // "" where the account is blocked until its email is verified
	RefreshToken string
	ExpiresIn    time.Duration
	BrowserToken string // instead of the tokens above, where [Caller].Browser asks for it
	Mailed       bool   // a mail tells the rest: User holds only what the caller sent, and whether there was an account already stays unsaid

	PendingCredential  string         // instead of tokens, where a second factor has to be proven first
	SecondFactors      []SecondFactor // that would do
	EnrollmentRequired bool           // the user has none, and the project requires one: the pending credential enrolls it
}

// issued is what a sign-in comes to in its transaction: a session, or a pending sign-in that waits for the second factor.
type issued struct {
	session Session
	refresh string // one of these two
	browser string
	pending string
	factors []SecondFactor
}

// event is how the sign-in is recorded: it is one once its session begins.
func (i issued) event() Event {
	if i.pending != "" {
		return EventSecondFactorAsked
	}
	return EventSignIn
}

// begins tells whether a session begins with it.
func (i issued) begins() bool { return i.refresh != "" || i.browser != "" }

const refreshTokenBytes = 32

// issueSession ends the first step of a sign-in in tx. Every sign-in comes through here: where a second factor is due it waits for that, else its session begins.
// Blocked accounts get neither (P5). What it gives becomes tokens by signIssued, once tx is committed.
func (s *Service) issueSession(ctx context.Context, tx Tx, c Caller, u User, providerID string) (issued, error) {
	factors, due, err := secondFactorDue(ctx, tx, c.Project, u)
	if err != nil {
		return issued{}, err
	}
	if due && !u.Blocked() {
		if err := s.approveNewcomer(ctx, tx, c, tokenQuestion(EventSignIn, u, providerID)); err != nil {
			return issued{}, err
		}
		pending, err := s.createPending(ctx, tx, u, providerID)
		return issued{pending: pending, factors: factors}, err
	}
	return s.beginSession(ctx, tx, c, u, providerID, provenFactor{})
}

// beginSession makes the session of a sign-in whose every step is done.
func (s *Service) beginSession(ctx context.Context, tx Tx, c Caller, u User, providerID string, second provenFactor) (issued, error) {
	proof := Session{ProviderID: providerID, CreatedAt: s.now(), SecondFactor: second.kind, SecondFactorID: second.id}
	begun, err := s.makeSession(ctx, tx, c, u, proof)
	if err != nil {
		return issued{}, err
	}
	if err := tx.AddKnownSource(ctx, u.Project, u.ID, source(c.Addr), s.now()); err != nil {
		return issued{}, fmt.Errorf("known source: %w", err)
	}
	return begun, nil
}

// makeSession stores a session in tx with its first token; nowhere else is one made. proof says how and when the user proved itself.
func (s *Service) makeSession(ctx context.Context, tx Tx, c Caller, u User, proof Session) (issued, error) {
	if u.Blocked() {
		return issued{}, newError(CodeUserDisabled, "the account is disabled")
	}
	if err := s.approve(ctx, tx, c, tokenQuestion(EventSignIn, u, proof.ProviderID)); err != nil {
		return issued{}, err
	}
	id, err := s.newID()
	if err != nil {
		return issued{}, err
	}
	session := proof
	session.Project, session.ID, session.User, session.LastUsedAt = u.Project, SessionID(id), u.ID, s.now()
	session.Addr, session.UserAgent = c.Addr, plainText(c.UserAgent, 256)
	if err := tx.CreateSession(ctx, session); err != nil {
		return issued{}, fmt.Errorf("create session: %w", err)
	}
	if c.Browser {
		browser, err := s.createBrowserToken(ctx, tx, session)
		return issued{session: session, browser: browser}, err
	}
	refresh, err := token.NewOpaque(refreshPrefix(u.ID), refreshTokenBytes, s.rand)
	if err != nil {
		return issued{}, err
	}
	row := RefreshToken{Project: u.Project, Hash: token.Hash(refresh), Session: session.ID, User: u.ID, CreatedAt: s.now()}
	if err := tx.CreateRefreshToken(ctx, row); err != nil {
		return issued{}, fmt.Errorf("create refresh token: %w", err)
	}
	return issued{session: session, refresh: refresh}, nil
}

// signIssued gives what the user is told of a sign-in whose transaction is committed: tokens, the pending credential, or where nothing was issued the account alone.
func (s *Service) signIssued(ctx context.Context, p *Project, u User, i issued) (Tokens, error) {
	switch {
	case i.pending != "":
		return Tokens{User: u, PendingCredential: i.pending, SecondFactors: i.factors, EnrollmentRequired: len(i.factors) == 0}, nil
	case i.browser != "":
		return Tokens{User: u, BrowserToken: i.browser}, nil
	case !i.begins():
		return Tokens{User: u}, nil
	}
	tokens, err := s.signSession(ctx, p, u, i.session, i.refresh)
	return tokens, AfterCommit(err)
}

// refreshPrefix is the uid, where it is one of ours: so a refresh can tell a deleted user from an unknown token with nothing of the user kept.
func refreshPrefix(id UserID) string {
	if isUserID(string(id)) {
		return string(id)
	}
	return "" // imported with a uid of another form
}

// signSession signs the id token of a session that is stored.
func (s *Service) signSession(ctx context.Context, p *Project, u User, session Session, refresh string) (Tokens, error) {
	key, err := s.signer(ctx, p.ID)
	if err != nil {
		return Tokens{}, err
	}
	identities, err := s.store.ListIdentities(ctx, p.ID, u.ID)
	if err != nil {
		return Tokens{}, fmt.Errorf("identities: %w", err)
	}
	idToken, err := key.Sign(s.claims(p, u, session, identities))
	if err != nil {
		return Tokens{}, err
	}
	return Tokens{User: u, IDToken: idToken, RefreshToken: refresh, ExpiresIn: p.Settings.IDTokenTTL}, nil
}

// claims are those of an id token. Custom ones can shadow nothing, nor stand in for what is absent (P24).
func (s *Service) claims(p *Project, u User, session Session, identities []Identity) map[string]any {
	now := s.now().Unix()
	claims := map[string]any{}
	for name, value := range u.CustomClaims {
		if !token.Reserved(name) {
			claims[name] = value
		}
	}
	maps.Copy(claims, map[string]any{
		"iss": s.Issuer(p.ID), "aud": string(p.ID), "sub": string(u.ID), "user_id": string(u.ID), "sid": string(session.ID),
		"auth_time": session.CreatedAt.Unix(), "iat": now, "exp": now + int64(p.Settings.IDTokenTTL/time.Second),
		"firebase": map[string]any{"identities": identityClaims(u, identities), "sign_in_provider": session.ProviderID},
	})
	addSecondFactorClaims(claims, session)
	if !u.Email.IsZero() {
		claims["email"] = string(u.Email)
		claims["email_verified"] = u.EmailVerified
	}
	if u.Name != "" {
		claims["name"] = u.Name
	}
	if u.Picture != "" {
		claims["picture"] = u.Picture
	}
	return claims
}

func identityClaims(u User, identities []Identity) map[string][]string {
	claims := map[string][]string{}
	if !u.Email.IsZero() {
		claims["email"] = []string{string(u.Email)}
	}
	for _, i := range identities {
		claims[i.ProviderID] = append(claims[i.ProviderID], i.Subject)
	}
	return claims
}
