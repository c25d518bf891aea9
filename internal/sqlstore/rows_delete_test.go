package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

// counting counts the statements of a transaction.
type counting struct {
	runner
	statements []string
	args       []any
}

func (c *counting) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	c.statements, c.args = append(c.statements, query), args
	return c.runner.ExecContext(ctx, query, args...)
}

// Many rows go in few statements, each of which costs the way to the database and back, and by the index.
func TestDeleteTakesFewStatements(t *testing.T) {
	store, err := Open(t.Context(), Options{URL: t.TempDir() + "/test.db", NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	roles, _ := TableNamed("roles")
	ctx := t.Context()
	err = store.UpdateRows(ctx, func(tx auth.Tx, w *RowWriter) error {
		if err := tx.CreateProject(ctx, auth.Project{ID: "one"}); err != nil {
			return err
		}
		var rows []Row
		var keys [][]any
		for n := range 500 {
			id := fmt.Sprint("role-", n)
			rows = append(rows, Row{"one", id, id, int64(1)})
			keys = append(keys, []any{"one", id})
		}
		if _, err := w.Put(ctx, roles, rows, Refuse); err != nil {
			return err
		}
		keys[499][1] = "missing"
		c := &counting{runner: w.q.run}
		w.q.run = c
		deleted, err := w.Delete(ctx, roles, keys)
		w.q.run = c.runner
		if err != nil || deleted != 499 || len(c.statements) != 5 {
			t.Errorf("%d rows in %d statements, %v", deleted, len(c.statements), err)
		}
		rest, err := readPage(ctx, w.q, roles, Range{})
		if err != nil || len(rest) != 1 || rest[0][1] != "role-499" {
			t.Errorf("left: %v, %v", rest, err)
		}
		plan, err := c.runner.QueryContext(ctx, "EXPLAIN QUERY PLAN "+c.statements[0], c.args...)
		if err != nil {
			return err
		}
		defer plan.Close()
		for plan.Next() {
			var id, parent, unused int
			var detail string
			if err := plan.Scan(&id, &parent, &unused, &detail); err != nil {
				return err
			}
			if strings.HasPrefix(detail, "SCAN") {
				t.Errorf("it reads the whole table: %s", detail)
			}
		}
		return plan.Err()
	})
	if err != nil {
		t.Error(err)
	}
}
