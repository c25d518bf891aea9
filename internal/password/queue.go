package password

import (
	"container/list"
	"context"
	"errors"
	"sync"
)

// ErrBusy means the hashing queue has no place left. The caller answers at once
// that the server is busy (P54).
var ErrBusy = errors.New("password hashing queue is full")

// Queue runs costly work in a fixed number of slots, with a bounded number of
// callers waiting for one (P27). Waiting tenants take turns, and none may hold
// more than three quarters of the waiting places (or the only one), so that a flood against one
// project leaves room for the others. A Queue starts no goroutines.
type Queue struct {
	workers, depth, share int

	mu      sync.Mutex
	running int
	waiting int
	shed    uint64
	lines   map[string]*line
	turns   *list.List // of *line, none empty; the front one is served next
}

// line is one tenant's waiters, first come first served.
type line struct {
	tenant  string
	turn    *list.Element // in Queue.turns
	waiters *list.List    // of *waiter
}

type waiter struct {
	line    *line
	place   *list.Element // in line.waiters
	granted chan struct{} // closed, under Queue.mu, once the waiter owns a slot
}

// NewQueue returns a queue with workers slots and depth waiting places. Memory
// in use for hashing stays under workers times that of the costliest hash.
// It panics when workers is below 1 or depth is negative.
func NewQueue(workers, depth int) *Queue {
	if workers < 1 || depth < 0 {
		panic("password: a queue needs at least one worker and no negative depth")
	}
	return &Queue{
		workers: workers,
		depth:   depth,
		share:   max(1, depth*3/4),
		lines:   make(map[string]*line),
		turns:   list.New(),
	}
}

// Do runs work on the calling goroutine as soon as a slot is free, and returns
// nil once it has run. Without having run it, Do returns ErrBusy at once if no
// waiting place is left to the tenant, and ctx.Err() if ctx ends first. A panic
// in work gives the slot back and goes on to the caller.
func (q *Queue) Do(ctx context.Context, tenant string, work func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w, err := q.enter(tenant)
	if err != nil {
		return err
	}
	if w != nil {
		select {
		case <-w.granted:
		case <-ctx.Done():
			if q.leave(w) {
				return ctx.Err()
			}
			// The slot came at the same moment; it is ours to give back.
		}
	}
	defer q.release()
	if err := ctx.Err(); err != nil {
		return err
	}
	work()
	return nil
}

// Full reports whether Do would give ErrBusy to the tenant now, so that a caller can refuse before it spends anything else.
func (q *Queue) Full(tenant string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	full := q.running >= q.workers && !q.hasPlace(tenant)
	if full {
		q.shed++
	}
	return full
}

func (q *Queue) hasPlace(tenant string) bool {
	l := q.lines[tenant]
	return q.waiting < q.depth && (l == nil || l.waiters.Len() < q.share)
}

// Stats is a snapshot of a queue, for metrics.
type Stats struct {
	Workers int    // slots
	Depth   int    // waiting places
	Running int    // slots taken
	Waiting int    // waiting places taken
	Shed    uint64 // calls answered with ErrBusy since the start
}

// Stats returns a consistent snapshot.
func (q *Queue) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	return Stats{Workers: q.workers, Depth: q.depth, Running: q.running, Waiting: q.waiting, Shed: q.shed}
}

// enter takes a slot and returns no waiter, or takes a waiting place, or fails
// with ErrBusy. Nobody waits while a slot is free, so taking one jumps no line.
func (q *Queue) enter(tenant string) (*waiter, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.running < q.workers {
		q.running++
		return nil, nil
	}
	if !q.hasPlace(tenant) {
		q.shed++
		return nil, ErrBusy
	}
	l := q.lines[tenant]
	if l == nil {
		l = &line{tenant: tenant, waiters: list.New()}
		l.turn = q.turns.PushBack(l)
		q.lines[tenant] = l
	}
	w := &waiter{line: l, granted: make(chan struct{})}
	w.place = l.waiters.PushBack(w)
	q.waiting++
	return w, nil
}

// leave gives up a waiting place. It returns false if the waiter already owns
// a slot.
func (q *Queue) leave(w *waiter) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case <-w.granted:
		return false
	default:
		q.remove(w)
		return true
	}
}

// release hands the slot to the next waiter, or frees it.
func (q *Queue) release() {
	q.mu.Lock()
	defer q.mu.Unlock()
	front := q.turns.Front()
	if front == nil {
		q.running--
		return
	}
	l := front.Value.(*line)
	w := l.waiters.Front().Value.(*waiter)
	q.turns.MoveToBack(front)
	q.remove(w)
	close(w.granted)
}

// remove takes w out of its line, and drops a line that is now empty.
func (q *Queue) remove(w *waiter) {
	q.waiting--
	w.line.waiters.Remove(w.place)
	if w.line.waiters.Len() == 0 {
		q.turns.Remove(w.line.turn)
		delete(q.lines, w.line.tenant)
	}
}
