package sqlstore

import (
	"context"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

const projectColumns = `id, display_name, preset, overrides, secrets_sealed, admin_token_hash, created_at, updated_at, version`

func projectFields(p *auth.Project) []any {
	return []any{&p.ID, &p.DisplayName, &p.Preset, &p.Overrides, &p.SecretsSealed, &p.AdminTokenHash, &p.CreatedAt, &p.UpdatedAt, &p.Version}
}

func (r reader) GetProject(ctx context.Context, id auth.ProjectID) (auth.Project, error) {
	return cachedGet(ctx, r.q, projectFields, `SELECT `+projectColumns+` FROM projects WHERE id = $1 AND preset <> $2`, id, importing)
}

func (r reader) ListProjects(ctx context.Context, after auth.ProjectID, limit int) ([]auth.Project, error) {
	return list(ctx, r.q, projectFields, `SELECT `+projectColumns+` FROM projects WHERE id > $1 AND preset <> $3 ORDER BY id LIMIT $2`, after, max(0, limit), importing)
}

func (t *tx) CreateProject(ctx context.Context, p auth.Project) error {
	retired, err := list(ctx, t.q, value[string], `SELECT id FROM retired_projects WHERE id = $1`, p.ID)
	if err != nil {
		return err
	}
	if len(retired) > 0 {
		return auth.ErrConflict
	}
	return create(ctx, t.q, `INSERT INTO projects (`+projectColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`,
		p.ID, p.DisplayName, p.Preset, p.Overrides, p.SecretsSealed, p.AdminTokenHash, p.CreatedAt, p.UpdatedAt, p.Version)
}

func (t *tx) UpdateProject(ctx context.Context, p auth.Project) error {
	return change(ctx, t.q, `UPDATE projects SET display_name = $2, preset = $3, overrides = $4, secrets_sealed = $5, admin_token_hash = $6, updated_at = $7,
		version = version + 1 WHERE id = $1`,
		p.ID, p.DisplayName, p.Preset, p.Overrides, p.SecretsSealed, p.AdminTokenHash, p.UpdatedAt)
}

// DeleteProject hides the project as one that comes in is hidden: to delete the rows of many users takes longer than a transaction may. AbandonProject removes them.
func (t *tx) DeleteProject(ctx context.Context, id auth.ProjectID, now time.Time) error {
	err := change(ctx, t.q, `UPDATE projects SET preset = $2, display_name = '', secrets_sealed = NULL, updated_at = $3, version = version + 1
		WHERE id = $1 AND preset <> $2`, id, importing, now)
	if err != nil {
		return err
	}
	_, err = t.q.exec(ctx, `INSERT INTO retired_projects (id, retired_at) VALUES ($1, $2)`, id, now)
	return err
}

// removeProject deletes a small project, and what no cascade reaches: audit and limits belong to no project row, because the instance has some too.
func removeProject(ctx context.Context, q *querier, id auth.ProjectID) error {
	if err := change(ctx, q, `DELETE FROM projects WHERE id = $1`, id); err != nil {
		return err
	}
	for _, statement := range []string{`DELETE FROM audit WHERE project = $1`, `DELETE FROM limits WHERE project = $1`} {
		if _, err := q.exec(ctx, statement, id); err != nil {
			return err
		}
	}
	return nil
}
