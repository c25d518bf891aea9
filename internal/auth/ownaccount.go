package auth

import (
	"cmp"
	"context"
	"slices"
)

// WayIn is a provider that the signed-in user can sign in at, or could.
type WayIn struct {
	ProviderID string
	Identities []Identity // of the user at it; none where it can be linked
	Usable     bool       // the project has it, enabled
	Last       bool       // unlinking it would leave no way in
}

// WaysIn lists the identity providers of the project and of the signed-in user, by id.
func (s *Service) WaysIn(ctx context.Context, c Caller) ([]WayIn, error) {
	user, _, err := c.requireUser()
	if err != nil {
		return nil, err
	}
	identities, err := s.store.ListIdentities(ctx, user.Project, user.ID)
	if err != nil {
		return nil, err
	}
	usable, err := usableProviders(ctx, s.store, c.Project)
	if err != nil {
		return nil, err
	}
	for _, i := range identities { // also at one that the project has no longer
		if _, known := usable[i.ProviderID]; !known {
			usable[i.ProviderID] = false
		}
	}
	ways := make([]WayIn, 0, len(usable))
	for id, enabled := range usable {
		way := WayIn{ProviderID: id, Usable: enabled, Last: !wayInWithout(c.Project, user, identities, usable, id)}
		way.Identities = slices.DeleteFunc(slices.Clone(identities), func(i Identity) bool { return i.ProviderID != id })
		if enabled || len(way.Identities) > 0 {
			ways = append(ways, way)
		}
	}
	slices.SortFunc(ways, func(a, b WayIn) int { return cmp.Compare(a.ProviderID, b.ProviderID) })
	return ways, nil
}

// MayUpdateSelf tells whether usersUpdatePermission lets the signed-in user change the own profile.
func (s *Service) MayUpdateSelf(ctx context.Context, c Caller) (bool, error) {
	user, _, err := c.requireUser()
	if err != nil {
		return false, err
	}
	err = c.Project.Settings.UsersUpdatePermission.check(c, user.ID, s.rolesOf(ctx, c))
	switch CodeOf(err) {
	case CodePermissionDenied, CodeAdminRequired:
		return false, nil
	}
	return err == nil, err
}

// SignedInLately tells whether the caller's sign-in is recent enough for what needs a recent one.
func (s *Service) SignedInLately(c Caller) bool { return c.session != nil && s.isRecent(c, *c.session) }

// MayEnroll tells whether BeginEnrollment would let the signed-in user add a second factor now, and remove one. It fails with CodeSecondFactorOff,
// CodeRecentSignInRequired and CodeSecondFactorLimit.
func (s *Service) MayEnroll(ctx context.Context, c Caller) error {
	_, err := s.enrolling(ctx, s.store, c, "")
	return err
}

// AccountName is what a user knows the own account by: its email address, or the uid where it has none.
func AccountName(u User) string { return accountName(u) }

// CloseAccount is DeleteAccount for a person at a page, whose browser somebody else may have found signed in: it needs a recent sign-in, and AccountName typed, as
// email addresses are. It fails with CodeRecentSignInRequired, CodeInvalidArgument, and as DeleteAccount does.
func (s *Service) CloseAccount(ctx context.Context, c Caller, typedName string) error {
	user, _, err := c.requireUser()
	if err != nil {
		return err
	}
	if !s.SignedInLately(c) {
		return s.deny(ctx, c, EventUserDeleted, user.ID, newError(CodeRecentSignInRequired, "sign in again to delete the account"))
	}
	email, err := ParseEmail(typedName)
	if typedName != string(user.ID) && (err != nil || email != user.Email) {
		return invalidArgument("confirm", "this is not the name of the account")
	}
	return s.DeleteAccount(ctx, c)
}
