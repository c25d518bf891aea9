package sqlstore

import (
	"context"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

func (t *tx) TakeLease(ctx context.Context, name, holder string, now, until time.Time) error {
	n, err := t.q.exec(ctx, `INSERT INTO leases (name, holder, lease_until) VALUES ($1, $2, $3)
		ON CONFLICT (name) DO UPDATE SET holder = $2, lease_until = $3 WHERE leases.holder = $2 OR leases.lease_until <= $4`, name, holder, until, now)
	if err == nil && n == 0 {
		return auth.ErrConflict
	}
	return err
}

func (t *tx) ReleaseLease(ctx context.Context, name, holder string) error {
	return change(ctx, t.q, `DELETE FROM leases WHERE name = $1 AND holder = $2`, name, holder)
}
