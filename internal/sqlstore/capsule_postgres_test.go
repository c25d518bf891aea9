package sqlstore_test

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/sqlstore"
	"github.com/doorward/doorward/internal/storetest/pgtest"
)

// TestAbandonedImportThatWasFinished: where the commit that makes a project visible is still under way while its import is given up, as after a lost answer, the project comes whole.
func TestAbandonedImportThatWasFinished(t *testing.T) {
	url := pgtest.URL(t)
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	now := time.Unix(1700000000, 0)
	if err := s.BeginProject(t.Context(), "shop", "a", now); err != nil {
		t.Fatal(err)
	}
	var roles []auth.ProjectRow
	for i := range 3 {
		roles = append(roles, auth.ProjectRow{Table: "roles", Columns: []string{"project", "id", "name", "created_at"}, Values: []any{"shop", fmt.Sprint("r", i), fmt.Sprint("r", i), now.UnixMilli()}})
	}
	if err := s.WriteProject(t.Context(), "shop", "a", roles); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	finishing, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelSerializable})
	if err != nil {
		t.Fatal(err)
	}
	defer finishing.Rollback()
	if _, err := finishing.ExecContext(t.Context(), `UPDATE projects SET preset = 'documented' WHERE id = 'shop'`); err != nil {
		t.Fatal(err)
	}
	abandoned := make(chan error, 1)
	go func() { abandoned <- s.AbandonProject(t.Context(), "shop", "a") }()
	for waiting := 0; waiting == 0; time.Sleep(10 * time.Millisecond) {
		err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := finishing.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-abandoned; err != nil {
		t.Errorf("abandoning: %v", err)
	}
	var left int
	if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM roles WHERE project = 'shop'`).Scan(&left); err != nil || left != len(roles) {
		t.Errorf("the project is visible with %d of %d rows, %v", left, len(roles), err)
	}
}
