package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// batchLimit bounds the changes of one commit, and so how long the first waits for the last.
const batchLimit = 128

// waitingLimit bounds the changes that wait for the writer. A disk that works commits as many in a second or two.
const waitingLimit = 10_000

// How long a change waits. A disk that works needs milliseconds.
const (
	writerTurnWait   = 10 * time.Second
	writerBatchWait  = 20 * time.Second
	writerCommitWait = 15 * time.Second
	writerCloseWait  = 20 * time.Second // as long as a rebuild takes at most
)

var (
	errClosed    = errors.New("the store is closed")
	errHangs     = errors.New("the disk does not answer, and the last changes are still being written")
	errAbandoned = errors.New("the change did not return")
	errNoTurn    = errors.New("no turn in time")
)

// writer commits on SQLite, which has one writer at a time and pays each durable commit with a sync of the disk. It takes all waiting changes, runs each in
// a savepoint of one transaction, commits once, and then answers all: throughput grows with load.
//
// The callbacks run in the goroutines of their callers, one after the other, so that a panic is the caller's own.
type writer struct {
	db   *sql.DB
	conn *sql.Conn // nil before the first batch, and after it broke
	run  *prepared // on conn

	turnWait   time.Duration // for the writer
	batchWait  time.Duration // for the other changes of the commit, from the end of the change's own callback
	commitWait time.Duration // for the commit itself
	closeWait  time.Duration

	path        string
	index       *walIndex
	lookOnly    bool      // nothing is expected to change
	readers     []readers // the other connections to the file
	checkpoints checkpoints
	failures    int // of commits, since the outage began
	good        int // commits in a row
	log         *slog.Logger

	mu      sync.Mutex
	waiting []*pending
	closed  bool
	wake    chan struct{} // holds one token while there may be waiting changes
	stopped chan struct{}
}

// pending is one accepted change.
type pending struct {
	ctx        context.Context // ends the wait for a turn
	batchWait  time.Duration
	commitWait time.Duration
	turn       chan *querier // the writer lends its transaction
	ran        chan error    // the callback's result
	committing chan struct{} // closed when the commit begins
	fate       chan error    // what became of the change; never blocks the writer
}

func (w *writer) newPending(ctx context.Context) *pending {
	return &pending{ctx: ctx, batchWait: w.batchWait, commitWait: w.commitWait, turn: make(chan *querier), ran: make(chan error),
		committing: make(chan struct{}), fate: make(chan error, 1)}
}

func startWriter(db *sql.DB, path string, index *walIndex, lookOnly bool, log *slog.Logger, others ...readers) *writer {
	w := &writer{db: db, turnWait: writerTurnWait, batchWait: writerBatchWait, commitWait: writerCommitWait, closeWait: writerCloseWait,
		path: path, index: index, lookOnly: lookOnly, readers: others, log: log, checkpoints: checkpoints{limit: logLimit},
		wake: make(chan struct{}, 1), stopped: make(chan struct{})}
	go w.work()
	return w
}

// update runs f as one change and waits until it is durable. Once it has begun, ctx only ends the statements of f that have not begun yet: one that hangs in the disk
// holds the change for as long as that does.
func (w *writer) update(ctx context.Context, f func(*querier) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	waiting, cancel := context.WithTimeoutCause(ctx, w.turnWait, errNoTurn)
	defer cancel()
	p := w.newPending(waiting)
	if err := w.accept(p); err != nil {
		return err
	}
	select {
	case q := <-p.turn:
		return p.perform(q, f)
	case err := <-p.fate: // no transaction could begin
		return err
	case <-waiting.Done():
		w.leave(p)
		return fmt.Errorf("%w: waiting for the writer: %w", auth.ErrStoreBusy, context.Cause(waiting))
	}
}

// await waits for what became of a change that ran, but no longer than a disk that works takes: one that hangs must not hold everybody (P51). A large change that
// goes into the same commit is no reason to give up on that.
func (p *pending) await() error {
	timer := time.NewTimer(p.batchWait)
	defer timer.Stop()
	select {
	case err := <-p.fate:
		return err
	case <-p.committing:
		timer.Reset(p.commitWait)
	case <-timer.C:
		return fmt.Errorf("%w: another change of the same commit takes too long", auth.ErrOutcomeUnknown)
	}
	select {
	case err := <-p.fate:
		return err
	case <-timer.C:
		return fmt.Errorf("%w: the commit takes too long", auth.ErrOutcomeUnknown)
	}
}

// perform runs f. Where f panics or ends its goroutine, its savepoint is rolled back before that goes on.
func (p *pending) perform(q *querier, f func(*querier) error) error {
	returned := false
	defer func() {
		if !returned {
			p.ran <- errAbandoned
			_ = p.await()
		}
	}()
	err := f(q)
	returned = true
	p.ran <- err
	return p.await()
}

func (w *writer) accept(p *pending) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return errClosed
	}
	if len(w.waiting) >= waitingLimit {
		return fmt.Errorf("%w: too many changes wait for the writer", auth.ErrStoreBusy)
	}
	w.waiting = append(w.waiting, p)
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return nil
}

// leave takes a change back that got no turn: a writer that hangs removes none, and they would add up (P54).
func (w *writer) leave(p *pending) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if i := slices.Index(w.waiting, p); i >= 0 {
		w.waiting = slices.Delete(w.waiting, i, i+1)
	}
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

// close commits what was accepted, and then closes the connection. Where the disk hangs it gives errHangs after a while, and closes nothing: that would hang, too.
func (w *writer) close() error {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.wake)
	}
	w.mu.Unlock()
	timer := time.NewTimer(w.closeWait)
	defer timer.Stop()
	select {
	case <-w.stopped:
		return w.db.Close()
	case <-timer.C:
		return errHangs
	}
}

func (w *writer) work() {
	defer close(w.stopped)
	w.followEarly()
	for range w.wake {
		for batch := w.take(); len(batch) > 0; batch = w.take() {
			w.commit(batch)
			w.tidy()
		}
	}
	if w.checkpoints.suspect { // the last connection would checkpoint when it closes
		if err := w.closeAll(); err != nil {
			w.log.Error("the database is not closed; the next start reads its log", slog.Any("error", err))
			return
		}
	}
	w.drop()
}

// commit runs a batch in one transaction and answers every member.
func (w *writer) commit(batch []*pending) {
	if err := w.begin(); err != nil {
		w.note(err)
		answer(batch, err)
		return
	}
	var kept []*pending
	for i, p := range batch {
		ok, err := w.perform(p)
		if err != nil { // the transaction is lost: nothing of it was committed
			w.rollback()
			w.note(err)
			answer(append(kept, batch[i:]...), err)
			return
		}
		if ok {
			kept = append(kept, p)
		}
	}
	for _, p := range kept {
		close(p.committing)
	}
	err := w.end()
	w.note(err)
	answer(kept, err)
}

// steadyAfter is how many commits in a row end an outage: on a full disk a small change may still find room between two that do not.
const steadyAfter = 5

// note logs the beginning and the end of an outage.
func (w *writer) note(err error) {
	if err != nil {
		w.good = 0
		if w.failures++; w.failures == 1 {
			w.log.Error("the database does not take changes; trying on", slog.Any("error", err))
		}
		return
	}
	if w.good++; w.failures > 0 && w.good >= steadyAfter {
		w.log.Info("the database takes changes again", slog.Int("failures", w.failures))
		w.failures = 0
	}
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
	if err := w.connect(); err != nil {
		return err
	}
	if err := w.exec(`BEGIN IMMEDIATE`); err != nil {
		w.rollback()
		return err
	}
	w.index.follow()
	return nil
}

// followEarly has reads kept before the first change. Who only looks at a database opens none to write: that alone would change a file which is not in WAL mode.
func (w *writer) followEarly() {
	if w.lookOnly || w.connect() != nil {
		return
	}
	if _, err := w.conn.ExecContext(context.Background(), `SELECT COUNT(*) FROM sqlite_schema`); err == nil { // opens the log
		w.index.follow()
	}
}

func (w *writer) connect() error {
	if w.conn != nil {
		return nil
	}
	conn, err := w.db.Conn(context.Background())
	if err != nil {
		return busy(err)
	}
	w.conn, w.run = conn, &prepared{on: conn}
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
		w.index.leave()
		w.run.close()
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
