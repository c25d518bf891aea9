package adminapi

import (
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// Decision is how a refusal came about. It holds personal data, but no secret.
type Decision struct {
	Reference string         `json:"reference"` // X-Request-Id of the answer
	Project   string         `json:"project"`
	ID        string         `json:"id"` // of the audit record too, where there is one
	At        time.Time      `json:"at"`
	Event     string         `json:"event"`
	Outcome   string         `json:"outcome"` // denied
	Code      string         `json:"code,omitempty"`
	UID       string         `json:"uid,omitempty"` // whom it is about
	Address   string         `json:"address,omitempty"`
	UserAgent string         `json:"userAgent,omitempty"`
	Steps     []DecisionStep `json:"steps"` // in the order in which they were taken
}

// DecisionStep is one thing that was looked at.
type DecisionStep struct {
	Step    string            `json:"step"`
	Outcome string            `json:"outcome"` // passed, refused, found, not_found or noted
	Facts   map[string]string `json:"facts,omitempty"`
}

// DecisionList is the decisions of one request, oldest first.
type DecisionList struct {
	Decisions []Decision `json:"decisions"`
}

// explain gives the decisions of a request about the project in the path, or where there is none about whichever project it was.
func (a *API) explain(q request) (DecisionList, error) {
	found, err := a.admin.Explain(q.ctx, q.caller, q.path("reference"))
	if err != nil {
		return DecisionList{}, err
	}
	list := DecisionList{Decisions: make([]Decision, len(found))}
	for i, d := range found {
		list.Decisions[i] = decisionOf(d)
	}
	return list, nil
}

func decisionOf(d auth.Decision) Decision {
	steps := make([]DecisionStep, len(d.Steps))
	for i, s := range d.Steps {
		steps[i] = DecisionStep{Step: string(s.Name), Outcome: string(s.Outcome), Facts: s.Facts}
	}
	return Decision{
		Reference: string(d.Reference), Project: string(d.Project), ID: string(d.ID), At: d.At, Event: string(d.Event), Outcome: string(d.Outcome), Code: string(d.Code),
		UID: string(d.User), Address: addrText(d.Addr), UserAgent: d.UserAgent, Steps: steps,
	}
}
