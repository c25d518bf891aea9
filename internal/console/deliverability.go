package console

import (
	"strings"

	"github.com/doorward/doorward/internal/auth"
)

func deliverabilityPages() []page {
	return []page{{
		path: "/projects/{project}/mail/deliverability", room: roomMail, show: func(v *visit) error { return v.deliverability(nil) },
		forms: map[string]func(*visit) error{"check": (*visit).checkMail}, scripts: []string{"copy.js"},
	}}
}

// mailFinding is what the sender's domain publishes of one kind, and what it should.
type mailFinding struct {
	auth.MailFinding
	Record string // of Advice: the record to publish as it is; "" where it names none
}

type mailCheck struct {
	From     auth.Email
	Findings []mailFinding
}

func (v *visit) deliverability(check *mailCheck) error {
	return v.render("deliverability", "Deliverability of mail", check)
}

// checkMail asks the DNS, which takes a while.
func (v *visit) checkMail() error {
	found, err := v.Admin.CheckMail(v.r.Context(), v.caller)
	if err != nil {
		return err
	}
	check := mailCheck{From: found.From}
	for _, f := range found.Findings {
		check.Findings = append(check.Findings, mailFinding{f, quoted(f.Advice)})
	}
	return v.deliverability(&check)
}

// quoted gives what stands between quotation marks.
func quoted(text string) string {
	_, rest, _ := strings.Cut(text, `"`)
	record, _, closed := strings.Cut(rest, `"`)
	if !closed {
		return ""
	}
	return record
}
