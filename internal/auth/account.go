package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// DeleteAccount removes the signed-in user and everything of it. It fails with CodeConflict for the last operator who can sign in.
func (s *Service) DeleteAccount(ctx context.Context, c Caller) error {
	user, _, err := c.requireUser()
	if err != nil {
		return err
	}
	err = s.store.Update(ctx, func(tx Tx) error {
		if err := notLastOperator(ctx, tx, user); err != nil {
			return err
		}
		if err := tx.DeleteUser(ctx, user.Project, user.ID); err != nil {
			return err
		}
		return s.audit(ctx, tx, c, EventUserDeleted, OutcomeAllowed, user.ID)
	})
	return goneMeanwhile(err)
}

// goneMeanwhile says of a signed-in user who was deleted after the token was checked what the next request would be told.
func goneMeanwhile(err error) error {
	if errors.Is(err, ErrNotFound) {
		return errTokenInvalid
	}
	return err
}

// EmailProviders tells how the account of an address can sign in, and whether there is one, as far as emailProviders lets: uniform tells of none, and mail sends it to
// the address instead. It fails with CodeMissingEmail and CodeTooManyAttempts.
func (s *Service) EmailProviders(ctx context.Context, c Caller, email string) (providers []string, registered bool, err error) {
	err = evenlyDone(ctx, s, c, func() error {
		providers, registered, err = s.emailProviders(ctx, c, email)
		return err
	})
	return providers, registered, err
}

func (s *Service) emailProviders(ctx context.Context, c Caller, typed string) ([]string, bool, error) {
	email, err := ParseEmail(typed)
	if err != nil {
		return nil, false, newError(CodeMissingEmail, "an email address is needed")
	}
	if err := s.takeGuess(ctx, c); err != nil { // each question is a guess at who has an account
		return nil, false, s.limited(ctx, c, EventUserRead, err)
	}
	u, err := s.store.GetUserByEmail(ctx, c.Project.ID, email)
	registered := err == nil
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, false, err
	}
	providers := []string{}
	if registered {
		if providers, err = s.waysIn(ctx, u); err != nil {
			return nil, false, err
		}
	}
	switch c.Project.Settings.EmailProviders {
	case EmailProvidersExact:
		return providers, registered, nil
	case EmailProvidersMail:
		return []string{}, false, s.commitMail(ctx, func(tx Tx) error {
			if err := s.takeMailLimit(ctx, tx, c, email); err != nil || !registered {
				return err
			}
			return s.queueUnlimited(ctx, tx, c, MailSignInMethods, u.Email, u, MailData{Methods: strings.Join(providers, ", ")})
		})
	}
	return []string{}, false, nil
}

// waysIn names how the account can sign in, the password first.
func (s *Service) waysIn(ctx context.Context, u User) ([]string, error) {
	providers := []string{}
	if u.PasswordHash != "" {
		providers = append(providers, ProviderPassword)
	}
	identities, err := s.store.ListIdentities(ctx, u.Project, u.ID)
	if err != nil {
		return nil, fmt.Errorf("identities: %w", err)
	}
	for _, i := range identities {
		if !slices.Contains(providers, i.ProviderID) {
			providers = append(providers, i.ProviderID)
		}
	}
	return providers, nil
}

// Roles lists the project's roles by name. Only for admins.
func (s *Service) Roles(ctx context.Context, c Caller) ([]Role, error) {
	if err := c.requireAdmin(); err != nil {
		return nil, err
	}
	return s.store.ListRoles(ctx, c.Project.ID)
}
