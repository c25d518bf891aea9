package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/doorward/doorward/internal/auth"
)

const decisionColumns = `reference, project, id, occurred_at, event, outcome, code, user_id, addr, user_agent, steps`

// storedStep is a step as the column holds it.
type storedStep struct {
	Step    string            `json:"step"`
	Outcome string            `json:"outcome"`
	Facts   map[string]string `json:"facts"`
}

// decisionRow is a decision with its steps as they are stored.
type decisionRow struct {
	auth.Decision
	steps string
}

func decisionFields(r *decisionRow) []any {
	return []any{&r.Reference, &r.Project, &r.ID, &r.At, &r.Event, &r.Outcome, &r.Code, &r.User, &r.Addr, &r.UserAgent, &r.steps}
}

func (r reader) ListDecisions(ctx context.Context, p auth.ProjectID, reference auth.Reference, limit int) ([]auth.Decision, error) {
	b := &builder{}
	b.write(`SELECT `, decisionColumns, ` FROM decisions WHERE reference = `, b.arg(reference))
	if p != "" {
		b.write(` AND project = `, b.arg(p))
	}
	b.write(` ORDER BY id LIMIT `, b.arg(max(0, limit)))
	rows, err := list(ctx, r.q, decisionFields, b.text.String(), b.args...)
	if err != nil {
		return nil, err
	}
	var decisions []auth.Decision
	for _, row := range rows {
		var steps []storedStep
		if err := json.Unmarshal([]byte(row.steps), &steps); err != nil {
			return nil, fmt.Errorf("steps of decision %s: %w", row.ID, err)
		}
		for _, s := range steps {
			row.Steps = append(row.Steps, auth.Step{Name: auth.StepName(s.Step), Outcome: auth.StepOutcome(s.Outcome), Facts: s.Facts})
		}
		decisions = append(decisions, row.Decision)
	}
	return decisions, nil
}

func (t *tx) CreateDecision(ctx context.Context, d auth.Decision) error {
	steps := make([]storedStep, len(d.Steps))
	for i, s := range d.Steps {
		steps[i] = storedStep{string(s.Name), string(s.Outcome), s.Facts}
	}
	encoded, err := json.Marshal(steps)
	if err != nil {
		return fmt.Errorf("steps of a decision: %w", err)
	}
	return create(ctx, t.q, `INSERT INTO decisions (`+decisionColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING`,
		d.Reference, d.Project, d.ID, d.At, d.Event, d.Outcome, d.Code, d.User, d.Addr, d.UserAgent, string(encoded))
}
