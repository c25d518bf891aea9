package password

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestQueueRuns(t *testing.T) {
	q := NewQueue(1, 0)
	ran := false
	if err := q.Do(t.Context(), "a", func() {
		ran = true
		if got := q.Stats(); got.Running != 1 {
			t.Errorf("while running: %+v", got)
		}
	}); err != nil || !ran {
		t.Errorf("Do = %v, ran = %v", err, ran)
	}
	if got, want := q.Stats(), (Stats{Workers: 1}); got != want {
		t.Errorf("Stats = %+v, want %+v", got, want)
	}
}

// hold fills every slot until the returned function is called.
func hold(q *Queue) (free func()) {
	gate := make(chan struct{})
	for range q.workers {
		go q.Do(context.Background(), "holder", func() { <-gate })
	}
	synctest.Wait()
	return func() { close(gate) }
}

func TestQueueOverload(t *testing.T) {
	tests := []struct {
		depth, share int // waiting places in all, and for one tenant
	}{{0, 0}, {1, 1}, {2, 1}, {4, 3}, {100, 75}}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			q := NewQueue(2, tt.depth)
			free := hold(q)
			var ran atomic.Int32
			work := func() { ran.Add(1) }
			for range tt.share {
				go q.Do(t.Context(), "greedy", work)
			}
			synctest.Wait()
			if err := q.Do(t.Context(), "greedy", work); !errors.Is(err, ErrBusy) {
				t.Errorf("depth %d: greedy tenant over its share: %v", tt.depth, err)
			}
			for range tt.depth - tt.share {
				go q.Do(t.Context(), "modest", work)
			}
			synctest.Wait()
			want := Stats{Workers: 2, Depth: tt.depth, Running: 2, Waiting: tt.depth, Shed: 1}
			if got := q.Stats(); got != want {
				t.Errorf("full: %+v, want %+v", got, want)
			}
			if err := q.Do(t.Context(), "third", work); !errors.Is(err, ErrBusy) {
				t.Errorf("depth %d: over the depth: %v", tt.depth, err)
			}
			free()
			synctest.Wait()
			if int(ran.Load()) != tt.depth {
				t.Errorf("%d of %d waiters ran", ran.Load(), tt.depth)
			}
			want = Stats{Workers: 2, Depth: tt.depth, Shed: 2}
			if got := q.Stats(); got != want || len(q.lines) != 0 || q.turns.Len() != 0 {
				t.Errorf("drained: %+v, %d lines; want %+v", got, len(q.lines), want)
			}
		})
	}
}

func TestQueueServesTenantsInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(1, 12)
		free := hold(q)
		var order []string // guarded by the single slot
		for _, name := range []string{"a1", "a2", "a3", "a4", "b1", "b2", "c1"} {
			go q.Do(t.Context(), name[:1], func() { order = append(order, name) })
			synctest.Wait() // so that they arrive in this order
		}
		free()
		synctest.Wait()
		want := []string{"a1", "b1", "c1", "a2", "b2", "a3", "a4"}
		if !slices.Equal(order, want) {
			t.Errorf("order %v, want %v", order, want)
		}
	})
}

func TestQueueCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(1, 4)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		fail := func() { t.Error("cancelled work ran") }
		if err := q.Do(ctx, "a", fail); !errors.Is(err, context.Canceled) {
			t.Errorf("with a slot free: %v", err)
		}

		free := hold(q)
		ctx, cancel = context.WithCancel(t.Context())
		var left, stayed error
		ran := false
		go func() { left = q.Do(ctx, "a", fail) }()
		synctest.Wait()
		go func() { stayed = q.Do(t.Context(), "a", func() { ran = true }) }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if !errors.Is(left, context.Canceled) {
			t.Errorf("while waiting: %v", left)
		}
		if got := q.Stats(); got.Waiting != 1 || got.Running != 1 {
			t.Errorf("after leaving: %+v", got)
		}
		free()
		synctest.Wait()
		if stayed != nil || !ran {
			t.Errorf("the waiter behind: %v, ran = %v", stayed, ran)
		}
		if got := q.Stats(); got.Running != 0 || got.Waiting != 0 {
			t.Errorf("drained: %+v", got)
		}
	})
}

func TestQueuePanicGivesTheSlotBack(t *testing.T) {
	q := NewQueue(1, 0)
	func() {
		defer func() {
			if got := recover(); got != "boom" {
				t.Errorf("recovered %v", got)
			}
		}()
		_ = q.Do(t.Context(), "a", func() { panic("boom") })
	}()
	if err := q.Do(t.Context(), "a", func() {}); err != nil {
		t.Errorf("after a panic: %v", err)
	}
}

func TestNewQueuePanics(t *testing.T) {
	for _, args := range [][2]int{{0, 1}, {-1, 1}, {1, -1}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("NewQueue(%d, %d) did not panic", args[0], args[1])
				}
			}()
			NewQueue(args[0], args[1])
		}()
	}
}

// Many callers, some giving up: the slots are never oversubscribed, every call
// is accounted for, and the queue ends empty.
func TestQueueStress(t *testing.T) {
	const workers, callers = 3, 2000
	q := NewQueue(workers, 50)
	var running, ran, busy, gone atomic.Int64
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if i%3 == 0 {
				go cancel()
			}
			err := q.Do(ctx, fmt.Sprint(i%7), func() {
				if n := running.Add(1); n > workers {
					t.Errorf("%d run at once", n)
				}
				ran.Add(1)
				running.Add(-1)
			})
			switch {
			case errors.Is(err, ErrBusy):
				busy.Add(1)
			case errors.Is(err, context.Canceled):
				gone.Add(1)
			case err != nil:
				t.Errorf("Do: %v", err)
			}
		})
	}
	all.Wait()
	if total := ran.Load() + busy.Load() + gone.Load(); total != callers {
		t.Errorf("%d calls accounted for, want %d", total, callers)
	}
	want := Stats{Workers: workers, Depth: 50, Shed: uint64(busy.Load())}
	if got := q.Stats(); got != want || len(q.lines) != 0 || q.turns.Len() != 0 {
		t.Errorf("Stats = %+v with %d lines, want %+v", got, len(q.lines), want)
	}
}
