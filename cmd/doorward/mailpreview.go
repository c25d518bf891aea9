package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/doorward/doorward/internal/adminapi"
)

// templateFiles name the files of a template's parts.
type templateFiles struct {
	SubjectFile string `help:"Template of the subject." placeholder:"FILE"`
	TextFile    string `help:"Template of the text." placeholder:"FILE"`
	HTMLFile    string `name:"html-file" help:"Template of the HTML." placeholder:"FILE"`
}

func (f templateFiles) read() (parts adminapi.MailTemplateParts, err error) {
	for _, part := range []struct {
		path string
		to   *string
	}{{f.SubjectFile, &parts.Subject}, {f.TextFile, &parts.Text}, {f.HTMLFile, &parts.HTML}} {
		if part.path == "" {
			continue
		}
		content, err := os.ReadFile(part.path)
		if err != nil {
			return parts, usageError("template: " + err.Error())
		}
		*part.to = string(content)
	}
	parts.Subject = strings.TrimRight(parts.Subject, "\r\n")
	return parts, nil
}

type mailPreviewCmd struct {
	Kind     string `arg:"" help:"Kind of mail, as reset-password."`
	Language string `arg:"" help:"BCP 47 tag, as en or pt-BR."`
	HTML     bool   `name:"html" help:"Print the HTML part instead of subject and text."`
	templateFiles
}

func (mailPreviewCmd) Help() string {
	return `Prints the mail with sample data as users get it, or with a template that is not
set yet.

Example:

    doorward mail preview reset-password de --text-file t.txt --project shop`
}

func (c mailPreviewCmd) Run(a *app, group *mailCmd) error {
	draft, err := c.read()
	if err != nil {
		return err
	}
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		var shown adminapi.MailPreview
		if draft == (adminapi.MailTemplateParts{}) {
			shown, err = api.PreviewMail(a.ctx, group.templateProject(), c.Kind, c.Language)
		} else {
			shown, err = api.PreviewMailDraft(a.ctx, group.templateProject(), c.Kind, c.Language, draft)
		}
		if err != nil {
			return err
		}
		return a.print(shown, func(w io.Writer) {
			if c.HTML {
				printText(w, shown.HTML)
				return
			}
			pairs(w, "Subject", shown.Subject)
			fmt.Fprintln(w)
			printText(w, shown.Text)
		})
	})
}

// printText writes text of several lines without what could control a terminal.
func printText(w io.Writer, text string) {
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		fmt.Fprintln(w, plain(line))
	}
}

type mailTestCmd struct {
	Kind     string `arg:"" help:"Kind of mail, as reset-password."`
	Language string `arg:"" help:"BCP 47 tag, as en or pt-BR."`
	To       string `arg:"" help:"Address."`
}

func (mailTestCmd) Help() string {
	return `Sends a mail with sample data, and "[Test]" in its subject. "doorward mail show" tells
what became of it.

Example:

    doorward mail test reset-password de me@example.com --project shop`
}

func (c mailTestCmd) Run(a *app, group *mailCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		queued, err := api.SendTestMail(a.ctx, group.templateProject(), c.Kind, c.Language, c.To)
		if err != nil {
			return err
		}
		return a.printDone("queued", queued.ID)
	})
}
