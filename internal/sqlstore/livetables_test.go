package sqlstore_test

import (
	"errors"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/doorward/doorward/internal/sqlstore"
	"github.com/doorward/doorward/internal/storetest/pgtest"
)

// TestLiveTables: what the engines say of a database of this schema is what the list says; of an older schema, what that had; and of another one, all of it.
func TestLiveTables(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"sqlite:" + filepath.Join(t.TempDir(), "a.db"), pgtest.EmptyURL(t)} {
		tables := func(o sqlstore.Options, any bool) ([]sqlstore.Table, error) {
			t.Helper()
			o.URL = url
			s, err := sqlstore.Open(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if any && o.Schema == 0 {
				if err := sqlstore.Exec(t.Context(), s, `CREATE TABLE IF NOT EXISTS later (id TEXT NOT NULL PRIMARY KEY)`); err != nil {
					t.Fatal(err)
				}
			}
			snapshot, err := s.Snapshot(t.Context(), sqlstore.SnapshotOptions{AnyTables: any})
			if err != nil {
				return nil, err
			}
			defer snapshot.Close()
			return snapshot.Tables(t.Context())
		}
		if _, err := tables(sqlstore.Options{Schema: 1, Filling: true}, false); !errors.Is(err, sqlstore.ErrTables) {
			t.Errorf("%s: an older schema: %v", url, err)
		}
		old, err := tables(sqlstore.Options{Schema: 1, Filling: true}, true)
		if err != nil || len(old) == 0 || len(old) >= len(sqlstore.Tables()) {
			t.Errorf("%s: %d tables of schema 1, %v", url, len(old), err)
		}
		now, err := tables(sqlstore.Options{}, false)
		if err != nil || len(now) != len(sqlstore.Tables()) {
			t.Fatalf("%s: %d tables, %v", url, len(now), err)
		}
		for i, want := range sqlstore.Tables() {
			if got := now[i]; got.Name != want.Name || got.Project != want.Project && want.Name != "projects" || !sameColumns(got, want) {
				t.Errorf("%s: %+v, want %+v", url, got, want)
			}
		}
		more, err := tables(sqlstore.Options{}, true)
		if err != nil || len(more) != len(now)+1 || more[len(now)].Name != "later" {
			t.Errorf("%s: %d tables with one more, %v", url, len(more), err)
		}
	}
}

// sameColumns compares without the order: columns that a migration added stand last in one engine's words.
func sameColumns(a, b sqlstore.Table) bool {
	if len(a.Columns) != len(b.Columns) {
		return false
	}
	names := func(t sqlstore.Table) (key []string, all map[sqlstore.Column]bool) {
		all = map[sqlstore.Column]bool{}
		for _, c := range t.Columns {
			all[c] = true
		}
		for _, place := range t.Key {
			key = append(key, t.Columns[place].Name)
		}
		return key, all
	}
	keyA, allA := names(a)
	keyB, allB := names(b)
	return reflect.DeepEqual(keyA, keyB) && reflect.DeepEqual(allA, allB)
}
