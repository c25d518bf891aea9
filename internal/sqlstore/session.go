package sqlstore

import (
	"context"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

const sessionColumns = `project, id, user_id, provider_id, created_at, last_used_at, revoked_at, addr, user_agent, second_factor,
	second_factor_id`

func sessionFields(s *auth.Session) []any {
	return []any{&s.Project, &s.ID, &s.User, &s.ProviderID, &s.CreatedAt, &s.LastUsedAt, &s.RevokedAt, &s.Addr, &s.UserAgent, &s.SecondFactor, &s.SecondFactorID}
}

func (r reader) GetSession(ctx context.Context, p auth.ProjectID, id auth.SessionID) (auth.Session, error) {
	return cachedGet(ctx, r.q, sessionFields, `SELECT `+sessionColumns+` FROM sessions WHERE project = $1 AND id = $2`, p, id)
}

func signedInFields(s *auth.SignedIn) []any {
	return append(sessionFields(&s.Session), userFields(&s.User)...)
}

var selectSignedIn = `SELECT ` + columnsOf("s", sessionColumns) + `, ` + userColumns + ` FROM sessions s
	JOIN users u ON u.project = s.project AND u.id = s.user_id WHERE s.project = $1 AND s.id = $2`

func (r reader) GetSignedIn(ctx context.Context, p auth.ProjectID, id auth.SessionID) (auth.SignedIn, error) {
	return cachedGet(ctx, r.q, signedInFields, selectSignedIn, p, id)
}

// columnsOf names columns of a table that a statement calls otherwise.
func columnsOf(table, columns string) string {
	names := strings.Split(columns, ",")
	for i, name := range names {
		names[i] = table + "." + strings.TrimSpace(name)
	}
	return strings.Join(names, ", ")
}

// ListSessions finds the page after a session as long as that is stored, be it revoked meanwhile.
func (r reader) ListSessions(ctx context.Context, p auth.ProjectID, user auth.UserID, after auth.SessionID, limit int) ([]auth.Session, error) {
	b := &builder{args: []any{p}}
	b.write(`SELECT `, sessionColumns, ` FROM sessions WHERE project = $1 AND revoked_at = 0`)
	if user != "" {
		b.write(` AND user_id = `, b.arg(user))
	}
	if after != "" {
		b.write(` AND (created_at, id) < (SELECT created_at, id FROM sessions WHERE project = $1 AND id = `, b.arg(after), `)`)
	}
	b.write(` ORDER BY created_at DESC, id DESC LIMIT `, b.arg(max(0, limit)))
	return list(ctx, r.q, sessionFields, b.text.String(), b.args...)
}

func (t *tx) CreateSession(ctx context.Context, s auth.Session) error {
	return create(ctx, t.q, `INSERT INTO sessions (`+sessionColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING`,
		s.Project, s.ID, s.User, s.ProviderID, s.CreatedAt, s.LastUsedAt, s.RevokedAt, s.Addr, s.UserAgent, s.SecondFactor, s.SecondFactorID)
}

// TouchSession fails with ErrNotFound where there is no such living session.
func (t *tx) TouchSession(ctx context.Context, p auth.ProjectID, id auth.SessionID, now time.Time) error {
	return change(ctx, t.q, `UPDATE sessions SET last_used_at = $3 WHERE project = $1 AND id = $2 AND revoked_at = 0`, p, id, now)
}

func (t *tx) StrengthenSession(ctx context.Context, p auth.ProjectID, id auth.SessionID, kind auth.SecondFactorKind, factor auth.SecondFactorID) error {
	return change(ctx, t.q, `UPDATE sessions SET second_factor = $3, second_factor_id = $4 WHERE project = $1 AND id = $2 AND revoked_at = 0`, p, id, kind, factor)
}

func (t *tx) RevokeSession(ctx context.Context, p auth.ProjectID, id auth.SessionID, now time.Time) error {
	return change(ctx, t.q, `UPDATE sessions SET revoked_at = $3 WHERE project = $1 AND id = $2 AND revoked_at = 0`, p, id, now)
}

func (t *tx) RevokeUserSessions(ctx context.Context, p auth.ProjectID, user auth.UserID, keep auth.SessionID, now time.Time) (int, error) {
	n, err := t.q.exec(ctx, `UPDATE sessions SET revoked_at = $4 WHERE project = $1 AND user_id = $2 AND id <> $3 AND revoked_at = 0`, p, user, keep, now)
	return int(n), err
}

const refreshTokenColumns = `project, hash, session_id, user_id, created_at, rotated_at, successor_hash, successor_salt`

func refreshTokenFields(t *auth.RefreshToken) []any {
	return []any{&t.Project, &t.Hash, &t.Session, &t.User, &t.CreatedAt, &t.RotatedAt, &t.SuccessorHash, &t.SuccessorSalt}
}

func (r reader) GetRefreshToken(ctx context.Context, p auth.ProjectID, hash []byte) (auth.RefreshToken, error) {
	return cachedGet(ctx, r.q, refreshTokenFields, `SELECT `+refreshTokenColumns+` FROM refresh_tokens WHERE project = $1 AND hash = $2`, p, hash)
}

func refreshableFields(r *auth.Refreshable) []any {
	return append(refreshTokenFields(&r.Token), signedInFields(&r.SignedIn)...)
}

var selectRefreshable = `SELECT ` + columnsOf("t", refreshTokenColumns) + `, ` + columnsOf("s", sessionColumns) + `, ` + userColumns + ` FROM refresh_tokens t
	JOIN sessions s ON s.project = t.project AND s.id = t.session_id AND s.user_id = t.user_id
	JOIN users u ON u.project = s.project AND u.id = s.user_id WHERE t.project = $1 AND t.hash = $2`

func (r reader) GetRefreshable(ctx context.Context, p auth.ProjectID, hash []byte) (auth.Refreshable, error) {
	return cachedGet(ctx, r.q, refreshableFields, selectRefreshable, p, hash)
}

func (t *tx) CreateRefreshToken(ctx context.Context, r auth.RefreshToken) error {
	return create(ctx, t.q, `INSERT INTO refresh_tokens (`+refreshTokenColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
		r.Project, r.Hash, r.Session, r.User, r.CreatedAt, r.RotatedAt, r.SuccessorHash, r.SuccessorSalt)
}

func (t *tx) RotateRefreshToken(ctx context.Context, p auth.ProjectID, hash, successorHash, successorSalt []byte, now time.Time) error {
	return change(ctx, t.q, `UPDATE refresh_tokens SET rotated_at = $3, successor_hash = $4, successor_salt = $5
		WHERE project = $1 AND hash = $2 AND rotated_at = 0`, p, hash, now, successorHash, successorSalt)
}
