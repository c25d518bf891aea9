package sqlstore

import (
	"errors"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// A writer that hangs, as on a disk that does, holds nobody for longer than a while; afterwards it goes on (P51).
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

// A change whose commit is not answered in time is of unknown outcome: here it is committed late.
func TestCommitThatHangs(t *testing.T) {
	s := openFresh(t)
	s.writer.commitWait = 50 * time.Millisecond
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
