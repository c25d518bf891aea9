package adminapi

import (
	"net/netip"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// AuditRecord is one security decision.
type AuditRecord struct {
	ID        string            `json:"id"`
	Project   string            `json:"project,omitempty"` // absent for the instance
	At        time.Time         `json:"at"`
	Event     string            `json:"event"`
	Outcome   string            `json:"outcome"` // allowed or denied
	Actor     string            `json:"actor"`   // anonymous, user, admin, operator or system
	ActorID   string            `json:"actorId,omitempty"`
	UID       string            `json:"uid,omitempty"` // whom it is about
	Address   string            `json:"address,omitempty"`
	RequestID string            `json:"requestId,omitempty"`
	Detail    map[string]string `json:"detail,omitempty"`
}

// AuditList is a page of audit records, newest first.
type AuditList struct {
	Records []AuditRecord `json:"records"`
	Next    string        `json:"next,omitempty"`
}

var actors = []auth.ActorKind{"", auth.ActorAnonymous, auth.ActorUser, auth.ActorAdmin, auth.ActorOperator, auth.ActorSystem}

var outcomes = []auth.Outcome{"", auth.OutcomeAllowed, auth.OutcomeDenied}

// listAudit lists the records of the project in the path, or where there is none of the whole instance.
func (a *API) listAudit(q request) (AuditList, error) {
	filter, err := auditFilter(q)
	if err != nil {
		return AuditList{}, err
	}
	limit := filter.Limit
	filter.Limit++
	records, err := a.admin.Audit(q.ctx, q.caller, filter)
	if err != nil {
		return AuditList{}, err
	}
	list, next := page(records, limit, auditRecordOf, func(r AuditRecord) string { return r.ID })
	return AuditList{list, next}, nil
}

func auditFilter(q request) (f auth.AuditFilter, err error) {
	if f.Limit, err = q.limit(); err != nil {
		return f, err
	}
	if f.Outcome, err = oneOf(q, "outcome", outcomes); err != nil {
		return f, err
	}
	if f.Actor, err = oneOf(q, "actor", actors); err != nil {
		return f, err
	}
	if text := q.param("address"); text != "" {
		if f.Addr, err = netip.ParseAddr(text); err != nil {
			return f, badParam("address", "must be an IP address")
		}
		f.Addr = f.Addr.Unmap().WithZone("")
	}
	if text := q.param("reference"); text != "" {
		if f.Request, err = auth.ParseReference(text); err != nil {
			return f, err
		}
	}
	f.ActorID = q.param("actorId")
	if f.Since, err = q.instant("since"); err != nil {
		return f, err
	}
	if f.Until, err = q.instant("until"); err != nil {
		return f, err
	}
	f.Event, f.User, f.Before = auth.Event(q.param("event")), auth.UserID(q.param("user")), auth.AuditID(q.param("before"))
	return f, nil
}

func auditRecordOf(r auth.AuditRecord) AuditRecord {
	return AuditRecord{
		ID: string(r.ID), Project: string(r.Project), At: r.At, Event: string(r.Event), Outcome: string(r.Outcome), Actor: string(r.Actor), ActorID: r.ActorID,
		UID: string(r.User), Address: addrText(r.Addr), RequestID: r.RequestID, Detail: r.Detail,
	}
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
