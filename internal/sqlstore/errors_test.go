package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/doorward/doorward/internal/auth"
	"github.com/jackc/pgx/v5/pgconn"
)

func TestPostgresErrors(t *testing.T) {
	server := func(code string) error {
		return fmt.Errorf("query: %w", &pgconn.PgError{Code: code, SeverityUnlocalized: "ERROR"})
	}
	tests := []struct {
		err  error
		want error // nil for a failure of the store
	}{
		{server("23505"), auth.ErrConflict},
		{server("23503"), auth.ErrNotFound},
		{server("40001"), auth.ErrStoreBusy},
		{server("40P01"), auth.ErrStoreBusy},
		{server("53100"), auth.ErrStoreBusy},
		{server("53300"), auth.ErrStoreBusy},
		{server("57014"), auth.ErrStoreBusy},
		{server("57P01"), auth.ErrStoreBusy},
		{server("08006"), auth.ErrStoreBusy},
		{server("42601"), nil},
		{server("22021"), nil},
		{io.ErrUnexpectedEOF, auth.ErrStoreBusy},
		{&net.OpError{Op: "read", Err: errors.New("reset")}, auth.ErrStoreBusy},
		{context.Canceled, context.Canceled},
		{errors.New("other"), nil},
	}
	for _, test := range tests {
		got := postgresEngine.translate(test.err)
		for _, kind := range []error{auth.ErrConflict, auth.ErrNotFound, auth.ErrStoreBusy, auth.ErrOutcomeUnknown, context.Canceled} {
			if errors.Is(got, kind) != (kind == test.want) {
				t.Errorf("%v becomes %v, want %v", test.err, got, test.want)
			}
		}
	}
}

func TestCommitErrors(t *testing.T) {
	tests := []struct {
		err, want error
	}{
		{&pgconn.PgError{Code: "40001", SeverityUnlocalized: "ERROR"}, auth.ErrStoreBusy},
		{&pgconn.PgError{Code: "57P01", SeverityUnlocalized: "FATAL"}, auth.ErrOutcomeUnknown},
		{io.ErrUnexpectedEOF, auth.ErrOutcomeUnknown},
		{context.DeadlineExceeded, auth.ErrOutcomeUnknown},
		{sql.ErrConnDone, auth.ErrStoreBusy},
		{fmt.Errorf("%w: COMMIT answered by ROLLBACK", errAnswered), auth.ErrStoreBusy},
		{fmt.Errorf("%w: canceling wait for synchronous replication", errWarned), auth.ErrOutcomeUnknown},
		{&pgconn.PgError{Code: "40003", SeverityUnlocalized: "ERROR"}, auth.ErrOutcomeUnknown},
	}
	for _, test := range tests {
		if got := commitError(test.err); !errors.Is(got, test.want) {
			t.Errorf("%v becomes %v, want %v", test.err, got, test.want)
		}
	}
	if err := commitError(nil); err != nil {
		t.Errorf("success becomes %v", err)
	}
}
