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
}

var (
	sqliteEngine   = &engine{dialect: goose.DialectSQLite3, types: sqliteTypes, kind: sqliteKind, columns: sqliteColumns}
	postgresEngine = &engine{dialect: goose.DialectPostgres, types: postgresTypes, kind: postgresKind, columns: postgresColumns}
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

// sqliteCommitUnknown tells whether a commit that failed may have reached the disk: the log was written and only its sync failed.
func sqliteCommitUnknown(err error) bool {
	var e *sqlite.Error
	return !errors.As(err, &e) || e.Code() == sqlite3.SQLITE_IOERR_FSYNC || e.Code() == sqlite3.SQLITE_IOERR_DIR_FSYNC
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

// worthRetrying tells whether a serializable transaction that failed so may succeed when it runs again. A unique violation is one of them: the statements
// look before they write, so it means that another transaction wrote in between, and the next run sees it.
func worthRetrying(err error) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return false
	}
	return e.Code == pgSerializationFailure || e.Code == pgDeadlock || e.Code == pgUniqueViolation
}
