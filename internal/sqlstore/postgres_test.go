package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/sqlstore"
	"github.com/doorward/doorward/internal/storetest/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func TestManyOpenOneNewDatabase(t *testing.T) {
	url := pgtest.EmptyURL(t)
	var wait sync.WaitGroup
	for i := range 4 {
		wait.Go(func() {
			s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: url})
			if err != nil {
				t.Errorf("opening %d: %v", i, err)
				return
			}
			defer s.Close()
			err = s.Update(t.Context(), func(tx auth.Tx) error {
				return tx.CreateProject(t.Context(), auth.Project{ID: auth.ProjectID(fmt.Sprintf("p%d", i))})
			})
			if err != nil {
				t.Errorf("writing %d: %v", i, err)
			}
		})
	}
	wait.Wait()
}

// TestSnapshotHasTime: counting a table for a backup may take longer than a statement of a request.
func TestSnapshotHasTime(t *testing.T) {
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: pgtest.EmptyURL(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	snapshot, err := s.Snapshot(t.Context(), sqlstore.SnapshotOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer snapshot.Close()
	for _, setting := range []string{"statement_timeout", "idle_in_transaction_session_timeout"} {
		if v, err := snapshot.Show(t.Context(), setting); err != nil || v != "10min" {
			t.Errorf("%s is %q, %v", setting, v, err)
		}
	}
	if own := snapshot.StatementTime(); own <= 10*time.Minute || own > 11*time.Minute {
		t.Errorf("on this side a statement has %v, want a little more", own)
	}
}

func TestUnreachableServerIsBusy(t *testing.T) {
	_, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: "postgres:///x?user=nobody&host=" + t.TempDir()})
	if !errors.Is(err, auth.ErrStoreBusy) {
		t.Errorf("opening: %v, want busy", err)
	}
}

func TestPoolIsBounded(t *testing.T) {
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: pgtest.URL(t), MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.Update(t.Context(), func(auth.Tx) error {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.CountMail(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("a second connection: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
