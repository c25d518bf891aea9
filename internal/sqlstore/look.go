package sqlstore

import (
	"context"
	"errors"
)

// Look is what a database tells of itself while its schema stays as it is.
type Look struct {
	Schema int64              // number of the last migration; 0 where there is none yet
	Marks  map[Mark]MarkValue // none before the schema that has them
	Used   bool               // a table that this program knows has rows
}

// LookAt reads what a database is without migrating it, whatever its schema. It makes a SQLite file where there is none.
func LookAt(ctx context.Context, url string) (l Look, err error) {
	s, err := open(ctx, Options{URL: url, asIs: true})
	if err != nil {
		return Look{}, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	columns, err := list(ctx, s.reader.q, liveColumnFields, s.reader.q.engine.columns)
	if err != nil {
		return Look{}, err
	}
	there := map[string]bool{}
	for _, c := range columns {
		there[c.table] = true
	}
	if there["goose_db_version"] {
		if l.Schema, err = get(ctx, s.reader.q, value[int64], `SELECT MAX(version_id) FROM goose_db_version`); err != nil {
			return Look{}, err
		}
	}
	if there["database_marks"] {
		if l.Marks, err = s.Marks(ctx); err != nil {
			return Look{}, err
		}
	}
	for _, t := range tables {
		if !there[t.Name] || l.Used {
			continue
		}
		rows, err := get(ctx, s.reader.q, value[int64], `SELECT COUNT(*) FROM (SELECT 1 FROM `+t.Name+` LIMIT 1) AS found`)
		if err != nil {
			return Look{}, err
		}
		l.Used = rows > 0
	}
	return l, nil
}
