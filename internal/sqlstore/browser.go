package sqlstore

import (
	"context"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

const browserTokenColumns = `project, hash, session_id, created_at`

func browserTokenFields(t *auth.BrowserToken) []any {
	return []any{&t.Project, &t.Hash, &t.Session, &t.CreatedAt}
}

func (r reader) GetBrowserToken(ctx context.Context, p auth.ProjectID, hash []byte) (auth.BrowserToken, error) {
	return get(ctx, r.q, browserTokenFields, `SELECT `+browserTokenColumns+` FROM browser_tokens WHERE project = $1 AND hash = $2`, p, hash)
}

func (t *tx) CreateBrowserToken(ctx context.Context, b auth.BrowserToken) error {
	return create(ctx, t.q, `INSERT INTO browser_tokens (`+browserTokenColumns+`) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, b.Project, b.Hash, b.Session, b.CreatedAt)
}

const signInCodeColumns = `project, hash, session_id, redirect_uri, code_challenge, created_at, expires_at, consumed_at, made_session`

func signInCodeFields(c *auth.SignInCode) []any {
	return []any{&c.Project, &c.Hash, &c.Session, &c.RedirectURI, &c.CodeChallenge, &c.CreatedAt, &c.ExpiresAt, &c.ConsumedAt, &c.MadeSession}
}

func (r reader) GetSignInCode(ctx context.Context, p auth.ProjectID, hash []byte) (auth.SignInCode, error) {
	return get(ctx, r.q, signInCodeFields, `SELECT `+signInCodeColumns+` FROM sign_in_codes WHERE project = $1 AND hash = $2`, p, hash)
}

func (t *tx) CreateSignInCode(ctx context.Context, c auth.SignInCode) error {
	return create(ctx, t.q, `INSERT INTO sign_in_codes (`+signInCodeColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`,
		c.Project, c.Hash, c.Session, c.RedirectURI, c.CodeChallenge, c.CreatedAt, c.ExpiresAt, c.ConsumedAt, c.MadeSession)
}

// ConsumeSignInCode is one statement, so that of two callers one wins (P7).
func (t *tx) ConsumeSignInCode(ctx context.Context, p auth.ProjectID, hash []byte, made auth.SessionID, now time.Time) error {
	return change(ctx, t.q, `UPDATE sign_in_codes SET consumed_at = $4, made_session = $3
		WHERE project = $1 AND hash = $2 AND consumed_at = 0 AND expires_at > $4`, p, hash, made, now)
}
