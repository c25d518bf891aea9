package sqlstore

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// A writer that hangs, as on a disk that does, holds nobody who waits for it for longer than a while, keeps nothing of them, and goes on afterwards (P51, P54). Only the
// change that has the turn is held for as long as the disk hangs.
func TestWriterThatHangs(t *testing.T) {
	s := openFresh(t)
	s.writer.turnWait, s.writer.commitWait = 50*time.Millisecond, 50*time.Millisecond
	hold, held := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- s.Update(t.Context(), func(tx auth.Tx) error {
			close(held)
			<-hold
			return nil
		})
	}()
	<-held
	if err := createProject(s, "waits"); !errors.Is(err, auth.ErrStoreBusy) {
		t.Errorf("a change that gets no turn: %v", err)
	}
	if n := len(s.writer.waiting); n != 0 { // nobody else uses it now
		t.Errorf("%d changes are kept that nobody waits for", n)
	}
	close(hold)
	if err := <-done; err != nil {
		t.Errorf("the change that held it: %v", err)
	}
	if err := createProject(s, "later"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if _, err := s.GetProject(t.Context(), "waits"); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("what was busy happened nevertheless: %v", err)
	}
}

// A change whose commit does not begin in time is of unknown outcome: here it is committed late.
func TestBatchThatHangs(t *testing.T) {
	s := openFresh(t)
	s.writer.batchWait = 50 * time.Millisecond
	hold, first := make(chan struct{}), make(chan error, 2)
	// One batch: the writer runs the second while the first waits for the commit of both.
	block := make(chan struct{})
	go func() { _ = s.Update(t.Context(), func(auth.Tx) error { close(block); <-hold; return nil }) }()
	<-block
	for _, id := range []auth.ProjectID{"one", "two"} {
		go func() {
			first <- s.Update(t.Context(), func(tx auth.Tx) error {
				if id == "two" {
					time.Sleep(300 * time.Millisecond)
				}
				return tx.CreateProject(t.Context(), auth.Project{ID: id})
			})
		}()
		time.Sleep(20 * time.Millisecond) // in this order
	}
	close(hold)
	if err := <-first; !errors.Is(err, auth.ErrOutcomeUnknown) {
		t.Errorf("the change whose commit was late: %v", err)
	}
	if err := <-first; err != nil {
		t.Errorf("the other: %v", err)
	}
	if _, err := s.GetProject(t.Context(), "one"); err != nil {
		t.Errorf("it was committed, but is not there: %v", err)
	}
}

// The time for the commit begins with the commit: a large change that goes into the same one does not count.
func TestCommitThatHangs(t *testing.T) {
	w, _ := openWriter(t, filepath.Join(t.TempDir(), "test.db"))
	w.batchWait, w.commitWait = time.Hour, time.Millisecond
	p, told := w.newPending(t.Context()), make(chan error, 1)
	go func() { told <- p.await() }()
	select {
	case err := <-told:
		t.Fatalf("before the commit began: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	close(p.committing)
	if err := <-told; !errors.Is(err, auth.ErrOutcomeUnknown) {
		t.Errorf("a commit that hangs: %v", err)
	}

	p = w.newPending(t.Context())
	go func() { <-p.turn; p.ran <- nil }()
	w.commit([]*pending{p})
	select {
	case <-p.committing:
	default:
		t.Error("the commit is over and was not told to begin")
	}
	if err := <-p.fate; err != nil {
		t.Error(err)
	}
}

// However long the disk hangs, only so many changes wait for it.
func TestWaitingChangesAreBounded(t *testing.T) {
	w := &writer{wake: make(chan struct{}, 1), waiting: make([]*pending, waitingLimit)}
	if err := w.accept(w.newPending(t.Context())); !errors.Is(err, auth.ErrStoreBusy) || len(w.waiting) != waitingLimit {
		t.Errorf("%v, and %d wait", err, len(w.waiting))
	}
	first, second, third := w.newPending(t.Context()), w.newPending(t.Context()), w.newPending(t.Context())
	w.waiting = []*pending{first, second, third}
	w.leave(second)
	w.leave(second)
	if len(w.waiting) != 2 || w.waiting[0] != first || w.waiting[1] != third {
		t.Errorf("%d wait, want the first and the third", len(w.waiting))
	}
}

// A store whose disk hangs does not keep its process from ending.
func TestCloseOfAWriterThatHangs(t *testing.T) {
	s := openFresh(t)
	s.writer.closeWait = 20 * time.Millisecond
	release := hold(t, s)
	if err := s.Close(); !errors.Is(err, errHangs) {
		t.Errorf("closing: %v, want %v", err, errHangs)
	}
	if err := s.Update(context.Background(), func(auth.Tx) error { return nil }); !errors.Is(err, errClosed) {
		t.Errorf("a change afterwards: %v", err)
	}
	release()
	<-s.writer.stopped
}
