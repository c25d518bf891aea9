package auth

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/doorward/doorward/internal/token"
)

// PageSignIn is the project's sign-in page, under the public URL and the project's id.
const PageSignIn = "sign-in"

// HostedCallback is where providers send browsers back to that began a sign-in, or the linking of an account, on the project's own pages. It has to be registered at them.
func (s *Service) HostedCallback(p ProjectID) string {
	return s.Issuer(p) + "/" + PageSignIn + "/callback"
}

// mayReturn tells whether a provider may send the browser back to the target: it is on the project's list, or the hosted page that calls (P13).
func (s *Service) mayReturn(c Caller, target string) bool {
	if c.Browser && target == s.HostedCallback(c.Project.ID) {
		return true
	}
	return callbackAllowed(c.Project.Settings.CallbackURLs, target)
}

// SignInProviders lists the ids of the providers that the project's pages can sign in at, in order. Those that answer in the fragment are for apps only.
func (s *Service) SignInProviders(ctx context.Context, p *Project) ([]string, error) {
	providers, err := s.store.ListIdentityProviders(ctx, p.ID)
	if err != nil {
		return nil, fmt.Errorf("identity providers: %w", err)
	}
	var ids []string
	for _, provider := range providers {
		if provider.Enabled && !provider.Implicit {
			ids = append(ids, provider.ID)
		}
	}
	return ids, nil
}

// PasskeysOnPages tells whether browsers let the server's own pages use the project's passkeys: they may belong to an app's domain instead.
func (s *Service) PasskeysOnPages(p *Project) bool {
	if p.Settings.SecondFactor == SecondFactorOff {
		return false
	}
	rp, err := s.relyingParty(p)
	public, parseErr := url.Parse(s.publicURL)
	if err != nil || parseErr != nil {
		return false
	}
	under := public.Hostname() == rp.ID || strings.HasSuffix(public.Hostname(), "."+rp.ID)
	return under && slices.Contains(rp.Origins, public.Scheme+"://"+public.Host)
}

// PendingSignIn tells what a sign-in whose first factor is proven waits for, as the answer to that did. It counts no try. It fails with CodeInvalidPendingCredential.
func (s *Service) PendingSignIn(ctx context.Context, c Caller, credential string) (Tokens, error) {
	u, err := s.findPending(ctx, s.store, c.Project.ID, credential)
	if err != nil {
		return Tokens{}, err
	}
	factors, due, err := secondFactorDue(ctx, s.store, c.Project, u)
	if err != nil {
		return Tokens{}, err
	}
	if !due { // the project has turned second factors off since
		return Tokens{}, errInvalidPending
	}
	return Tokens{User: u, PendingCredential: credential, SecondFactors: factors, EnrollmentRequired: len(factors) == 0}, nil
}

// Refusal gives where the browser is sent that does not sign in (RFC 6749 section 4.1.2.1).
func (r AppRequest) Refusal() string { return r.answer(url.Values{"error": {"access_denied"}}) }

// EndReplaced ends the session of a browser token that the sign-in of the caller has replaced in the same browser: nobody has the token any more. What the session began
// stays, unlike at a sign-out.
func (s *Service) EndReplaced(ctx context.Context, c Caller, browserToken string) error {
	if _, _, err := c.requireUser(); err != nil {
		return err
	}
	row, err := s.store.GetBrowserToken(ctx, c.Project.ID, token.Hash(browserToken))
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("browser token: %w", err)
	}
	err = s.store.Update(ctx, func(tx Tx) error {
		session, err := tx.GetSession(ctx, row.Project, row.Session)
		if err != nil || !session.RevokedAt.IsZero() {
			return err
		}
		if err := tx.RevokeSession(ctx, row.Project, row.Session, s.now()); err != nil {
			return err
		}
		return s.audit(ctx, tx, c, EventSessionRevoked, OutcomeAllowed, session.User, "session", string(row.Session), "sessions", "replaced")
	})
	if errors.Is(err, ErrNotFound) { // it went by itself
		return nil
	}
	return err
}
