package certs

import (
	"sync"
	"time"
)

// rests are names that no handshake shall order a certificate for, for a while: it failed, or there were too many. Without them each handshake would cost the database several
// changes (P27).
type rests struct {
	clock func() time.Time

	mu    sync.Mutex
	until map[string]time.Time
}

// add lets a name rest.
func (r *rests) add(name string, d time.Duration) {
	now := r.clock()
	r.mu.Lock()
	defer r.mu.Unlock()
	for other, until := range r.until {
		if !now.Before(until) {
			delete(r.until, other)
		}
	}
	if r.until == nil {
		r.until = map[string]time.Time{}
	}
	r.until[name] = now.Add(d)
}

// has tells whether a name rests.
func (r *rests) has(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.clock().Before(r.until[name])
}
