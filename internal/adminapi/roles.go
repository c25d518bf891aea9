package adminapi

import (
	"slices"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// NewRole is what a role is created with.
type NewRole struct {
	Name string `json:"name"`
}

// Role is a name that permissions can refer to.
type Role struct {
	UID       string    `json:"uid"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"createdAt"`
}

// RoleList is the project's roles by name.
type RoleList struct {
	Roles []Role `json:"roles"`
}

// RoleRef names a role, by name or uid.
type RoleRef struct {
	Role string `json:"role"`
}

func (a *API) listRoles(q request) (RoleList, error) {
	roles, err := a.admin.Roles(q.ctx, q.caller)
	if err != nil {
		return RoleList{}, err
	}
	list := RoleList{Roles: []Role{}}
	for _, r := range roles {
		list.Roles = append(list.Roles, roleOf(r))
	}
	return list, nil
}

func roleOf(r auth.Role) Role { return Role{string(r.ID), r.Name, r.CreatedAt} }

func (a *API) createRole(q request, body NewRole) (Role, error) {
	role, err := a.admin.CreateRole(q.ctx, q.caller, body.Name)
	return roleOf(role), err
}

func (a *API) deleteRole(q request) error { return a.admin.DeleteRole(q.ctx, q.caller, q.path("role")) }

func (a *API) assignRole(q request, body RoleRef) (User, error) {
	return a.changeRole(q, body.Role, auth.UserPatch{AddRoles: []string{body.Role}})
}

func (a *API) unassignRole(q request) (User, error) {
	role := q.path("role")
	return a.changeRole(q, role, auth.UserPatch{RemoveRoles: []string{role}})
}

// changeRole answers for a role that is not there as for any other thing that a path or body names.
func (a *API) changeRole(q request, nameOrID string, patch auth.UserPatch) (User, error) {
	names, err := a.roleNames(q)
	if err != nil {
		return User{}, err
	}
	if _, ok := names.find(nameOrID); !ok {
		return User{}, &auth.Error{Code: auth.CodeNotFound, Message: "there is no such role"}
	}
	return a.patchUser(q, patch)
}

// roleNames gives roles by uid: the wire speaks of roles by their names.
type roleNames map[auth.RoleID]string

func (a *API) roleNames(q request) (roleNames, error) {
	roles, err := a.admin.Roles(q.ctx, q.caller)
	if err != nil {
		return nil, err
	}
	names := make(roleNames, len(roles))
	for _, r := range roles {
		names[r.ID] = r.Name
	}
	return names, nil
}

// find tells the uid of the role with this name or uid.
func (n roleNames) find(nameOrID string) (auth.RoleID, bool) {
	if _, ok := n[auth.RoleID(nameOrID)]; ok {
		return auth.RoleID(nameOrID), true
	}
	for id, name := range n {
		if name == nameOrID {
			return id, true
		}
	}
	return "", false
}

// of gives the names of a user's roles, sorted.
func (n roleNames) of(u auth.User) []string {
	names := make([]string, 0, len(u.Roles))
	for _, id := range u.Roles {
		if name, ok := n[id]; ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
