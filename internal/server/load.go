package server

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/doorward/doorward/internal/backup"
	"github.com/doorward/doorward/internal/sqlstore"
)

const (
	loadRows  = 400     // of one transaction
	loadBytes = 4 << 20 // of its text and bytes
)

// loader writes the rows of a backup into a store.
type loader struct {
	store         *sqlstore.Store
	run           string // names this process in the database; "" where nobody else knows that
	sourceStopped bool
	progress      func(table string, rows, of int64)
	schema        []sqlstore.Table // of the backup

	tables  []*loaded
	unknown unknowns

	waiting []sqlstore.Row
	bytes   int
}

// loaded is a table with the rows of it that were loaded.
type loaded struct {
	table  sqlstore.Table
	digest *backup.Digest
	rows   int64 // in the backup
	read   int64
}

// load gives the text of the master key's file, nil where the backup has none.
func (l *loader) load(ctx context.Context, r *backup.Reader) (masterKey []byte, err error) {
	_, err = r.Read(backup.Content{
		MasterKey: func(text []byte) error { masterKey = text; return nil },
		Table: func(t backup.Table) error {
			if err := l.flush(ctx); err != nil {
				return err
			}
			l.tables = append(l.tables, &loaded{table: tableOf(t), digest: backup.NewDigest(t.Name), rows: t.Rows})
			return nil
		},
		Row: func(values []any) error { return l.row(ctx, values) },
	})
	if err == nil {
		err = l.flush(ctx)
	}
	return masterKey, err
}

// tableOf is the table as it was when it was backed up: it may have fewer columns than today's.
func tableOf(t backup.Table) sqlstore.Table {
	table := sqlstore.Table{Name: t.Name, Key: t.Key, Project: -1}
	for _, c := range t.Columns {
		table.Columns = append(table.Columns, sqlstore.Column{Name: c.Name, Kind: sqlstore.Kind(c.Kind[0])})
	}
	return table
}

func (l *loader) row(ctx context.Context, values []any) error {
	current := l.tables[len(l.tables)-1]
	current.read++
	l.unknown.see(current.table, values)
	row, restore := decide(current.table, values, l.sourceStopped)
	if !restore {
		return nil
	}
	if err := current.digest.Add(row); err != nil {
		return err
	}
	l.waiting, l.bytes = append(l.waiting, row), l.bytes+weight(row)
	if len(l.waiting) < loadRows && l.bytes < loadBytes {
		return nil
	}
	return l.flush(ctx)
}

func weight(row sqlstore.Row) (n int) {
	for _, value := range row {
		switch v := value.(type) {
		case string:
			n += len(v)
		case []byte:
			n += len(v)
		}
	}
	return n
}

func (l *loader) flush(ctx context.Context) error {
	if len(l.waiting) == 0 {
		return nil
	}
	current := l.tables[len(l.tables)-1]
	err := l.update(ctx, func(w *sqlstore.RowWriter) error {
		_, err := w.Put(ctx, current.table, l.waiting, sqlstore.Refuse)
		return err
	})
	if err != nil {
		return fmt.Errorf("restoring %s: %w", current.table.Name, err)
	}
	l.waiting, l.bytes = nil, 0
	if l.progress != nil {
		l.progress(current.table.Name, current.read, current.rows)
	}
	return nil
}

func (l *loader) sums() []backup.Sum {
	sums := make([]backup.Sum, len(l.tables))
	for i, t := range l.tables {
		sums[i] = t.digest.Sum()
	}
	return sums
}

// check reads everything back: the database holds what was loaded, row by row.
func (l *loader) check(ctx context.Context) error {
	for _, t := range l.tables {
		there := backup.NewDigest(t.table.Name)
		for row, err := range l.store.Rows(ctx, t.table, sqlstore.Range{}) {
			if err != nil {
				return err
			}
			if err := there.Add(row); err != nil {
				return err
			}
		}
		if there.Sum() != t.digest.Sum() {
			return fmt.Errorf("table %s has other rows than were restored: %d, and not %d; somebody else writes to this database, or it does not keep what it is given",
				t.table.Name, there.Sum().Rows, t.digest.Sum().Rows)
		}
	}
	return nil
}

// unknowns gathers what a backup cannot know the end of.
type unknowns struct {
	single []Unknown
	all    map[[2]string]*Unknown // of many rows, by project and kind
}

func (u *unknowns) list() []Unknown {
	list := slices.Clone(u.single)
	for _, one := range u.all {
		list = append(list, *one)
	}
	slices.SortFunc(list, func(a, b Unknown) int {
		if a.Project != b.Project {
			return compare(a.Project, b.Project)
		}
		return compare(a.What, b.What)
	})
	return list
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// see looks at a row of the backup.
func (u *unknowns) see(t sqlstore.Table, row sqlstore.Row) {
	text := func(column string) string { return textAt(t, row, column) }
	switch t.Name {
	case "projects":
		u.one(text("id"), "admin token, settings and SMTP password", instantAt(t, row, "updated_at"), "doorward project rotate-admin-token "+text("id"))
		u.one(text("id"), "the project itself, if it was deleted", instantAt(t, row, "updated_at"), "doorward project delete "+text("id"))
	case "operator_tokens":
		u.one("", "operator token "+text("name"), instantAt(t, row, "created_at"), "doorward operator delete "+text("name"))
	case "identity_providers":
		u.one(text("project"), "provider "+text("id"), instantAt(t, row, "updated_at"), "doorward provider set "+text("id")+" --project "+text("project")+" --client-secret-file FILE")
	case "webhooks":
		u.one(text("project"), "webhook "+text("id"), instantAt(t, row, "updated_at"), "doorward webhook rotate-secret "+text("id")+" --project "+text("project"))
	case "users":
		u.many(text("project"), "users: passwords, addresses, roles; who was disabled or deleted", instantAt(t, row, "updated_at"), "doorward user disable EMAIL --project "+text("project"))
	case "identities":
		u.many(text("project"), "accounts at providers that were unlinked are linked again", instantAt(t, row, "created_at"), "doorward user disable EMAIL --project "+text("project"))
	case "tls_files":
		u.many("", "certificates of the CA that were revoked are served again", instantAt(t, row, "modified_at"), "doorward serve --tls-cert FILE --tls-key FILE")
	case "second_factors":
		u.many(text("project"), "second factors that were removed", instantAt(t, row, "created_at"), "doorward user reset-second-factors EMAIL --project "+text("project"))
	case "recovery_codes":
		u.many(text("project"), "recovery codes that were used", instantAt(t, row, "created_at"), "doorward user reset-second-factors EMAIL --project "+text("project"))
	}
}

func (u *unknowns) one(project, what string, changed time.Time, command string) {
	u.single = append(u.single, Unknown{project, what, changed, command})
}

func (u *unknowns) many(project, what string, changed time.Time, command string) {
	key := [2]string{project, what}
	if u.all == nil {
		u.all = map[[2]string]*Unknown{}
	}
	if u.all[key] == nil {
		u.all[key] = &Unknown{project, what, changed, command}
	}
	if changed.After(u.all[key].Changed) {
		u.all[key].Changed = changed
	}
}

func textAt(t sqlstore.Table, row sqlstore.Row, column string) string {
	if place := t.Place(column); place >= 0 {
		text, _ := row[place].(string)
		return text
	}
	return ""
}

func instantAt(t sqlstore.Table, row sqlstore.Row, column string) time.Time {
	if place := t.Place(column); place >= 0 {
		if ms, _ := row[place].(int64); ms > 0 {
			return time.UnixMilli(ms).UTC()
		}
	}
	return time.Time{}
}
