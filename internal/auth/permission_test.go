package auth_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

var permissionRoles = []auth.Role{{ID: "role-editor", Name: "editor"}, {ID: "role-viewer", Name: "viewer"}, {ID: "role-odd", Name: "role-editor"}}

// Every permission × every caller × whose record it is.
func TestPermissions(t *testing.T) {
	owner := auth.User{ID: "owner", Roles: []auth.RoleID{"role-viewer"}}
	editor := auth.User{ID: "editor", Roles: []auth.RoleID{"role-editor"}}
	plain := auth.User{ID: "plain"}
	callers := map[string]auth.Caller{
		"anonymous": {}, "owner": auth.Caller{}.AsUser(owner, auth.Session{}), "editor": auth.Caller{}.AsUser(editor, auth.Session{}),
		"plain": auth.Caller{}.AsUser(plain, auth.Session{}), "admin": auth.Caller{}.AsActor(auth.ActorAdmin), "operator": auth.Caller{}.AsActor(auth.ActorOperator),
		"system": auth.Caller{}.AsActor(auth.ActorSystem), "user without session": auth.Caller{}.AsActor(auth.ActorUser),
	}
	const (
		yes    = auth.Code("")
		denied = auth.CodePermissionDenied
		who    = auth.CodeUnauthenticated
		admin  = auth.CodeAdminRequired
	)
	table := map[string]map[string]auth.Code{
		"public":              {"anonymous": yes, "owner": yes, "editor": yes, "plain": yes, "system": yes, "user without session": yes},
		"user":                {"anonymous": who, "owner": yes, "editor": yes, "plain": yes, "system": who, "user without session": who},
		"private":             {"anonymous": who, "owner": yes, "editor": yes, "plain": yes, "system": who, "user without session": who},
		"author":              {"anonymous": who, "owner": yes, "editor": denied, "plain": denied, "system": who, "user without session": who},
		"roles:editor":        {"anonymous": who, "owner": denied, "editor": yes, "plain": denied, "system": who, "user without session": who},
		"roles:editor,viewer": {"anonymous": who, "owner": yes, "editor": yes, "plain": denied, "system": who, "user without session": who},
		"roles:role-viewer":   {"anonymous": who, "owner": yes, "editor": denied, "plain": denied, "system": who, "user without session": who},
		"roles:gone":          {"anonymous": who, "owner": denied, "editor": denied, "plain": denied, "system": who, "user without session": who},
		"roles:Editor":        {"anonymous": who, "owner": denied, "editor": denied, "plain": denied, "system": who, "user without session": who},
		"admin":               {"anonymous": admin, "owner": admin, "editor": admin, "plain": admin, "system": admin, "user without session": admin},
	}
	for text, answers := range table {
		permission, err := auth.ParsePermission(text)
		if err != nil {
			t.Fatal(err)
		}
		answers["admin"], answers["operator"] = yes, yes
		for name, c := range callers {
			want, ok := answers[name]
			if !ok {
				t.Fatalf("no answer for %s × %s", text, name)
			}
			t.Run(fmt.Sprintf("%s/%s", text, name), func(t *testing.T) {
				got := auth.CodeOf(permission.Check(c, "owner", func() ([]auth.Role, error) { return permissionRoles, nil }))
				if got != want {
					t.Errorf("code %q, want %q", got, want)
				}
			})
		}
	}
}

// A record of nobody belongs to nobody, not to a user whose id is missing.
func TestAuthorOfNothing(t *testing.T) {
	permission := auth.Permission{Kind: auth.PermitAuthor}
	for _, id := range []auth.UserID{"", "someone"} {
		c := auth.Caller{}.AsUser(auth.User{ID: id}, auth.Session{})
		if auth.CodeOf(permission.Check(c, "", nil)) != auth.CodePermissionDenied {
			t.Errorf("user %q is the author of a record without owner", id)
		}
	}
}

// A check that cannot be made is a refusal (P46), as is a permission that nobody knows.
func TestPermissionFailsClosed(t *testing.T) {
	c := auth.Caller{}.AsUser(auth.User{ID: "u", Roles: []auth.RoleID{"role-editor"}}, auth.Session{})
	broken := errors.New("store is away")
	err := auth.Permission{Kind: auth.PermitRoles, Roles: []string{"editor"}}.Check(c, "", func() ([]auth.Role, error) { return nil, broken })
	if !errors.Is(err, broken) {
		t.Errorf("a store that fails: %v", err)
	}
	for _, kind := range []auth.PermissionKind{"", "everyone"} {
		if err := (auth.Permission{Kind: kind}).Check(c, "u", nil); err == nil {
			t.Errorf("permission %q lets everyone in", kind)
		}
	}
}
