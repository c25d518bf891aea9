package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

var _ auth.ProjectRows = (*Store)(nil)

// importing is the preset of a project that comes in row by row, or goes so. No reader sees it before UpdateProject gives it another, which one that was deleted never gets.
const importing = "importing"

// SchemaNumber is that of the last migration that the database has.
func (s *Store) SchemaNumber(ctx context.Context) (int64, error) {
	return get(ctx, s.q, value[int64], `SELECT MAX(version_id) FROM goose_db_version`)
}

// ReadProject reads one snapshot; see [auth.ProjectRows].
func (s *Store) ReadProject(ctx context.Context, p auth.ProjectID, each func(auth.ProjectRow) error) (err error) {
	snapshot, err := s.Snapshot(ctx, SnapshotOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	if _, err := (reader{snapshot.q}).GetProject(ctx, p); err != nil {
		return err
	}
	for _, t := range tables {
		for row, err := range snapshot.Rows(ctx, t, Range{Project: string(p)}) {
			if err != nil {
				return err
			}
			if err := each(auth.ProjectRow{Table: t.Name, Columns: t.columnNames(), Values: row}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t Table) columnNames() []string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	return names
}

// BeginProject makes the project's row, which hides it; see [auth.ProjectRows]. The name of such a row is its holder's.
func (s *Store) BeginProject(ctx context.Context, p auth.ProjectID, holder string, now time.Time) error {
	if err := s.AbandonProject(ctx, p, ""); err != nil {
		return err
	}
	return s.changeOpen(ctx, func(q *querier) error {
		if err := makeRoom(ctx, q, p); err != nil {
			return err
		}
		return (&tx{reader{q}}).CreateProject(ctx, auth.Project{ID: p, Preset: importing, DisplayName: holder, CreatedAt: now, UpdatedAt: now, Version: 1})
	})
}

// makeRoom removes the default project of a server that nobody set up or signed up to. Where it stays, CreateProject says that the id is taken.
func makeRoom(ctx context.Context, q *querier, p auth.ProjectID) error {
	if p != auth.DefaultProject {
		return nil
	}
	traces, err := get(ctx, q, value[int64], `SELECT (SELECT count(*) FROM users WHERE project = $1) + (SELECT count(*) FROM audit WHERE project = $1 AND user_id <> '')
		+ (SELECT count(*) FROM identity_providers WHERE project = $1) + (SELECT count(*) FROM webhooks WHERE project = $1) + (SELECT count(*) FROM roles WHERE project = $1) + (SELECT count(*) FROM mail_templates WHERE project = $1)
		+ (SELECT count(*) FROM projects WHERE id = $1 AND version > 1)`, p)
	if err != nil || traces > 0 {
		return err
	}
	if err := removeProject(ctx, q, p); !errors.Is(err, auth.ErrNotFound) {
		return err
	}
	return nil
}

// isImport is the condition for the row of a project $1 that $2 holds; an empty $2 is any.
const isImport = `id = $1 AND preset = $3 AND ($2 = '' OR display_name = $2)`

// holdImport goes on only while $2 holds the import: by a write, so that it and the change that makes the project visible, whose outcome may not be known yet, cannot both happen.
// It fails with auth.ErrNotFound.
func holdImport(ctx context.Context, q *querier, p auth.ProjectID, holder string) error {
	n, err := q.exec(ctx, `UPDATE projects SET updated_at = updated_at WHERE `+isImport, p, holder, importing)
	if err == nil && n == 0 {
		err = auth.ErrNotFound
	}
	return err
}

// AbandonProject deletes what came in, or what a deleted project left, some rows at a time: it may be much, and nobody sees it; see [auth.ProjectRows].
func (s *Store) AbandonProject(ctx context.Context, p auth.ProjectID, holder string) error {
	for {
		more := true
		err := s.changeOpen(ctx, func(q *querier) (err error) {
			if err = holdImport(ctx, q, p, holder); err == nil {
				more, err = removeSome(ctx, q, p)
			}
			if err == nil && !more {
				_, err = q.exec(ctx, `DELETE FROM projects WHERE `+isImport, p, holder, importing)
			}
			return err
		})
		switch {
		case errors.Is(err, auth.ErrNotFound):
			return nil
		case err != nil || !more:
			return err
		}
	}
}

// removedAtOnce bounds the rows of one transaction of AbandonProject.
const removedAtOnce = 500

// removeSome deletes rows of the last table that has any of the project, children before parents. It tells whether there may be more.
func removeSome(ctx context.Context, q *querier, p auth.ProjectID) (bool, error) {
	for _, t := range slices.Backward(tables) {
		if t.Project < 0 || t.Name == "projects" {
			continue
		}
		key, project := t.names(t.Key), t.Columns[t.Project].Name
		n, err := q.exec(ctx, `DELETE FROM `+t.Name+` WHERE (`+key+`) IN (SELECT `+key+` FROM `+t.Name+` WHERE `+project+` = $1 LIMIT $2)`, p, removedAtOnce)
		if err != nil || n > 0 {
			return true, err
		}
	}
	return false, nil
}

// ListImports names projects that nobody sees yet; see [auth.ProjectRows].
func (s *Store) ListImports(ctx context.Context) ([]auth.ProjectID, error) {
	return list(ctx, s.q, value[auth.ProjectID], `SELECT id FROM projects WHERE preset = $1 ORDER BY id`, importing)
}

// WriteProject inserts rows; see [auth.ProjectRows].
func (s *Store) WriteProject(ctx context.Context, p auth.ProjectID, holder string, rows []auth.ProjectRow) error {
	return s.changeOpen(ctx, func(q *querier) error {
		if err := holdImport(ctx, q, p, holder); err != nil {
			return err
		}
		for _, row := range rows {
			if err := insertRow(ctx, q, p, row); err != nil {
				return err
			}
		}
		return nil
	})
}

// insertRow writes the columns that the row has: where an older release wrote it, the others have their defaults.
func insertRow(ctx context.Context, q *querier, p auth.ProjectID, row auth.ProjectRow) error {
	t, ok := TableNamed(row.Table)
	if !ok || t.Project < 0 || len(row.Columns) != len(row.Values) {
		return fmt.Errorf("%w: table %.60q", auth.ErrMisfit, row.Table)
	}
	owner := slices.Index(row.Columns, t.Columns[t.Project].Name)
	if owner < 0 || row.Values[owner] != string(p) {
		return fmt.Errorf("%w: a row of %s is another project's", auth.ErrMisfit, t.Name)
	}
	places := make([]int, len(row.Columns))
	for i, name := range row.Columns {
		if places[i] = t.Place(name); places[i] < 0 || !t.Columns[places[i]].Kind.takes(row.Values[i]) {
			return fmt.Errorf("%w: column %.60q of %s", auth.ErrMisfit, name, t.Name)
		}
	}
	var b builder
	b.write(`INSERT INTO `, t.Name, ` (`, t.names(places), `) VALUES (`, b.list(row.Values), `)`)
	if _, err := q.exec(ctx, b.text.String(), b.args...); err != nil {
		return fmt.Errorf("a row of %s: %w", t.Name, err)
	}
	return nil
}
