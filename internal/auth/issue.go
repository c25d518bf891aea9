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
	Mailed       bool // a mail tells the rest: User holds only what the caller sent, and whether there was an account already stays unsaid
}

const refreshTokenBytes = 32

// issueSession begins a session in tx. Every sign-in ends here, and nowhere else is a session made; blocked accounts get none (P5).
// What it gives becomes tokens by signSession, once tx is committed.
func (s *Service) issueSession(ctx context.Context, tx Tx, c Caller, u User, providerID string) (Session, string, error) {
	if u.Blocked() {
		return Session{}, "", newError(CodeUserDisabled, "the account is disabled")
	}
	if err := s.approve(ctx, tx, c, tokenQuestion(EventSignIn, u, providerID)); err != nil {
		return Session{}, "", err
	}
	id, err := s.newID()
	if err != nil {
		return Session{}, "", err
	}
	now := s.now()
	session := Session{
		Project: u.Project, ID: SessionID(id), User: u.ID, ProviderID: providerID, CreatedAt: now, LastUsedAt: now, Addr: c.Addr, UserAgent: plainText(c.UserAgent, 256),
	}
	if err := tx.CreateSession(ctx, session); err != nil {
		return Session{}, "", fmt.Errorf("create session: %w", err)
	}
	if err := tx.AddKnownSource(ctx, u.Project, u.ID, source(c.Addr), now); err != nil {
		return Session{}, "", fmt.Errorf("known source: %w", err)
	}
	refresh, err := token.NewOpaque(refreshPrefix(u.ID), refreshTokenBytes, s.rand)
	if err != nil {
		return Session{}, "", err
	}
	row := RefreshToken{Project: u.Project, Hash: token.Hash(refresh), Session: session.ID, User: u.ID, CreatedAt: now}
	if err := tx.CreateRefreshToken(ctx, row); err != nil {
		return Session{}, "", fmt.Errorf("create refresh token: %w", err)
	}
	return session, refresh, nil
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
