package storetest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

func fullUser() auth.User {
	return auth.User{
		Project: one, ID: anna, Email: "anna@example.com", EmailVerified: true, Name: "Anna Ä", Picture: "https://example.com/a.png", Locale: "de",
		PasswordHash: "$argon2id$x", PasswordUpdatedAt: after(1), Disabled: true, InvitePending: true, VerificationRequired: true,
		Roles: []auth.RoleID{"role1", "role2"}, CustomClaims: map[string]any{"plan": "pro", "seats": 3.0},
		Attributes: map[string]any{"color": "red", "deep": map[string]any{"a": []any{1.5, nil, true}}},
		CreatedAt:  now, UpdatedAt: after(2), LastSignInAt: after(3), Author: bert,
	}
}

func addRoles(t *testing.T, s auth.Store, roles ...auth.RoleID) {
	t.Helper()
	update(t, s, func(tx auth.Tx) error {
		for _, role := range roles {
			if err := tx.CreateRole(t.Context(), auth.Role{Project: one, ID: role, Name: "name of " + string(role), CreatedAt: now}); err != nil {
				return err
			}
		}
		return nil
	})
}

func testUsers(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addProjects(t, s, one)
	addRoles(t, s, "role1", "role2")
	full := fullUser()
	update(t, s, func(tx auth.Tx) error { return tx.CreateUser(ctx, full) })
	wantEqual(t, "user", must[auth.User](t)(s.GetUser(ctx, one, anna)), full)
	wantEqual(t, "user by email", must[auth.User](t)(s.GetUserByEmail(ctx, one, full.Email)), full)
	wantError(t, "CreateUser of a taken uid", s.Update(ctx, func(tx auth.Tx) error {
		return tx.CreateUser(ctx, auth.User{Project: one, ID: anna, Email: "other@example.com"})
	}), auth.ErrConflict)
	wantError(t, "CreateUser in no project", s.Update(ctx, func(tx auth.Tx) error { return tx.CreateUser(ctx, auth.User{Project: two, ID: anna}) }), auth.ErrNotFound)
	wantError(t, "CreateUser with no such role", s.Update(ctx, func(tx auth.Tx) error {
		return tx.CreateUser(ctx, auth.User{Project: one, ID: bert, Roles: []auth.RoleID{"nosuch"}})
	}), auth.ErrNotFound)

	bare := auth.User{Project: one, ID: anna, UpdatedAt: after(9)}
	update(t, s, func(tx auth.Tx) error { return tx.UpdateUser(ctx, bare) })
	bare.CreatedAt = now
	got := must[auth.User](t)(s.GetUser(ctx, one, anna))
	wantEqual(t, "bare user", got, bare)
	if got.Attributes == nil || got.CustomClaims == nil {
		t.Error("an empty map reads back as nil")
	}
	if !got.LastSignInAt.IsZero() {
		t.Errorf("a zero time reads back as %v", got.LastSignInAt)
	}
	wantError(t, "UpdateUser of none", s.Update(ctx, func(tx auth.Tx) error { return tx.UpdateUser(ctx, auth.User{Project: one, ID: bert}) }), auth.ErrNotFound)
	wantEqual(t, "count", must[int](t)(s.CountUsers(ctx, one)), 1)

	update(t, s, func(tx auth.Tx) error { return tx.DeleteUser(ctx, one, anna) })
	_, err := s.GetUser(ctx, one, anna)
	wantError(t, "GetUser", err, auth.ErrNotFound)
	wantError(t, "DeleteUser again", s.Update(ctx, func(tx auth.Tx) error { return tx.DeleteUser(ctx, one, anna) }), auth.ErrNotFound)
	wantEqual(t, "count", must[int](t)(s.CountUsers(ctx, one)), 0)
}

func testUserEmails(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addProjects(t, s, one, two)
	addUsers(t, s, anna, bert)
	taken := auth.Email(anna + "@example.com")
	wantError(t, "CreateUser of a taken email", s.Update(ctx, func(tx auth.Tx) error {
		return tx.CreateUser(ctx, auth.User{Project: one, ID: "third", Email: taken})
	}), auth.ErrConflict)
	wantError(t, "UpdateUser to a taken email", s.Update(ctx, func(tx auth.Tx) error {
		return tx.UpdateUser(ctx, auth.User{Project: one, ID: bert, Email: taken})
	}), auth.ErrConflict)
	update(t, s, func(tx auth.Tx) error {
		return errors.Join(
			tx.CreateUser(ctx, auth.User{Project: two, ID: anna, Email: taken}), // of another project: free
			tx.UpdateUser(ctx, auth.User{Project: one, ID: anna, Email: taken}), // its own
			tx.CreateUser(ctx, auth.User{Project: one, ID: "none1"}),            // no address is no conflict
			tx.CreateUser(ctx, auth.User{Project: one, ID: "none2"}),
		)
	})
	_, err := s.GetUserByEmail(ctx, one, "")
	wantError(t, "GetUserByEmail of none", err, auth.ErrNotFound)
	_, err = s.GetUserByEmail(ctx, one, auth.Email(strings.ToUpper(string(taken))))
	wantError(t, "GetUserByEmail in another spelling", err, auth.ErrNotFound)
}

func testSearchUsers(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addProjects(t, s, one)
	addRoles(t, s, "editor")
	yes, no := true, false
	users := []auth.User{
		{ID: "u1", Email: "ab@x.example", EmailVerified: true, Roles: []auth.RoleID{"editor"}, CreatedAt: after(1)},
		{ID: "u2", Email: "abc@x.example", Disabled: true, PasswordHash: "hash", CreatedAt: after(2)},
		{ID: "u3", Email: "a_c@x.example", InvitePending: true, Roles: []auth.RoleID{"editor"}, CreatedAt: after(3)},
		{ID: "u4", Email: "b%@x.example", VerificationRequired: true, CreatedAt: after(2)},
		{ID: "u5", CreatedAt: after(5)},
		{ID: "u6", Email: "abü@x.example", VerificationRequired: true, EmailVerified: true, CreatedAt: after(6)},
	}
	update(t, s, func(tx auth.Tx) error {
		for _, u := range users {
			u.Project = one
			if err := tx.CreateUser(ctx, u); err != nil {
				return err
			}
		}
		return errors.Join(
			tx.CreateIdentity(ctx, auth.Identity{Project: one, User: "u3", ProviderID: "google.com", Subject: "3"}),
			tx.CreateSecondFactor(ctx, auth.SecondFactor{Project: one, ID: "f1", User: "u1", Kind: auth.FactorTOTP, CreatedAt: now}),
			tx.ConfirmSecondFactor(ctx, auth.SecondFactor{Project: one, ID: "f1", User: "u1", Kind: auth.FactorTOTP, ConfirmedAt: after(1)}),
			tx.CreateSecondFactor(ctx, auth.SecondFactor{Project: one, ID: "f2", User: "u2", Kind: auth.FactorTOTP, CreatedAt: now}))
	})
	tests := []struct {
		name   string
		search auth.UserSearch
		want   []string
	}{
		{"all", auth.UserSearch{Limit: 9}, []string{"u1", "u2", "u3", "u4", "u5", "u6"}},
		{"first page", auth.UserSearch{Limit: 2}, []string{"u1", "u2"}},
		{"next page", auth.UserSearch{Limit: 2, After: "u2"}, []string{"u3", "u4"}},
		{"no limit", auth.UserSearch{}, nil},
		{"email", auth.UserSearch{Limit: 9, Email: "ab@x.example"}, []string{"u1"}},
		{"prefix", auth.UserSearch{Limit: 9, EmailPrefix: "ab"}, []string{"u1", "u2", "u6"}},
		{"prefix with a wildcard", auth.UserSearch{Limit: 9, EmailPrefix: "a_"}, []string{"u3"}},
		{"prefix with the other wildcard", auth.UserSearch{Limit: 9, EmailPrefix: "%"}, nil},
		{"role", auth.UserSearch{Limit: 9, Role: "editor"}, []string{"u1", "u3"}},
		{"role after", auth.UserSearch{Limit: 9, Role: "editor", After: "u1"}, []string{"u3"}},
		{"active", auth.UserSearch{Limit: 9, State: auth.StateActive}, []string{"u1", "u5", "u6"}},
		{"disabled", auth.UserSearch{Limit: 9, State: auth.StateDisabled}, []string{"u2"}},
		{"invited", auth.UserSearch{Limit: 9, State: auth.StateInvited}, []string{"u3"}},
		{"unverified", auth.UserSearch{Limit: 9, State: auth.StateUnverified}, []string{"u4"}},
		{"both", auth.UserSearch{Limit: 9, Role: "editor", State: auth.StateActive}, []string{"u1"}},
		{"provider", auth.UserSearch{Limit: 9, Provider: "google.com"}, []string{"u3"}},
		{"password", auth.UserSearch{Limit: 9, Provider: auth.ProviderPassword}, []string{"u2"}},
		{"verified", auth.UserSearch{Limit: 9, EmailVerified: &yes}, []string{"u1", "u6"}},
		{"not verified", auth.UserSearch{Limit: 9, EmailVerified: &no, EmailPrefix: "a"}, []string{"u2", "u3"}},
		{"with a second factor", auth.UserSearch{Limit: 9, SecondFactor: &yes}, []string{"u1"}}, // u2's is not confirmed
		{"without one", auth.UserSearch{Limit: 9, SecondFactor: &no}, []string{"u2", "u3", "u4", "u5", "u6"}},
		{"created", auth.UserSearch{Limit: 9, CreatedSince: after(2), CreatedUntil: after(3)}, []string{"u2", "u4"}},
		{"newest", auth.UserSearch{Limit: 3, NewestFirst: true}, []string{"u6", "u5", "u3"}},
		{"after those", auth.UserSearch{Limit: 9, NewestFirst: true, After: "u3", AfterCreated: after(3)}, []string{"u4", "u2", "u1"}},
		{"newest with a role", auth.UserSearch{Limit: 9, NewestFirst: true, Role: "editor"}, []string{"u3", "u1"}},
	}
	for _, test := range tests {
		wantEqual(t, test.name, userIDs(must[[]auth.User](t)(s.SearchUsers(ctx, one, test.search))), test.want)
	}
	if _, err := s.SearchUsers(ctx, one, auth.UserSearch{State: "nosuch", Limit: 1}); err == nil {
		t.Error("an unknown state gives no error")
	}
}

func testRoles(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addProjects(t, s, one)
	addRoles(t, s, "b", "a", "xa")
	want := auth.Role{Project: one, ID: "a", Name: "name of a", CreatedAt: now}
	wantEqual(t, "role", must[auth.Role](t)(s.GetRole(ctx, one, "a")), want)
	wantEqual(t, "role by name", must[auth.Role](t)(s.GetRoleByName(ctx, one, "name of a")), want)
	_, err := s.GetRoleByName(ctx, one, "Name of a")
	wantError(t, "GetRoleByName in another spelling", err, auth.ErrNotFound)
	names := ids(must[[]auth.Role](t)(s.ListRoles(ctx, one)), func(r auth.Role) auth.RoleID { return r.ID })
	wantEqual(t, "roles by name", names, []string{"a", "b", "xa"})
	for _, taken := range []auth.Role{{Project: one, ID: "a", Name: "new"}, {Project: one, ID: "new", Name: "name of a"}} {
		wantError(t, "CreateRole of a taken uid or name", s.Update(ctx, func(tx auth.Tx) error { return tx.CreateRole(ctx, taken) }), auth.ErrConflict)
	}

	update(t, s, func(tx auth.Tx) error {
		return errors.Join(
			tx.CreateUser(ctx, auth.User{Project: one, ID: anna, Roles: []auth.RoleID{"xa", "a", "b"}}),
			tx.CreateUser(ctx, auth.User{Project: one, ID: bert, Roles: []auth.RoleID{"xa"}}))
	})
	update(t, s, func(tx auth.Tx) error { return tx.DeleteRole(ctx, one, "a") })
	_, err = s.GetRole(ctx, one, "a")
	wantError(t, "GetRole", err, auth.ErrNotFound)
	wantEqual(t, "roles left", must[auth.User](t)(s.GetUser(ctx, one, anna)).Roles, []auth.RoleID{"xa", "b"})
	wantEqual(t, "roles untouched", must[auth.User](t)(s.GetUser(ctx, one, bert)).Roles, []auth.RoleID{"xa"})
	wantEqual(t, "holders", userIDs(must[[]auth.User](t)(s.SearchUsers(ctx, one, auth.UserSearch{Role: "a", Limit: 9}))), nil)
	wantError(t, "DeleteRole again", s.Update(ctx, func(tx auth.Tx) error { return tx.DeleteRole(ctx, one, "a") }), auth.ErrNotFound)
}

func testIdentities(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addProjects(t, s, one)
	addUsers(t, s, anna, bert)
	google := auth.Identity{Project: one, User: anna, ProviderID: "google.com", Subject: "1", Email: "Anna@Example.com", EmailVerified: true, CreatedAt: now, LastSignInAt: after(1)}
	github := auth.Identity{Project: one, User: anna, ProviderID: "github.com", Subject: "1", CreatedAt: now}
	update(t, s, func(tx auth.Tx) error {
		return errors.Join(tx.CreateIdentity(ctx, google), tx.CreateIdentity(ctx, github))
	})
	wantEqual(t, "identity", must[auth.Identity](t)(s.GetIdentity(ctx, one, "google.com", "1")), google)
	wantEqual(t, "identities", must[[]auth.Identity](t)(s.ListIdentities(ctx, one, anna)), []auth.Identity{github, google})
	_, err := s.GetIdentity(ctx, one, "google.com", "2")
	wantError(t, "GetIdentity", err, auth.ErrNotFound)
	wantError(t, "CreateIdentity of a taken account", s.Update(ctx, func(tx auth.Tx) error {
		return tx.CreateIdentity(ctx, auth.Identity{Project: one, User: bert, ProviderID: "google.com", Subject: "1"})
	}), auth.ErrConflict)
	wantError(t, "CreateIdentity of no user", s.Update(ctx, func(tx auth.Tx) error {
		return tx.CreateIdentity(ctx, auth.Identity{Project: one, User: "nosuch", ProviderID: "google.com", Subject: "3"})
	}), auth.ErrNotFound)

	google.Email, google.EmailVerified, google.LastSignInAt = "new@example.com", false, after(5)
	update(t, s, func(tx auth.Tx) error {
		changed := google
		changed.CreatedAt = time.Time{} // not written
		return errors.Join(tx.UpdateIdentity(ctx, changed), tx.DeleteIdentity(ctx, one, "github.com", "1"))
	})
	wantEqual(t, "identities", must[[]auth.Identity](t)(s.ListIdentities(ctx, one, anna)), []auth.Identity{google})
	wantError(t, "UpdateIdentity of none", s.Update(ctx, func(tx auth.Tx) error { return tx.UpdateIdentity(ctx, github) }), auth.ErrNotFound)
	wantError(t, "DeleteIdentity of none", s.Update(ctx, func(tx auth.Tx) error { return tx.DeleteIdentity(ctx, one, "github.com", "1") }), auth.ErrNotFound)
}
