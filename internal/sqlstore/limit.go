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
	if err != nil {
		return 0, err
	}
	return time.Duration(arrival-latest) * time.Millisecond, nil
}

func (t *tx) RefundLimit(ctx context.Context, p auth.ProjectID, key string, interval time.Duration) error {
	_, err := t.q.exec(ctx, `UPDATE limits SET arrival = arrival - $3 WHERE project = $1 AND limit_key = $2`, p, key, milliseconds(interval))
	return err
}
