package sqlstore_test

import (
	"database/sql"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/sqlstore"
	"github.com/doorward/doorward/internal/storetest/pgtest"
)

// A server that another has overtaken gets neither new connections nor another turn on those that are open.
func TestFormerPrimaryIsKeptOut(t *testing.T) {
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: pgtest.URL(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Timeline() == 0 {
		t.Fatal("the store did not read the server's timeline")
	}
	change := func() error {
		return s.Update(t.Context(), func(tx auth.Tx) error { return tx.CreateProject(t.Context(), auth.Project{ID: "p"}) })
	}
	if err := change(); err != nil {
		t.Fatal(err)
	}
	s.RaiseTimeline(s.Timeline() + 1)
	if _, err := s.GetProject(t.Context(), "p"); !errors.Is(err, auth.ErrStoreBusy) || !strings.Contains(err.Error(), "former primary") {
		t.Errorf("a read: %v, want busy because of a former primary", err)
	}
	if err := change(); !errors.Is(err, auth.ErrStoreBusy) {
		t.Errorf("a change: %v, want busy", err)
	}
	if err := s.Ping(t.Context()); !errors.Is(err, auth.ErrStoreBusy) {
		t.Errorf("the probe: %v, want busy", err)
	}
}

// What waits on a server that another overtakes does not wait on.
func TestFormerPrimaryIsCutOff(t *testing.T) {
	url := pgtest.URL(t)
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Somebody holds the row, so that the change below waits on the server.
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	holding, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer holding.Rollback()
	if _, err := holding.ExecContext(t.Context(), `LOCK TABLE projects`); err != nil {
		t.Fatal(err)
	}
	changed := make(chan error)
	go func() {
		changed <- s.Update(t.Context(), func(tx auth.Tx) error { return tx.CreateProject(t.Context(), auth.Project{ID: "p"}) })
	}()
	for waiting := 0; waiting == 0; time.Sleep(10 * time.Millisecond) {
		err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
	}
	s.RaiseTimeline(s.Timeline() + 1)
	select {
	case err := <-changed:
		if !errors.Is(err, auth.ErrStoreBusy) {
			t.Errorf("the change: %v, want busy", err)
		}
	case <-time.After(10 * time.Second): // the statement's own time is 15 s
		t.Error("the change waits on")
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing the store, with connections that were cut: %v", err)
	}
}

// A commit under way when its server dies, or is overtaken, may have happened. It is neither told as undone nor tried again.
func TestCommitUnderWayIsOfUnknownOutcome(t *testing.T) {
	for name, strike := range map[string]func(*pgtest.Server, *sqlstore.Store){
		"killed":    func(server *pgtest.Server, _ *sqlstore.Store) { server.Kill() },
		"overtaken": func(_ *pgtest.Server, s *sqlstore.Store) { s.RaiseTimeline(s.Timeline() + 1) },
	} {
		t.Run(name, func(t *testing.T) {
			server := pgtest.StartServer(t)
			s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: server.CreateDatabase("shop", server.Address())})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			server.LoseStandby()
			var runs atomic.Int32
			changed := make(chan error, 1)
			go func() {
				changed <- s.Update(t.Context(), func(tx auth.Tx) error {
					runs.Add(1)
					return tx.CreateProject(t.Context(), auth.Project{ID: "p"})
				})
			}()
			for server.SQL("postgres", "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") != "1" {
				if len(changed) > 0 {
					t.Fatal("no commit waits: ", <-changed)
				}
				time.Sleep(10 * time.Millisecond)
			}
			strike(server, s)
			if err := <-changed; !errors.Is(err, auth.ErrOutcomeUnknown) || runs.Load() != 1 {
				t.Errorf("the change: %v after %d runs, want an unknown outcome of one", err, runs.Load())
			}
		})
	}
}

// A role that may not ask for the timeline, or an engine that has none, goes without the fence.
func TestNoTimelineNoFence(t *testing.T) {
	url := pgtest.URL(t)
	for _, statement := range []string{`REVOKE EXECUTE ON FUNCTION pg_walfile_name(pg_lsn) FROM PUBLIC`, `DROP ROLE IF EXISTS plain`, `CREATE ROLE plain LOGIN`,
		`GRANT ALL ON ALL TABLES IN SCHEMA public TO plain`} {
		execPostgres(t, url, statement)
	}
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: strings.Replace(url, "user=postgres", "user=plain", 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Timeline() != 0 {
		t.Fatalf("timeline %d, want none", s.Timeline())
	}
	if _, err := s.CountMail(t.Context()); err != nil {
		t.Error(err)
	}
}

func execPostgres(t *testing.T, url, statement string) {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}
