package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// testCount: what one Count takes it takes whole or not at all.
func testCount(t *testing.T, s auth.Store) {
	addProjects(t, s, one)
	errSpent := errors.New("spent")
	take := func(keys ...string) error {
		return s.Count(t.Context(), func(l auth.Limits) error {
			for _, key := range keys {
				if wait, err := l.TakeLimit(t.Context(), one, key, now, time.Hour, 1); err != nil || wait > 0 {
					return errors.Join(err, errSpent)
				}
			}
			return nil
		})
	}
	wantError(t, "the first", take("a"), nil)
	wantError(t, "one free and one spent", take("b", "a"), errSpent)
	wantError(t, "the free one", take("b"), nil)
	err := s.Count(t.Context(), func(l auth.Limits) error { return l.RefundLimit(t.Context(), one, "a", time.Hour) })
	wantError(t, "a refund", err, nil)
	wantError(t, "the refunded one", take("a"), nil)
}

// testRaceToCount has many take from two budgets at once: each gets exactly what there is, and nobody is refused for the crowd.
func testRaceToCount(t *testing.T, s auth.Store) {
	addProjects(t, s, one)
	errSpent := errors.New("spent")
	results := make(chan error)
	for range racers {
		go func() {
			results <- s.Count(context.Background(), func(l auth.Limits) error {
				for _, key := range []string{"wide", "narrow"} {
					if wait, err := l.TakeLimit(context.Background(), one, key, now, time.Hour, 7); err != nil || wait > 0 {
						return errors.Join(err, errSpent)
					}
				}
				return nil
			})
		}()
	}
	won := 0
	for range racers {
		if err := <-results; err == nil {
			won++
		} else if !errors.Is(err, errSpent) {
			t.Error(err)
		}
	}
	wantEqual(t, "uses", won, 7)
}
