package sqlstore

import (
	"context"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

func setupCodeFields(c *auth.SetupCode) []any { return []any{&c.Hash, &c.CreatedAt, &c.ExpiresAt} }

func (r reader) GetSetupCode(ctx context.Context, hash []byte) (auth.SetupCode, error) {
	return get(ctx, r.q, setupCodeFields, `SELECT hash, created_at, expires_at FROM setup_codes WHERE hash = $1`, hash)
}

// ReplaceSetupCode voids what codes there are.
func (t *tx) ReplaceSetupCode(ctx context.Context, c auth.SetupCode) error {
	if _, err := t.q.exec(ctx, `DELETE FROM setup_codes`); err != nil {
		return err
	}
	return create(ctx, t.q, `INSERT INTO setup_codes (hash, created_at, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, c.Hash, c.CreatedAt, c.ExpiresAt)
}

// UseSetupCode is one statement, so that of two callers one wins (P7).
func (t *tx) UseSetupCode(ctx context.Context, hash []byte, now time.Time) error {
	return change(ctx, t.q, `DELETE FROM setup_codes WHERE hash = $1 AND expires_at > $2`, hash, now)
}
