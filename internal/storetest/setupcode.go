package storetest

import (
	"errors"
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

func testSetupCodes(t *testing.T, s auth.Store) {
	ctx := t.Context()
	replace := func(c auth.SetupCode) {
		t.Helper()
		update(t, s, func(tx auth.Tx) error { return tx.ReplaceSetupCode(ctx, c) })
	}
	use := func(hash string, at int) error {
		return s.Update(ctx, func(tx auth.Tx) error { return tx.UseSetupCode(ctx, []byte(hash), after(at)) })
	}
	old := auth.SetupCode{Hash: []byte("old"), CreatedAt: now, ExpiresAt: after(60)}
	young := auth.SetupCode{Hash: []byte("young"), CreatedAt: after(1), ExpiresAt: after(61)}
	replace(old)
	wantEqual(t, "code", must[auth.SetupCode](t)(s.GetSetupCode(ctx, old.Hash)), old)
	replace(young)
	replace(young)
	_, err := s.GetSetupCode(ctx, old.Hash)
	wantError(t, "a code that another one voided", err, auth.ErrNotFound)
	wantError(t, "UseSetupCode of a voided one", use("old", 2), auth.ErrNotFound)
	wantError(t, "UseSetupCode of an expired one", use("young", 61), auth.ErrNotFound)
	wantEqual(t, "expired code", must[auth.SetupCode](t)(s.GetSetupCode(ctx, young.Hash)), young)

	errUndo := errors.New("undo")
	wantError(t, "a use that is rolled back", s.Update(ctx, func(tx auth.Tx) error { return errors.Join(tx.UseSetupCode(ctx, young.Hash, after(2)), errUndo) }), errUndo)
	wantError(t, "UseSetupCode", use("young", 60), nil)
	wantError(t, "UseSetupCode again", use("young", 60), auth.ErrNotFound)
	_, err = s.GetSetupCode(ctx, young.Hash)
	wantError(t, "a used code", err, auth.ErrNotFound)
}
