// Package dbcopy moves all data of one database to another, of the same engine or the other, while servers use the first.
//
// Passes bring the target to what a snapshot of the source says, each with less to do than the one before. Then the source is closed by a mark in it that every
// process looks at in each of its changes, so that nothing can be acknowledged there any more; a last pass copies the rest; all rows of both are compared; and only then
// the target is marked as whole, before which no server starts on it. The source stays closed: two databases that both take changes could revive what was
// revoked in one of them. See docs/decisions/0016.
package dbcopy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/sqlstore"
)

const (
	// A pass that changed so few rows is followed by the last one. So is one that changed not much less than the one before, or the maxPasses-th.
	fewRows   = 1000
	maxPasses = 6
	// drainTime is how long the mails and deliveries that are in hand may take; a lease of a mail runs out in that time.
	drainTime = 2 * time.Minute
	drainLook = 200 * time.Millisecond
	// lastTries bounds the tries of the last pass on PostgreSQL, where changes that began before the source was closed make it begin anew. Such a change takes
	// 30 seconds at most.
	lastTries   = 40
	lastPause   = time.Second
	settleTime  = 300 * time.Millisecond // in which nearly all of them end
	reopenTime  = 10 * time.Second
	reportEvery = 256 // rows
)

// Step names what a copy does right now.
type Step string

// The steps, in their order.
const (
	StepCopy   Step = "copy"   // servers use the source
	StepDrain  Step = "drain"  // the source gives out no more mails and deliveries
	StepLast   Step = "last"   // the source refuses changes
	StepVerify Step = "verify" // likewise
)

// Progress is what a copy tells of itself, often.
type Progress struct {
	Step    Step
	Pass    int // from 1, of StepCopy
	Table   string
	Rows    int64 // of the table, done
	Of      int64 // of the table, about; 0 where it is not known
	Changed int64 // rows written or deleted in this pass
}

// Options say how to copy. All fields are set, but Prepare.
type Options struct {
	SourceName, TargetName string // for people, without secrets
	// Prepare copies what is there and stops before the source is closed. The target is not whole then; the same copy without Prepare goes on.
	Prepare bool
	Clock   func() time.Time
	Rand    io.Reader
	Report  func(Progress)
}

// Result is what a copy did.
type Result struct {
	// Already is true where the target was whole before, and nothing was done.
	Already bool
	// Prepared is true where the source was not closed; see [Options].
	Prepared bool
	Passes   int           // including the last one
	Closed   time.Duration // how long the source was closed when the target was whole
	Rows     int64         // compared; 0 where prepared
	Tables   []TableResult // likewise
}

// TableResult is a table that is the same on both sides.
type TableResult struct {
	Name   string
	Rows   int64
	Digest sqlstore.Digest
}

// The ways in which a copy ends early. Those of [sqlstore.Store.BeginFilling] come beside them.
var (
	ErrMovesElsewhere = errors.New("the source moves to another database already")
	ErrReopened       = errors.New("the source takes changes again: the move was given up meanwhile")
	// ErrBegun refuses Options.Prepare on a source that an earlier copy stopped: its servers do not go on as that promises.
	ErrBegun = errors.New("the move has begun already, so there is nothing to prepare: leave --prepare out, or give the move up with `doorward db reopen`")
	// ErrBothOpen means that the source was opened again while the target became whole.
	ErrBothOpen = errors.New("BOTH DATABASES TAKE CHANGES: the source was opened again while the target became whole; stop the servers of one of them now, and throw that one away")
	ErrDiffers  = errors.New("the databases differ")
)

type copier struct {
	Options
	source, target *sqlstore.Store
	run            string // names this process in the target
	moves          bool   // the source had the mark of the move when this process last set or saw it: where it is gone, somebody gave the move up
}

// Run copies the source to the target, which is empty or was begun by a copy of the same source. A copy that was killed goes on when it is run again. Where it
// fails, the source takes changes again; unless an earlier copy was killed that had closed it, and this one fails before it comes to that itself. The error says so.
func Run(ctx context.Context, source, target *sqlstore.Store, o Options) (Result, error) {
	c := &copier{Options: o, source: source, target: target}
	was, already, err := c.begin(ctx)
	if err != nil {
		return Result{}, stillMoving(was, err)
	}
	if already {
		return Result{Already: true}, c.setMoved(ctx)
	}
	passes, err := c.passes(ctx)
	if err != nil || o.Prepare {
		return Result{Passes: passes, Prepared: err == nil}, stillMoving(was, err)
	}
	result, whole, err := c.finish(ctx)
	if err != nil && !whole {
		return Result{}, errors.Join(err, c.reopen(ctx))
	}
	result.Passes += passes
	return result, err
}

// stillMoving says with the error of a copy in which state an earlier one left the source: this one has not come to where it would change that.
func stillMoving(was sqlstore.MarkValue, err error) error {
	switch {
	case err == nil || was.Value == "" || errors.Is(err, ErrMovesElsewhere) || errors.Is(err, ErrBegun): // the latter say it
		return err
	case was.Value == sqlstore.MovingDrains:
		return fmt.Errorf("%w; the source still gives out no mails, since an earlier copy of it broke off; `doorward db reopen` ends that", err)
	}
	return fmt.Errorf("%w; the source still refuses changes, since an earlier copy closed it; `doorward db reopen` ends that, where no server uses %s", err, was.Note)
}

// begin names the source, and claims the target for it. was is the state in which an earlier copy left the source.
func (c *copier) begin(ctx context.Context) (was sqlstore.MarkValue, already bool, err error) {
	if c.run, err = c.newName(); err != nil {
		return was, false, err
	}
	identity, was, err := c.identify(ctx)
	if err != nil {
		return was, false, fmt.Errorf("the source: %w", err)
	}
	c.moves = was.Value != ""
	if was.Value == sqlstore.MovingMoved {
		return was, true, c.checkMoved(ctx, identity)
	}
	of := sqlstore.MarkValue{Value: identity, Note: "`doorward db copy` fills it from " + c.SourceName, At: c.Clock()}
	err = c.target.BeginFilling(ctx, of, c.run)
	if errors.Is(err, sqlstore.ErrFilledAlready) && was.Closed() {
		return was, true, nil
	}
	if err != nil {
		return was, false, fmt.Errorf("the target: %w", err)
	}
	return was, false, nil
}

// checkMoved makes sure that the target is the one that the source moved to, and not an empty one in its place: a copy into that could open the source again.
func (c *copier) checkMoved(ctx context.Context, identity string) error {
	marks, err := c.target.Marks(ctx)
	if err != nil {
		return fmt.Errorf("the target: %w", err)
	}
	if marks[sqlstore.MarkFilledFrom].Value != identity {
		return fmt.Errorf("%w: it moved, and this target is not the database that it moved to; if that one is lost or thrown away, `doorward db reopen` comes first", ErrMovesElsewhere)
	}
	return nil
}

// identify gives the source's identity, a new one at the first copy, and whether it moves. A move that broke off is this process's from then on.
func (c *copier) identify(ctx context.Context) (identity string, moving sqlstore.MarkValue, err error) {
	fresh, err := c.newName()
	if err != nil {
		return "", moving, err
	}
	err = c.source.UpdateMarks(ctx, func(m map[sqlstore.Mark]sqlstore.MarkValue) error {
		if m[sqlstore.MarkIdentity].Value == "" {
			m[sqlstore.MarkIdentity] = sqlstore.MarkValue{Value: fresh, At: c.Clock()}
		}
		identity, moving = m[sqlstore.MarkIdentity].Value, m[sqlstore.MarkMoving]
		switch {
		case moving.Value == "":
			return nil
		case moving.Note != c.TargetName:
			return fmt.Errorf("%w: %s; `doorward db reopen` gives that up", ErrMovesElsewhere, moving.Note)
		case c.Prepare && moving.Value != sqlstore.MovingMoved:
			return ErrBegun
		}
		m[sqlstore.MarkMovingRun] = sqlstore.MarkValue{Value: c.run, At: c.Clock()}
		return nil
	})
	return identity, moving, err
}

func (c *copier) newName() (string, error) {
	name := make([]byte, 16)
	if _, err := io.ReadFull(c.Rand, name); err != nil {
		return "", fmt.Errorf("random bytes: %w", err)
	}
	return fmt.Sprintf("%x", name), nil
}

// passes copies while servers use the source, until little is left for the last pass.
func (c *copier) passes(ctx context.Context) (int, error) {
	before := int64(0)
	for pass := 1; ; pass++ {
		changed, err := c.pass(ctx, pass)
		if err != nil {
			return pass, err
		}
		if changed <= fewRows || pass == maxPasses || pass > 1 && changed > before/2 {
			return pass, nil
		}
		before = changed
	}
}

func (c *copier) pass(ctx context.Context, pass int) (changed int64, err error) {
	snapshot, err := c.source.Snapshot(ctx, sqlstore.SnapshotOptions{})
	if err != nil {
		return 0, fmt.Errorf("the source: %w", err)
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	return c.sync(ctx, snapshot, Progress{Step: StepCopy, Pass: pass})
}

// finish closes the source, copies the rest, compares, and marks the target as whole. whole is true once that may have happened.
func (c *copier) finish(ctx context.Context) (result Result, whole bool, err error) {
	if err := c.drain(ctx); err != nil {
		return Result{}, false, err
	}
	closedAt, err := c.setMoving(ctx, sqlstore.MovingClosed)
	if err != nil {
		return Result{}, false, err
	}
	if err := pause(ctx, settleTime); err != nil {
		return Result{}, false, err
	}
	for try := 1; ; try++ {
		result, err = c.last(ctx)
		if err == nil || !errors.Is(err, auth.ErrStoreBusy) || try == lastTries {
			break
		}
		if err := pause(ctx, lastPause); err != nil {
			return Result{}, false, err
		}
	}
	if err != nil {
		return Result{}, false, err
	}
	if err := c.checkClosed(c.source.Marks(ctx)); err != nil {
		return Result{}, false, err
	}
	now := c.Clock()
	if err := c.target.EndFilling(ctx, c.run, now); err != nil {
		return Result{}, errors.Is(err, auth.ErrOutcomeUnknown), fmt.Errorf("the target: %w", err)
	}
	result.Closed = now.Sub(closedAt)
	return result, true, c.setMoved(ctx)
}

// setMoved says in the source that the target is whole, so that its servers answer nothing from it any more: what is revoked from now on would still be valid there.
func (c *copier) setMoved(ctx context.Context) error {
	err := c.source.UpdateMarks(ctx, func(m map[sqlstore.Mark]sqlstore.MarkValue) error {
		v := m[sqlstore.MarkMoving]
		switch {
		case !v.Closed() || v.Note != c.TargetName:
			return ErrBothOpen
		case v.Value == sqlstore.MovingClosed:
			m[sqlstore.MarkMoving] = sqlstore.MarkValue{Value: sqlstore.MovingMoved, Note: c.TargetName, At: c.Clock()}
		}
		return nil
	})
	if err != nil && !errors.Is(err, ErrBothOpen) {
		return fmt.Errorf("the target is whole, but the source could not be marked as moved, so its servers still answer what only reads: %w", err)
	}
	return err
}

// drain lets mails and deliveries that are in hand come to their end, so that the target does not send them again.
func (c *copier) drain(ctx context.Context) error {
	begun, err := c.setMoving(ctx, sqlstore.MovingDrains)
	if err != nil {
		return err
	}
	for c.Clock().Sub(begun) < drainTime {
		inHand, err := c.inHand(ctx)
		if err == nil && inHand == 0 {
			return nil
		}
		if err != nil && !errors.Is(err, auth.ErrStoreBusy) {
			return err
		}
		c.Report(Progress{Step: StepDrain, Of: inHand})
		if err := pause(ctx, drainLook); err != nil {
			return err
		}
	}
	return nil
}

// inHand counts in the serial order of changes, so that a claim that has not seen the mark is counted, or makes this busy.
func (c *copier) inHand(ctx context.Context) (n int64, err error) {
	snapshot, err := c.source.Snapshot(ctx, sqlstore.SnapshotOptions{Serializable: true})
	if err != nil {
		return 0, fmt.Errorf("the source: %w", err)
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	marks, err := snapshot.Marks(ctx)
	if err != nil {
		return 0, fmt.Errorf("the source: %w", err)
	}
	if marks[sqlstore.MarkMoving].Note != c.TargetName {
		return 0, ErrReopened
	}
	return snapshot.InHand(ctx, c.Clock())
}

// setMoving sets the phase, and gives when it was set first. It fails with ErrReopened where the mark that was there is gone: who opened the source again was told so.
func (c *copier) setMoving(ctx context.Context, phase string) (since time.Time, err error) {
	err = c.source.UpdateMarks(ctx, func(m map[sqlstore.Mark]sqlstore.MarkValue) error {
		v, moves := m[sqlstore.MarkMoving]
		if moves && m[sqlstore.MarkMovingRun].Value != c.run {
			return sqlstore.ErrOtherRun
		}
		if !moves && c.moves {
			return ErrReopened
		}
		if v.Value != phase && !v.Closed() { // from closed there is no way back to draining
			v = sqlstore.MarkValue{Value: phase, Note: c.TargetName, At: c.Clock()}
		}
		m[sqlstore.MarkMoving], since = v, v.At
		m[sqlstore.MarkMovingRun] = sqlstore.MarkValue{Value: c.run, At: c.Clock()}
		return nil
	})
	if err != nil {
		return since, fmt.Errorf("the source: %w", err)
	}
	c.moves = true
	return since, nil
}

func (c *copier) checkClosed(marks map[sqlstore.Mark]sqlstore.MarkValue, err error) error {
	if err != nil {
		return fmt.Errorf("the source: %w", err)
	}
	if m := marks[sqlstore.MarkMoving]; !m.Closed() || m.Note != c.TargetName {
		return ErrReopened
	}
	return nil
}

// last copies and compares what the closed source holds. That its snapshot sees the mark, and stands in the serial order of changes, says that none is missing.
func (c *copier) last(ctx context.Context) (result Result, err error) {
	snapshot, err := c.source.Snapshot(ctx, sqlstore.SnapshotOptions{Serializable: true})
	if err != nil {
		return Result{}, fmt.Errorf("the source: %w", err)
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	if err := c.checkClosed(snapshot.Marks(ctx)); err != nil {
		return Result{}, err
	}
	if _, err := c.sync(ctx, snapshot, Progress{Step: StepLast}); err != nil {
		return Result{}, err
	}
	result = Result{Passes: 1}
	result.Tables, result.Rows, err = c.verify(ctx, snapshot)
	return result, err
}

// reopen lets the source take changes again after a failure. The target is not whole, and no server uses it; unless another process has taken the move over,
// which may be at its end by now: then the source is left alone.
func (c *copier) reopen(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reopenTime)
	defer cancel()
	if _, err := Reopen(ctx, c.source, c.run); err != nil {
		return fmt.Errorf("the source still refuses changes (%w); run the same command again, or `doorward db reopen`", err)
	}
	return nil
}

// Reopen gives the move of a database up: it takes changes again. run limits that to the move by the process of this name; "" is any. It gives the mark that
// was there. Nobody may use the other database from then on.
func Reopen(ctx context.Context, source *sqlstore.Store, run string) (was sqlstore.MarkValue, err error) {
	err = source.UpdateMarks(ctx, func(m map[sqlstore.Mark]sqlstore.MarkValue) error {
		was = m[sqlstore.MarkMoving]
		if run == "" || m[sqlstore.MarkMovingRun].Value == run {
			delete(m, sqlstore.MarkMoving)
			delete(m, sqlstore.MarkMovingRun)
		}
		return nil
	})
	return was, err
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
