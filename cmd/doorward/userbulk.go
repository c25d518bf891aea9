package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/doorward/doorward/internal/adminapi"
)

type userSendVerificationCmd struct{ userArg }

func (userSendVerificationCmd) Help() string {
	return `Example:

    doorward user send-verification ada@example.com --project shop`
}

func (c userSendVerificationCmd) Run(a *app, group *userCmd) error {
	return a.forUser(group, c.userArg, func(api *adminapi.Client, uid string) error {
		if err := api.SendVerification(a.ctx, group.Project, uid); err != nil {
			return err
		}
		return a.printDone("queued", uid)
	})
}

type userBulkCmd struct {
	Action string   `arg:"" help:"disable, enable, end-sessions, send-reset, send-verification, add-role, remove-role or delete." enum:"disable,enable,end-sessions,send-reset,send-verification,add-role,remove-role,delete"`
	User   []string `arg:"" optional:"" help:"Uids or email addresses."`
	From   string   `help:"File with a uid or an email address in each line, - for standard input." placeholder:"FILE"`
	Role   string   `help:"Of add-role and remove-role." placeholder:"NAME"`
	yesFlag
}

func (userBulkCmd) Help() string {
	return `Each user is changed by itself. Who was refused is told, and the exit code is 1 then; the others are done. Before delete it asks, unless with --yes or --json.

Example:

    doorward user bulk disable --from uids.txt --project shop`
}

// bulkActions are the admin API's words for the command line's.
var bulkActions = map[string]string{
	"disable": "disable", "enable": "enable", "end-sessions": "endSessions", "send-reset": "sendReset", "send-verification": "sendVerification",
	"add-role": "addRole", "remove-role": "removeRole", "delete": "delete",
}

// bulkBatch is what one call of the admin API takes.
const bulkBatch = 1000

func (c userBulkCmd) Run(a *app, group *userCmd) error {
	named, err := c.named(a)
	if err != nil {
		return err
	}
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		uids := make([]string, len(named))
		for i, name := range named {
			if uids[i], err = a.findUser(api, group.Project, name); err != nil {
				return err
			}
		}
		if c.Action == "delete" {
			if err := a.confirm(c.Yes || a.json, fmt.Sprintf("Delete %d users of project %s?", len(uids), group.Project)); err != nil {
				return err
			}
		}
		total := adminapi.BulkReport{Results: []adminapi.BulkResult{}}
		for len(uids) > 0 {
			n := min(bulkBatch, len(uids))
			report, err := api.BulkUsers(a.ctx, group.Project, adminapi.Bulk{Action: bulkActions[c.Action], UIDs: uids[:n], Role: c.Role})
			if err != nil {
				return fmt.Errorf("after %d users: %w", len(total.Results), err)
			}
			total.Done, total.Refused, total.Results = total.Done+report.Done, total.Refused+report.Refused, append(total.Results, report.Results...)
			uids = uids[n:]
		}
		if err := a.print(total, func(w io.Writer) { printBulk(w, total) }); err != nil {
			return err
		}
		if total.Refused > 0 {
			return fmt.Errorf("%d users were refused", total.Refused)
		}
		return nil
	})
}

// named gives the users of the command line and of the file.
func (c userBulkCmd) named(a *app) ([]string, error) {
	named := c.User
	if c.From != "" {
		file, err := a.openInput(c.From)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		lines := bufio.NewScanner(file)
		for lines.Scan() {
			if line := strings.TrimSpace(lines.Text()); line != "" {
				named = append(named, line)
			}
		}
		if err := lines.Err(); err != nil {
			return nil, fmt.Errorf("read users: %w", err)
		}
	}
	if len(named) == 0 {
		return nil, usageError("name the users, or a file with them by --from")
	}
	return named, nil
}

func printBulk(w io.Writer, r adminapi.BulkReport) {
	fmt.Fprintf(w, "%d done, %d refused\n", r.Done, r.Refused)
	for _, result := range r.Results {
		if !result.Done {
			fmt.Fprintf(w, "%s: %s\n", plain(result.UID), plain(result.Message))
		}
	}
}
