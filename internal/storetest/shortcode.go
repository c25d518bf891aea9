package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// shortCode is a code of anna's that can be typed.
func shortCode(hash, id string) auth.OOBCode {
	return auth.OOBCode{
		Project: one, Hash: []byte(hash), User: anna, Purpose: auth.PurposeInvite, CreatedAt: now, ExpiresAt: after(60), ShortID: id, ShortSealed: []byte("sealed " + hash),
	}
}

// testShortCodes: a try counts only at a code that is good, and the newest code of an id is the only one.
func testShortCodes(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addSession(t, s)
	code := shortCode("c1", "invite/a@example.com")
	update(t, s, func(tx auth.Tx) error { return tx.CreateOOBCode(ctx, code) })
	wantEqual(t, "code", must[auth.OOBCode](t)(s.GetOOBCode(ctx, one, code.Hash)), code)
	try := func(id string, at time.Time) (c auth.OOBCode, err error) {
		err = s.Update(ctx, func(tx auth.Tx) error {
			c, err = tx.TakeShortCodeTry(ctx, one, id, at, 2)
			return err
		})
		return c, err
	}
	for name, id := range map[string]string{"unknown": "invite/b@example.com", "none": ""} {
		_, err := try(id, now)
		wantError(t, name, err, auth.ErrNotFound)
	}
	_, err := try(code.ShortID, after(60))
	wantError(t, "expired", err, auth.ErrNotFound)

	for code.ShortTries < 2 {
		code.ShortTries++
		wantEqual(t, "tried code", must[auth.OOBCode](t)(try(code.ShortID, after(59))), code)
	}
	_, err = try(code.ShortID, now)
	wantError(t, "tried too often", err, auth.ErrNotFound)
	update(t, s, func(tx auth.Tx) error { return tx.RefundShortCodeTry(ctx, one, code.Hash) })
	wantEqual(t, "after a refund", must[auth.OOBCode](t)(try(code.ShortID, now)), code)
	for range 3 {
		update(t, s, func(tx auth.Tx) error { return tx.RefundShortCodeTry(ctx, one, code.Hash) })
	}
	wantEqual(t, "tries after more refunds than tries", must[auth.OOBCode](t)(s.GetOOBCode(ctx, one, code.Hash)).ShortTries, 0)
	update(t, s, func(tx auth.Tx) error { return tx.RefundShortCodeTry(ctx, one, []byte("gone")) })

	newer := shortCode("c2", code.ShortID)
	update(t, s, func(tx auth.Tx) error { return tx.CreateOOBCode(ctx, newer) })
	newer.ShortTries = 1
	wantEqual(t, "newest code", must[auth.OOBCode](t)(try(code.ShortID, now)), newer)
	older := must[auth.OOBCode](t)(s.GetOOBCode(ctx, one, code.Hash))
	if older.ShortID != "" || older.ShortSealed != nil || !older.ConsumedAt.IsZero() {
		t.Errorf("the older code is %+v, want one that is good by its link only", older)
	}
	update(t, s, func(tx auth.Tx) error {
		_, err := tx.ConsumeOOBCode(ctx, one, newer.Hash, newer.Purpose, now)
		return err
	})
	_, err = try(code.ShortID, now)
	wantError(t, "used", err, auth.ErrNotFound)
}

func testRaceForShortCode(t *testing.T, s auth.Store) {
	addSession(t, s)
	update(t, s, func(tx auth.Tx) error { return tx.CreateOOBCode(t.Context(), shortCode("c", "invite/a@example.com")) })
	won := race(t, s, racers, auth.ErrNotFound, func(ctx context.Context, tx auth.Tx, _ int) error {
		_, err := tx.TakeShortCodeTry(ctx, one, "invite/a@example.com", now, 5)
		return err
	})
	wantEqual(t, "tries", won, 5)
}
