package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/token"
)

// SignInCode is what an app exchanges for tokens, stored as its hash: the authorization code of RFC 6749 section 4.1, always with PKCE (RFC 7636).
type SignInCode struct {
	Project       ProjectID
	Hash          []byte
	Session       SessionID // of the browser
	RedirectURI   string
	CodeChallenge string // of method S256
	CreatedAt     time.Time
	ExpiresAt     time.Time
	ConsumedAt    time.Time // zero while unused
	MadeSession   SessionID // the app's, once it is used
}

const (
	signInCodeTTL   = time.Minute // RFC 6749 section 4.1.2 recommends at most ten
	maxState        = 1024        // bytes
	minCodeVerifier = 43          // RFC 7636 section 4.1
	maxCodeVerifier = 128
)

// AppRequest is an app's wish to get the user of the browser signed in.
type AppRequest struct {
	RedirectURI         string
	State               string // goes back as it came; "" for none
	CodeChallenge       string
	CodeChallengeMethod string // S256
}

// CheckAppRequest tells whether a page may ask its user to sign in for the app. Where it fails, nobody may be sent to the callback (P13). It fails with
// CodeRedirectNotAllowed and CodeInvalidArgument.
func (s *Service) CheckAppRequest(ctx context.Context, c Caller, r AppRequest) error {
	if err := r.check(c.Project); err != nil {
		return s.explainLater(withTrail(ctx, c), c, EventSignInBegun, err)
	}
	return nil
}

func (r AppRequest) check(p *Project) error {
	if p.ID == ConsoleProject { // operators sign in to the console, and to no app
		return errRedirectNotAllowed
	}
	if !callbackAllowed(p.Settings.CallbackURLs, r.RedirectURI) {
		return errRedirectNotAllowed
	}
	switch {
	case !leavesRoom(r.RedirectURI):
		return invalidArgument("callBackUri", "callBackUri may not have code or state in its query")
	case len(r.State) > maxState || strings.ContainsFunc(r.State, func(c rune) bool { return c < ' ' || c > '~' }): // RFC 6749 appendix A.5
		return invalidArgument("state", fmt.Sprintf("state is at most %d printable ASCII characters", maxState))
	case r.CodeChallengeMethod != "S256":
		return invalidArgument("codeChallengeMethod", "codeChallengeMethod must be S256")
	}
	challenge, err := base64.RawURLEncoding.Strict().DecodeString(r.CodeChallenge)
	if err != nil || len(challenge) != sha256.Size || len(r.CodeChallenge) != minCodeVerifier { // the decoder skips line breaks
		return invalidArgument("codeChallenge", "codeChallenge is the SHA-256 of the code verifier in unpadded base64url")
	}
	return nil
}

// leavesRoom tells whether the query of an allowed callback says nothing that an answer says: an app that reads the first of two codes would take a planted one.
func leavesRoom(callback string) bool {
	_, query, _ := strings.Cut(callback, "?")
	values, err := url.ParseQuery(query)
	return err == nil && !values.Has("code") && !values.Has("state")
}

// Answer gives where the browser is sent once the code is granted (RFC 6749 section 4.1.2).
func (r AppRequest) Answer(code string) string {
	return r.answer(url.Values{"code": {code}})
}

func (r AppRequest) answer(answer url.Values) string {
	if r.State != "" {
		answer.Set("state", r.State)
	}
	separator := "?"
	if strings.Contains(r.RedirectURI, "?") {
		separator = "&"
	}
	return r.RedirectURI + separator + answer.Encode()
}

// Origin gives the scheme and host of a checked request's callback, as a source of a content security policy names it; of an app's own scheme the scheme alone.
func (r AppRequest) Origin() string {
	u, err := parseCallback(r.RedirectURI)
	switch {
	case err != nil:
		return ""
	case u.Scheme == "http" || u.Scheme == "https":
		return u.Scheme + "://" + u.Host
	}
	return u.Scheme + ":"
}

// GrantCode gives the code with which the app becomes signed in as the user of the browser; it works once, for a minute, while the browser's session lives. It fails as
// CheckAppRequest does, and with CodeUnauthenticated, CodeTokenInvalid, CodeSecondFactorRequired and CodeTooManyAttempts.
func (s *Service) GrantCode(ctx context.Context, c Caller, r AppRequest) (string, error) {
	user, session, err := c.requireUser()
	if err != nil {
		return "", err
	}
	if session.lacksSecondFactor(c.Project.Settings) {
		return "", errSecondFactorRequired
	}
	if err := s.CheckAppRequest(ctx, c, r); err != nil {
		return "", err
	}
	plain, err := token.NewOpaque("", refreshTokenBytes, s.rand)
	if err != nil {
		return "", err
	}
	now := s.now()
	code := SignInCode{
		Project: c.Project.ID, Hash: token.Hash(plain), Session: session.ID, RedirectURI: r.RedirectURI, CodeChallenge: r.CodeChallenge, CreatedAt: now,
		ExpiresAt: now.Add(signInCodeTTL),
	}
	err = s.store.Update(ctx, func(tx Tx) error {
		set := c.Project.Settings
		if err := takeLimit(ctx, tx, c.Project.ID, "sign-in-code/source/"+source(c.Addr), now, set.SignInSourceInterval, set.SignInSourceBurst); err != nil {
			return err
		}
		if _, err := livingUser(ctx, tx, session); err != nil {
			return err
		}
		if err := tx.CreateSignInCode(ctx, code); err != nil {
			return fmt.Errorf("create sign-in code: %w", err)
		}
		return s.audit(ctx, tx, c, EventSignInCodeGranted, OutcomeAllowed, user.ID, "callback", cutBytes(r.Origin(), 256))
	})
	if err != nil {
		return "", goneMeanwhile(err)
	}
	return plain, nil
}

// CodeExchange is what an app shows for tokens.
type CodeExchange struct {
	Code         string
	CodeVerifier string
	RedirectURI  string // the one that the code was granted for
}

func (x CodeExchange) check(p *Project) error {
	switch {
	case x.Code == "" || x.CodeVerifier == "" || x.RedirectURI == "":
		return invalidArgument("code", "Please provide code, codeVerifier, and callBackUri")
	case !isCodeVerifier(x.CodeVerifier):
		return invalidArgument("codeVerifier", "codeVerifier is 43 to 128 letters, digits, and characters of -._~")
	case !callbackAllowed(p.Settings.CallbackURLs, x.RedirectURI): // once more, at the end (P13)
		return errRedirectNotAllowed
	}
	return nil
}

func isCodeVerifier(s string) bool {
	for _, b := range []byte(s) {
		if !('0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || strings.IndexByte("-._~", b) >= 0) {
			return false
		}
	}
	return minCodeVerifier <= len(s) && len(s) <= maxCodeVerifier
}

// misfit tells which of the app's parts are not those that the code was granted for (RFC 6749 section 4.1.3, RFC 7636 section 4.6).
func (x CodeExchange) misfit(code SignInCode) (callback, verifier bool) {
	sum := sha256.Sum256([]byte(x.CodeVerifier))
	challenge := base64.RawURLEncoding.EncodeToString(sum[:])
	return x.RedirectURI != code.RedirectURI, !token.Equal([]byte(challenge), []byte(code.CodeChallenge))
}

var errInvalidSignInCode = newError(CodeInvalidSignInCode, "the sign-in code is unknown, expired, used, or was granted for another callback or code verifier")

// ExchangeCode begins a session of the app's own for the user of the browser that the code was granted to. The user proved itself when the browser's session began, and as
// it did then. Who shows a used code with all that belongs to it ends the session that it made (RFC 6749 sections 4.1.2 and 10.5). It fails with CodeInvalidArgument,
// CodeRedirectNotAllowed, CodeTooManyAttempts, CodeInvalidSignInCode, CodeUserDisabled and CodeBlockedByHook.
func (s *Service) ExchangeCode(ctx context.Context, c Caller, x CodeExchange) (Tokens, error) {
	ctx = withTrail(ctx, c)
	if err := x.check(c.Project); err != nil {
		return Tokens{}, err
	}
	var tokens Tokens
	err := s.guarded(ctx, c, EventSignInCodeExchanged, func() (err error) {
		tokens, err = s.exchangeCode(ctx, c, x)
		return err
	})
	return tokens, err
}

func (s *Service) exchangeCode(ctx context.Context, c Caller, x CodeExchange) (Tokens, error) {
	var e exchange
	err := s.store.Update(ctx, func(tx Tx) (err error) {
		e, err = s.exchange(ctx, tx, c, x)
		return err
	})
	switch code := CodeOf(err); {
	case code == CodeInvalidSignInCode, code == CodeUserDisabled:
		return Tokens{}, s.deny(ctx, c, EventSignInCodeExchanged, e.user.ID, AsError(err))
	case err != nil:
		return Tokens{}, err
	case e.reused:
		return Tokens{}, errInvalidSignInCode
	}
	return s.signIssued(ctx, c.Project, e.user, e.begun)
}

// exchange is what the use of a code comes to in its transaction.
type exchange struct {
	user   User
	begun  issued
	reused bool
}

func (s *Service) exchange(ctx context.Context, tx Tx, c Caller, x CodeExchange) (e exchange, err error) {
	code, err := tx.GetSignInCode(ctx, c.Project.ID, token.Hash(x.Code))
	otherCallback, otherVerifier := x.misfit(code)
	noteSignInCode(ctx, code, err, otherCallback, otherVerifier, s.now())
	if errors.Is(err, ErrNotFound) {
		return e, errInvalidSignInCode
	}
	if err != nil {
		return e, fmt.Errorf("sign-in code: %w", err)
	}
	session, err := tx.GetSession(ctx, code.Project, code.Session)
	if err != nil { // the code would be gone, too
		return e, fmt.Errorf("session: %w", err)
	}
	if e.user, err = tx.GetUser(ctx, code.Project, session.User); err != nil {
		return e, fmt.Errorf("user: %w", err)
	}
	noteUser(ctx, e.user.ID)
	switch {
	case otherCallback || otherVerifier: // whoever has read a code somewhere can neither use it nor end what it made
		return e, errInvalidSignInCode
	case !code.ConsumedAt.IsZero():
		e.reused = true
		return e, s.endReused(ctx, tx, c, code, e.user.ID)
	case !code.ExpiresAt.After(s.now()):
		return e, errInvalidSignInCode
	}
	noteSession(ctx, c.Project.Settings, session, nil, s.now())
	if session.ended(c.Project.Settings, s.now()) || session.lacksSecondFactor(c.Project.Settings) {
		return e, errInvalidSignInCode
	}
	// As old as the proof, so that the claim auth_time, what needs a recent sign-in and the absolute limit go by that (P11).
	proof := Session{ProviderID: session.ProviderID, CreatedAt: session.CreatedAt, SecondFactor: session.SecondFactor, SecondFactorID: session.SecondFactorID}
	if e.begun, err = s.makeSession(ctx, tx, c, e.user, proof); err != nil {
		return e, err
	}
	err = tx.ConsumeSignInCode(ctx, code.Project, code.Hash, e.begun.session.ID, s.now())
	if errors.Is(err, ErrNotFound) { // expired meanwhile
		return e, errInvalidSignInCode
	}
	if err != nil {
		return e, fmt.Errorf("consume sign-in code: %w", err)
	}
	return e, s.audit(ctx, tx, c, EventSignInCodeExchanged, OutcomeAllowed, e.user.ID, "provider", session.ProviderID, "session", string(e.begun.session.ID))
}

// endReused ends in tx what a code made that is shown a second time.
func (s *Service) endReused(ctx context.Context, tx Tx, c Caller, code SignInCode, user UserID) error {
	err := tx.RevokeSession(ctx, code.Project, code.MadeSession, s.now())
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("revoke session: %w", err)
	}
	return s.audit(ctx, tx, c, EventSignInCodeReused, OutcomeDenied, user, "session", string(code.MadeSession))
}
