package sqlstore_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/sqlstore"
	"github.com/doorward/doorward/internal/storetest"
	"github.com/doorward/doorward/internal/storetest/pgtest"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func mark(t *testing.T, s *sqlstore.Store, name sqlstore.Mark, value string) {
	t.Helper()
	err := s.UpdateMarks(t.Context(), func(m map[sqlstore.Mark]sqlstore.MarkValue) error {
		if delete(m, name); value != "" {
			m[name] = sqlstore.MarkValue{Value: value, Note: "elsewhere", At: noon}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func tryProject(t *testing.T, s *sqlstore.Store, id auth.ProjectID) error {
	return s.Update(t.Context(), func(tx auth.Tx) error { return tx.CreateProject(t.Context(), auth.Project{ID: id, CreatedAt: noon}) })
}

func TestMarks(t *testing.T) {
	onBoth(t, func(t *testing.T, s *sqlstore.Store) {
		mark(t, s, sqlstore.MarkIdentity, "one")
		mark(t, s, sqlstore.MarkIdentity, "two")
		mark(t, s, sqlstore.MarkFilledFrom, "three")
		mark(t, s, sqlstore.MarkFilledFrom, "")
		marks, err := s.Marks(t.Context())
		if want := (sqlstore.MarkValue{Value: "two", Note: "elsewhere", At: noon}); err != nil || len(marks) != 1 || marks[sqlstore.MarkIdentity] != want {
			t.Error(marks, err)
		}
	})
}

// A closed database refuses changes and answers reads, in every process that has it open, also in those that came before.
func TestClosedDatabaseRefusesChanges(t *testing.T) {
	for name, url := range map[string]string{"SQLite": "sqlite:" + filepath.Join(t.TempDir(), "doorward.db"), "PostgreSQL": pgtest.URL(t)} {
		t.Run(name, func(t *testing.T) {
			server, mover := openStore(t, url), openStore(t, url)
			storetest.Fill(t, server, "one")
			mark(t, mover, sqlstore.MarkMoving, sqlstore.MovingDrains)
			if err := tryProject(t, server, "while-it-drains"); err != nil {
				t.Error(err)
			}
			mark(t, mover, sqlstore.MarkMoving, sqlstore.MovingClosed)
			err := tryProject(t, server, "too-late")
			if !errors.Is(err, sqlstore.ErrMoving) || !errors.Is(err, auth.ErrStoreBusy) || !strings.Contains(err.Error(), "elsewhere") {
				t.Errorf("a change: %v", err)
			}
			if _, err := server.GetProject(t.Context(), "one"); err != nil {
				t.Errorf("a read: %v", err)
			}
			third := openStore(t, url)
			if err := tryProject(t, third, "too-late"); !errors.Is(err, sqlstore.ErrMoving) {
				t.Errorf("a change by a server that was started afterwards: %v", err)
			}
			mark(t, mover, sqlstore.MarkMoving, sqlstore.MovingMoved)
			if err := tryProject(t, server, "too-late"); !errors.Is(err, sqlstore.ErrMoving) {
				t.Errorf("a change after the move: %v", err)
			}
			mark(t, mover, sqlstore.MarkMoving, "")
			if err := tryProject(t, server, "again"); err != nil {
				t.Errorf("after it was given up: %v", err)
			}
		})
	}
}

func inHand(t *testing.T, s *sqlstore.Store) (int64, error) {
	t.Helper()
	snapshot, err := s.Snapshot(t.Context(), sqlstore.SnapshotOptions{Serializable: true})
	if err != nil {
		return 0, err
	}
	n, err := snapshot.InHand(t.Context(), noon)
	return n, errors.Join(err, snapshot.Close())
}

func TestDrainingDatabaseGivesOutNoWork(t *testing.T) {
	onBoth(t, func(t *testing.T, s *sqlstore.Store) {
		ctx := t.Context()
		storetest.Fill(t, s, "one")
		err := s.Update(ctx, func(tx auth.Tx) error {
			return errors.Join(
				tx.CreateMail(ctx, auth.OutboxMail{Project: "one", ID: "due", State: auth.MailQueued, NextAttemptAt: noon}),
				tx.CreateWebhookDelivery(ctx, auth.WebhookDelivery{Project: "one", ID: "due", Webhook: "hook", State: auth.DeliveryQueued, Payload: "{}", NextAttemptAt: noon}))
		})
		if err != nil {
			t.Fatal(err)
		}
		claim := func() (mails, deliveries int) {
			err := s.Update(ctx, func(tx auth.Tx) error {
				m, err := tx.ClaimMail(ctx, "one", "worker", noon, noon.Add(time.Minute), 9, true)
				if err != nil {
					return err
				}
				d, err := tx.ClaimWebhookDeliveries(ctx, "one", "hook", "worker", noon, noon.Add(time.Minute), 9, true)
				mails, deliveries = len(m), len(d)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return mails, deliveries
		}
		mark(t, s, sqlstore.MarkMoving, sqlstore.MovingDrains)
		if mails, deliveries := claim(); mails != 0 || deliveries != 0 {
			t.Errorf("while it drains: %d mails, %d deliveries", mails, deliveries)
		}
		before, err := inHand(t, s)
		if err != nil {
			t.Fatal(err)
		}
		mark(t, s, sqlstore.MarkMoving, "")
		mails, deliveries := claim()
		if mails == 0 || deliveries == 0 {
			t.Errorf("afterwards: %d mails, %d deliveries", mails, deliveries)
		}
		if after, err := inHand(t, s); err != nil || after != int64(mails+deliveries) || before >= after {
			t.Errorf("in hand: %d and then %d, want %d (%v)", before, after, mails+deliveries, err)
		}
	})
}

func TestDatabaseThatIsFilledIsRefused(t *testing.T) {
	for name, url := range map[string]string{"SQLite": "sqlite:" + filepath.Join(t.TempDir(), "doorward.db"), "PostgreSQL": pgtest.URL(t)} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, url)
			mark(t, s, sqlstore.MarkFilling, "source")
			if err := tryProject(t, s, "too-early"); !errors.Is(err, sqlstore.ErrFilling) {
				t.Errorf("a change: %v", err)
			}
			if _, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: url}); !errors.Is(err, sqlstore.ErrFilling) {
				t.Errorf("opening: %v", err)
			}
			filler, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: url, Filling: true})
			if err != nil {
				t.Fatal(err)
			}
			if err := filler.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// changeThatWaits has begun a change that creates the project in-between once goOn is closed, and says then what came of it.
func changeThatWaits(t *testing.T, s *sqlstore.Store) (goOn chan<- struct{}, result <-chan error) {
	t.Helper()
	begun, wait, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		tries := 0
		done <- s.Update(t.Context(), func(tx auth.Tx) error {
			if tries++; tries == 1 {
				close(begun)
				<-wait
			}
			return tx.CreateProject(t.Context(), auth.Project{ID: "in-between", CreatedAt: noon})
		})
	}()
	<-begun
	return wait, done
}

// A change that runs when the database closes, and commits afterwards, is in what a serializable snapshot reads, or the change or the snapshot fails: it is
// never acknowledged and missing.
func TestClosingMissesNoChange(t *testing.T) {
	url := pgtest.URL(t)
	server, mover := openStore(t, url), openStore(t, url)
	storetest.Fill(t, server, "one")
	goOn, result := changeThatWaits(t, server)
	mark(t, mover, sqlstore.MarkMoving, sqlstore.MovingClosed)
	snapshot, err := mover.Snapshot(t.Context(), sqlstore.SnapshotOptions{Serializable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer snapshot.Close()
	if marks, err := snapshot.Marks(t.Context()); err != nil || marks[sqlstore.MarkMoving].Value != sqlstore.MovingClosed {
		t.Fatal(marks, err)
	}
	close(goOn)
	change := <-result
	projects, _ := sqlstore.TableNamed("projects")
	seen := false
	var reading error
	for row, err := range snapshot.Rows(t.Context(), projects, sqlstore.Range{}) {
		if reading = err; err == nil {
			seen = seen || row[0] == "in-between"
		}
	}
	t.Logf("the change: %v; the snapshot: seen %v, %v", change, seen, reading)
	if change == nil && reading == nil && !seen {
		t.Error("a change was acknowledged that the snapshot misses")
	}
}

// What a serializable snapshot read holds once it is closed without an error, also against a change that writes only afterwards.
func TestClosedSnapshotMissesNoChange(t *testing.T) {
	url := pgtest.URL(t)
	server, mover := openStore(t, url), openStore(t, url)
	goOn, result := changeThatWaits(t, server)
	mark(t, mover, sqlstore.MarkMoving, sqlstore.MovingClosed)
	snapshot, err := mover.Snapshot(t.Context(), sqlstore.SnapshotOptions{Serializable: true})
	if err != nil {
		t.Fatal(err)
	}
	if marks, err := snapshot.Marks(t.Context()); err != nil || marks[sqlstore.MarkMoving].Value != sqlstore.MovingClosed {
		t.Fatal(marks, err)
	}
	projects, _ := sqlstore.TableNamed("projects")
	rows, err := snapshot.Count(t.Context(), projects, sqlstore.Range{})
	if err := errors.Join(err, snapshot.Close()); err != nil {
		t.Fatal(err)
	}
	close(goOn)
	if err := <-result; err == nil && rows == 0 {
		t.Error("a change was acknowledged that the snapshot misses")
	} else if !errors.Is(err, sqlstore.ErrMoving) {
		t.Error(err)
	}
}
