package main

import (
	"fmt"
	"io"

	"github.com/doorward/doorward/internal/adminapi"
)

type mailCheckCmd struct{}

func (mailCheckCmd) Help() string {
	return `Asks the DNS for SPF, DKIM, DMARC and MX of the sender's domain, and says what to
publish. The setting mailDkimSelectors names the DKIM keys.

Example:

    doorward mail check --project shop`
}

func (mailCheckCmd) Run(a *app, group *mailCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		check, err := api.CheckMail(a.ctx, group.templateProject())
		if err != nil {
			return err
		}
		return a.print(check, func(w io.Writer) {
			if check.From == "" {
				fmt.Fprintln(w, "There is no SMTP server: mails are kept in the mailbox.")
				return
			}
			pairs(w, "From", check.From)
			for _, f := range check.Findings {
				fmt.Fprintf(w, "\n%s %s: %s\n    %s\n", f.Check, plain(f.Name), f.State, plain(f.Found))
				if f.Advice != "" {
					fmt.Fprintf(w, "    Publish: %s\n", plain(f.Advice))
				}
			}
		})
	})
}
