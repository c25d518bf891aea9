package storetest

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

func importOf(p auth.ProjectID) auth.UserImport {
	return auth.UserImport{
		Project: p, ID: "i1", State: auth.ImportChecking, FileName: "users.json", Lines: 3, Done: 2, Refused: 1, Actor: auth.ActorOperator, ActorID: "somebody",
		Addr: netip.MustParseAddr("192.0.2.7"), CreatedAt: now,
		Report: auth.ImportReport{Created: 1, Failed: []auth.ImportFailed{{Index: 2, Reason: "no"}}, CannotSignIn: map[string]int{"disabled": 1}},
	}
}

func testUserImports(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addProjects(t, s, one, two)
	first := importOf(one)
	second := auth.UserImport{Project: one, ID: "i2", State: auth.ImportRunning, CreatedAt: now}
	other := auth.UserImport{Project: two, ID: "i0", State: auth.ImportChecked, CreatedAt: now, ExpiresAt: after(9)}
	part := func(i auth.UserImportID, id string) auth.UserImportPart {
		return auth.UserImportPart{Project: one, ID: id, Import: i, Sealed: []byte("lines of " + id)}
	}
	update(t, s, func(tx auth.Tx) error {
		return errors.Join(tx.CreateUserImport(ctx, second), tx.CreateUserImport(ctx, first), tx.CreateUserImport(ctx, other),
			tx.CreateUserImportPart(ctx, part("i1", "i1.1")), tx.CreateUserImportPart(ctx, part("i1", "i1.0")), tx.CreateUserImportPart(ctx, part("i2", "i2.0")))
	})
	wantError(t, "CreateUserImport again", s.Update(ctx, func(tx auth.Tx) error { return tx.CreateUserImport(ctx, first) }), auth.ErrConflict)
	wantError(t, "CreateUserImportPart of no import", s.Update(ctx, func(tx auth.Tx) error { return tx.CreateUserImportPart(ctx, part("i9", "i9.0")) }), auth.ErrNotFound)
	wantEqual(t, "import", must[auth.UserImport](t)(s.GetUserImport(ctx, one, "i1")), first)
	wantEqual(t, "imports", must[[]auth.UserImport](t)(s.ListUserImports(ctx, one, 9)), []auth.UserImport{second, first})
	wantEqual(t, "the newest", must[[]auth.UserImport](t)(s.ListUserImports(ctx, one, 1)), []auth.UserImport{second})
	wantEqual(t, "imports to work on", must[[]auth.UserImport](t)(s.WorkingUserImports(ctx, 9)), []auth.UserImport{first, second})
	wantEqual(t, "next import", must[[]auth.UserImport](t)(s.WorkingUserImports(ctx, 1)), []auth.UserImport{first})
	wantEqual(t, "first part", must[auth.UserImportPart](t)(s.NextUserImportPart(ctx, one, "i1", "")), part("i1", "i1.0"))
	wantEqual(t, "second part", must[auth.UserImportPart](t)(s.NextUserImportPart(ctx, one, "i1", "i1.0")), part("i1", "i1.1"))
	_, err := s.NextUserImportPart(ctx, one, "i1", "i1.1")
	wantError(t, "part after the last", err, auth.ErrNotFound)

	first.State, first.Done, first.Lines, first.Refused, first.Failure, first.Actor, first.ActorID = auth.ImportDone, 9, 9, 5, "broken", auth.ActorAdmin, "other"
	first.Report, first.StartedAt, first.FinishedAt, first.ExpiresAt, first.Addr = auth.ImportReport{Existing: 4}, after(1), after(2), after(3), netip.Addr{}
	update(t, s, func(tx auth.Tx) error {
		changed := first
		changed.FileName, changed.CreatedAt = "other", after(9) // not written
		return errors.Join(tx.UpdateUserImport(ctx, changed), tx.DeleteUserImportPart(ctx, one, "i1.0"))
	})
	wantEqual(t, "changed import", must[auth.UserImport](t)(s.GetUserImport(ctx, one, "i1")), first)
	wantEqual(t, "imports to work on", must[[]auth.UserImport](t)(s.WorkingUserImports(ctx, 9)), []auth.UserImport{second})
	wantEqual(t, "part that is left", must[auth.UserImportPart](t)(s.NextUserImportPart(ctx, one, "i1", "")), part("i1", "i1.1"))
	wantError(t, "DeleteUserImportPart again", s.Update(ctx, func(tx auth.Tx) error { return tx.DeleteUserImportPart(ctx, one, "i1.0") }), auth.ErrNotFound)
	update(t, s, func(tx auth.Tx) error {
		return errors.Join(tx.DeleteUserImportParts(ctx, one, "i1"), tx.DeleteUserImportParts(ctx, one, "i1"), tx.DeleteUserImport(ctx, one, "i2"))
	})
	for _, i := range []auth.UserImportID{"i1", "i2"} {
		_, err = s.NextUserImportPart(ctx, one, i, "")
		wantError(t, "parts that are left of "+string(i), err, auth.ErrNotFound)
	}
	wantEqual(t, "imports to work on after all", must[[]auth.UserImport](t)(s.WorkingUserImports(ctx, 9)), nil)
	wantError(t, "DeleteUserImport again", s.Update(ctx, func(tx auth.Tx) error { return tx.DeleteUserImport(ctx, one, "i2") }), auth.ErrNotFound)

	sweep := func(at int) {
		t.Helper()
		update(t, s, func(tx auth.Tx) error { _, err := tx.Sweep(ctx, after(at), auth.DefaultRetention, 99); return err })
	}
	sweep(3)
	wantEqual(t, "imports before they expire", len(must[[]auth.UserImport](t)(s.ListUserImports(ctx, one, 9))), 1)
	sweep(9)
	wantEqual(t, "imports after that", must[[]auth.UserImport](t)(s.ListUserImports(ctx, one, 9)), nil)
	wantEqual(t, "the other project's", must[[]auth.UserImport](t)(s.ListUserImports(ctx, two, 9)), []auth.UserImport{other})
}
