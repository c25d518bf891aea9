package sqlstore_test

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/sqlstore"
	"github.com/doorward/doorward/internal/storetest"
	"github.com/doorward/doorward/internal/storetest/pgtest"
)

// onBoth runs a test on an empty store of each engine.
func onBoth(t *testing.T, test func(t *testing.T, s *sqlstore.Store)) {
	t.Run("SQLite", func(t *testing.T) { test(t, openSQLite(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, openURL(t, pgtest.URL(t))) })
}

func openSQLite(t *testing.T) *sqlstore.Store {
	return openURL(t, "sqlite:"+filepath.Join(t.TempDir(), "doorward.db"))
}

func openURL(t *testing.T, url string) *sqlstore.Store {
	t.Helper()
	return storetest.OpenURL(t, url).(*sqlstore.Store)
}

// The list of tables is what the migrations made; a new table or column belongs into it.
func TestTablesAreTheSchema(t *testing.T) {
	onBoth(t, func(t *testing.T, s *sqlstore.Store) {
		if err := s.CheckTables(t.Context()); err != nil {
			t.Errorf("internal/sqlstore/tables.go: %v", err)
		}
	})
}

func TestTablesHaveTheirProject(t *testing.T) {
	for _, table := range sqlstore.Tables() {
		has := table.Place("project") >= 0 || table.Name == "projects"
		if has != (table.Project >= 0) {
			t.Errorf("%s: the column of the project has place %d", table.Name, table.Project)
		}
	}
}

// Every table has a row in a filled store, so that the tests here see each.
func TestFillFillsEveryTable(t *testing.T) {
	s := openSQLite(t)
	storetest.Fill(t, s, "one")
	for _, table := range sqlstore.Tables() {
		if rows := read(t, s, table, sqlstore.Range{}); len(rows) == 0 {
			t.Errorf("%s is empty", table.Name)
		}
	}
}

func read(t *testing.T, s *sqlstore.Store, table sqlstore.Table, r sqlstore.Range) []sqlstore.Row {
	t.Helper()
	var all []sqlstore.Row
	for row, err := range s.Rows(t.Context(), table, r) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, row)
	}
	return all
}

func digests(t *testing.T, s *sqlstore.Store) map[string]string {
	t.Helper()
	sums := map[string]string{}
	for _, table := range sqlstore.Tables() {
		d := table.NewTableDigest()
		for row, err := range s.Rows(t.Context(), table, sqlstore.Range{}) {
			if err != nil {
				t.Fatal(err)
			}
			d.Add(table.RowDigest(row))
		}
		sums[table.Name] = fmt.Sprint(d.Rows, " ", d.Sum())
	}
	return sums
}

func put(t *testing.T, s *sqlstore.Store, table sqlstore.Table, c sqlstore.OnConflict, rows ...sqlstore.Row) (written int64, err error) {
	t.Helper()
	err = s.UpdateRows(t.Context(), func(_ auth.Tx, w *sqlstore.RowWriter) (err error) {
		written, err = w.Put(t.Context(), table, rows, c)
		return err
	})
	return written, err
}

func TestRowsGoThroughBothEngines(t *testing.T) {
	first, second, third := openSQLite(t), openURL(t, pgtest.URL(t)), openSQLite(t)
	storetest.Fill(t, first, "one", "two")
	for _, way := range []struct{ from, to *sqlstore.Store }{{first, second}, {second, third}} {
		for _, table := range sqlstore.Tables() {
			if _, err := put(t, way.to, table, sqlstore.Refuse, read(t, way.from, table, sqlstore.Range{})...); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, s := range []*sqlstore.Store{second, third} {
		if diff := cmp.Diff(digests(t, first), digests(t, s)); diff != "" {
			t.Error(diff)
		}
	}
}

// manyRoles fills more than a page, in an order that tells collations apart.
func manyRoles(t *testing.T, s *sqlstore.Store, n int) (sqlstore.Table, []sqlstore.Row) {
	t.Helper()
	storetest.Fill(t, s, "one", "two")
	roles, _ := sqlstore.TableNamed("roles")
	var rows []sqlstore.Row
	for i := range n {
		name := fmt.Sprintf("%s%d", []string{"a", "B", "ä", "_", "𝄞", "\uffee", "-"}[i%7], i)
		rows = append(rows, sqlstore.Row{"one", name, name, int64(i)})
	}
	if n, err := put(t, s, roles, sqlstore.Refuse, rows...); err != nil || n != int64(len(rows)) {
		t.Fatal(n, err)
	}
	return roles, rows
}

func TestRowsInOrderFromAKeyOn(t *testing.T) {
	onBoth(t, func(t *testing.T, s *sqlstore.Store) {
		roles, _ := manyRoles(t, s, 700)
		all := read(t, s, roles, sqlstore.Range{Project: "one"})
		if len(all) != 701 {
			t.Fatalf("%d rows, want 701", len(all))
		}
		compare := func(a, b sqlstore.Row) int { return sqlstore.CompareKeys(roles.KeyOf(a), roles.KeyOf(b)) }
		if !slices.IsSortedFunc(all, compare) {
			t.Error("rows are not in the order of CompareKeys")
		}
		rest := read(t, s, roles, sqlstore.Range{Project: "one", After: roles.KeyOf(all[300])})
		if diff := cmp.Diff(all[301:], rest); diff != "" {
			t.Error(diff)
		}
		if everything := read(t, s, roles, sqlstore.Range{}); len(everything) != 702 {
			t.Errorf("%d rows of all projects, want 702", len(everything))
		}
		operators, _ := sqlstore.TableNamed("operator_tokens")
		if rows := read(t, s, operators, sqlstore.Range{Project: "one"}); len(rows) != 0 {
			t.Error("a project has rows of the instance")
		}
	})
}

func TestSnapshotSeesOneState(t *testing.T) {
	onBoth(t, func(t *testing.T, s *sqlstore.Store) {
		roles, rows := manyRoles(t, s, 300)
		for _, serializable := range []bool{false, true} {
			snapshot, err := s.Snapshot(t.Context(), sqlstore.SnapshotOptions{Serializable: serializable})
			if err != nil {
				t.Fatal(err)
			}
			before, err := snapshot.Count(t.Context(), roles, sqlstore.Range{})
			if err != nil {
				t.Fatal(err)
			}
			row := slices.Clone(rows[0])
			row[1], row[2] = fmt.Sprint("zzz", serializable), fmt.Sprint("zzz", serializable)
			if _, err := put(t, s, roles, sqlstore.Refuse, row); err != nil {
				t.Fatal(err)
			}
			seen := int64(0)
			for _, err := range snapshot.Rows(t.Context(), roles, sqlstore.Range{}) {
				if err != nil {
					t.Fatal(err)
				}
				seen++
			}
			if seen != before {
				t.Errorf("serializable %v: %d rows, and %d at the beginning", serializable, seen, before)
			}
			if schema, err := snapshot.Schema(t.Context()); err != nil || schema < 7 {
				t.Errorf("schema %d, %v", schema, err)
			}
			if err := snapshot.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestPutOnConflict(t *testing.T) {
	onBoth(t, func(t *testing.T, s *sqlstore.Store) {
		roles, rows := manyRoles(t, s, 10)
		row := slices.Clone(rows[0])
		row[3] = int64(4711)
		if _, err := put(t, s, roles, sqlstore.Refuse, row); !errors.Is(err, auth.ErrConflict) {
			t.Errorf("refusing: %v", err)
		}
		stored := func() any {
			return read(t, s, roles, sqlstore.Range{})[slices.IndexFunc(read(t, s, roles, sqlstore.Range{}), func(r sqlstore.Row) bool { return r[1] == row[1] })][3]
		}
		if n, err := put(t, s, roles, sqlstore.Keep, row); err != nil || n != 0 || stored() != int64(0) {
			t.Errorf("keeping: %d, %v, %v", n, err, stored())
		}
		if n, err := put(t, s, roles, sqlstore.Replace, row); err != nil || n != 1 || stored() != int64(4711) {
			t.Errorf("replacing: %d, %v, %v", n, err, stored())
		}
		all, _ := sqlstore.TableNamed("user_roles")
		if _, err := put(t, s, all, sqlstore.Replace, read(t, s, all, sqlstore.Range{})...); err != nil {
			t.Errorf("replacing where all is key: %v", err)
		}
		orphan := slices.Clone(row)
		orphan[0] = "nowhere"
		if _, err := put(t, s, roles, sqlstore.Replace, orphan); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("without a parent: %v", err)
		}
	})
}

func TestPutRefusesStrangeRows(t *testing.T) {
	onBoth(t, func(t *testing.T, s *sqlstore.Store) {
		roles, rows := manyRoles(t, s, 1)
		for name, change := range map[string]func(sqlstore.Row) sqlstore.Row{
			"short": func(r sqlstore.Row) sqlstore.Row { return r[:3] },
			"type":  func(r sqlstore.Row) sqlstore.Row { r[3] = "1"; return r },
			"int":   func(r sqlstore.Row) sqlstore.Row { r[3] = 1; return r },
			"NUL":   func(r sqlstore.Row) sqlstore.Row { r[2] = "a\x00b"; return r },
		} {
			if _, err := put(t, s, roles, sqlstore.Replace, change(slices.Clone(rows[0]))); err == nil {
				t.Errorf("%s: written", name)
			}
		}
	})
}

func TestDeleteTakesChildrenAlong(t *testing.T) {
	onBoth(t, func(t *testing.T, s *sqlstore.Store) {
		storetest.Fill(t, s, "one", "two")
		users, _ := sqlstore.TableNamed("users")
		sessions, _ := sqlstore.TableNamed("sessions")
		key := users.KeyOf(read(t, s, users, sqlstore.Range{Project: "one"})[0])
		err := s.UpdateRows(t.Context(), func(_ auth.Tx, w *sqlstore.RowWriter) error {
			n, err := w.Delete(t.Context(), users, [][]any{key, {"one", "nobody"}})
			if n != 1 {
				t.Errorf("%d rows deleted", n)
			}
			return err
		})
		if err != nil || len(read(t, s, sessions, sqlstore.Range{Project: "one"})) != 0 || len(read(t, s, sessions, sqlstore.Range{Project: "two"})) != 1 {
			t.Error("the wrong sessions are there", err)
		}
	})
}

func TestRowDigestsTellRowsApart(t *testing.T) {
	attributes, _ := sqlstore.TableNamed("user_attributes")
	seen := map[sqlstore.Digest]sqlstore.Row{}
	for _, row := range []sqlstore.Row{{nil}, {int64(0)}, {0.0}, {""}, {[]byte{}}, {"a", "b"}, {"ab", ""}, {"", "ab"}, {[]byte("a"), "b"}, {int64(1)}, {1.0}, {"1"}} {
		digest := attributes.RowDigest(row)
		if other, ok := seen[digest]; ok {
			t.Errorf("%v and %v have one digest", row, other)
		}
		seen[digest] = row
	}
	if attributes.RowDigest(sqlstore.Row{0.0}) != attributes.RowDigest(sqlstore.Row{math.Copysign(0, -1)}) {
		t.Error("the zeros differ")
	}
}

func TestKeysTellNoSecrets(t *testing.T) {
	text := sqlstore.FormatKey([]any{"shop", []byte("\x01\x02\x03\x04\x05\x06\x07\x08"), int64(3)})
	if text != `"shop", 01020304…, 3` || strings.Contains(text, "0506") {
		t.Error(text)
	}
}

func TestUnknownTablesAreRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, s *sqlstore.Store) {
		for _, statement := range []string{`ALTER TABLE roles ADD COLUMN newer TEXT`, `CREATE TABLE newer (id TEXT NOT NULL PRIMARY KEY)`} {
			if err := sqlstore.Exec(t.Context(), s, statement); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Snapshot(t.Context(), sqlstore.SnapshotOptions{}); !errors.Is(err, sqlstore.ErrTables) {
				t.Errorf("after %s: %v", statement, err)
			}
			if err := sqlstore.Exec(t.Context(), s, map[bool]string{true: `ALTER TABLE roles DROP COLUMN newer`, false: `DROP TABLE newer`}[strings.HasPrefix(statement, "A")]); err != nil {
				t.Fatal(err)
			}
		}
	})
}
