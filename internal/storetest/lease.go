package storetest

import (
	"context"
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

func testLeases(t *testing.T, s auth.Store) {
	ctx := t.Context()
	take := func(name, holder string, from, until int) error {
		return s.Update(ctx, func(tx auth.Tx) error { return tx.TakeLease(ctx, name, holder, after(from), after(until)) })
	}
	release := func(name, holder string) error {
		return s.Update(ctx, func(tx auth.Tx) error { return tx.ReleaseLease(ctx, name, holder) })
	}
	wantError(t, "a first lease", take("backup", "a", 0, 10), nil)
	wantError(t, "another's lease", take("backup", "b", 9, 20), auth.ErrConflict)
	wantError(t, "other work", take("certificate", "b", 9, 20), nil)
	wantError(t, "prolonging", take("backup", "a", 9, 30), nil)
	wantError(t, "another's lease that was prolonged", take("backup", "b", 29, 40), auth.ErrConflict)
	wantError(t, "a lease that ran out", take("backup", "b", 30, 40), nil)
	wantError(t, "the late holder's", take("backup", "a", 31, 50), auth.ErrConflict)
	wantError(t, "releasing another's", release("backup", "a"), auth.ErrNotFound)
	wantError(t, "releasing", release("backup", "b"), nil)
	wantError(t, "a lease that was released", take("backup", "a", 31, 50), nil)

	won := race(t, s, 8, auth.ErrConflict, func(ctx context.Context, tx auth.Tx, i int) error {
		return tx.TakeLease(ctx, "race", string(rune('a'+i)), now, after(10))
	})
	wantEqual(t, "winners of a lease", won, 1)
}
