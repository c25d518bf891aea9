package storetest

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

func decisionIDs(decisions []auth.Decision) []string {
	return ids(decisions, func(d auth.Decision) auth.AuditID { return d.ID })
}

func testDecisions(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addProjects(t, s, one, two)
	full := auth.Decision{
		Project: one, ID: "d1", Reference: "K7QM-4T9X-2WHD", At: now, Event: auth.EventSignIn, Outcome: auth.OutcomeDenied, Code: auth.CodeWrongPassword, User: anna,
		Addr: netip.MustParseAddr("192.0.2.1"), UserAgent: "tests/1.0",
		Steps: []auth.Step{
			{Name: auth.StepLookup, Outcome: auth.OutcomeFound, Facts: map[string]string{"disabled": "no"}},
			{Name: auth.StepHash, Outcome: auth.OutcomeRefused, Facts: map[string]string{"scheme": "argon2id", "quoted": "\"<\u2028>\" é"}},
		},
	}
	update(t, s, func(tx auth.Tx) error {
		return errors.Join(
			tx.CreateDecision(ctx, auth.Decision{Project: one, ID: "d2", Reference: full.Reference, At: after(1)}),
			tx.CreateDecision(ctx, full),
			tx.CreateDecision(ctx, auth.Decision{Project: one, ID: "d3", Reference: "OTHER", At: now}),
			tx.CreateDecision(ctx, auth.Decision{Project: two, ID: "d4", Reference: full.Reference, At: now}))
	})
	wantEqual(t, "one decision in full", must[[]auth.Decision](t)(s.ListDecisions(ctx, one, full.Reference, 1)), []auth.Decision{full})
	for _, test := range []struct {
		project auth.ProjectID
		want    []string
	}{{one, []string{"d1", "d2"}}, {two, []string{"d4"}}, {"", []string{"d1", "d2", "d4"}}} {
		wantEqual(t, "of project "+string(test.project), decisionIDs(must[[]auth.Decision](t)(s.ListDecisions(ctx, test.project, full.Reference, 9))), test.want)
	}
	wantError(t, "CreateDecision of a taken id", s.Update(ctx, func(tx auth.Tx) error { return tx.CreateDecision(ctx, full) }), auth.ErrConflict)
	wantError(t, "CreateDecision of no project", s.Update(ctx, func(tx auth.Tx) error {
		return tx.CreateDecision(ctx, auth.Decision{Project: "nosuch", ID: "d", Reference: "R"})
	}), auth.ErrNotFound)
}
