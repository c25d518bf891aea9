package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
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
	statements []string
}

// loadMigrations reads the files in the order of their numbers, NNNNN_name.sql. A statement ends with a semicolon at the end of a line.
func loadMigrations(types *strings.Replacer) ([]migration, error) {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	migrations := make([]migration, 0, len(names))
	for _, name := range names {
		text, err := migrationFiles.ReadFile(name)
		if err != nil {
			return nil, err
		}
		number, _, _ := strings.Cut(strings.TrimPrefix(name, "migrations/"), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("migration %s has no number: %w", name, err)
		}
		m := migration{version: version}
		for statement := range strings.SplitSeq(types.Replace(string(text)), ";\n") {
			if strings.TrimSpace(statement) != "" {
				m.statements = append(m.statements, statement)
			}
		}
		migrations = append(migrations, m)
	}
	return migrations, nil
}

// migrationsTo gives the migrations up to the one with this number; 0 gives all.
func migrationsTo(schema int64, types *strings.Replacer) ([]migration, error) {
	migrations, err := loadMigrations(types)
	if err != nil || schema == 0 {
		return migrations, err
	}
	i := slices.IndexFunc(migrations, func(m migration) bool { return m.version == schema })
	if i < 0 {
		return nil, fmt.Errorf("%w: there is a schema %d, and this program knows up to %d", errNewerSchema, schema, migrations[len(migrations)-1].version)
	}
	return migrations[:i+1], nil
}

func (m migration) apply(ctx context.Context, tx *sql.Tx) error {
	for _, statement := range m.statements {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// migrate brings the schema to the newest version. Only forward: a database that is newer than this binary is refused.
// Where the version is the newest already, it costs one read.
func migrate(ctx context.Context, db *sql.DB, e *engine, schema int64) error {
	migrations, err := migrationsTo(schema, e.types)
	if err != nil {
		return err
	}
	newest := migrations[len(migrations)-1].version
	if version, ok := schemaVersion(ctx, db); ok && version >= newest {
		if schema > 0 && version > schema {
			return fmt.Errorf("the database has schema %d already, and what is to be written has schema %d: take a new, empty database", version, schema)
		}
		return refuseNewer(version, newest)
	}
	provider, err := newProvider(db, e, migrations)
	if err != nil {
		return err
	}
	if err := migrateBeside(ctx, db, provider, newest); err != nil {
		return e.translate(err)
	}
	return nil
}

// migrateBeside migrates while other processes may do the same. On PostgreSQL goose holds a lock meanwhile. On SQLite each migration is one immediate
// transaction with its version row: the process that comes second fails without a change, and finds the version at its next look.
func migrateBeside(ctx context.Context, db *sql.DB, provider *goose.Provider, newest int64) error {
	const tries = 20
	for try := 1; ; try++ {
		_, err := provider.Up(ctx)
		if err == nil {
			return nil
		}
		if version, ok := schemaVersion(ctx, db); ok && version >= newest {
			return refuseNewer(version, newest)
		}
		if try == tries {
			return fmt.Errorf("migrating the database: %w", err)
		}
		if err := pause(ctx, 20*time.Millisecond+rand.N(80*time.Millisecond)); err != nil {
			return err
		}
	}
}

func newProvider(db *sql.DB, e *engine, migrations []migration) (*goose.Provider, error) {
	var steps []*goose.Migration
	for _, m := range migrations {
		steps = append(steps, goose.NewGoMigration(m.version, &goose.GoFunc{RunTx: m.apply}, nil))
	}
	options := []goose.ProviderOption{goose.WithGoMigrations(steps...), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger())}
	if e.dialect == goose.DialectPostgres {
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300), lock.WithUnlockTimeout(1, 30))
		if err != nil {
			return nil, err
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	return goose.NewProvider(e.dialect, db, nil, options...)
}

// schemaVersion gives the number of the last migration; false where there is none yet.
func schemaVersion(ctx context.Context, db *sql.DB) (int64, bool) {
	var version sql.NullInt64
	err := db.QueryRowContext(ctx, `SELECT MAX(version_id) FROM goose_db_version`).Scan(&version)
	return version.Int64, err == nil && version.Valid
}

var errNewerSchema = errors.New("the database was written by a newer version of this program")

func refuseNewer(version, newest int64) error {
	if version > newest {
		return fmt.Errorf("%w: its schema has number %d, this program knows up to %d", errNewerSchema, version, newest)
	}
	return nil
}

// NewestSchema gives the number of the last migration that this program knows.
func NewestSchema() int64 {
	migrations, err := loadMigrations(sqliteTypes)
	if err != nil { // the files are in the binary
		panic(err)
	}
	return migrations[len(migrations)-1].version
}
