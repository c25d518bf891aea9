package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"

	"github.com/doorward/doorward/internal/auth"
)

// batchLimit bounds the changes of one commit, and so how long the first waits for the last.
const batchLimit = 128

var (
	errClosed    = errors.New("the store is closed")
	errAbandoned = errors.New("the change did not return")
)

// writer commits on SQLite, which has one writer at a time and pays each durable commit with a sync of the disk. It takes all waiting changes, runs each in
// a savepoint of one transaction, commits once, and then answers all: throughput grows with load.
//
// The callbacks run in the goroutines of their callers, one after the other, so that a panic is the caller's own.
type writer struct {
	db   *sql.DB
	conn *sql.Conn // nil before the first batch, and after it broke
	run  runner    // on conn

	mu      sync.Mutex
	waiting []*pending
	closed  bool
	wake    chan struct{} // holds one token while there may be waiting changes
	stopped chan struct{}
}

// pending is one accepted change.
type pending struct {
	ctx  context.Context
	turn chan *querier // the writer lends its transaction
	ran  chan error    // the callback's result
	fate chan error    // what became of the change; never blocks the writer
}

func startWriter(db *sql.DB) *writer {
	w := &writer{db: db, wake: make(chan struct{}, 1), stopped: make(chan struct{})}
	go w.work()
	return w
}

// update runs f as one change and waits until it is durable. Once it has begun, ctx only ends the statements of f that have not begun yet.
func (w *writer) update(ctx context.Context, f func(*querier) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p := &pending{ctx: ctx, turn: make(chan *querier), ran: make(chan error), fate: make(chan error, 1)}
	if err := w.accept(p); err != nil {
		return err
	}
	select {
	case q := <-p.turn:
		return p.perform(q, f)
	case err := <-p.fate: // no transaction could begin
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: waiting for the writer: %w", auth.ErrStoreBusy, ctx.Err())
	}
}

// perform runs f. Where f panics or ends its goroutine, its savepoint is rolled back before that goes on.
func (p *pending) perform(q *querier, f func(*querier) error) error {
	returned := false
	defer func() {
		if !returned {
			p.ran <- errAbandoned
			<-p.fate
		}
	}()
	err := f(q)
	returned = true
	p.ran <- err
	return <-p.fate
}

func (w *writer) accept(p *pending) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return errClosed
	}
	w.waiting = append(w.waiting, p)
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return nil
}

// take gives the next batch, in the order of arrival.
func (w *writer) take() []*pending {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(w.waiting), batchLimit)
	batch := w.waiting[:n:n]
	w.waiting = w.waiting[n:]
	return batch
}

// close commits what was accepted, and then closes the connection.
func (w *writer) close() error {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.wake)
	}
	w.mu.Unlock()
	<-w.stopped
	return w.db.Close()
}

func (w *writer) work() {
	defer close(w.stopped)
	for range w.wake {
		for batch := w.take(); len(batch) > 0; batch = w.take() {
			w.commit(batch)
		}
	}
	w.drop()
}

// commit runs a batch in one transaction and answers every member.
func (w *writer) commit(batch []*pending) {
	if err := w.begin(); err != nil {
		answer(batch, err)
		return
	}
	var kept []*pending
	for i, p := range batch {
		ok, err := w.perform(p)
		if err != nil { // the transaction is lost: nothing of it was committed
			w.rollback()
			answer(append(kept, batch[i:]...), err)
			return
		}
		if ok {
			kept = append(kept, p)
		}
	}
	answer(kept, w.end())
}

func answer(batch []*pending, err error) {
	for _, p := range batch {
		p.fate <- err
	}
}

// perform lends the transaction to one change. It tells whether the change is to be committed; a change that failed by itself is rolled back and answered.
// An error means that the whole transaction is lost, and the change is not answered.
func (w *writer) perform(p *pending) (bool, error) {
	if err := w.exec(`SAVEPOINT change`); err != nil {
		return false, err
	}
	q := &querier{run: uncancelled{w.run}, engine: sqliteEngine, inTx: true}
	var failure error
	select {
	case p.turn <- q:
		failure = <-p.ran
	case <-p.ctx.Done(): // the caller has left
		return false, w.exec(`RELEASE change`)
	}
	if failure == nil {
		failure = q.answer
	}
	if failure == nil {
		return true, w.exec(`RELEASE change`)
	}
	if err := w.exec(`ROLLBACK TO change`); err != nil {
		return false, err
	}
	if err := w.exec(`RELEASE change`); err != nil {
		return false, err
	}
	p.fate <- failure
	return false, nil
}

// begin starts a transaction that holds the write lock, on a new connection where the last one broke.
func (w *writer) begin() error {
	if w.conn == nil {
		conn, err := w.db.Conn(context.Background())
		if err != nil {
			return busy(err)
		}
		w.conn, w.run = conn, &prepared{on: conn}
	}
	if err := w.exec(`BEGIN IMMEDIATE`); err != nil {
		w.rollback()
		return err
	}
	return nil
}

// end commits. An error says whether the changes may have happened.
func (w *writer) end() error {
	_, err := w.run.ExecContext(context.Background(), `COMMIT`)
	if err == nil {
		return nil
	}
	w.rollback()
	if sqliteCommitUnknown(err) {
		return fmt.Errorf("%w: %v", auth.ErrOutcomeUnknown, err)
	}
	return busy(err)
}

// rollback leaves the connection without a transaction, or drops it. SQLite ends some failed transactions by itself, and then refuses to roll back.
func (w *writer) rollback() {
	_, err := w.run.ExecContext(context.Background(), `ROLLBACK`)
	if err == nil {
		return
	}
	if _, err := w.run.ExecContext(context.Background(), `BEGIN`); err == nil {
		if _, err := w.run.ExecContext(context.Background(), `ROLLBACK`); err == nil {
			return
		}
	}
	w.drop()
}

func (w *writer) drop() {
	if w.conn != nil {
		_ = w.conn.Raw(func(any) error { return driver.ErrBadConn }) // never goes back to the pool
		_ = w.conn.Close()
		w.conn, w.run = nil, nil
	}
}

// exec runs a statement of the transaction itself. Whatever goes wrong, nothing was changed.
func (w *writer) exec(statement string) error {
	_, err := w.run.ExecContext(context.Background(), statement)
	if err != nil {
		return busy(err)
	}
	return nil
}

func busy(err error) error { return fmt.Errorf("%w: %v", auth.ErrStoreBusy, err) }
