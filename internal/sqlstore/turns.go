package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// turns bound how long a read of SQLite waits for one of the readers and how long it runs, so that slow reads of some refuse others soon (P52). Of PostgreSQL they
// bound the connections: reads and transactions take one in turn, and each statement of a transaction has its own time. The nil turns bound nothing.
type turns struct {
	free   chan struct{} // holds one token for each reader or connection that is taken; nil where the caller has one already
	wait   time.Duration
	run    time.Duration
	within context.Context // of a transaction: its statements end with it; else nil
}

var errLongRead = errors.New("the database took too long")

// take waits for a turn. The context that it gives ends with the turn, at done. It fails with ErrStoreBusy.
func (t *turns) take(ctx context.Context) (_ context.Context, done func(), err error) {
	if t == nil {
		return ctx, func() {}, nil
	}
	if err := t.waitForTurn(ctx); err != nil {
		return nil, nil, err
	}
	running, cancel := context.WithTimeoutCause(ctx, t.run, errLongRead)
	if t.within == nil {
		return running, func() { cancel(); t.leave() }, nil
	}
	running, end := context.WithCancelCause(running)
	stop := context.AfterFunc(t.within, func() { end(context.Cause(t.within)) })
	return running, func() { stop(); end(nil); cancel(); t.leave() }, nil
}

func (t *turns) waitForTurn(ctx context.Context) error {
	if err := ctx.Err(); err != nil || t.free == nil {
		return err
	}
	select {
	case t.free <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(t.wait)
	defer timer.Stop()
	select {
	case t.free <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return fmt.Errorf("%w: no connection came free", auth.ErrStoreBusy)
	}
}

func (t *turns) leave() {
	if t.free != nil {
		<-t.free
	}
}

// takeAll waits until nobody reads, and has others wait until release.
func (t *turns) takeAll(ctx context.Context) (release func(), err error) {
	taken := 0
	release = func() {
		for range taken {
			<-t.free
		}
	}
	for range cap(t.free) {
		select {
		case t.free <- struct{}{}:
			taken++
		case <-ctx.Done():
			release()
			return nil, fmt.Errorf("%w: reads do not end", auth.ErrStoreBusy)
		}
	}
	return release, nil
}

// explain tells why a statement failed, given the context that take gave: what an interrupted one says depends on where it was.
func (t *turns) explain(ctx context.Context, err error) error {
	switch {
	case t == nil, err == nil:
		return err
	case ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded): // of a bound of the driver's own, as that of connecting
		return fmt.Errorf("%w: %w", auth.ErrStoreBusy, errLongRead)
	case ctx.Err() == nil:
		return err
	case errors.Is(context.Cause(ctx), errLongRead):
		return fmt.Errorf("%w: %w", auth.ErrStoreBusy, errLongRead)
	}
	return ctx.Err()
}
