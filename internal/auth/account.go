package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// DeleteAccount removes the signed-in user and everything of it.
func (s *Service) DeleteAccount(ctx context.Context, c Caller) error {
	user, _, err := c.requireUser()
	if err != nil {
		return err
	}
	err = s.store.Update(ctx, func(tx Tx) error {
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

// EmailProviders tells how the account of an address can sign in, and whether there is one. Under enumeration protection it always tells of none.
// It fails with CodeMissingEmail.
func (s *Service) EmailProviders(ctx context.Context, c Caller, email string) (providers []string, registered bool, err error) {
	u, err := s.userByTypedEmail(ctx, c, email)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, false, err
	}
	if err != nil || c.Project.Settings.EnumerationSafe {
		return []string{}, false, nil
	}
	providers = []string{}
	if u.PasswordHash != "" {
		providers = append(providers, ProviderPassword)
	}
	identities, err := s.store.ListIdentities(ctx, u.Project, u.ID)
	if err != nil {
		return nil, false, fmt.Errorf("identities: %w", err)
	}
	for _, i := range identities {
		if !slices.Contains(providers, i.ProviderID) {
			providers = append(providers, i.ProviderID)
		}
	}
	return providers, true, nil
}

// Roles lists the project's roles by name. Only for admins.
func (s *Service) Roles(ctx context.Context, c Caller) ([]Role, error) {
	if err := c.requireAdmin(); err != nil {
		return nil, err
	}
	return s.store.ListRoles(ctx, c.Project.ID)
}
