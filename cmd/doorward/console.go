package main

import (
	"fmt"
	"io"

	"github.com/doorward/doorward/internal/adminapi"
)

type consoleCmd struct {
	reachFlags
	Link         consoleLinkCmd         `cmd:"" help:"Print a one-time link that makes an operator's account, or gets one back."`
	Operators    consoleOperatorsCmd    `cmd:"" help:"List the operators who sign in to the console."`
	Invite       consoleInviteCmd       `cmd:"" help:"Invite an operator, and print the one-time link."`
	Disable      consoleDisableCmd      `cmd:"" help:"Keep an operator out and end the operator's sessions."`
	Enable       consoleEnableCmd       `cmd:"" help:"Let a disabled operator in again."`
	Remove       consoleRemoveCmd       `cmd:"" help:"Delete an operator's account."`
	ResetFactors consoleResetFactorsCmd `cmd:"" help:"Remove the second factors of an operator who lost them, and end the operator's sessions."`
}

type consoleLinkCmd struct{}

func (consoleLinkCmd) Help() string {
	return `Works only with the data directory at hand, also while servers run. The link works once, within an hour, and voids earlier ones. An operator who is locked out types the
address of the account there: it gets a new password, and its second factors and sessions go.

Example:

    doorward console link --data /var/lib/doorward`
}

func (consoleLinkCmd) Run(a *app, group *consoleCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		created, err := api.CreateConsoleLink(a.ctx)
		if err != nil {
			return err
		}
		return a.print(created, func(w io.Writer) { fmt.Fprintln(w, plain(created.Link)) })
	})
}

type consoleOperatorsCmd struct{}

func (consoleOperatorsCmd) Help() string {
	return `Operator tokens, for programs, are listed by doorward operator list.

Example:

    doorward console operators`
}

func (consoleOperatorsCmd) Run(a *app, group *consoleCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		list, err := api.ListConsoleOperators(a.ctx)
		if err != nil {
			return err
		}
		return printList(a, list.Operators, "EMAIL NAME STATE FACTORS LAST-SIGN-IN", func(o adminapi.ConsoleOperator) []string {
			return []string{o.Email, o.Name, operatorState(o), fmt.Sprint(o.SecondFactors), timeText(o.LastSignInAt)}
		})
	})
}

func operatorState(o adminapi.ConsoleOperator) string {
	switch {
	case o.Disabled:
		return "disabled"
	case o.InvitePending:
		return "invited"
	}
	return "active"
}

type consoleInviteCmd struct {
	Email string `arg:"" help:"Email address to invite."`
}

func (consoleInviteCmd) Help() string {
	return `The link is mailed, too. Who opens it chooses a password, and then enrolls an authenticator app or a passkey.

Example:

    doorward console invite ada@example.com`
}

func (c consoleInviteCmd) Run(a *app, group *consoleCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		invited, err := api.InviteConsoleOperator(a.ctx, c.Email)
		if err != nil {
			return err
		}
		return a.print(invited, func(w io.Writer) { pairs(w, "Operator", invited.Operator.Email, "Link", invited.Link) })
	})
}

// consoleOperatorArg names one operator.
type consoleOperatorArg struct {
	Operator string `arg:"" help:"Email address or uid."`
}

type consoleDisableCmd struct{ consoleOperatorArg }

func (consoleDisableCmd) Help() string {
	return `With the data directory at hand, also the last one who can sign in.

Example:

    doorward console disable ada@example.com`
}

func (c consoleDisableCmd) Run(a *app, group *consoleCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		o, err := api.DisableConsoleOperator(a.ctx, c.Operator)
		if err != nil {
			return err
		}
		return a.printConsoleOperator(o)
	})
}

type consoleEnableCmd struct{ consoleOperatorArg }

func (consoleEnableCmd) Help() string {
	return `Example:

    doorward console enable ada@example.com`
}

func (c consoleEnableCmd) Run(a *app, group *consoleCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		o, err := api.EnableConsoleOperator(a.ctx, c.Operator)
		if err != nil {
			return err
		}
		return a.printConsoleOperator(o)
	})
}

func (a *app) printConsoleOperator(o adminapi.ConsoleOperator) error {
	return a.print(o, func(w io.Writer) {
		pairs(w, "Operator", o.Email, "Uid", o.UID, "Name", o.Name, "State", operatorState(o))
	})
}

type consoleRemoveCmd struct {
	consoleOperatorArg
	yesFlag
}

func (consoleRemoveCmd) Help() string {
	return `Example:

    doorward console remove ada@example.com --yes`
}

func (c consoleRemoveCmd) Run(a *app, group *consoleCmd) error {
	if err := a.confirm(c.Yes, "Delete the operator "+c.Operator+"?"); err != nil {
		return err
	}
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		if err := api.DeleteConsoleOperator(a.ctx, c.Operator); err != nil {
			return err
		}
		return a.printDone("deleted", c.Operator)
	})
}

type consoleResetFactorsCmd struct {
	consoleOperatorArg
	yesFlag
}

func (consoleResetFactorsCmd) Help() string {
	return `Make sure who asks: the password alone leads to new second factors then.

Example:

    doorward console reset-factors ada@example.com --yes`
}

func (c consoleResetFactorsCmd) Run(a *app, group *consoleCmd) error {
	if err := a.confirm(c.Yes, "Remove the second factors of "+c.Operator+"?"); err != nil {
		return err
	}
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		removed, err := api.ResetConsoleOperatorFactors(a.ctx, c.Operator)
		if err != nil {
			return err
		}
		return a.print(removed, func(w io.Writer) { fmt.Fprintf(w, "%d second factors removed\n", removed.Removed) })
	})
}
