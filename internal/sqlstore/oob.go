package sqlstore

import (
	"context"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

const oobColumns = `project, hash, user_id, purpose, email, new_email, created_at, expires_at, consumed_at, undoes, short_id, short_sealed, short_tries`

func oobFields(c *auth.OOBCode) []any {
	return []any{&c.Project, &c.Hash, &c.User, &c.Purpose, &c.Email, &c.NewEmail, &c.CreatedAt, &c.ExpiresAt, &c.ConsumedAt, &c.Undoes,
		&c.ShortID, &c.ShortSealed, &c.ShortTries}
}

func (r reader) GetOOBCode(ctx context.Context, p auth.ProjectID, hash []byte) (auth.OOBCode, error) {
	return get(ctx, r.q, oobFields, `SELECT `+oobColumns+` FROM oob_codes WHERE project = $1 AND hash = $2`, p, hash)
}

func (r reader) ListOOBCodes(ctx context.Context, p auth.ProjectID, user auth.UserID, purpose auth.OOBPurpose) ([]auth.OOBCode, error) {
	return list(ctx, r.q, oobFields, `SELECT `+oobColumns+` FROM oob_codes WHERE project = $1 AND user_id = $2 AND purpose = $3 ORDER BY created_at DESC`, p, user, purpose)
}

func (t *tx) CreateOOBCode(ctx context.Context, c auth.OOBCode) error {
	if c.ShortID != "" {
		_, err := t.q.exec(ctx, `UPDATE oob_codes SET short_id = '', short_sealed = NULL WHERE project = $1 AND short_id = $2 AND short_id <> ''`, c.Project, c.ShortID)
		if err != nil {
			return err
		}
	}
	return create(ctx, t.q, `INSERT INTO oob_codes (`+oobColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING`,
		c.Project, c.Hash, c.User, c.Purpose, c.Email, c.NewEmail, c.CreatedAt, c.ExpiresAt, c.ConsumedAt, c.Undoes, c.ShortID, c.ShortSealed, c.ShortTries)
}

// TakeShortCodeTry is one statement, so that tries at one instant cannot be more than there are. The condition on short_id that looks idle lets the index be used.
func (t *tx) TakeShortCodeTry(ctx context.Context, p auth.ProjectID, id string, now time.Time, most int) (auth.OOBCode, error) {
	return get(ctx, t.q, oobFields, `UPDATE oob_codes SET short_tries = short_tries + 1
		WHERE project = $1 AND short_id = $2 AND short_id <> '' AND consumed_at = 0 AND expires_at > $3 AND short_tries < $4 RETURNING `+oobColumns, p, id, now, most)
}

func (t *tx) RefundShortCodeTry(ctx context.Context, p auth.ProjectID, hash []byte) error {
	_, err := t.q.exec(ctx, `UPDATE oob_codes SET short_tries = short_tries - 1 WHERE project = $1 AND hash = $2 AND short_tries > 0`, p, hash)
	return err
}

// ConsumeOOBCode is one statement, so that of two callers one wins (P7).
func (t *tx) ConsumeOOBCode(ctx context.Context, p auth.ProjectID, hash []byte, purpose auth.OOBPurpose, now time.Time) (auth.OOBCode, error) {
	return get(ctx, t.q, oobFields, `UPDATE oob_codes SET consumed_at = $4
		WHERE project = $1 AND hash = $2 AND purpose = $3 AND consumed_at = 0 AND expires_at > $4 RETURNING `+oobColumns, p, hash, purpose, now)
}

func (t *tx) VoidOOBCodes(ctx context.Context, p auth.ProjectID, user auth.UserID, purposes ...auth.OOBPurpose) error {
	b := &builder{args: []any{p, user}}
	b.write(`DELETE FROM oob_codes WHERE project = $1 AND user_id = $2`)
	for i, purpose := range purposes {
		if i == 0 {
			b.write(` AND purpose IN (`, b.arg(purpose))
			continue
		}
		b.write(`, `, b.arg(purpose))
	}
	if len(purposes) > 0 {
		b.write(`)`)
	}
	_, err := t.q.exec(ctx, b.text.String(), b.args...)
	return err
}

func (t *tx) VoidLaterOOBCodes(ctx context.Context, p auth.ProjectID, user auth.UserID, purpose auth.OOBPurpose, after time.Time) error {
	_, err := t.q.exec(ctx, `DELETE FROM oob_codes WHERE project = $1 AND user_id = $2 AND purpose = $3 AND created_at > $4`, p, user, purpose, after)
	return err
}
