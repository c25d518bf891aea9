package auth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	maxImportTries  = 5 // without getting on; over a quarter of an hour
	firstImportWait = 10 * time.Second
	importsLookedAt = 100 // of those that wait for the server
)

// importTries remembers the imports that failed for a reason that may pass, so that they wait, and others do not wait for them. Each process has its own.
type importTries struct {
	mu     sync.Mutex
	failed map[importKey]importTry
}

type importKey struct {
	project ProjectID
	id      UserImportID
}

type importTry struct {
	count int
	next  time.Time
}

// fail counts a try in vain, after which the import waits: each time four times as long. It says how many there were.
func (t *importTries) fail(i UserImport, now time.Time) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed == nil {
		t.failed = map[importKey]importTry{}
	}
	key := importKey{i.Project, i.ID}
	count := t.failed[key].count + 1
	t.failed[key] = importTry{count, now.Add(firstImportWait << (2 * min(count-1, maxImportTries)))}
	return count
}

func (t *importTries) forget(i UserImport) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.failed, importKey{i.Project, i.ID})
}

// due gives the first that need not wait, and forgets those that are not there any more.
func (t *importTries) due(imports []UserImport, now time.Time) (due UserImport, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	still := map[importKey]importTry{}
	for _, i := range imports {
		key := importKey{i.Project, i.ID}
		try, failed := t.failed[key]
		if failed {
			still[key] = try
		}
		if !ok && !now.Before(try.next) {
			due, ok = i, true
		}
	}
	t.failed = still
	return due, ok
}

// errImportPanicked stands in the place of a panic's value, which goes on to who called.
var errImportPanicked = errors.New("panic")

// tryImport works on an import, and ends one at which it failed time after time.
func (a *Admin) tryImport(ctx context.Context, holder string, i UserImport) (err error) {
	err = errImportPanicked // unless workImport comes back
	defer func() {
		switch {
		case err == nil:
			a.importTries.forget(i)
		case ctx.Err() == nil && a.importTries.fail(i, a.now()) >= maxImportTries:
			err = a.failImport(ctx, i, fmt.Sprintf("the server failed at it %d times, and its log says why; send the rest of the file again", maxImportTries), err)
		}
	}()
	return a.workImport(ctx, holder, i)
}
