package accountsapi

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/web"
)

// Bounds of the pages of users tables that are in memory at once (P54).
const (
	maxListsPerKey = 4
	maxLists       = 16
	listWait       = 2 * time.Second
)

// listKey is whose lists share a bound: a project's users, or its admins, so that users cannot keep them out.
type listKey struct {
	project auth.ProjectID
	admin   bool
}

// listGate lets so many lists in at once; the others wait for a short time, and hold nothing.
type listGate struct {
	all  chan struct{}
	wait time.Duration

	mu   sync.Mutex
	keys map[listKey]*keyGate // those that somebody is at
}

type keyGate struct {
	in    chan struct{}
	users int // in it or waiting
}

func newListGate() *listGate {
	return &listGate{all: make(chan struct{}, maxLists), wait: listWait, keys: map[listKey]*keyGate{}}
}

// enter waits for a place; done gives it back. Where none comes free it answers 503.
func (g *listGate) enter(ctx context.Context, key listKey) (done func(), err error) {
	waiting, cancel := context.WithTimeout(ctx, g.wait)
	defer cancel()
	own := g.at(key)
	if !admitted(waiting, own.in) {
		g.leave(key)
		return nil, full(ctx)
	}
	if !admitted(waiting, g.all) {
		<-own.in
		g.leave(key)
		return nil, full(ctx)
	}
	return func() { <-g.all; <-own.in; g.leave(key) }, nil
}

func admitted(ctx context.Context, places chan struct{}) bool {
	select {
	case places <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func full(ctx context.Context) error {
	if err := ctx.Err(); err != nil { // the client left
		return err
	}
	return web.Unavailable(1, errors.New("too many lists of users at once"))
}

func (g *listGate) at(key listKey) *keyGate {
	g.mu.Lock()
	defer g.mu.Unlock()
	own := g.keys[key]
	if own == nil {
		own = &keyGate{in: make(chan struct{}, maxListsPerKey)}
		g.keys[key] = own
	}
	own.users++
	return own
}

func (g *listGate) leave(key listKey) {
	g.mu.Lock()
	defer g.mu.Unlock()
	own := g.keys[key]
	if own.users--; own.users == 0 {
		delete(g.keys, key)
	}
}
