package auth

import (
	"context"
	"errors"
	"slices"
)

// LinkProvider joins a provider's account to the signed-in user, who asks for it by finishing a flow (P3). It fails as SignInWithProvider does, and with
// CodeIdentityInUse where the provider's account belongs to another user, and CodeRecentSignInRequired.
func (s *Service) LinkProvider(ctx context.Context, c Caller, params ProviderSignInParams) (ProviderSignIn, error) {
	ctx = withTrail(ctx, c)
	var result ProviderSignIn
	err := s.guarded(ctx, c, EventIdentityLinked, func() (err error) {
		result, err = s.linkProvider(ctx, c, params)
		return err
	})
	return result, err
}

func (s *Service) linkProvider(ctx context.Context, c Caller, params ProviderSignInParams) (ProviderSignIn, error) {
	user, session, err := c.requireUser()
	if err != nil {
		return ProviderSignIn{}, err
	}
	if err := s.needRecent(ctx, c, EventIdentityLinked, user, session); err != nil {
		return ProviderSignIn{}, err
	}
	external, err := s.identify(ctx, c, params)
	if err != nil {
		return ProviderSignIn{}, s.providerDenied(ctx, c, EventIdentityLinked, err)
	}
	if _, err := s.ask(ctx, c, tokenQuestion(EventIdentityLinked, user, session.ProviderID)); err != nil {
		return ProviderSignIn{}, err
	}
	var u User
	err = s.commitMail(ctx, func(tx Tx) error {
		if u, err = livingUser(ctx, tx, session); err != nil { // much may have happened while the provider was asked (P20)
			return err
		}
		known, err := tx.GetIdentity(ctx, u.Project, params.ProviderID, external.Subject)
		switch {
		case err == nil && known.User != u.ID:
			return newError(CodeIdentityInUse, "the provider's account belongs to another user")
		case errors.Is(err, ErrNotFound):
			identity := s.newIdentity(c, params.ProviderID, external)
			identity.User = u.ID
			err = s.addIdentity(ctx, tx, c, u, identity)
		}
		if err != nil {
			return err
		}
		fillProfile(&u, external)
		u.UpdatedAt = s.now()
		if err := tx.UpdateUser(ctx, u); err != nil {
			return err
		}
		return s.audit(ctx, tx, c, EventIdentityLinked, OutcomeAllowed, u.ID, "provider", params.ProviderID)
	})
	if err != nil {
		return ProviderSignIn{}, s.providerDenied(ctx, c, EventIdentityLinked, goneMeanwhile(err))
	}
	result := ProviderSignIn{Tokens: Tokens{User: u}, ProviderID: params.ProviderID, Identity: external}
	if c.Browser {
		return result, nil
	}
	// No second session: the answer carries a fresh id token of this one, with the identity in it.
	result.Tokens, err = s.signSession(ctx, c.Project, u, session, "")
	return result, AfterCommit(err)
}

// needRecent refuses a change of the user's providers in a session that began too long ago, where the project wants it so: whoever finds a device signed in must not
// add a way in of their own (P11).
func (s *Service) needRecent(ctx context.Context, c Caller, event Event, u User, session Session) error {
	if !c.Project.Settings.RecentForProviders || s.isRecent(c, session) {
		return nil
	}
	return s.deny(ctx, c, event, u.ID, newError(CodeRecentSignInRequired, "sign in again to change the ways in"))
}

func (s *Service) addIdentity(ctx context.Context, tx Tx, c Caller, u User, identity Identity) error {
	if err := tx.CreateIdentity(ctx, identity); err != nil {
		return err
	}
	if err := s.announceIdentities(ctx, tx, u); err != nil {
		return err
	}
	return s.tellOwner(ctx, tx, c, MailIdentityLinked, u, undoOf(changedLinked, identity))
}

// UnlinkProvider takes a provider's accounts, or with ProviderPassword the password, from the signed-in user. The last way in stays.
// It fails with CodeMissingProvider, CodeRecentSignInRequired, CodeNotFound and CodeLastWayIn.
func (s *Service) UnlinkProvider(ctx context.Context, c Caller, providerID string) error {
	user, session, err := c.requireUser()
	if err != nil {
		return err
	}
	if providerID == "" {
		return newError(CodeMissingProvider, "a provider is needed")
	}
	if err := s.needRecent(ctx, c, EventIdentityUnlinked, user, session); err != nil {
		return err
	}
	err = s.commitMail(ctx, func(tx Tx) error {
		u, err := livingUser(ctx, tx, session)
		if err != nil {
			return err
		}
		identities, err := tx.ListIdentities(ctx, u.Project, u.ID)
		if err != nil {
			return err
		}
		usable, err := usableProviders(ctx, tx, c.Project)
		if err != nil {
			return err
		}
		held := slices.ContainsFunc(identities, func(i Identity) bool { return i.ProviderID == providerID })
		switch {
		case providerID == ProviderPassword && !hasPassword(u), providerID != ProviderPassword && !held:
			return newError(CodeNotFound, "the account has no such way in")
		case !wayInWithout(c.Project, u, identities, usable, providerID):
			return newError(CodeLastWayIn, "the account would have no way in left")
		}
		if err := s.dropWayIn(ctx, tx, c, u, providerID, identities); err != nil {
			return err
		}
		if err := s.endSessions(ctx, tx, u, session.ID); err != nil {
			return err
		}
		return s.audit(ctx, tx, c, EventIdentityUnlinked, OutcomeAllowed, u.ID, "provider", providerID)
	})
	return s.providerDenied(ctx, c, EventIdentityUnlinked, goneMeanwhile(err))
}

// wayInWithout tells whether the user could still sign in without the provider, or without the password.
func wayInWithout(p *Project, u User, identities []Identity, usable map[string]bool, providerID string) bool {
	return (hasPassword(u) && p.Settings.PasswordProvider && providerID != ProviderPassword) ||
		slices.ContainsFunc(identities, func(i Identity) bool { return i.ProviderID != providerID && usable[i.ProviderID] })
}

func hasPassword(u User) bool { return u.PasswordHash != "" && !u.Email.IsZero() }

func (s *Service) dropWayIn(ctx context.Context, tx Tx, c Caller, u User, providerID string, identities []Identity) error {
	if providerID == ProviderPassword {
		u.PasswordHash, u.PasswordUpdatedAt, u.UpdatedAt = "", s.now(), s.now()
		if err := tx.UpdateUser(ctx, u); err != nil {
			return err
		}
		return s.tellOwner(ctx, tx, c, MailPasswordChanged, u, map[string]string{undoChange: changedPassword})
	}
	for _, i := range identities {
		if i.ProviderID != providerID {
			continue
		}
		if err := tx.DeleteIdentity(ctx, u.Project, i.ProviderID, i.Subject); err != nil {
			return err
		}
		if err := s.tellOwner(ctx, tx, c, MailIdentityUnlinked, u, undoOf(changedUnlinked, i)); err != nil {
			return err
		}
	}
	return s.announceIdentities(ctx, tx, u)
}

// usableProviders are the providers that users can sign in at now.
func usableProviders(ctx context.Context, r Reader, p *Project) (map[string]bool, error) {
	providers, err := r.ListIdentityProviders(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	usable := make(map[string]bool, len(providers))
	for _, provider := range providers {
		usable[provider.ID] = provider.Enabled
	}
	return usable, nil
}
