package auth

import (
	"fmt"
	"slices"
	"strings"
)

// PermissionKind is the first word of a permission.
type PermissionKind string

// The kinds. PermitUser is any signed-in user.
const (
	PermitPublic PermissionKind = "public"
	PermitUser   PermissionKind = "user"
	PermitAuthor PermissionKind = "author"
	PermitRoles  PermissionKind = "roles"
	PermitAdmin  PermissionKind = "admin"
)

// Permission says who may do something. An admin may always.
type Permission struct {
	Kind  PermissionKind
	Roles []string // of PermitRoles: names or uids
}

// ParsePermission reads public, user (or private), author, admin, or roles:NAME,NAME.
func ParsePermission(s string) (Permission, error) {
	if list, ok := strings.CutPrefix(s, "roles:"); ok {
		roles := []string{}
		for name := range strings.SplitSeq(list, ",") {
			if name = strings.TrimSpace(name); name != "" {
				roles = append(roles, name)
			}
		}
		if len(roles) == 0 {
			return Permission{}, fmt.Errorf("roles: names no role")
		}
		return Permission{Kind: PermitRoles, Roles: roles}, nil
	}
	switch s {
	case "public", "user", "author", "admin":
		return Permission{Kind: PermissionKind(s)}, nil
	case "private":
		return Permission{Kind: PermitUser}, nil
	}
	return Permission{}, fmt.Errorf("not a permission")
}

// AtLeastAdmin tells whether only an admin passes.
func (p Permission) AtLeastAdmin() bool { return p.Kind == PermitAdmin }

// check decides for the caller about a record that belongs to owner ("" where none does). roles are the project's roles, for names; they are
// loaded only where the permission needs them.
func (p Permission) check(c Caller, owner UserID, roles func() ([]Role, error)) error {
	if c.IsAdmin() || p.Kind == PermitPublic {
		return nil
	}
	if p.Kind == PermitAdmin {
		return newError(CodeAdminRequired, "this needs the project's admin token")
	}
	user, _, err := c.requireUser()
	if err != nil {
		return err
	}
	switch p.Kind {
	case PermitUser:
		return nil
	case PermitAuthor:
		if owner != "" && owner == user.ID {
			return nil
		}
	case PermitRoles:
		all, err := roles()
		if err != nil {
			return err
		}
		for _, role := range all {
			if slices.Contains(p.Roles, role.Name) || slices.Contains(p.Roles, string(role.ID)) {
				if user.HasRole(role.ID) {
					return nil
				}
			}
		}
	}
	return newError(CodePermissionDenied, "the user may not do this")
}
