package sqlstore

import (
	"context"

	"github.com/doorward/doorward/internal/auth"
)

func operatorTokenFields(t *auth.OperatorToken) []any { return []any{&t.Name, &t.Hash, &t.CreatedAt} }

func (r reader) GetOperatorTokenByHash(ctx context.Context, hash []byte) (auth.OperatorToken, error) {
	return get(ctx, r.q, operatorTokenFields, `SELECT name, hash, created_at FROM operator_tokens WHERE hash = $1`, hash)
}

func (r reader) ListOperatorTokens(ctx context.Context) ([]auth.OperatorToken, error) {
	return list(ctx, r.q, operatorTokenFields, `SELECT name, hash, created_at FROM operator_tokens ORDER BY name`)
}

// CreateOperatorToken fails with ErrConflict where the name is taken.
func (t *tx) CreateOperatorToken(ctx context.Context, o auth.OperatorToken) error {
	return create(ctx, t.q, `INSERT INTO operator_tokens (name, hash, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, o.Name, o.Hash, o.CreatedAt)
}

func (t *tx) DeleteOperatorToken(ctx context.Context, name string) error {
	return change(ctx, t.q, `DELETE FROM operator_tokens WHERE name = $1`, name)
}
