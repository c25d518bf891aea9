package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// sqliteTypes and postgresTypes are what the placeholders of the migration files stand for.
var (
	sqliteTypes = strings.NewReplacer("{{TEXT}}", "TEXT", "{{INT}}", "INTEGER", "{{REAL}}", "REAL", "{{BLOB}}", "BLOB",
		"{{TABLE}}", "STRICT", "{{CLUSTERED}}", "STRICT, WITHOUT ROWID")
	postgresTypes = strings.NewReplacer("{{TEXT}}", `TEXT COLLATE "C"`, "{{INT}}", "BIGINT", "{{REAL}}", "DOUBLE PRECISION", "{{BLOB}}", "BYTEA",
		"{{TABLE}}", "", "{{CLUSTERED}}", "")
)

// migration is one file: its number and its statements for one engine.
type migration struct {
	version    int64
	runsFrom   int64 // the oldest program that runs on its schema, by the number of the newest migration that program knows; 0: as before
	statements []string
}

var runsFromLine = regexp.MustCompile(`(?m)^-- runs-from: (\d+)$`)

// loadMigrations reads the files in the order of their numbers, NNNNN_name.sql. A statement ends with a semicolon at the end of a line.
func loadMigrations(files fs.FS, types *strings.Replacer) ([]migration, error) {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	migrations := make([]migration, 0, len(names))
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		number, _, _ := strings.Cut(strings.TrimPrefix(name, "migrations/"), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("migration %s has no number: %w", name, err)
		}
		m := migration{version: version}
		if line := runsFromLine.FindSubmatch(text); line != nil {
			m.runsFrom, _ = strconv.ParseInt(string(line[1]), 10, 64) // digits
		}
		for statement := range strings.SplitSeq(types.Replace(string(text)), ";\n") {
			if strings.TrimSpace(statement) != "" {
				m.statements = append(m.statements, statement)
			}
		}
		migrations = append(migrations, m)
	}
	return migrations, nil
}

// upTo leaves out the migrations after the one with this number; 0 leaves out none.
func upTo(schema int64, migrations []migration) ([]migration, error) {
	if schema == 0 {
		return migrations, nil
	}
	i := slices.IndexFunc(migrations, func(m migration) bool { return m.version == schema })
	if i < 0 {
		return nil, fmt.Errorf("%w: there is a schema %d, and this program knows up to %d", errNewerSchema, schema, migrations[len(migrations)-1].version)
	}
	return migrations[:i+1], nil
}

const (
	migrateTries = 20
	migrateLook  = 15 * time.Second // for one look at the version
)

// migrate brings the schema to the newest version, under a lock that all processes share. Only forward: on a database that is newer than this binary, the binary runs
// where the newer release said that it may, and is refused elsewhere. Where the version is the newest already, it costs one read.
func migrate(ctx context.Context, db *sql.DB, e *engine, o Options) error {
	if o.asIs {
		return nil
	}
	files := o.migrations
	if files == nil {
		files = migrationFiles
	}
	migrations, err := loadMigrations(files, e.types)
	if err != nil {
		return err
	}
	if migrations, err = upTo(o.Schema, migrations); err != nil {
		return err
	}
	newest := migrations[len(migrations)-1].version
	if version, ok := schemaVersion(ctx, db); ok && version >= newest {
		if o.Schema > 0 && version > o.Schema {
			return fmt.Errorf("the database has schema %d already, and what is to be written has schema %d: take a new, empty database", version, o.Schema)
		}
		return refuseNewer(ctx, db, e, version, newest)
	}
	lock, err := takeSchemaLock(ctx, db, e, newest)
	if errors.Is(err, errMigrated) {
		version, _ := schemaVersion(ctx, db)
		return refuseNewer(ctx, db, e, version, newest)
	}
	if err != nil {
		return err
	}
	defer lock.release()
	return migrateLocked(lock, o, migrations)
}

// migrateLocked migrates for the process that has the lock.
func migrateLocked(lock *schemaLock, o Options, migrations []migration) error {
	ctx, e, newest := lock.held, lock.engine, migrations[len(migrations)-1].version
	provider, err := newProvider(lock, migrations)
	if err != nil {
		return err
	}
	version, err := provider.GetDBVersion(ctx)
	if err != nil {
		return lock.explain(e.translate(err))
	}
	if version >= newest { // another process was faster
		return refuseNewer(ctx, lock.db, e, version, newest)
	}
	if version > 0 && o.BeforeMigrate != nil {
		if err := o.BeforeMigrate(ctx, version, newest); err != nil {
			return fmt.Errorf("before migrating the database from schema %d to %d: %w; nothing was changed", version, newest, err)
		}
	}
	for try := 1; ; try++ {
		_, err := provider.Up(ctx)
		if err == nil {
			return nil
		}
		if try == migrateTries || ctx.Err() != nil {
			return lock.explain(e.translate(fmt.Errorf("migrating the database: %w", err)))
		}
		if err := pause(ctx, 20*time.Millisecond+rand.N(80*time.Millisecond)); err != nil {
			return lock.explain(err)
		}
	}
}

func newProvider(lock *schemaLock, migrations []migration) (*goose.Provider, error) {
	var steps []*goose.Migration
	for _, m := range migrations {
		apply := func(ctx context.Context, tx *sql.Tx) error { return m.apply(ctx, tx, lock) }
		steps = append(steps, goose.NewGoMigration(m.version, &goose.GoFunc{RunTx: apply}, nil))
	}
	return goose.NewProvider(lock.engine.dialect, lock.db, nil, goose.WithGoMigrations(steps...), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
}

// apply runs the statements, and commits only if the lock is still held then: a process that was stopped for so long that another one took the lock changes nothing.
func (m migration) apply(ctx context.Context, tx *sql.Tx, lock *schemaLock) error {
	for _, statement := range append(lock.engine.beforeMigration, m.statements...) {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return lock.confirm(ctx, tx, m.runsFrom)
}

// schemaVersion gives the number of the last migration; false where there is none yet.
func schemaVersion(ctx context.Context, db *sql.DB) (int64, bool) {
	ctx, cancel := context.WithTimeout(ctx, migrateLook)
	defer cancel()
	var version sql.NullInt64
	err := db.QueryRowContext(ctx, `SELECT MAX(version_id) FROM goose_db_version`).Scan(&version)
	return version.Int64, err == nil && version.Valid
}

var errNewerSchema = errors.New("the database was written by a newer version of this program")

// refuseNewer refuses a schema that is newer than this program, unless the release that made it said that this one still runs on it.
func refuseNewer(ctx context.Context, db *sql.DB, e *engine, version, newest int64) error {
	if version <= newest {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, migrateLook)
	defer cancel()
	var runsFrom int64
	err := db.QueryRowContext(ctx, `SELECT runs_from FROM schema_state WHERE id = 1`).Scan(&runsFrom)
	if err == nil && newest >= runsFrom {
		return nil
	}
	if err != nil && errors.Is(e.translate(err), context.DeadlineExceeded) {
		return busy(err)
	}
	return fmt.Errorf("%w: its schema has number %d, this program knows up to %d, and the oldest that runs on it knows %d; install the newer release, or put the copy from before its migration back",
		errNewerSchema, version, newest, runsFrom)
}

// NewestSchema gives the number of the last migration that this program knows.
func NewestSchema() int64 {
	migrations, err := loadMigrations(migrationFiles, sqliteTypes)
	if err != nil { // the files are in the binary
		panic(err)
	}
	return migrations[len(migrations)-1].version
}
