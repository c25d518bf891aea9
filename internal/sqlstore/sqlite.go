package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite"

	"github.com/doorward/doorward/internal/fileowner"
)

const (
	sqliteBusyTimeout = 10 * time.Second // how long to wait for another process that writes
	sqliteReaders     = 6
	sqliteReadWait    = 5 * time.Second
	sqliteReadTime    = 15 * time.Second // as PostgreSQL's statements have
)

func openSQLite(ctx context.Context, path string, o Options) (*Store, error) {
	flags := os.O_RDWR | os.O_CREATE
	if o.Existing {
		flags = os.O_RDWR
	}
	if err := makePrivate(path, flags); err != nil {
		return nil, err
	}
	index := useWALIndex(path)
	s, err := openConnections(ctx, path, o, index)
	if err != nil {
		return nil, errors.Join(err, index.close())
	}
	return s, nil
}

func openConnections(ctx context.Context, path string, o Options, index *walIndex) (*Store, error) {
	writing, err := sql.Open("sqlite", sqliteDSN(path, writePragmas(o)))
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	writing.SetMaxOpenConns(1)
	if err := migrate(ctx, writing, sqliteEngine, o); err != nil {
		return nil, errors.Join(err, writing.Close())
	}
	reading, err := sql.Open("sqlite", sqliteDSN(path, readPragmas))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the database: %w", err), writing.Close())
	}
	conns := o.MaxConns
	if conns <= 0 {
		conns = sqliteReaders
	}
	reading.SetMaxOpenConns(conns)
	reading.SetMaxIdleConns(conns)
	reading.SetConnMaxIdleTime(time.Minute) // gives the caches of a burst back
	probing, err := sql.Open("sqlite", sqliteDSN(path, readPragmas))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the database: %w", err), reading.Close(), writing.Close())
	}
	probing.SetMaxOpenConns(1)
	q := &querier{run: &prepared{on: reading}, engine: sqliteEngine, turns: sqliteTurns(conns), cache: newRowCache(index)}
	probe := &querier{run: probing, engine: sqliteEngine, turns: sqliteTurns(1)}
	writer := startWriter(writing, path, index, o.asIs, o.log(), readers{reading, q.turns, conns}, readers{probing, probe.turns, 1})
	return &Store{reader: reader{q}, pool: reading, probe: probe, probing: probing, writer: writer, path: path, index: index}, nil
}

func sqliteTurns(n int) *turns {
	return &turns{free: make(chan struct{}, n), wait: sqliteReadWait, run: sqliteReadTime}
}

// createPrivate makes the file before SQLite does, so that nobody else can read it (P47). SQLite gives its log files the same mode and owner.
func createPrivate(path string) error { return makePrivate(path, os.O_RDWR|os.O_CREATE) }

// makePrivate opens or makes the file, as the flags say, and sees to who may read it.
func makePrivate(path string, flags int) error {
	fresh := flags
	if flags&os.O_CREATE != 0 {
		fresh |= os.O_EXCL
	}
	file, err := os.OpenFile(path, fresh, 0o600)
	switch {
	case err == nil && fresh != flags:
		err = fileowner.KeepNew(file, filepath.Dir(path))
	case errors.Is(err, fs.ErrExist):
		file, err = os.OpenFile(path, flags, 0o600) // what a link names may be missing
	}
	if file != nil {
		defer file.Close()
	}
	if err != nil {
		return fmt.Errorf("opening the database: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("opening the database: %w", err)
	}
	if info.IsDir() {
		return fmt.Errorf("opening the database: %s is a directory", path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		if err := file.Chmod(0o600); err != nil {
			return fmt.Errorf("making the database private: %w", err)
		}
	}
	return nil
}

func sqliteDSN(path string, values url.Values) string {
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	dsn := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: values.Encode()}
	return dsn.String()
}

// writePragmas: a commit is on the disk before it is answered (P49), and a transaction takes the write lock when it begins, so that it never has to give
// up half-way. On macOS only a full sync empties the drive's own cache; elsewhere the two settings change nothing. Checkpoints are the writer's.
func writePragmas(o Options) url.Values {
	synchronous := "FULL"
	if o.NoSync {
		synchronous = "OFF"
	}
	values := sqlitePragmas("journal_mode(WAL)", "synchronous("+synchronous+")", "fullfsync(ON)", "checkpoint_fullfsync(ON)", "wal_autocheckpoint(0)",
		"foreign_keys(ON)", "cache_size(-8000)", "journal_size_limit(67108864)")
	if o.Existing {
		values.Set("mode", "rw") // without "c": SQLite makes none either
	}
	return values
}

// readPragmas: the connection that is closed last copies the log, even one that only reads.
var readPragmas = sqlitePragmas("query_only(ON)", "cache_size(-2000)", "checkpoint_fullfsync(ON)")

func sqlitePragmas(pragmas ...string) url.Values {
	busy := fmt.Sprint(sqliteBusyTimeout.Milliseconds())
	return url.Values{"_busy_timeout": {busy}, "_txlock": {"immediate"}, "_dqs": {"0"}, "_pragma": append(pragmas, "mmap_size(0)")}
}
