package adminapi

import "context"

// MailFinding is what the sender's domain publishes of one kind.
type MailFinding struct {
	Check  string `json:"check"` // spf, dkim, dmarc or mx
	Name   string `json:"name"`  // in the DNS
	State  string `json:"state"` // ok, warn or bad
	Found  string `json:"found"`
	Advice string `json:"advice,omitempty"` // what to publish
}

// MailCheck tells whether a project's mails can be expected to arrive.
type MailCheck struct {
	From     string        `json:"from"` // "" where there is no SMTP server
	Findings []MailFinding `json:"findings"`
}

func (a *API) checkMail(q request) (MailCheck, error) {
	found, err := a.admin.CheckMail(q.ctx, q.caller)
	if err != nil {
		return MailCheck{}, err
	}
	check := MailCheck{From: string(found.From), Findings: make([]MailFinding, len(found.Findings))}
	for i, f := range found.Findings {
		check.Findings[i] = MailFinding{f.Check, f.Name, string(f.State), f.Found, f.Advice}
	}
	return check, nil
}

// CheckMail looks at what the domain of a project's sender publishes: SPF, DKIM, DMARC and MX.
func (c *Client) CheckMail(ctx context.Context, project string) (MailCheck, error) {
	return fetch[MailCheck](ctx, c, "POST", nil, "projects", project, "mail-check")
}
