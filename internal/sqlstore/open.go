package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// Options say which database, and how to use it.
type Options struct {
	// URL is sqlite:/path/to/file.db, a bare path, or postgres://user:password@host:port/database. A SQLite file is created where there is none;
	// its directory must exist.
	URL string
	// MaxConns bounds the connections: of PostgreSQL all, of SQLite those that read; each without the one of Ping. 0 takes a default.
	MaxConns int
	// NoSync leaves it to the operating system when SQLite's writes reach the disk. A power cut then loses commits: for tests only.
	NoSync bool
	// Existing refuses a SQLite file that is not there, with fs.ErrNotExist, in place of making it.
	Existing bool
	// Filling opens a database also while it is filled and not whole; see [MarkFilling].
	Filling bool
	// Schema is the number of the migration to stop at, for rows that a database of that schema held; 0 is the newest. A store of an older schema can only be copied into.
	Schema int64
	// BeforeMigrate is called before the schema of a database that is in use goes from one number to a higher one; while it runs no other process migrates. Its error stops
	// the migration with nothing changed. nil does nothing.
	BeforeMigrate func(ctx context.Context, from, to int64) error

	asIs       bool  // leaves the schema as it is; see LookAt
	migrations fs.FS // of tests, in place of the program's own
	// Log takes what no caller is told: the beginning and the end of an outage. nil logs nothing.
	Log *slog.Logger
}

func (o Options) log() *slog.Logger {
	if o.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Log
}

// Store is an [auth.Store]. Make one with [Open].
type Store struct {
	reader
	pool    *sql.DB
	probing *sql.DB  // one connection of Ping's own, which waits behind no other reader
	probe   *querier // on probing
	writer  *writer  // of SQLite; nil on PostgreSQL
	path    string   // of SQLite's file
	index   *walIndex

	postgres *postgres // nil on SQLite
}

var _ auth.Store = (*Store)(nil)

// Open connects to the database and brings its schema to the newest version. Two processes may open one database at once. The caller closes the store.
// It fails with [auth.ErrStoreBusy] where the database cannot be reached now, and with [ErrFilling] where it is not whole.
func Open(ctx context.Context, o Options) (*Store, error) {
	s, err := open(ctx, o)
	if err != nil || o.Filling {
		return s, err
	}
	if err := s.refuseFilling(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func open(ctx context.Context, o Options) (*Store, error) {
	if isPostgresURL(o.URL) {
		return openPostgres(ctx, o)
	}
	path := strings.TrimPrefix(o.URL, "sqlite:")
	if path == "" || strings.Contains(path, "://") || strings.HasPrefix(path, ":memory:") {
		return nil, errors.New("a database URL is sqlite:/path/to/file.db or postgres://…")
	}
	return openSQLite(ctx, path, o)
}

// Update runs f in one serializable transaction; see [auth.Store].
func (s *Store) Update(ctx context.Context, f func(auth.Tx) error) error {
	return s.changeOpen(ctx, func(q *querier) error { return f(&tx{reader{q}}) })
}

// changeOpen changes a database that is open for changes: no copy of it took its place, and it is whole; see [Mark].
func (s *Store) changeOpen(ctx context.Context, run func(*querier) error) error {
	return s.rawUpdate(ctx, func(q *querier) error {
		if err := checkOpen(ctx, q); err != nil {
			return err
		}
		return run(q)
	})
}

func (s *Store) rawUpdate(ctx context.Context, run func(*querier) error) error {
	if s.writer != nil {
		return s.writer.update(ctx, run)
	}
	return s.postgres.update(ctx, beginSerializable, run)
}

// Count runs f in one transaction; see [auth.Store].
func (s *Store) Count(ctx context.Context, f func(auth.Limits) error) error {
	run := func(q *querier) error {
		if err := checkOpen(ctx, q); err != nil {
			return err
		}
		return f(&tx{reader{q}})
	}
	if s.writer != nil {
		return s.writer.update(ctx, run)
	}
	return s.postgres.update(ctx, beginCommitted, run)
}

// Ping checks that the store answers.
func (s *Store) Ping(ctx context.Context) error {
	_, err := get(ctx, s.probe, value[int64], `SELECT 1`)
	return err
}

// Close finishes the changes that were accepted, and closes all connections. It fails where the disk does not take the changes in time; they may be stored or not.
func (s *Store) Close() error {
	var err error
	if s.writer != nil {
		if err = s.writer.close(); errors.Is(err, errHangs) {
			return err
		}
	}
	if s.postgres != nil {
		s.postgres.fence.close()
	}
	err = errors.Join(err, s.probing.Close(), s.pool.Close())
	if s.index != nil && s.pool.Stats().OpenConnections == 0 { // one that is at work goes on after this, and needs its locks
		err = errors.Join(err, s.index.close())
	}
	return err
}

// reader is the half of the store that reads; tx adds the other.
type reader struct{ q *querier }

type tx struct{ reader }

var _ auth.Tx = (*tx)(nil)

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", auth.ErrStoreBusy, ctx.Err())
	}
}
