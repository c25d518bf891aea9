package sqlstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/doorward/doorward/internal/auth"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// engine is what differs between the databases.
type engine struct {
	dialect goose.Dialect
	types   *strings.Replacer
	// kind gives the error of package auth that a driver's error comes to; nil for none.
	kind func(error) error
	// columns is the statement that tells of all columns of all tables.
	columns string
	// beforeMigration is run in each migration's transaction. A migration may take as long as it needs, but does not wait for a lock on a table for long, since
	// everybody else waits behind it.
	beforeMigration []string
}

var (
	sqliteEngine   = &engine{dialect: goose.DialectSQLite3, types: sqliteTypes, kind: sqliteKind, columns: sqliteColumns}
	postgresEngine = &engine{dialect: goose.DialectPostgres, types: postgresTypes, kind: postgresKind, columns: postgresColumns,
		beforeMigration: []string{`SET LOCAL statement_timeout = 0`, `SET LOCAL lock_timeout = 5000`}}
)

// translate puts a driver's error into the words of [auth.Store]. Of the driver's own error only the text stays: it names tables and columns, no values.
func (e *engine) translate(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if kind := e.kind(err); kind != nil {
		return fmt.Errorf("%w: %v", kind, err)
	}
	return fmt.Errorf("database: %w", err)
}

// sqliteKind reads result codes; see https://www.sqlite.org/rescode.html.
func sqliteKind(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return nil
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
		return auth.ErrConflict
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY: // what the row belongs to is not there
		return auth.ErrNotFound
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_CANTOPEN,
		sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PROTOCOL:
		return auth.ErrStoreBusy
	}
	return nil
}

// sqliteCommitUnknown tells whether a commit that failed may have reached the disk. It has not where SQLite did not begin to write the log, or could not
// write it whole. After any other error the whole log may be there, and a restart would find the commit in it: the sync failed, or the index of the log,
// which comes last.
func sqliteCommitUnknown(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return true
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_INTERRUPT:
		return false
	}
	return true
}

// SQLSTATE codes; see appendix A of the PostgreSQL manual.
const (
	pgUniqueViolation      = "23505"
	pgForeignKeyViolation  = "23503"
	pgSerializationFailure = "40001"
	pgDeadlock             = "40P01"
	pgLockNotAvailable     = "55P03"
	pgQueryCanceled        = "57014" // the statement timeout
	pgReadOnly             = "25006"
	pgAdminShutdown        = "57P01"
	pgCrashShutdown        = "57P02"
	pgCompletionUnknown    = "40003" // of a distributed engine that does not know whether it committed
	pgResolutionUnknown    = "08007"
)

func postgresKind(err error) error {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		if lostConnection(err) {
			return auth.ErrStoreBusy
		}
		return nil
	}
	switch e.Code {
	case pgUniqueViolation:
		return auth.ErrConflict
	case pgForeignKeyViolation:
		return auth.ErrNotFound
	case pgSerializationFailure, pgDeadlock, pgLockNotAvailable, pgQueryCanceled, pgReadOnly:
		return auth.ErrStoreBusy
	}
	switch e.Code[:min(2, len(e.Code))] {
	case "08", "53", "57", "58": // connection, resources, operator intervention, system error
		return auth.ErrStoreBusy
	}
	return nil
}

// lostConnection tells an error of the way to the server from one of the server or of this program.
func lostConnection(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// lostRace tells whether a serializable transaction that failed so may succeed when it runs again. A unique violation is one of them: the statements
// look before they write, so it means that another transaction wrote in between, and the next run sees it.
func lostRace(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == pgSerializationFailure || e.Code == pgDeadlock || e.Code == pgUniqueViolation)
}

func isUniqueViolation(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == pgUniqueViolation
}

// lostServer tells whether what was not committed may succeed on another connection: this one broke, or its server stops, or takes no writes any more. A server
// that could not be connected to is not tried again; nor is one that did not answer in time.
func lostServer(err error) bool {
	var connect *pgconn.ConnectError
	if err == nil || errors.As(err, &connect) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return false
	}
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code == pgReadOnly || e.Code == pgAdminShutdown || e.Code == pgCrashShutdown
	}
	return lostConnection(err)
}
