package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	postgresConns      = 16
	postgresWait       = 5 * time.Second  // for one of the connections
	postgresShortTime  = 5 * time.Second  // of what every living server does at once: BEGIN, ROLLBACK
	postgresTxTime     = 30 * time.Second // of all statements of one try
	postgresTriesTime  = 10 * time.Second // after it no further try begins
	postgresLostTries  = 3                // of a change whose connection broke
	postgresTakenTries = 5                // of a change whose unique values are taken: the next try sees who took them, and where it runs into them all the same they stay taken
	postgresGrace      = 2 * time.Second  // a statement's deadline here comes so long after the server's own, which leaves the connection whole
)

// postgres runs changes on a PostgreSQL.
type postgres struct {
	pool      *sql.DB
	fence     *fence
	turns     *turns        // of connections
	retries   chan struct{} // holds one token while a change that lost a race runs again
	statement time.Duration // for one statement, and for the commit
}

// openPostgres bounds everything (P51): the connections, the wait for one, each statement, each transaction. A server that does not answer costs its callers a
// few seconds, never a goroutine.
func openPostgres(ctx context.Context, o Options) (*Store, error) {
	target, err := parsePostgres(o.URL)
	if err != nil {
		return nil, err
	}
	conns := o.MaxConns
	if conns <= 0 {
		conns = postgresConns
	}
	fence := startFence(ctx, target.hosts)
	connect := target.connector(fence.option())
	pool := openPool(connect, conns)
	if err := preparePostgres(ctx, pool, o); err != nil {
		fence.close()
		return nil, errors.Join(err, pool.Close())
	}
	free := make(chan struct{}, conns)
	p := &postgres{pool: pool, fence: fence, retries: make(chan struct{}, 1), statement: target.statementTime + postgresGrace}
	p.turns = &turns{free: free, wait: postgresWait, run: postgresTxTime}
	read := &querier{run: resilient{pool}, engine: postgresEngine, turns: &turns{free: free, wait: postgresWait, run: p.statement}}
	probing := openPool(connect, 1)
	probe := &querier{run: probing, engine: postgresEngine, turns: &turns{run: p.statement}}
	return &Store{reader: reader{read}, pool: pool, probe: probe, probing: probing, postgres: p}, nil
}

func openPool(connect driver.Connector, conns int) *sql.DB {
	pool := sql.OpenDB(connect)
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(conns)
	pool.SetConnMaxIdleTime(time.Minute) // gives those of a burst back
	pool.SetConnMaxLifetime(time.Hour)
	return pool
}

func preparePostgres(ctx context.Context, pool *sql.DB, o Options) error {
	asking, cancel := context.WithTimeout(ctx, postgresTxTime)
	defer cancel()
	var encoding string
	if err := pool.QueryRowContext(asking, `SHOW server_encoding`).Scan(&encoding); err != nil {
		if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
			return busy(err)
		}
		return postgresEngine.translate(err)
	}
	if encoding != "UTF8" {
		return fmt.Errorf("the database has the encoding %s; it must have UTF8", encoding)
	}
	return migrate(ctx, pool, postgresEngine, o)
}

// How transactions begin. Where statements stand for themselves, as those that count, they rather wait for one another than fail.
const (
	beginSerializable = `BEGIN ISOLATION LEVEL SERIALIZABLE`
	beginCommitted    = `BEGIN ISOLATION LEVEL READ COMMITTED`
)

// update runs f in a transaction: again where it lost a race against another one, and where its connection broke before the commit.
func (p *postgres) update(ctx context.Context, begin string, f func(*querier) error) error {
	tries, cancel := context.WithTimeout(ctx, postgresTriesTime)
	defer cancel()
	lost, taken, queued := 0, 0, false
	for try := 1; ; try++ {
		failed, err := p.try(ctx, begin, f)
		if isUniqueViolation(failed) {
			taken++
		}
		switch {
		case taken == postgresTakenTries:
			return err
		case lostRace(failed) && !queued:
			leave, err := p.queue(tries)
			if err != nil {
				return err
			}
			defer leave()
			queued = true
		case lostRace(failed):
		case lostServer(failed) && lost+1 < postgresLostTries:
			lost++
			dropIdle(p.pool)
		default:
			return err
		}
		if pause(tries, rand.N(time.Duration(min(try, 10))*2*time.Millisecond)) != nil {
			return err
		}
	}
}

// queue lets the changes of this process that lost a race run again one after the other: those that meet on one row would only make each other lose once more.
func (p *postgres) queue(ctx context.Context) (leave func(), err error) {
	select {
	case p.retries <- struct{}{}:
		return func() { <-p.retries }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: too many changes of the same rows: %w", auth.ErrStoreBusy, ctx.Err())
	}
}

// dropIdle closes the connections that nobody uses: where one of them belongs to a server that is gone or takes no writes any more, the others do too.
func dropIdle(pool *sql.DB) {
	conns := pool.Stats().MaxOpenConnections
	pool.SetMaxIdleConns(-1)
	pool.SetMaxIdleConns(conns)
}

// try runs f once. failed is the driver's error that says whether another try can help; nil where none can.
func (p *postgres) try(ctx context.Context, begin string, f func(*querier) error) (failed, err error) {
	within, done, err := p.turns.take(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	conn, err := p.pool.Conn(within)
	if err != nil {
		return nil, p.turns.explain(within, postgresEngine.translate(err))
	}
	defer conn.Close()
	if err := exchange(ctx, conn, postgresShortTime, begin, "BEGIN"); err != nil {
		return err, inFlight(ctx, err)
	}
	ended := false
	defer func() {
		if !ended { // f failed or panicked; the turn may be over
			_ = exchange(context.WithoutCancel(ctx), conn, postgresShortTime, `ROLLBACK`, "ROLLBACK")
		}
	}()
	q := &querier{run: conn, engine: postgresEngine, inTx: true, turns: &turns{run: p.statement, within: within}}
	err = f(q)
	if err == nil {
		err = q.answer // f let it pass, but the transaction is over
	}
	if err != nil {
		return q.failed, err
	}
	ended = true
	return p.commit(ctx, conn)
}

// commit waits for the server's word, even where the caller has left: to go would leave the outcome unknown without need.
func (p *postgres) commit(ctx context.Context, conn *sql.Conn) (failed, err error) {
	err = exchange(context.WithoutCancel(ctx), conn, p.statement, `COMMIT`, "COMMIT")
	if err == nil {
		return nil, nil
	}
	told := commitError(err)
	if errors.Is(told, auth.ErrOutcomeUnknown) {
		return nil, told
	}
	return err, told
}

// errWarned is a commit that succeeded with a warning: PostgreSQL says so where it gave up waiting for a synchronous standby (P48).
var errWarned = errors.New("the server warned")

// errAnswered is an answer to BEGIN, COMMIT or ROLLBACK that says that something else was done, as the ROLLBACK of a transaction that had failed.
var errAnswered = errors.New("the server did something else")

// exchange runs one command and checks what the server says it did, and that it gave no warning. Whatever goes wrong with the connection, it is not used again.
func exchange(ctx context.Context, conn *sql.Conn, limit time.Duration, command, want string) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var failure error
	err := conn.Raw(func(c any) error {
		pg := c.(*stdlib.Conn).Conn()
		if pg.IsClosed() {
			return driver.ErrBadConn // never sent
		}
		takeWarning(pg.PgConn())
		tag, err := pg.Exec(ctx, command)
		warning := takeWarning(pg.PgConn())
		switch {
		case err != nil:
			failure = err
		case tag.String() != want:
			failure = fmt.Errorf("%w: %s answered by %s", errAnswered, command, tag)
		case warning != "":
			failure = fmt.Errorf("%w: %s", errWarned, warning)
		}
		if failure != nil && (pg.IsClosed() || pg.PgConn().TxStatus() != 'I') {
			_ = pg.Close(ctx)
			return driver.ErrBadConn // database/sql drops it
		}
		return nil
	})
	if failure != nil {
		return failure
	}
	return err
}

// inFlight tells what became of a BEGIN that failed: nothing was changed, so all but the caller's own leaving is busy.
func inFlight(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return busy(err)
}

// commitError tells a commit that the server refused from one whose answer was lost (P50). An error that ends the connection may come after the commit.
// The driver's own word that an error is safe to retry does not count: it says so of a simple query that was sent, too, where the connection breaks before the answer.
func commitError(err error) error {
	var answer *pgconn.PgError
	refused := errors.As(err, &answer) && cmp.Or(answer.SeverityUnlocalized, answer.Severity) == "ERROR" && answer.Code != pgCompletionUnknown && answer.Code != pgResolutionUnknown
	switch {
	case err == nil:
		return nil
	case refused, errors.Is(err, errAnswered), errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone): // the last two: never sent
		return fmt.Errorf("%w: %v", auth.ErrStoreBusy, err)
	}
	return fmt.Errorf("%w: %v", auth.ErrOutcomeUnknown, err)
}

// resilient reads again, on another connection, where the first one turns out to be broken: nothing was changed.
type resilient struct{ *sql.DB }

func (r resilient) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	for try := 1; ; try++ {
		rows, err := r.DB.QueryContext(ctx, query, args...)
		if !lostServer(err) || try == postgresLostTries || ctx.Err() != nil {
			return rows, err
		}
		dropIdle(r.DB)
	}
}
