package main

import (
	"io"

	"github.com/doorward/doorward/internal/adminapi"
)

type operatorCmd struct {
	reachFlags
	Create operatorCreateCmd `cmd:"" help:"Create an operator token and print it."`
	List   operatorListCmd   `cmd:"" help:"List operator tokens."`
	Delete operatorDeleteCmd `cmd:"" help:"End an operator token at once."`
}

type operatorCreateCmd struct {
	Name string `arg:"" help:"Name, as the audit log will show it."`
}

func (operatorCreateCmd) Help() string {
	return `An operator token may do everything on the instance. It is told this once.

Example:

    doorward operator create deploy --json`
}

func (c operatorCreateCmd) Run(a *app, group *operatorCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		created, err := api.CreateOperator(a.ctx, c.Name)
		if err != nil {
			return err
		}
		return a.print(created, func(w io.Writer) { pairs(w, "Name", created.Name, "Token", created.Token+"  (shown only now)") })
	})
}

type operatorListCmd struct{}

func (operatorListCmd) Help() string {
	return `Example:

    doorward operator list`
}

func (operatorListCmd) Run(a *app, group *operatorCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		list, err := api.ListOperators(a.ctx)
		if err != nil {
			return err
		}
		return printList(a, list.Operators, "NAME CREATED", func(o adminapi.Operator) []string {
			return []string{o.Name, timeText(o.CreatedAt)}
		})
	})
}

type operatorDeleteCmd struct {
	Name string `arg:"" help:"Name."`
	yesFlag
}

func (operatorDeleteCmd) Help() string {
	return `Example:

    doorward operator delete deploy --yes`
}

func (c operatorDeleteCmd) Run(a *app, group *operatorCmd) error {
	if err := a.confirm(c.Yes, "Delete operator "+c.Name+"?"); err != nil {
		return err
	}
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		if err := api.DeleteOperator(a.ctx, c.Name); err != nil {
			return err
		}
		return a.printDone("deleted", c.Name)
	})
}
