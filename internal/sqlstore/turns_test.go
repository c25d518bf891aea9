package sqlstore

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// endless is a read that only an interruption ends.
const endless = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n`

// TestReadersAllBusy: a read does not wait for ever, and Ping does not wait at all.
func TestReadersAllBusy(t *testing.T) {
	s := openFresh(t)
	s.q.turns.wait = 50 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, sqliteReaders)
	for range sqliteReaders {
		go func() {
			_, err := get(ctx, s.q, value[int64], endless)
			ended <- err
		}()
	}
	for len(s.q.turns.free) < sqliteReaders {
		time.Sleep(time.Millisecond)
	}
	if _, err := s.CountUsers(t.Context(), "p"); !errors.Is(err, auth.ErrStoreBusy) {
		t.Errorf("a read with no reader free: %v", err)
	}
	soon, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	if err := s.Ping(soon); err != nil {
		t.Errorf("Ping: %v", err)
	}
	cancel()
	for range sqliteReaders {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled read: %v", err)
		}
	}
	if _, err := s.CountUsers(t.Context(), "p"); err != nil {
		t.Errorf("with free readers: %v", err)
	}
}

func TestLongReadEnds(t *testing.T) {
	s := openFresh(t)
	s.q.turns.run = 50 * time.Millisecond
	if _, err := get(t.Context(), s.q, value[int64], endless); !errors.Is(err, auth.ErrStoreBusy) {
		t.Errorf("got %v", err)
	}
}
