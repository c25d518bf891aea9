package auth

import (
	"context"
	"time"
)

// FindingState says how good a finding is.
type FindingState string

// The states.
const (
	FindingOK   FindingState = "ok"
	FindingWarn FindingState = "warn" // mails may be taken for spam
	FindingBad  FindingState = "bad"  // mails are refused or taken for spam by some
)

// MailFinding is what the sender's domain publishes of one kind.
type MailFinding struct {
	Check  string // spf, dkim, dmarc or mx
	Name   string // in the DNS
	State  FindingState
	Found  string
	Advice string // what to publish; "" where all is well
}

// MailCheck is what the domain of a project's sender publishes for its mails.
type MailCheck struct {
	From     Email // "" where the project has no sender: its mails are kept
	Findings []MailFinding
}

// MailChecker looks at the DNS of a project's sender, with the names of its DKIM keys, or without any the usual ones.
type MailChecker interface {
	CheckMail(ctx context.Context, p ProjectID, selectors []string) (MailCheck, error)
}

// How often a project's admins may have the DNS asked.
const (
	mailCheckBurst    = 20
	mailCheckInterval = 10 * time.Second
)

// CheckMail tells whether the project's mails can be expected to arrive. It fails with CodeTooManyAttempts.
func (a *Admin) CheckMail(ctx context.Context, c Caller) (MailCheck, error) {
	if err := c.requireAdmin(); err != nil {
		return MailCheck{}, err
	}
	err := a.store.Count(ctx, func(tx Limits) error {
		return takeLimit(ctx, tx, c.Project.ID, "mail-check", a.now(), mailCheckInterval, mailCheckBurst)
	})
	if err != nil {
		return MailCheck{}, a.limited(ctx, c, EventMailChecked, err)
	}
	if a.mailChecker == nil {
		return MailCheck{}, newError(CodeUnavailable, "this process cannot ask the DNS")
	}
	return a.mailChecker.CheckMail(ctx, c.Project.ID, c.Project.Settings.MailDKIMSelectors)
}
