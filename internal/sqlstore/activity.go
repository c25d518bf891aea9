package sqlstore

import (
	"context"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

const (
	activityCounts = `sign_ups, sign_ins, refreshes, resets, deletions, refusals`
	allowed        = `outcome = '` + string(auth.OutcomeAllowed) + `' AND event `
	// countsOfRecord are activityCounts of one audit record: 1 for what it is, 0 for what it is not.
	countsOfRecord = `CASE WHEN ` + allowed + `IN ('` + string(auth.EventSignUp) + `', '` + string(auth.EventInviteAccepted) + `') THEN 1 ELSE 0 END AS sign_ups,
		CASE WHEN ` + allowed + `= '` + string(auth.EventSignIn) + `' THEN 1 ELSE 0 END AS sign_ins,
		CASE WHEN ` + allowed + `= '` + string(auth.EventRefresh) + `' THEN 1 ELSE 0 END AS refreshes,
		CASE WHEN ` + allowed + `= '` + string(auth.EventPasswordReset) + `' THEN 1 ELSE 0 END AS resets,
		CASE WHEN ` + allowed + `= '` + string(auth.EventUserDeleted) + `' THEN 1 ELSE 0 END AS deletions,
		CASE WHEN outcome = '` + string(auth.OutcomeDenied) + `' THEN 1 ELSE 0 END AS refusals`
	// sums are bigint on PostgreSQL only when told so.
	activitySums = `CAST(SUM(sign_ups) AS BIGINT), CAST(SUM(sign_ins) AS BIGINT), CAST(SUM(refreshes) AS BIGINT), CAST(SUM(resets) AS BIGINT),
		CAST(SUM(deletions) AS BIGINT), CAST(SUM(refusals) AS BIGINT)`
	hourOfRecord = `occurred_at - occurred_at % 3600000`
)

func activityFields(p *auth.ActivityPoint) []any {
	return []any{&p.At, &p.SignUps, &p.SignIns, &p.Refreshes, &p.Resets, &p.Deletions, &p.Refusals}
}

// Activity reads the hours that are added up and the records that are not in one statement, so that none is counted twice while they are.
func (r reader) Activity(ctx context.Context, p auth.ProjectID, first auth.AuditID, since, until time.Time, step time.Duration) ([]auth.ActivityPoint, error) {
	return list(ctx, r.q, activityFields, `SELECT at - at % $5, `+activitySums+` FROM (
		SELECT hour_at AS at, `+activityCounts+` FROM activity WHERE project = $1 AND hour_at >= $3 AND hour_at < $4
		UNION ALL
		SELECT occurred_at AS at, `+countsOfRecord+` FROM audit WHERE project = $1 AND id >= $2 AND occurred_at >= $3 AND occurred_at < $4
			AND id > COALESCE((SELECT counted FROM activity_marks WHERE project = $1), '')
		) counted GROUP BY at - at % $5 ORDER BY at - at % $5`, p, first, since, until, step.Milliseconds())
}

// UncountedActivity looks into the index once for each project, however many records there are. A mark that lies ahead is one that a clock set which ran ahead.
func (r reader) UncountedActivity(ctx context.Context, before auth.AuditID) ([]auth.ProjectID, error) {
	return list(ctx, r.q, func(p *auth.ProjectID) []any { return []any{p} }, `SELECT p.id FROM projects p WHERE p.preset <> $2 AND (EXISTS
		(SELECT 1 FROM audit a WHERE a.project = p.id AND a.id < $1 AND a.id > COALESCE((SELECT m.counted FROM activity_marks m WHERE m.project = p.id), ''))
		OR EXISTS (SELECT 1 FROM activity_marks m WHERE m.project = p.id AND m.counted >= $1))
		ORDER BY p.id`, before, importing)
}

// hourOfActivity is what a batch of records adds to one hour.
type hourOfActivity struct {
	auth.ActivityPoint
	records int
	last    auth.AuditID
}

func hourFields(h *hourOfActivity) []any {
	return append(activityFields(&h.ActivityPoint), &h.records, &h.last)
}

func (t *tx) CountActivity(ctx context.Context, p auth.ProjectID, before auth.AuditID, limit int) (int, error) {
	hours, err := list(ctx, t.q, hourFields, `SELECT hour_at, `+activitySums+`, COUNT(*), MAX(id) FROM (
		SELECT id, `+hourOfRecord+` AS hour_at, `+countsOfRecord+` FROM audit WHERE project = $1 AND id < $2
			AND id > COALESCE((SELECT counted FROM activity_marks WHERE project = $1), '') ORDER BY id LIMIT $3) batch GROUP BY hour_at`, p, before, max(0, limit))
	if err != nil {
		return 0, err
	}
	records, last := 0, auth.AuditID("")
	for _, h := range hours {
		_, err := t.q.exec(ctx, `INSERT INTO activity (project, hour_at, `+activityCounts+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT (project, hour_at) DO UPDATE SET sign_ups = activity.sign_ups + $3, sign_ins = activity.sign_ins + $4, refreshes = activity.refreshes + $5,
			resets = activity.resets + $6, deletions = activity.deletions + $7, refusals = activity.refusals + $8`,
			p, h.At, h.SignUps, h.SignIns, h.Refreshes, h.Resets, h.Deletions, h.Refusals)
		if err != nil {
			return 0, err
		}
		records, last = records+h.records, max(last, h.last)
	}
	if records == 0 {
		return 0, nil
	}
	_, err = t.q.exec(ctx, `INSERT INTO activity_marks (project, counted) VALUES ($1, $2) ON CONFLICT (project) DO UPDATE SET counted = $2`, p, last)
	return records, err
}

func (t *tx) RecountActivity(ctx context.Context, p auth.ProjectID, hour time.Time, from, before auth.AuditID) error {
	n, err := t.q.exec(ctx, `UPDATE activity_marks SET counted = $2 WHERE project = $1 AND counted >= $3`, p, from, before)
	if err != nil || n == 0 {
		return err
	}
	_, err = t.q.exec(ctx, `DELETE FROM activity WHERE project = $1 AND hour_at >= $2`, p, hour)
	return err
}
