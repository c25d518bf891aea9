package auth

import (
	"net/netip"
	"time"
)

// AuditID names an audit record; ids sort by time.
type AuditID string

// Outcome of an audited decision.
type Outcome string

// The outcomes.
const (
	OutcomeAllowed Outcome = "allowed"
	OutcomeDenied  Outcome = "denied"
)

// Event names what was decided, as noun.verb.
type Event string

// AuditRecord is one security decision (P45). It holds no secret, and Detail only values from a fixed vocabulary or already validated ones.
type AuditRecord struct {
	Project   ProjectID // "" for the instance
	ID        AuditID
	At        time.Time
	Event     Event
	Outcome   Outcome
	Actor     ActorKind
	ActorID   string // uid, also of an operator who signed in; or the operator token's name
	User      UserID // whom it is about; "" where nobody
	Addr      netip.Addr
	RequestID string
	Detail    map[string]string
}

// AuditFilter selects records, newest first. Empty fields do not restrict.
type AuditFilter struct {
	Event   Event
	User    UserID
	Outcome Outcome
	Actor   ActorKind
	ActorID string     // uid, or the operator token's name
	Addr    netip.Addr // exactly
	Request Reference  // that was told to whom it happened
	Since   time.Time
	Until   time.Time
	From    AuditID // only ids that are not smaller; Admin.Audit sets it, so that Since bounds what is read
	Before  AuditID // keyset: only ids smaller than this
	Limit   int
}
