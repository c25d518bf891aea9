package sqlstore

import (
	"context"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// The sweeps delete the rows of one kind that ended before $1, at most $2 of them.
const (
	sweepCodes      = `DELETE FROM oob_codes WHERE (project, hash) IN (SELECT project, hash FROM oob_codes WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)`
	sweepFlows      = `DELETE FROM sign_in_flows WHERE (project, id) IN (SELECT project, id FROM sign_in_flows WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)`
	sweepPendings   = `DELETE FROM pending_sign_ins WHERE (project, hash) IN (SELECT project, hash FROM pending_sign_ins WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)`
	sweepChallenges = `DELETE FROM passkey_challenges WHERE (project, purpose, hash) IN
		(SELECT project, purpose, hash FROM passkey_challenges WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)`
	sweepUnconfirmed = `DELETE FROM second_factors WHERE (project, id) IN
		(SELECT project, id FROM second_factors WHERE confirmed_at = 0 AND created_at < $1 ORDER BY created_at LIMIT $2)`
	sweepSessions = `DELETE FROM sessions WHERE (project, id) IN (SELECT project, id FROM sessions WHERE revoked_at > 0 AND revoked_at < $1 ORDER BY revoked_at LIMIT $2)`
	sweepLimits   = `DELETE FROM limits WHERE (project, limit_key) IN (SELECT project, limit_key FROM limits WHERE arrival <= $1 ORDER BY arrival LIMIT $2)`
	sweepKeys     = `DELETE FROM signing_keys WHERE (project, id) IN (SELECT project, id FROM signing_keys WHERE expires_at > 0 AND expires_at <= $1 ORDER BY expires_at LIMIT $2)`
	sweepMail     = `DELETE FROM outbox WHERE (project, id) IN (SELECT project, id FROM outbox WHERE state = 'sent' AND finished_at < $1 ORDER BY finished_at LIMIT $2)`
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
		{sweepFlows, now},
		{sweepPendings, now},
		{sweepChallenges, now},
		{sweepUnconfirmed, now.Add(-auth.UnconfirmedFor)},
		{sweepSessions, now.Add(-r.Sessions)},
		{sweepLimits, now},
		{sweepKeys, now},
		{sweepMail, now.Add(-r.Mail)},
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
