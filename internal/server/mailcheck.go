package server

import (
	"context"
	"fmt"
	netmail "net/mail"
	"strings"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/deliverability"
)

// mailCheck looks at the DNS of the senders of projects' mails.
type mailCheck struct {
	senders  *senders // set before the first check
	resolver deliverability.Resolver
}

// CheckMail asks for the sender as the mail worker does.
func (m *mailCheck) CheckMail(ctx context.Context, p auth.ProjectID, selectors []string) (auth.MailCheck, error) {
	_, from, err := m.senders.forProject(ctx, p)
	if err != nil || from == "" {
		return auth.MailCheck{}, err
	}
	address, err := netmail.ParseAddress(from)
	if err != nil {
		return auth.MailCheck{}, fmt.Errorf("the sender of project %s is no address", p)
	}
	check := auth.MailCheck{From: auth.Email(address.Address)}
	for _, f := range deliverability.Check(ctx, m.resolver, address.Address[strings.LastIndexByte(address.Address, '@')+1:], selectors) {
		check.Findings = append(check.Findings, auth.MailFinding{Check: f.Check, Name: f.Name, State: auth.FindingState(f.State), Found: f.Found, Advice: f.Advice})
	}
	return check, nil
}
