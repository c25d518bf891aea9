package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/doorward/doorward/internal/auth"
)

const importColumns = `i.project, i.id, i.state, i.file_name, i.line_count, i.done_count, i.refused_count, i.report, i.failure, i.actor, i.actor_id, i.addr, i.created_at,
	i.started_at, i.finished_at, i.expires_at`

const selectImports = `SELECT ` + importColumns + ` FROM user_imports i WHERE i.project = $1`

// importRow is an import as it is scanned, with its report as text.
type importRow struct {
	auth.UserImport
	report string
}

func importFields(i *importRow) []any {
	return []any{&i.Project, &i.ID, &i.State, &i.FileName, &i.Lines, &i.Done, &i.Refused, &i.report, &i.Failure, &i.Actor, &i.ActorID, &i.Addr, &i.CreatedAt,
		&i.StartedAt, &i.FinishedAt, &i.ExpiresAt}
}

func (r importRow) userImport() (auth.UserImport, error) {
	if err := json.Unmarshal([]byte(r.report), &r.Report); err != nil {
		return auth.UserImport{}, fmt.Errorf("the report of import %s is malformed", r.ID)
	}
	return r.UserImport, nil
}

func reportText(r auth.ImportReport) (string, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("not JSON: %w", err)
	}
	return string(text), nil
}

func (r reader) GetUserImport(ctx context.Context, p auth.ProjectID, id auth.UserImportID) (auth.UserImport, error) {
	row, err := get(ctx, r.q, importFields, selectImports+` AND i.id = $2`, p, id)
	if err != nil {
		return auth.UserImport{}, err
	}
	return row.userImport()
}

func (r reader) ListUserImports(ctx context.Context, p auth.ProjectID, limit int) ([]auth.UserImport, error) {
	return listImports(ctx, r.q, selectImports+` ORDER BY i.id DESC LIMIT $2`, p, max(0, limit))
}

func (r reader) WorkingUserImports(ctx context.Context, limit int) ([]auth.UserImport, error) {
	return listImports(ctx, r.q, `SELECT `+importColumns+` FROM user_imports i WHERE i.state IN ('checking', 'running')
		AND EXISTS (SELECT 1 FROM projects p WHERE p.id = i.project AND p.preset <> $1) ORDER BY i.id LIMIT $2`, importing, max(0, limit))
}

func listImports(ctx context.Context, q *querier, query string, args ...any) ([]auth.UserImport, error) {
	rows, err := list(ctx, q, importFields, query, args...)
	if err != nil {
		return nil, err
	}
	var imports []auth.UserImport
	for _, row := range rows {
		i, err := row.userImport()
		if err != nil {
			return nil, err
		}
		imports = append(imports, i)
	}
	return imports, nil
}

func (t *tx) CreateUserImport(ctx context.Context, i auth.UserImport) error {
	report, err := reportText(i.Report)
	if err != nil {
		return err
	}
	return create(ctx, t.q, `INSERT INTO user_imports (project, id, state, file_name, line_count, done_count, refused_count, report, failure, actor, actor_id, addr, created_at,
		started_at, finished_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) ON CONFLICT DO NOTHING`,
		i.Project, i.ID, i.State, i.FileName, i.Lines, i.Done, i.Refused, report, i.Failure, i.Actor, i.ActorID, i.Addr, i.CreatedAt, i.StartedAt, i.FinishedAt, i.ExpiresAt)
}

func (t *tx) UpdateUserImport(ctx context.Context, i auth.UserImport) error {
	report, err := reportText(i.Report)
	if err != nil {
		return err
	}
	return change(ctx, t.q, `UPDATE user_imports SET state = $3, line_count = $4, done_count = $5, refused_count = $6, report = $7, failure = $8, actor = $9, actor_id = $10,
		addr = $11, started_at = $12, finished_at = $13, expires_at = $14 WHERE project = $1 AND id = $2`,
		i.Project, i.ID, i.State, i.Lines, i.Done, i.Refused, report, i.Failure, i.Actor, i.ActorID, i.Addr, i.StartedAt, i.FinishedAt, i.ExpiresAt)
}

func (t *tx) DeleteUserImport(ctx context.Context, p auth.ProjectID, id auth.UserImportID) error {
	return change(ctx, t.q, `DELETE FROM user_imports WHERE project = $1 AND id = $2`, p, id)
}

func importPartFields(p *auth.UserImportPart) []any {
	return []any{&p.Project, &p.ID, &p.Import, &p.Sealed}
}

func (r reader) NextUserImportPart(ctx context.Context, p auth.ProjectID, i auth.UserImportID, after string) (auth.UserImportPart, error) {
	return get(ctx, r.q, importPartFields, `SELECT project, id, import_id, sealed FROM user_import_parts WHERE project = $1 AND import_id = $2 AND id > $3
		ORDER BY id LIMIT 1`, p, i, after)
}

// CreateUserImportPart fails with ErrNotFound where the import is gone.
func (t *tx) CreateUserImportPart(ctx context.Context, part auth.UserImportPart) error {
	return create(ctx, t.q, `INSERT INTO user_import_parts (project, id, import_id, sealed) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
		part.Project, part.ID, part.Import, part.Sealed)
}

func (t *tx) DeleteUserImportPart(ctx context.Context, p auth.ProjectID, id string) error {
	return change(ctx, t.q, `DELETE FROM user_import_parts WHERE project = $1 AND id = $2`, p, id)
}

func (t *tx) DeleteUserImportParts(ctx context.Context, p auth.ProjectID, i auth.UserImportID) error {
	_, err := t.q.exec(ctx, `DELETE FROM user_import_parts WHERE project = $1 AND import_id = $2`, p, i)
	return err
}
