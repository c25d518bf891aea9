package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	postgresConns         = 16
	postgresIdleConns     = 4
	postgresStatementTime = "15000" // milliseconds
	postgresTxTime        = 30 * time.Second
	postgresTries         = 25
)

func openPostgres(ctx context.Context, o Options) (*Store, error) {
	config, err := pgx.ParseConfig(o.URL)
	if err != nil {
		return nil, errors.New("the PostgreSQL URL cannot be read") // without err: it may quote the password
	}
	setDefault(config.RuntimeParams, "application_name", "doorward")
	setDefault(config.RuntimeParams, "statement_timeout", postgresStatementTime)
	setDefault(config.RuntimeParams, "idle_in_transaction_session_timeout", postgresStatementTime)
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 5 * time.Second
	}
	pool := stdlib.OpenDB(*config)
	conns := o.MaxConns
	if conns <= 0 {
		conns = postgresConns
	}
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(min(conns, postgresIdleConns))
	pool.SetConnMaxLifetime(time.Hour)
	if err := preparePostgres(ctx, pool, o.Schema); err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	probing := stdlib.OpenDB(*config)
	probing.SetMaxOpenConns(1)
	probing.SetConnMaxLifetime(time.Hour)
	probe := &querier{run: probing, engine: postgresEngine}
	return &Store{reader: reader{&querier{run: pool, engine: postgresEngine}}, pool: pool, probe: probe, probing: probing}, nil
}

func setDefault(params map[string]string, name, value string) {
	if _, ok := params[name]; !ok {
		params[name] = value
	}
}

func preparePostgres(ctx context.Context, pool *sql.DB, schema int64) error {
	var encoding string
	if err := pool.QueryRowContext(ctx, `SHOW server_encoding`).Scan(&encoding); err != nil {
		return postgresEngine.translate(err)
	}
	if encoding != "UTF8" {
		return fmt.Errorf("the database has the encoding %s; it must have UTF8", encoding)
	}
	return migrate(ctx, pool, postgresEngine, schema)
}

// updatePostgres runs f in a serializable transaction, again where it lost a race against another one.
func updatePostgres(ctx context.Context, pool *sql.DB, f func(*querier) error) error {
	for try := 1; ; try++ {
		again, err := tryPostgres(ctx, pool, f)
		if !again || try == postgresTries {
			return err
		}
		// The wait grows with the tries and is random, so that rivals do not meet again.
		if err := pause(ctx, rand.N(time.Duration(min(try, 10))*10*time.Millisecond)); err != nil {
			return err
		}
	}
}

// tryPostgres runs f once and tells whether another try can help.
func tryPostgres(ctx context.Context, pool *sql.DB, f func(*querier) error) (again bool, err error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return false, postgresEngine.translate(err)
	}
	defer conn.Close()
	// The caller's ctx ends statements, but not the commit: that would leave its outcome unknown without need.
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), postgresTxTime)
	defer cancel()
	transaction, err := conn.BeginTx(bounded, &sql.TxOptions{Isolation: sql.LevelSerializable})
	if err != nil {
		return false, postgresEngine.translate(err)
	}
	defer transaction.Rollback() // of no effect after the commit
	q := &querier{run: transaction, engine: postgresEngine, inTx: true}
	err = f(q)
	if err == nil {
		err = postgresEngine.translate(q.failed) // f let it pass, but the transaction is over
	}
	if err != nil {
		return worthRetrying(q.failed), err
	}
	err = transaction.Commit()
	return worthRetrying(err), commitError(err)
}

// commitError tells a commit that the server refused from one whose answer was lost (P50). An error that ends the connection may come after the commit.
func commitError(err error) error {
	var answer *pgconn.PgError
	refused := errors.As(err, &answer) && answer.SeverityUnlocalized == "ERROR"
	switch {
	case err == nil:
		return nil
	case refused, errors.Is(err, pgx.ErrTxCommitRollback), errors.Is(err, sql.ErrTxDone):
		return fmt.Errorf("%w: %v", auth.ErrStoreBusy, err)
	}
	return fmt.Errorf("%w: %v", auth.ErrOutcomeUnknown, err)
}
