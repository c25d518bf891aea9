package sqlstore

import (
	"context"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// The sweeps delete the rows of one kind that ended before $1, at most $2 of them.
const (
	sweepCodes      = `DELETE FROM oob_codes WHERE (project, hash) IN (SELECT project, hash FROM oob_codes WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)`
	sweepSignIns    = `DELETE FROM sign_in_codes WHERE (project, hash) IN (SELECT project, hash FROM sign_in_codes WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)`
	sweepFlows      = `DELETE FROM sign_in_flows WHERE (project, id) IN (SELECT project, id FROM sign_in_flows WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)`
	sweepPendings   = `DELETE FROM pending_sign_ins WHERE (project, hash) IN (SELECT project, hash FROM pending_sign_ins WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)`
	sweepChallenges = `DELETE FROM passkey_challenges WHERE (project, purpose, hash) IN
		(SELECT project, purpose, hash FROM passkey_challenges WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)`
	sweepUnconfirmed = `DELETE FROM second_factors WHERE (project, id) IN
		(SELECT project, id FROM second_factors WHERE confirmed_at = 0 AND created_at < $1 ORDER BY created_at LIMIT $2)`
	sweepSessions = `DELETE FROM sessions WHERE (project, id) IN (SELECT project, id FROM sessions WHERE revoked_at > 0 AND revoked_at < $1 ORDER BY revoked_at LIMIT $2)`
	sweepLimits   = `DELETE FROM limits WHERE (project, limit_key) IN (SELECT project, limit_key FROM limits WHERE arrival <= $1 ORDER BY arrival LIMIT $2)`
	sweepKeys     = `DELETE FROM signing_keys WHERE (project, id) IN (SELECT project, id FROM signing_keys WHERE expires_at > 0 AND expires_at <= $1 ORDER BY expires_at LIMIT $2)`
	sweepSources  = `DELETE FROM known_sources WHERE (project, user_id, source) IN (SELECT project, user_id, source FROM known_sources WHERE seen_at < $1 ORDER BY seen_at LIMIT $2)`
	sweepMail     = `DELETE FROM outbox WHERE (project, id) IN (SELECT project, id FROM outbox WHERE state = 'sent' AND finished_at < $1 ORDER BY finished_at LIMIT $2)`
	// The key of a decision begins with its reference, which is what readers have.
	sweepDecisions = `DELETE FROM decisions WHERE (reference, project, id) IN
		(SELECT reference, project, id FROM decisions WHERE occurred_at < $1 ORDER BY occurred_at LIMIT $2)`
	// By the age of the event, whatever became of it: what waits for a webhook that nobody enables again goes too.
	sweepDeliveries = `DELETE FROM webhook_deliveries WHERE (project, id) IN
		(SELECT project, id FROM webhook_deliveries WHERE created_at < $1 ORDER BY created_at LIMIT $2)`
	sweepActivity = `DELETE FROM activity WHERE (project, hour_at) IN (SELECT project, hour_at FROM activity WHERE hour_at < $1 ORDER BY hour_at LIMIT $2)`
	sweepImports  = `DELETE FROM user_imports WHERE (project, id) IN (SELECT project, id FROM user_imports WHERE expires_at > 0 AND expires_at < $1 ORDER BY expires_at LIMIT $2)`
	// Ids sort by time, so the oldest records are the first ones, and no index by time is needed.
	sweepAudit = `DELETE FROM audit WHERE (project, id) IN
		(SELECT project, id FROM (SELECT project, id, occurred_at FROM audit ORDER BY id LIMIT $2) oldest WHERE oldest.occurred_at < $1)`
)

func (t *tx) Sweep(ctx context.Context, now time.Time, r auth.Retention, limit int) (int, error) {
	sweeps := []struct {
		statement string
		before    time.Time
	}{
		{sweepCodes, now.Add(-r.Codes)},
		{sweepSignIns, now.Add(-r.Codes)},
		{sweepFlows, now},
		{sweepPendings, now},
		{sweepChallenges, now},
		{sweepUnconfirmed, now.Add(-auth.UnconfirmedFor)},
		{sweepSessions, now.Add(-r.Sessions)},
		{sweepLimits, now},
		{sweepKeys, now},
		{sweepSources, now.Add(-r.Sources)},
		{sweepMail, now.Add(-r.Mail)},
		{sweepDecisions, now.Add(-r.Decisions)},
		{sweepDeliveries, now.Add(-r.Webhooks)},
		{sweepActivity, now.Add(-r.Activity)},
		{sweepImports, now},
	}
	if r.Audit > 0 {
		sweeps = append(sweeps, struct {
			statement string
			before    time.Time
		}{sweepAudit, now.Add(-r.Audit)})
	}
	total := 0
	for _, s := range sweeps {
		n, err := t.q.exec(ctx, s.statement, s.before, max(0, limit))
		if err != nil {
			return total, err
		}
		total += int(n)
	}
	return total, nil
}
