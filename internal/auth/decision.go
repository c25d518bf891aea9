package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"
)

// Reference names a request, in the answer to it, in the log and in the records: the id that the caller of the domain gives it. One that came from a user is read by
// [ParseReference].
type Reference string

const referenceDigits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ" // Crockford's base32

// ParseReference reads a reference as people type and say it: in any case, with or without dashes, with O for 0 and I or L for 1. It fails with CodeInvalidArgument.
func ParseReference(typed string) (Reference, error) {
	digits := strings.Map(func(r rune) rune {
		switch r {
		case '-', ' ':
			return -1
		case 'O':
			return '0'
		case 'I', 'L':
			return '1'
		}
		return r
	}, strings.ToUpper(strings.TrimSpace(typed)))
	if len(digits) != 12 || strings.Trim(digits, referenceDigits) != "" {
		return "", invalidArgument("reference", "a reference has 12 letters and digits, as K7QM-4T9X-2WHD")
	}
	return Reference(digits[:4] + "-" + digits[4:8] + "-" + digits[8:]), nil
}

// Decision is how a refusal came about, step by step. It holds personal data, but no secret.
type Decision struct {
	Project   ProjectID
	ID        AuditID // that of the audit record of the same refusal, where it has one; ids sort by time
	Reference Reference
	At        time.Time
	Event     Event
	Outcome   Outcome
	Code      Code   // "" where the event says it all
	User      UserID // whom it is about; "" where that was not found out
	Addr      netip.Addr
	UserAgent string // clipped to 256 bytes
	Steps     []Step
}

// StepName is what was looked at.
type StepName string

// The steps.
const (
	StepLimiter        StepName = "limiter"
	StepLookup         StepName = "lookup"
	StepHash           StepName = "hash"
	StepFlow           StepName = "flow"
	StepProvider       StepName = "provider"
	StepProviderAnswer StepName = "provider_answer"
	StepJoin           StepName = "join"
	StepToken          StepName = "token"
	StepSession        StepName = "session"
	StepCode           StepName = "code"
	StepSecondFactor   StepName = "second_factor"
)

// StepOutcome is what a step led to.
type StepOutcome string

// The outcomes of steps.
const (
	OutcomePassed   StepOutcome = "passed"
	OutcomeRefused  StepOutcome = "refused"
	OutcomeFound    StepOutcome = "found"
	OutcomeNotFound StepOutcome = "not_found"
	OutcomeNoted    StepOutcome = "noted"
)

// Step is one thing that was looked at. The names of facts, and their values but what a provider answered, are from a fixed vocabulary.
type Step struct {
	Name    StepName
	Outcome StepOutcome
	Facts   map[string]string
}

// The events of refusals that the audit log does not have, because they happen all the time.
const (
	EventTokenRefused Event = "token.check"
	EventSignInBegun  Event = "provider.authorize"
)

const maxDecisionsPerAnswer = 100 // one request makes one or two

// recordDecision keeps how a refusal came about beside its audit record r, in the same transaction. Refusals about no project, and calls that have no reference, have
// nobody who could ask.
func (s *Service) recordDecision(ctx context.Context, tx Tx, c Caller, r AuditRecord) error {
	if r.Outcome != OutcomeDenied || r.Project == "" || r.RequestID == "" {
		return nil
	}
	if _, err := tx.GetProject(ctx, r.Project); errors.Is(err, ErrNotFound) { // deleted since the request found it
		return nil
	} else if err != nil {
		return fmt.Errorf("project: %w", err)
	}
	steps, about := trailOf(ctx).result()
	if r.User != "" {
		about = r.User
	}
	d := Decision{
		Project: r.Project, ID: r.ID, Reference: Reference(r.RequestID), At: r.At, Event: r.Event, Outcome: r.Outcome, Code: Code(r.Detail["code"]), User: about,
		Addr: r.Addr, UserAgent: plainText(c.UserAgent, 256), Steps: steps,
	}
	if err := tx.CreateDecision(ctx, d); err != nil {
		return fmt.Errorf("decision: %w", err)
	}
	return nil
}

// explainLater keeps the decision of a refusal that is not audited, under the bound of denials, and gives the refusal back. It is for reading afterwards only, so
// where it cannot be written the refusal stands all the same. Failures of the server itself are in its log and go through.
func (s *Service) explainLater(ctx context.Context, c Caller, event Event, refusal error) error {
	switch CodeOf(refusal) {
	case "", CodeInternal, CodeOutcomeUnknown, CodeMissingProvider:
		return refusal
	}
	if errors.Is(refusal, ErrStoreBusy) {
		return refusal
	}
	trailOf(ctx).settle()
	err := s.store.Update(ctx, func(tx Tx) error {
		if enough, err := s.enoughDenials(ctx, tx, c); err != nil || enough {
			return err
		}
		now := s.now()
		id, err := s.newTimeID(now)
		if err != nil {
			return err
		}
		r := AuditRecord{
			Project: c.Project.ID, ID: AuditID(id), At: now, Event: event, Outcome: OutcomeDenied, Addr: c.Addr, RequestID: c.RequestID,
			Detail: map[string]string{"code": string(AsError(refusal).Code)},
		}
		return s.recordDecision(ctx, tx, c, r)
	})
	if err != nil {
		s.log.WarnContext(ctx, "decision not recorded", slog.String("event", string(event)), slog.Any("error", err))
	}
	return refusal
}

// Explain gives the decisions of one request, oldest first: of the caller's project, or for operators with no project in the caller, of whichever has it. Reading
// them is audited. It fails with CodeInvalidArgument and CodeNotFound.
func (a *Admin) Explain(ctx context.Context, c Caller, reference string) ([]Decision, error) {
	p, err := c.scope()
	if err != nil {
		return nil, err
	}
	parsed, err := ParseReference(reference)
	if err != nil {
		return nil, err
	}
	var found []Decision
	err = a.store.Update(ctx, func(tx Tx) error {
		if found, err = tx.ListDecisions(ctx, p, parsed, maxDecisionsPerAnswer); err != nil {
			return err
		}
		if len(found) == 0 {
			return ErrNotFound
		}
		of := c
		of.Project = &Project{ID: found[0].Project} // whose admin can see who has read it
		return a.audit(ctx, tx, of, EventDecisionRead, OutcomeAllowed, found[0].User, "reference", string(parsed))
	})
	return found, notFound(err, "there is no decision with this reference")
}
