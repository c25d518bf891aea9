package main

import (
	"io"

	"github.com/doorward/doorward/internal/adminapi"
)

type roleCmd struct {
	reachFlags
	projectFlag
	List     roleListCmd     `cmd:"" help:"List roles."`
	Create   roleCreateCmd   `cmd:"" help:"Create a role."`
	Assign   roleAssignCmd   `cmd:"" help:"Give a role to a user."`
	Unassign roleUnassignCmd `cmd:"" help:"Take a role from a user."`
	Delete   roleDeleteCmd   `cmd:"" help:"Delete a role, also from its users."`
}

type roleListCmd struct{}

func (roleListCmd) Help() string {
	return `Example:

    doorward role list --project shop`
}

func (roleListCmd) Run(a *app, group *roleCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		list, err := api.ListRoles(a.ctx, group.Project)
		if err != nil {
			return err
		}
		return printList(a, list.Roles, "UID NAME CREATED", func(r adminapi.Role) []string {
			return []string{r.UID, r.Name, timeText(r.CreatedAt)}
		})
	})
}

type roleCreateCmd struct {
	Name string `arg:"" help:"Name, unique in its project."`
}

func (roleCreateCmd) Help() string {
	return `Example:

    doorward role create editor --project shop`
}

func (c roleCreateCmd) Run(a *app, group *roleCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		role, err := api.CreateRole(a.ctx, group.Project, c.Name)
		if err != nil {
			return err
		}
		return a.print(role, func(w io.Writer) { pairs(w, "UID", role.UID, "Name", role.Name) })
	})
}

type roleAssignCmd struct {
	Role string `arg:"" help:"Name or uid of the role."`
	User string `arg:"" help:"Uid or email address of the user."`
}

func (roleAssignCmd) Help() string {
	return `Example:

    doorward role assign editor ada@example.com --project shop`
}

func (c roleAssignCmd) Run(a *app, group *roleCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		uid, err := a.findUser(api, group.Project, c.User)
		if err != nil {
			return err
		}
		u, err := api.AssignRole(a.ctx, group.Project, uid, c.Role)
		if err != nil {
			return err
		}
		return a.printUser(u)
	})
}

type roleUnassignCmd struct {
	Role string `arg:"" help:"Name or uid of the role."`
	User string `arg:"" help:"Uid or email address of the user."`
}

func (roleUnassignCmd) Help() string {
	return `Example:

    doorward role unassign editor ada@example.com --project shop`
}

func (c roleUnassignCmd) Run(a *app, group *roleCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		uid, err := a.findUser(api, group.Project, c.User)
		if err != nil {
			return err
		}
		u, err := api.UnassignRole(a.ctx, group.Project, uid, c.Role)
		if err != nil {
			return err
		}
		return a.printUser(u)
	})
}

type roleDeleteCmd struct {
	Role string `arg:"" help:"Name or uid of the role."`
	yesFlag
}

func (roleDeleteCmd) Help() string {
	return `Example:

    doorward role delete editor --project shop --yes`
}

func (c roleDeleteCmd) Run(a *app, group *roleCmd) error {
	if err := a.confirm(c.Yes, "Delete role "+c.Role+" from project "+group.Project+" and its users?"); err != nil {
		return err
	}
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		if err := api.DeleteRole(a.ctx, group.Project, c.Role); err != nil {
			return err
		}
		return a.printDone("deleted", c.Role)
	})
}
