package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

var errBurst = errors.New("a limit needs a burst of at least 1")

// TakeLimit keeps for each key the instant up to which its uses are paid for, as GCRA does: each use moves it one interval on from itself or from now,
// whichever is later, and it may not get further than burst intervals ahead of now. Intervals count in milliseconds.
func (t *tx) TakeLimit(ctx context.Context, p auth.ProjectID, key string, now time.Time, interval time.Duration, burst int) (time.Duration, error) {
	if burst < 1 {
		return 0, errBurst
	}
	step := milliseconds(interval)
	present := unixMilli(now)
	latest := present + int64(burst-1)*step // of the stored instant, for one more use
	n, err := t.q.exec(ctx, `INSERT INTO limits (project, limit_key, arrival) VALUES ($1, $2, $3)
		ON CONFLICT (project, limit_key) DO UPDATE SET arrival = CASE WHEN limits.arrival > $4 THEN limits.arrival + $5 ELSE $3 END WHERE limits.arrival <= $6`,
		p, key, present+step, present, step, latest)
	if err != nil || n > 0 {
		return 0, err
	}
	arrival, err := get(ctx, t.q, value[int64], `SELECT arrival FROM limits WHERE project = $1 AND limit_key = $2`, p, key)
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return 0, err
	}
	// In a Count, somebody may have given a use back or swept the row since. Refused is refused: nothing was counted.
	return time.Duration(max(1, arrival-latest)) * time.Millisecond, nil
}

func (t *tx) RefundLimit(ctx context.Context, p auth.ProjectID, key string, interval time.Duration) error {
	_, err := t.q.exec(ctx, `UPDATE limits SET arrival = arrival - $3 WHERE project = $1 AND limit_key = $2`, p, key, milliseconds(interval))
	return err
}

func (r reader) IsKnownSource(ctx context.Context, p auth.ProjectID, email auth.Email, source string) (bool, error) {
	n, err := get(ctx, r.q, value[int64], `SELECT count(*) FROM known_sources k JOIN users u ON u.project = k.project AND u.id = k.user_id
		WHERE u.project = $1 AND u.email = $2 AND k.source = $3`, p, email, source)
	return n > 0, err
}

func (t *tx) AddKnownSource(ctx context.Context, p auth.ProjectID, user auth.UserID, source string, now time.Time) error {
	_, err := t.q.exec(ctx, `INSERT INTO known_sources (project, user_id, source, seen_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (project, user_id, source) DO UPDATE SET seen_at = $4`, p, user, source, now)
	if err != nil {
		return err
	}
	_, err = t.q.exec(ctx, `DELETE FROM known_sources WHERE project = $1 AND user_id = $2 AND source IN
		(SELECT source FROM known_sources WHERE project = $1 AND user_id = $2 ORDER BY seen_at DESC, source LIMIT $4 OFFSET $3)`, p, user, auth.MaxKnownSources, auth.MaxKnownSources)
	return err
}

func (t *tx) DeleteKnownSources(ctx context.Context, p auth.ProjectID, user auth.UserID) error {
	_, err := t.q.exec(ctx, `DELETE FROM known_sources WHERE project = $1 AND user_id = $2`, p, user)
	return err
}
