package main

import (
	"time"

	"github.com/doorward/doorward/internal/adminapi"
)

type auditCmd struct {
	reachFlags
	List    auditListCmd    `cmd:"" help:"List audit records, newest first."`
	Explain auditExplainCmd `cmd:"" help:"Tell how a refusal came about, by the reference that the user was shown."`
}

type auditListCmd struct {
	pageFlags
	Project string    `help:"Project. Without one, the whole instance." placeholder:"ID"`
	Event   string    `help:"Only this event, as user.sign_in." placeholder:"EVENT"`
	User    string    `help:"Only records about this uid." placeholder:"UID"`
	Outcome string    `help:"Only this outcome: allowed or denied." placeholder:"OUTCOME"`
	Actor   string    `help:"Only by this kind of actor: anonymous, user, admin, operator or system." placeholder:"ACTOR"`
	ActorID string    `name:"actor-id" help:"Only by this uid, or operator token's name." placeholder:"ID"`
	Address string    `help:"Only from this IP address." placeholder:"ADDRESS"`
	Ref     string    `name:"reference" help:"Only of the request with this reference." placeholder:"REFERENCE"`
	Since   time.Time `help:"Only records from this instant on (RFC 3339)." placeholder:"TIME"`
	Until   time.Time `help:"Only records before this instant (RFC 3339)." placeholder:"TIME"`
}

func (auditListCmd) Help() string {
	return `Example:

    doorward audit list --project shop --outcome denied --since 2026-01-31T00:00:00Z`
}

func (c auditListCmd) Run(a *app, group *auditCmd) error {
	return a.reach(group.reachFlags, func(api *adminapi.Client) error {
		records, err := collect(a, c.pageFlags, func(after string, limit int) ([]adminapi.AuditRecord, string, error) {
			page, err := api.ListAudit(a.ctx, c.Project, adminapi.AuditFilter{
				Event: c.Event, User: c.User, Outcome: c.Outcome, Actor: c.Actor, ActorID: c.ActorID, Address: c.Address, Reference: c.Ref, Since: c.Since, Until: c.Until, Before: after, Limit: limit,
			})
			return page.Records, page.Next, err
		})
		if err != nil {
			return err
		}
		return printList(a, records, "AT PROJECT EVENT OUTCOME ACTOR UID ADDRESS", func(r adminapi.AuditRecord) []string {
			actor := r.Actor
			if r.ActorID != "" {
				actor += " " + r.ActorID
			}
			return []string{timeText(r.At), r.Project, r.Event, r.Outcome, actor, r.UID, r.Address}
		})
	})
}
