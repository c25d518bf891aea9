package idp

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	maxCached     = 256              // entries; the one that was used longest ago makes room
	maxCacheAge   = time.Hour        // so that a key the provider withdrew stops working
	maxFailureAge = 5 * time.Second  // how long a failure is remembered
	refetchPause  = 30 * time.Second // between fetches that are asked for before an entry is old (P17)
)

// cache remembers what providers publish. One caller fetches an entry at a time; the others wait for it.
type cache[T any] struct {
	now     func() time.Time
	timeout time.Duration // of one fetch

	mu      sync.Mutex
	entries map[string]*cached[T]
	uses    uint64
}

type cached[T any] struct {
	lastUse uint64 // counts uses of the cache; guarded by its mu

	turn chan struct{} // holds one item while somebody reads or fetches the fields below

	value       T
	there       bool
	fetchedAt   time.Time
	refetchedAt time.Time
	failure     error
	failedAt    time.Time
}

func newCache[T any](now func() time.Time, timeout time.Duration) *cache[T] {
	return &cache[T]{now: now, timeout: timeout, entries: map[string]*cached[T]{}}
}

type fetchFunc[T any] func(context.Context) (T, error)

// get gives the entry of key, fetched where it is not there or old.
func (c *cache[T]) get(ctx context.Context, key string, fetch fetchFunc[T]) (T, error) {
	return c.read(ctx, key, fetch, func(*cached[T], time.Time) bool { return false })
}

// refetch is for a caller whom the entry does not serve: it fetches anew, unless that has been done within the last refetchPause.
func (c *cache[T]) refetch(ctx context.Context, key string, fetch fetchFunc[T]) (T, error) {
	return c.read(ctx, key, fetch, func(e *cached[T], now time.Time) bool {
		if within(e.refetchedAt, now, refetchPause) {
			return false
		}
		e.refetchedAt = now
		return true
	})
}

func (c *cache[T]) read(ctx context.Context, key string, fetch fetchFunc[T], anew func(*cached[T], time.Time) bool) (T, error) {
	var none T
	e := c.entry(key)
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return none, unavailable(ctx.Err(), "the provider did not answer in time")
	}

	now := c.now()
	if e.there && within(e.fetchedAt, now, maxCacheAge) && !anew(e, now) {
		return e.value, nil
	}
	if within(e.failedAt, now, maxFailureAge) {
		return none, e.failure
	}
	// A caller who goes away must not leave a failure to the ones behind.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.timeout)
	defer cancel()
	value, err := fetch(ctx)
	if err != nil {
		if !errors.Is(err, errBusy) {
			e.failure, e.failedAt = err, c.now()
		}
		return none, err
	}
	e.value, e.there, e.fetchedAt, e.failure, e.failedAt = value, true, c.now(), nil, time.Time{}
	return value, nil
}

// within tells whether an instant that is not zero lies less than d back. One in the future does not: the clock was set back, and nothing is known (P53).
func within(instant, now time.Time, d time.Duration) bool {
	age := now.Sub(instant)
	return !instant.IsZero() && age >= 0 && age < d
}

func (c *cache[T]) entry(key string) *cached[T] {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uses++
	e := c.entries[key]
	if e == nil {
		if len(c.entries) >= maxCached {
			c.dropOldest()
		}
		e = &cached[T]{turn: make(chan struct{}, 1)}
		c.entries[key] = e
	}
	e.lastUse = c.uses
	return e
}

func (c *cache[T]) dropOldest() {
	oldest, first := "", c.uses
	for key, e := range c.entries {
		if e.lastUse < first {
			oldest, first = key, e.lastUse
		}
	}
	delete(c.entries, oldest)
}
