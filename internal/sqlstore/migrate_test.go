package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/sqlstore"
	"github.com/doorward/doorward/internal/storetest"
	"github.com/doorward/doorward/internal/storetest/pgtest"
)

// additive is a migration that leaves older programs running.
const additive = `-- What the release after this one may add.
CREATE TABLE next_things (
	project {{TEXT}} NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
	id      {{TEXT}} NOT NULL,
	PRIMARY KEY (project, id)
) {{TABLE}};

CREATE INDEX next_users ON users (project, name);

ALTER TABLE users ADD COLUMN next_thing {{TEXT}} NOT NULL DEFAULT '';
ALTER TABLE limits ADD COLUMN next_thing {{INT}};
`

// eachEngine runs a test on a database of this release's schema.
func eachEngine(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("SQLite", func(t *testing.T) {
		url := "sqlite:" + filepath.Join(t.TempDir(), "test.db")
		storetest.OpenURL(t, url)
		test(t, url)
	})
	t.Run("PostgreSQL", func(t *testing.T) { test(t, pgtest.URL(t)) })
}

func open(t *testing.T, o sqlstore.Options) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestManyMigrateOnce: of eight processes that start at once on a database in use, one calls what comes before the migration, and migrates.
func TestManyMigrateOnce(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		var called atomic.Int64
		next := sqlstore.Next(t, url, additive)
		next.BeforeMigrate = func(_ context.Context, from, to int64) error {
			called.Add(1)
			if from != sqlstore.Newest(t) || to != sqlstore.NextVersion {
				t.Errorf("it says that it goes from %d to %d", from, to)
			}
			return nil
		}
		var wait sync.WaitGroup
		for i := range 8 {
			wait.Go(func() {
				s, err := sqlstore.Open(t.Context(), next)
				if err != nil {
					t.Errorf("opening %d: %v", i, err)
					return
				}
				defer s.Close()
				if err := addProject(t.Context(), s, fmt.Sprintf("p%d", i)); err != nil {
					t.Errorf("writing %d: %v", i, err)
				}
			})
		}
		wait.Wait()
		if n := called.Load(); n != 1 {
			t.Errorf("the database was migrated by %d processes", n)
		}
	})
}

func TestNewDatabaseNeedsNoCopy(t *testing.T) {
	refuse := func(context.Context, int64, int64) error { return errors.New("called") }
	open(t, sqlstore.Options{URL: filepath.Join(t.TempDir(), "test.db"), BeforeMigrate: refuse})
	open(t, sqlstore.Options{URL: pgtest.EmptyURL(t), BeforeMigrate: refuse})
}

// TestWhatComesBeforeStopsTheMigration: without its copy a database stays as it is.
func TestWhatComesBeforeStopsTheMigration(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		next := sqlstore.Next(t, url, additive)
		next.BeforeMigrate = func(context.Context, int64, int64) error { return errors.New("no space left") }
		if _, err := sqlstore.Open(t.Context(), next); err == nil || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("opening: %v", err)
		}
		if version := open(t, sqlstore.Options{URL: url}).SchemaVersion(t); version != sqlstore.Newest(t) {
			t.Errorf("the schema has number %d", version)
		}
		next.BeforeMigrate = nil // the lock was given back: this does not wait
		if version := open(t, next).SchemaVersion(t); version != sqlstore.NextVersion {
			t.Errorf("after the second start the schema has number %d", version)
		}
	})
}

// TestOlderProgramRunsOnNextSchema: this release passes the conformance suite on the schema of the next one.
func TestOlderProgramRunsOnNextSchema(t *testing.T) {
	storetest.Run(t, func(t *testing.T) auth.Store {
		url := "sqlite:" + filepath.Join(t.TempDir(), "test.db")
		if err := open(t, sqlstore.Next(t, url, additive)).Close(); err != nil {
			t.Fatal(err)
		}
		return storetest.OpenURL(t, url)
	}, "Capsule") // a program that does not know all columns exports no projects: it would lose what they hold
	t.Run("PostgreSQL", func(t *testing.T) {
		url := pgtest.URL(t)
		before := open(t, sqlstore.Options{URL: url})
		if err := addProject(t.Context(), before, "before"); err != nil {
			t.Fatal(err)
		}
		open(t, sqlstore.Next(t, url, additive))
		for i, s := range []*sqlstore.Store{before, open(t, sqlstore.Options{URL: url})} { // one that runs already, one that starts
			err := s.Update(t.Context(), func(tx auth.Tx) error {
				return tx.CreateUser(t.Context(), auth.User{Project: "before", ID: auth.UserID(fmt.Sprintf("u%d", i)), Email: auth.Email(fmt.Sprintf("u%d@example.com", i))})
			})
			if err != nil {
				t.Errorf("store %d on the next schema: %v", i, err)
			}
			if n, err := s.CountUsers(t.Context(), "before"); err != nil || n != i+1 {
				t.Errorf("store %d counts %d users, %v", i, n, err)
			}
		}
	})
}

// TestNewerSchemaIsRefused where the release that made it said that this one cannot use it.
func TestNewerSchemaIsRefused(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		open(t, sqlstore.Next(t, url, fmt.Sprintf("-- runs-from: %d\nALTER TABLE users DROP COLUMN picture;\n", sqlstore.NextVersion)))
		_, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: url})
		if !errors.Is(err, sqlstore.ErrNewerSchema) || !strings.Contains(err.Error(), "install the newer release") {
			t.Errorf("opening: %v", err)
		}
	})
}

// TestDeadMigratorIsFollowed: a process that died while it migrated holds up the others for a moment only.
func TestDeadMigratorIsFollowed(t *testing.T) {
	sqlstore.QuickLock(t)
	eachEngine(t, func(t *testing.T, url string) {
		open(t, sqlstore.Options{URL: url}).LeaveLock(t, "dead")
		if version := open(t, sqlstore.Next(t, url, additive)).SchemaVersion(t); version != sqlstore.NextVersion {
			t.Errorf("the schema has number %d", version)
		}
	})
}

// TestLostLockChangesNothing: a process that was stopped while it migrated, and so lost the lock, commits nothing when it goes on.
func TestLostLockChangesNothing(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		s := open(t, sqlstore.Options{URL: url})
		if err := s.MigrateAfterLosingTheLock(t, sqlstore.Next(t, url, additive)); !errors.Is(err, sqlstore.ErrLockLost) || !errors.Is(err, auth.ErrStoreBusy) {
			t.Errorf("migrating: %v", err)
		}
		if version := s.SchemaVersion(t); version != sqlstore.Newest(t) {
			t.Errorf("the schema has number %d", version)
		}
	})
}

// TestSnapshotBeforeMigration: the copy is private, is a whole database of the older schema, and this release opens it.
func TestSnapshotBeforeMigration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "with 'quote.db")
	url := "sqlite:" + path
	if err := addProject(t.Context(), open(t, sqlstore.Options{URL: url}), "kept"); err != nil { // the store stays open: the copy has to hold what is in the log only
		t.Fatal(err)
	}
	copied := fmt.Sprintf("%s.before-%05d", path, sqlstore.Newest(t)+1)
	if err := os.WriteFile(copied+".draft", []byte("of a start that was killed"), 0o600); err != nil {
		t.Fatal(err)
	}
	next := sqlstore.Next(t, url, additive)
	next.BeforeMigrate = sqlstore.SnapshotBeforeMigration(url)
	open(t, next)
	info, err := os.Stat(copied)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the copy has mode %v", info.Mode())
	}
	if _, err := os.Stat(copied + ".draft"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the draft is left: %v", err)
	}
	s := open(t, sqlstore.Options{URL: "sqlite:" + copied})
	if version := s.SchemaVersion(t); version != sqlstore.Newest(t) {
		t.Errorf("the copy has schema %d", version)
	}
	if !hasProject(t, s, "kept") {
		t.Error("the copy lacks what was written last")
	}
	if sqlstore.SnapshotBeforeMigration("postgres://h/db") != nil {
		t.Error("a PostgreSQL is copied")
	}
}
