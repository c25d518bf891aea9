package sqlstore

import (
	"context"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

const keyColumns = `project, id, algorithm, public_jwk, private_sealed, created_at, retired_at, expires_at`

func keyFields(k *auth.SigningKey) []any {
	return []any{&k.Project, &k.ID, &k.Algorithm, &k.PublicJWK, &k.PrivateSealed, &k.CreatedAt, &k.RetiredAt, &k.ExpiresAt}
}

func (r reader) ListSigningKeys(ctx context.Context, p auth.ProjectID) ([]auth.SigningKey, error) {
	return cached(ctx, r.q, keyFields, `SELECT `+keyColumns+` FROM signing_keys WHERE project = $1 ORDER BY created_at DESC, id DESC`, p)
}

func (t *tx) CreateSigningKey(ctx context.Context, k auth.SigningKey) error {
	return create(ctx, t.q, `INSERT INTO signing_keys (`+keyColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
		k.Project, k.ID, k.Algorithm, k.PublicJWK, k.PrivateSealed, k.CreatedAt, k.RetiredAt, k.ExpiresAt)
}

func (t *tx) RetireSigningKey(ctx context.Context, p auth.ProjectID, id auth.KeyID, retiredAt, expiresAt time.Time) error {
	return change(ctx, t.q, `UPDATE signing_keys SET retired_at = $3, expires_at = $4 WHERE project = $1 AND id = $2`, p, id, retiredAt, expiresAt)
}

func (t *tx) DeleteSigningKey(ctx context.Context, p auth.ProjectID, id auth.KeyID) error {
	return change(ctx, t.q, `DELETE FROM signing_keys WHERE project = $1 AND id = $2`, p, id)
}
