package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// turns bound how long a read of SQLite waits for one of the readers and how long it runs, so that slow reads of some refuse others soon (P52). PostgreSQL has
// bounds of its own. The nil turns bound nothing.
type turns struct {
	free chan struct{} // holds one token for each reader that is taken
	wait time.Duration
	run  time.Duration
}

var errLongRead = errors.New("the read took too long")

// take waits for a turn. The context that it gives ends with the turn, at done. It fails with ErrStoreBusy.
func (t *turns) take(ctx context.Context) (_ context.Context, done func(), err error) {
	if t == nil {
		return ctx, func() {}, nil
	}
	timer := time.NewTimer(t.wait)
	defer timer.Stop()
	select {
	case t.free <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	case <-timer.C:
		return nil, nil, fmt.Errorf("%w: no reader came free", auth.ErrStoreBusy)
	}
	running, cancel := context.WithTimeoutCause(ctx, t.run, errLongRead)
	return running, func() { cancel(); <-t.free }, nil
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

// explain tells why a read failed: what an interrupted statement says depends on where it was.
func (t *turns) explain(ctx context.Context, err error) error {
	switch {
	case t == nil, err == nil, ctx.Err() == nil:
		return err
	case errors.Is(context.Cause(ctx), errLongRead):
		return fmt.Errorf("%w: %w", auth.ErrStoreBusy, errLongRead)
	}
	return ctx.Err()
}
