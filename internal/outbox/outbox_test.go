package outbox

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

var errAway, errGone = errors.New("away"), errors.New("gone")

// rig is a watch whose clock and log the test holds.
type rig struct {
	*Watch
	now time.Time
	log bytes.Buffer
}

func newRig() *rig {
	r := &rig{now: time.Now()}
	r.Watch = NewWatch("worker", slog.New(slog.NewTextHandler(&r.log, nil)), func() time.Time { return r.now })
	return r
}

// Nothing is taken over before the store has answered for as long as a lease, and an outage starts that anew.
func TestMayTakeOver(t *testing.T) {
	r := newRig()
	step := func(d time.Duration, err error, want bool) {
		t.Helper()
		r.now = r.now.Add(d)
		r.Note(t.Context(), err)
		if got := r.MayTakeOver(time.Minute); got != want {
			t.Errorf("after %v with %v: %v, want %v", d, err, got, want)
		}
	}
	if r.MayTakeOver(0) {
		t.Error("before the store has ever answered")
	}
	step(0, nil, false)
	step(30*time.Second, nil, false)
	step(29*time.Second, nil, false)
	step(time.Second, nil, true)
	step(time.Second, errAway, false)
	step(time.Second, nil, false)
	step(30*time.Second, nil, false)
	step(30*time.Second, nil, true)
	step(31*time.Second, nil, false) // as when the process stood still
}

// monotonic moves the monotonic reading of an instant alone: seen from it, the wall clock was set.
func monotonic(t time.Time, d time.Duration) time.Time {
	fields := (*[2]int64)(unsafe.Pointer(&t)) // wall, and the monotonic reading
	fields[1] += int64(d)
	return t
}

// Whoever's clock was set does not believe that the leases of others ran out (P53).
func TestClockJump(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, -time.Hour} {
		r := newRig()
		r.Note(t.Context(), nil)
		r.now = r.now.Add(20 * time.Second)
		r.Note(t.Context(), nil)
		if !r.MayTakeOver(20 * time.Second) {
			t.Fatal("not steady after 20 seconds")
		}
		r.now = monotonic(r.now.Add(jump+time.Second), -jump)
		r.Note(t.Context(), nil)
		if r.MayTakeOver(20 * time.Second) {
			t.Errorf("after a jump by %v", jump)
		}
		r.now = r.now.Add(20 * time.Second)
		r.Note(t.Context(), nil)
		if !r.MayTakeOver(20 * time.Second) {
			t.Errorf("20 seconds after a jump by %v", jump)
		}
	}
}

// A result is tried until it is written, every few seconds however long the store is away, and the log tells of one outage.
func TestRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		back := time.Now().Add(10 * time.Minute)
		var tries int
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				err := r.Record(t.Context(), time.Second, errGone, func(context.Context) error {
					mu.Lock()
					defer mu.Unlock()
					if tries++; time.Now().Before(back) {
						return errAway
					}
					return nil
				})
				if err != nil || time.Since(back) > maxRecordPause {
					t.Errorf("%v, %v after the store is back", err, time.Since(back))
				}
			})
		}
		all.Wait()
		if tries > 3*130 {
			t.Errorf("%d tries", tries)
		}
		if lines := strings.Count(r.log.String(), "\n"); lines != 2 {
			t.Errorf("logged:\n%s", r.log.String())
		}
	})
}

func TestRecordEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		if err := r.Record(t.Context(), time.Second, errGone, func(context.Context) error { return errGone }); !errors.Is(err, errGone) {
			t.Errorf("a row that is gone: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begin := time.Now()
		if err := r.Record(ctx, time.Second, errGone, func(context.Context) error { return errAway }); !errors.Is(err, ErrEnded) || time.Since(begin) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		err := r.Record(ctx, time.Second, errGone, func(ctx context.Context) error { return ctx.Err() })
		if err != nil {
			t.Errorf("a result at the very end: %v", err)
		}
	})
}

func TestLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		hands, drop := Linger(ctx, 10*time.Second)
		defer drop()
		end()
		begin := time.Now()
		<-hands.Done()
		if took := time.Since(begin); took != 10*time.Second {
			t.Errorf("ended after %v", took)
		}
	})
}

func TestPause(t *testing.T) {
	r := newRig()
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		if got := r.Pause(time.Second); got != want*time.Second {
			t.Errorf("after %d failures: %v", i, got)
		}
		r.Note(t.Context(), errAway)
	}
	r.Note(t.Context(), nil)
	if got := r.Pause(time.Second); got != time.Second {
		t.Errorf("when all is well: %v", got)
	}
}
