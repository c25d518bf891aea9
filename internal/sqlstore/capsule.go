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

// importing is the preset of a project that comes in row by row. No reader sees it before UpdateProject gives it another.
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

// BeginProject makes the project's row, which hides it; see [auth.ProjectRows].
func (s *Store) BeginProject(ctx context.Context, p auth.ProjectID, now time.Time) error {
	return s.changeOpen(ctx, func(q *querier) error {
		if err := makeRoom(ctx, q, p); err != nil {
			return err
		}
		return (&tx{reader{q}}).CreateProject(ctx, auth.Project{ID: p, Preset: importing, CreatedAt: now, UpdatedAt: now, Version: 1})
	})
}

// makeRoom removes what an import left that broke off, and the default project of a server that nobody uses yet.
func makeRoom(ctx context.Context, q *querier, p auth.ProjectID) error {
	if err := abandon(ctx, q, p); err == nil || !errors.Is(err, auth.ErrNotFound) {
		return err
	}
	if p != auth.DefaultProject {
		return nil
	}
	users, err := (reader{q}).CountUsers(ctx, p)
	if err != nil || users > 0 {
		return err // CreateProject says that the id is taken
	}
	if err := removeProject(ctx, q, `DELETE FROM projects WHERE id = $1`, p); !errors.Is(err, auth.ErrNotFound) {
		return err
	}
	return nil
}

// AbandonProject deletes what came in; see [auth.ProjectRows].
func (s *Store) AbandonProject(ctx context.Context, p auth.ProjectID) error {
	return s.changeOpen(ctx, func(q *querier) error {
		if err := abandon(ctx, q, p); !errors.Is(err, auth.ErrNotFound) {
			return err
		}
		return nil
	})
}

func abandon(ctx context.Context, q *querier, p auth.ProjectID) error {
	return removeProject(ctx, q, `DELETE FROM projects WHERE id = $1 AND preset = $2`, p, importing)
}

// WriteProject inserts rows; see [auth.ProjectRows].
func (s *Store) WriteProject(ctx context.Context, p auth.ProjectID, rows []auth.ProjectRow) error {
	return s.changeOpen(ctx, func(q *querier) error {
		if _, err := get(ctx, q, value[string], `SELECT id FROM projects WHERE id = $1 AND preset = $2`, p, importing); err != nil {
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
