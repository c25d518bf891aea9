// Package outbox holds what the workers of mails and of webhooks have in common: how they bear with a store that is away, when they may take over what another
// worker leased, and how they end.
package outbox

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

const (
	recordTimeout  = 5 * time.Second // for one try at writing a result
	maxRecordPause = 5 * time.Second // between two; short, so that a result is written before anybody may take its row over
	maxPause       = 30 * time.Second
	maxGap         = 30 * time.Second // between two answers of the store; nobody knows what was in a longer one
	clockJump      = time.Second      // of the wall clock against the monotonic one, between two looks
)

// ErrEnded means that the program ends before a result was written.
var ErrEnded = errors.New("the program ends before the store took the result")

// Watch follows how the store answers one worker. It is safe for concurrent use.
type Watch struct {
	worker string // for the log
	log    *slog.Logger
	clock  func() time.Time

	mu       sync.Mutex
	failures int       // in a row
	since    time.Time // of the first answer without a failure, a gap or a jump of the clock after it
	last     time.Time // of the newest
}

// NewWatch makes the watch of a worker, whose name the log gets.
func NewWatch(worker string, log *slog.Logger, clock func() time.Time) *Watch {
	return &Watch{worker: worker, log: log, clock: clock}
}

// Note takes how the store answered. It logs the first failure and the end of them; those after ctx ended count for nothing.
func (w *Watch) Note(ctx context.Context, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		if ctx.Err() != nil {
			return
		}
		w.since = time.Time{}
		if w.failures++; w.failures == 1 {
			w.log.Error(w.worker+": the store does not answer; trying on", slog.Any("error", err))
		}
		return
	}
	if w.failures > 0 {
		w.log.Info(w.worker+": the store answers again", slog.Int("failures", w.failures))
		w.failures = 0
	}
	now := w.clock()
	if w.since.IsZero() || now.Sub(w.last) > maxGap || jumped(w.last, now) {
		w.since = now
	}
	w.last = now
}

// jumped tells whether the wall clock was set between two instants (P53).
func jumped(a, b time.Time) bool { return (b.Round(0).Sub(a.Round(0)) - b.Sub(a)).Abs() > clockJump }

// MayTakeOver tells whether this worker may take what others leased for so long and did not finish. After an outage of the store, and after a jump of the clock,
// it has to wait as long as a lease: who has something done already records it first, and it is not done twice.
func (w *Watch) MayTakeOver(lease time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.since.IsZero() && w.last.Sub(w.since) >= lease
}

// Pause is the time until the next look: poll while all is well, twice as long after each failure, up to half a minute.
func (w *Watch) Pause(poll time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return pause(poll, w.failures, maxPause)
}

func pause(poll time.Duration, failures int, most time.Duration) time.Duration {
	if failures == 0 {
		return poll
	}
	return min(poll<<min(failures, 10), max(most, poll))
}

// Record calls write until it succeeds. Other ends are an error that final knows, as for a row that is gone, and ErrEnded once ctx ends; write gets one last
// try then.
func (w *Watch) Record(ctx context.Context, poll time.Duration, final error, write func(context.Context) error) error {
	for failures := 1; ; failures++ {
		err := once(ctx, write)
		if errors.Is(err, final) {
			w.Note(ctx, nil)
			return err
		}
		w.Note(ctx, err)
		if err == nil {
			return nil
		}
		wait := time.NewTimer(pause(poll, failures, maxRecordPause))
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			if err := once(ctx, write); err == nil || errors.Is(err, final) {
				return err
			}
			return ErrEnded
		}
	}
}

// once tries even when the program ends right now, for a moment.
func once(ctx context.Context, write func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	return write(ctx)
}

// TimeToSend is how long a send may take, so that it ends a quarter of the lease before somebody else may take the row over. It is negative where the store took
// too long to give the lease, or the machine stood still: then nothing is sent.
func TimeToSend(leaseUntil time.Time, lease time.Duration, now time.Time) time.Duration {
	return leaseUntil.Sub(now) - lease/4
}

// Linger gives the context of what is in hand: it ends grace after ctx.
func Linger(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	hands, drop := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			drop()
		case <-hands.Done():
		}
	})
	return hands, func() { stop(); drop() }
}
