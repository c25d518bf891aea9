package main

import (
	"fmt"
	"io"

	"github.com/doorward/doorward/internal/adminapi"
)

type userSecondFactorsCmd struct{ userArg }

func (userSecondFactorsCmd) Help() string {
	return `Example:

    doorward user second-factors ada@example.com --project shop`
}

func (c userSecondFactorsCmd) Run(a *app, group *userCmd) error {
	return a.forUser(group, c.userArg, func(api *adminapi.Client, uid string) error {
		list, err := api.SecondFactors(a.ctx, group.Project, uid)
		if err != nil {
			return err
		}
		return a.print(list, func(w io.Writer) {
			for _, f := range list.SecondFactors {
				fmt.Fprintf(w, "%s  %s  %s  enrolled %s, last used %s\n", plain(f.ID), plain(f.Kind), plain(f.Name), timeText(f.EnrolledAt), timeText(f.LastUsedAt))
			}
			fmt.Fprintf(w, "%d recovery codes left\n", list.RecoveryCodesLeft)
		})
	})
}

type userResetSecondFactorsCmd struct {
	userArg
	yesFlag
}

func (userResetSecondFactorsCmd) Help() string {
	return `Make sure first that it is the user who asks: with the second factors gone, the password or the provider alone signs in. With --json it does not ask, for scripts.

Example:

    doorward user reset-second-factors ada@example.com --project shop --yes`
}

func (c userResetSecondFactorsCmd) Run(a *app, group *userCmd) error {
	return a.forUser(group, c.userArg, func(api *adminapi.Client, uid string) error {
		if err := a.confirm(c.Yes || a.json, "Remove all second factors of user "+c.User+" of project "+group.Project+"?"); err != nil {
			return err
		}
		removed, err := api.ResetSecondFactors(a.ctx, group.Project, uid)
		if err != nil {
			return err
		}
		return a.print(removed, func(w io.Writer) { fmt.Fprintf(w, "%d second factors removed\n", removed.Removed) })
	})
}
