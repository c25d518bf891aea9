package main

import (
	"fmt"
	"io"
	"os/exec"
	"runtime"

	"github.com/doorward/doorward/internal/adminapi"
)

type mailCmd struct {
	reachFlags
	Project  string          `help:"Project. Without one, all projects." placeholder:"ID"`
	List     mailListCmd     `cmd:"" help:"List mails, newest first."`
	Show     mailShowCmd     `cmd:"" help:"Show a mail, and what its SMTP server said; the text until it is sent."`
	Open     mailOpenCmd     `cmd:"" help:"Print the first link of a mail, and open it."`
	Check    mailCheckCmd    `cmd:"" help:"See what the sender's domain publishes for mails."`
	Preview  mailPreviewCmd  `cmd:"" help:"Print a mail with sample data."`
	Test     mailTestCmd     `cmd:"" help:"Send a mail with sample data."`
	Retry    mailRetryCmd    `cmd:"" help:"Send a kept or dead mail (again)."`
	Delete   mailDeleteCmd   `cmd:"" help:"Delete a mail."`
	Template mailTemplateCmd `cmd:"" help:"Manage a project's own mail templates."`
}

type mailListCmd struct {
	pageFlags
	State string `help:"Only mails in this state: queued, working, sent, kept or dead." placeholder:"STATE"`
}

func (mailListCmd) Help() string {
	return `Without an SMTP server, mails are kept here for you to read. With --json the list has
their subject, text, html and links, and that is written to the audit log.

Example:

    doorward mail list --project shop --state kept --json`
}

func (c mailListCmd) Run(a *app, group *mailCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		mails, err := collect(a, c.pageFlags, func(after string, limit int) ([]adminapi.MailMessage, string, error) {
			page, err := api.ListMail(a.ctx, group.Project, adminapi.MailFilter{State: c.State, Content: a.json, Before: after, Limit: limit})
			return page.Mails, page.Next, err
		})
		if err != nil {
			return err
		}
		return printList(a, mails, "ID PROJECT KIND TO STATE ATTEMPTS CREATED ERROR", func(m adminapi.MailMessage) []string {
			return []string{m.ID, m.Project, m.Kind, m.To, m.State, fmt.Sprint(m.Attempts), timeText(m.CreatedAt), m.LastError}
		})
	})
}

// mailArg names one mail.
type mailArg struct {
	ID string `arg:"" help:"Mail."`
}

// forMail runs do with the project of a mail, which it finds where none is named.
func (a *app) forMail(group *mailCmd, mail mailArg, do func(api *adminapi.Client, project string) error) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		project := group.Project
		if project == "" {
			var err error
			if project, err = a.projectOfMail(api, mail.ID); err != nil {
				return err
			}
		}
		return do(api, project)
	})
}

// projectOfMail lists the one mail that is not newer than this id.
func (a *app) projectOfMail(api *adminapi.Client, id string) (string, error) {
	const lowest = "0" // of the characters of an id: id+lowest is the next after it
	page, err := api.ListMail(a.ctx, "", adminapi.MailFilter{Before: id + lowest, Limit: 1})
	if err != nil {
		return "", err
	}
	if len(page.Mails) == 0 || page.Mails[0].ID != id {
		return "", notFoundError("there is no such mail; `doorward mail list` lists them")
	}
	return page.Mails[0].Project, nil
}

type mailShowCmd struct{ mailArg }

func (mailShowCmd) Help() string {
	return `Mails hold one-time codes, so reading one is written to the audit log.

Example:

    doorward mail show ID --json`
}

func (c mailShowCmd) Run(a *app, group *mailCmd) error {
	return a.forMail(group, c.mailArg, func(api *adminapi.Client, project string) error {
		m, err := api.ReadMail(a.ctx, project, c.ID)
		if err != nil {
			return err
		}
		return a.print(m, func(w io.Writer) {
			pairs(w, "ID", m.ID, "Project", m.Project, "Kind", m.Kind, "To", m.To, "State", m.State, "Created", timeText(m.CreatedAt),
				"Error", m.LastError, "Subject", m.Subject)
			fmt.Fprintln(w)
			printText(w, m.Text)
			if m.Transcript != "" {
				fmt.Fprintln(w, "\nThe last attempt:")
				printText(w, m.Transcript)
			}
		})
	})
}

type mailOpenCmd struct {
	mailArg
	Browser bool `help:"Open the link in a browser, too."`
}

func (mailOpenCmd) Help() string {
	return `Example:

    doorward mail open ID --browser`
}

func (c mailOpenCmd) Run(a *app, group *mailCmd) error {
	return a.forMail(group, c.mailArg, func(api *adminapi.Client, project string) error {
		m, err := api.ReadMail(a.ctx, project, c.ID)
		if err != nil {
			return err
		}
		if len(m.Links) == 0 {
			return notFoundError("the mail has no link, or was sent and is gone")
		}
		if err := a.print(map[string]string{"link": m.Links[0]}, func(w io.Writer) { fmt.Fprintln(w, plain(m.Links[0])) }); err != nil {
			return err
		}
		if !c.Browser {
			return nil
		}
		return openBrowser(m.Links[0])
	})
}

func openBrowser(link string) error {
	command := []string{"xdg-open", link}
	switch runtime.GOOS {
	case "darwin":
		command[0] = "open"
	case "windows":
		command = []string{"rundll32", "url.dll,FileProtocolHandler", link}
	}
	if err := exec.Command(command[0], command[1:]...).Start(); err != nil {
		return fmt.Errorf("open a browser: %w", err)
	}
	return nil
}

type mailRetryCmd struct{ mailArg }

func (mailRetryCmd) Help() string {
	return `Example:

    doorward mail retry ID --project shop`
}

func (c mailRetryCmd) Run(a *app, group *mailCmd) error {
	return a.forMail(group, c.mailArg, func(api *adminapi.Client, project string) error {
		if err := api.RetryMail(a.ctx, project, c.ID); err != nil {
			return err
		}
		return a.printDone("queued", c.ID)
	})
}

type mailDeleteCmd struct {
	mailArg
	yesFlag
}

func (mailDeleteCmd) Help() string {
	return `Example:

    doorward mail delete ID --project shop --yes`
}

func (c mailDeleteCmd) Run(a *app, group *mailCmd) error {
	return a.forMail(group, c.mailArg, func(api *adminapi.Client, project string) error {
		if err := a.confirm(c.Yes, "Delete mail "+c.ID+" of project "+project+"?"); err != nil {
			return err
		}
		if err := api.DeleteMail(a.ctx, project, c.ID); err != nil {
			return err
		}
		return a.printDone("deleted", c.ID)
	})
}

type mailTemplateCmd struct {
	List   mailTemplateListCmd   `cmd:"" help:"List a project's own templates."`
	Set    mailTemplateSetCmd    `cmd:"" help:"Create or replace a template."`
	Delete mailTemplateDeleteCmd `cmd:"" help:"Go back to the built-in template."`
}

// templateProject is the project whose templates are meant.
func (c *mailCmd) templateProject() string {
	if c.Project == "" {
		return "default"
	}
	return c.Project
}

type mailTemplateListCmd struct{}

func (mailTemplateListCmd) Help() string {
	return `Example:

    doorward mail template list --project shop`
}

func (mailTemplateListCmd) Run(a *app, group *mailCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		list, err := api.ListMailTemplates(a.ctx, group.templateProject())
		if err != nil {
			return err
		}
		return printList(a, list.Templates, "KIND LANGUAGE UPDATED SUBJECT", func(t adminapi.MailTemplate) []string {
			return []string{t.Kind, t.Language, timeText(t.UpdatedAt), t.Subject}
		})
	})
}

type mailTemplateSetCmd struct {
	Kind     string `arg:"" help:"verify-email, invite, reset-password, change-email, email-changed, account-exists, sign-in-methods, password-changed, identity-linked, identity-unlinked or second-factor-changed."`
	Language string `arg:"" help:"BCP 47 tag, as en or pt-BR."`
	templateFiles
}

func (mailTemplateSetCmd) Help() string {
	return `A part that is not given falls back to the built-in one. Templates have the fields {{.ProjectName}}, {{.UserName}}, {{.Email}}, {{.NewEmail}}, {{.Methods}},
{{.Link}}, {{.ExpiresIn}}, {{.Code}} and {{.CodePage}}: the code that can be typed instead of following the link, and where. Each may be empty.

Example:

    doorward mail template set reset-password en --subject-file s.txt --text-file t.txt --html-file h.html --project shop`
}

func (c mailTemplateSetCmd) Run(a *app, group *mailCmd) error {
	parts, err := c.read()
	if err != nil {
		return err
	}
	if parts == (adminapi.MailTemplateParts{}) {
		return usageError("give at least one of --subject-file, --text-file and --html-file")
	}
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		if err := api.PutMailTemplate(a.ctx, group.templateProject(), c.Kind, c.Language, parts); err != nil {
			return err
		}
		return a.printDone("set", c.Kind+" "+c.Language)
	})
}

type mailTemplateDeleteCmd struct {
	Kind     string `arg:"" help:"Kind of mail."`
	Language string `arg:"" help:"BCP 47 tag."`
	yesFlag
}

func (mailTemplateDeleteCmd) Help() string {
	return `Example:

    doorward mail template delete reset-password en --project shop --yes`
}

func (c mailTemplateDeleteCmd) Run(a *app, group *mailCmd) error {
	if err := a.confirm(c.Yes, "Delete template "+c.Kind+" "+c.Language+" of project "+group.templateProject()+"?"); err != nil {
		return err
	}
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		if err := api.DeleteMailTemplate(a.ctx, group.templateProject(), c.Kind, c.Language); err != nil {
			return err
		}
		return a.printDone("deleted", c.Kind+" "+c.Language)
	})
}
