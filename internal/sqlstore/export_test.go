package sqlstore

import (
	"context"
	"database/sql"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// For the tests outside of the package.
var (
	Certificates   = certificates
	WriteFile      = writeFile
	ErrNewerSchema = errNewerSchema
	ErrLockLost    = errLockLost
)

// Show gives a setting of PostgreSQL as it holds in the snapshot.
func (s *Snapshot) Show(ctx context.Context, setting string) (string, error) {
	return get(ctx, s.q, value[string], `SHOW `+setting)
}

// StatementTime is how long a statement of the snapshot may take on this side.
func (s *Snapshot) StatementTime() time.Duration { return s.q.turns.run }

// NextVersion is the number of the migration that Next adds.
const NextVersion = 99998

// Next gives the options of a release after this one, which has one more migration.
func Next(t *testing.T, url, migration string) Options {
	t.Helper()
	files := fstest.MapFS{"migrations/99998_next.sql": {Data: []byte(migration)}}
	names, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := migrationFiles.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: text}
	}
	return Options{URL: url, NoSync: true, migrations: files}
}

// Newest is the number of the newest migration.
func Newest(t *testing.T) int64 {
	all := mustLoad(t)
	return all[len(all)-1].version
}

// LeaveLock makes the store's schema look as if a process with the given name had died while it migrated.
func (s *Store) LeaveLock(t *testing.T, holder string) {
	t.Helper()
	if err := s.runRaw(t.Context(), `UPDATE schema_state SET holder = $1, beat = beat + 1`, holder); err != nil {
		t.Fatal(err)
	}
}

// SchemaVersion is the number of the last migration.
func (s *Store) SchemaVersion(t *testing.T) int64 {
	t.Helper()
	version, ok := schemaVersion(t.Context(), s.pool)
	if !ok {
		t.Fatal("the database has no schema")
	}
	return version
}

// QuickLock makes locks stale after a quarter of a second, until the test ends.
func QuickLock(t *testing.T) {
	before := lockStale
	lockStale = 1
	t.Cleanup(func() { lockStale = before })
}

// MigrateAfterLosingTheLock has a process migrate that was stopped while it had the lock, and wakes up when another one has it.
func (s *Store) MigrateAfterLosingTheLock(t *testing.T, o Options) error {
	t.Helper()
	e := postgresEngine
	db := s.pool
	if s.writer != nil {
		e = sqliteEngine
		var err error
		if db, err = sql.Open("sqlite", sqliteDSN(strings.TrimPrefix(o.URL, "sqlite:"), sqlitePragmas())); err != nil {
			t.Fatal(err)
		}
		defer db.Close()
	}
	migrations, err := loadMigrations(o.migrations, e.types)
	if err != nil {
		t.Fatal(err)
	}
	lock, err := takeSchemaLock(t.Context(), db, e, NextVersion)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.release()
	s.LeaveLock(t, "another")
	return migrateLocked(lock, o, migrations)
}

func (s *Store) runRaw(ctx context.Context, statement string, args ...any) error {
	return s.rawUpdate(ctx, func(q *querier) error {
		_, err := q.exec(ctx, statement, args...)
		return err
	})
}

// Exec runs a statement past everything.
func Exec(ctx context.Context, s *Store, statement string) error { return s.runRaw(ctx, statement) }
