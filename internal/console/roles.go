package console

import (
	"slices"

	"github.com/doorward/doorward/internal/auth"
)

func rolesPages() []page {
	return []page{
		{path: "/projects/{project}/roles", room: roomRoles, entry: true, show: (*visit).roles, forms: map[string]func(*visit) error{"create": (*visit).createRole}, notices: map[string]string{
			"created": "The role is there.", "deleted": "The role is deleted.",
		}},
		{path: "/projects/{project}/roles/{role}", room: roomRoles, show: (*visit).confirmRoleDeletion, forms: map[string]func(*visit) error{"delete": (*visit).deleteRole}},
	}
}

// roles lists the project's roles by their names.
func (v *visit) roles() error {
	roles, err := v.Admin.Roles(v.r.Context(), v.caller)
	if err != nil {
		return err
	}
	return v.render("roles", "Roles", roles)
}

func (v *visit) createRole() error {
	if _, err := v.Admin.CreateRole(v.r.Context(), v.caller, v.field("name")); err != nil {
		return err
	}
	return v.back(v.projectPath("roles"), "created")
}

func (v *visit) confirmRoleDeletion() error {
	roles, err := v.Admin.Roles(v.r.Context(), v.caller)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(roles, func(r auth.Role) bool { return string(r.ID) == v.r.PathValue("role") })
	if i < 0 {
		return &auth.Error{Code: auth.CodeNotFound, Message: "there is no such role"}
	}
	return v.render("confirm", "Delete the role "+roles[i].Name, confirmation{
		Warnings: []string{"Whoever has the role loses it, and with it what settings allow to it."}, Button: "Delete this role", Do: "delete", Back: v.projectPath("roles"),
	})
}

func (v *visit) deleteRole() error {
	if err := v.Admin.DeleteRole(v.r.Context(), v.caller, v.r.PathValue("role")); err != nil {
		return err
	}
	return v.back(v.projectPath("roles"), "deleted")
}
