package storetest

import (
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

func testProjects(t *testing.T, s auth.Store) {
	ctx := t.Context()
	full := auth.Project{
		ID: one, DisplayName: "One & only", Preset: auth.PresetHardened, Overrides: map[string]string{"idTokenTTL": "5m"}, SecretsSealed: []byte{0, 1, 255},
		AdminTokenHash: []byte("hash"), CreatedAt: now, UpdatedAt: after(1), Version: 7,
	}
	update(t, s, func(tx auth.Tx) error { return tx.CreateProject(ctx, full) })
	wantEqual(t, "project", must[auth.Project](t)(s.GetProject(ctx, one)), full)
	wantError(t, "CreateProject of a taken id", s.Update(ctx, func(tx auth.Tx) error { return tx.CreateProject(ctx, full) }), auth.ErrConflict)
	_, err := s.GetProject(ctx, two)
	wantError(t, "GetProject", err, auth.ErrNotFound)

	changed := auth.Project{ID: one, DisplayName: "Eins", Preset: auth.PresetDocumented, UpdatedAt: after(2)}
	update(t, s, func(tx auth.Tx) error { return tx.UpdateProject(ctx, changed) })
	changed.CreatedAt, changed.Version = now, 8
	got := must[auth.Project](t)(s.GetProject(ctx, one))
	wantEqual(t, "changed project", got, changed)
	if got.Overrides == nil {
		t.Error("an empty map reads back as nil")
	}
	wantError(t, "UpdateProject of none", s.Update(ctx, func(tx auth.Tx) error { return tx.UpdateProject(ctx, auth.Project{ID: two}) }), auth.ErrNotFound)

	addProjects(t, s, "a", "c", "b")
	id := func(p auth.Project) auth.ProjectID { return p.ID }
	wantEqual(t, "first page", ids(must[[]auth.Project](t)(s.ListProjects(ctx, "", 2)), id), []string{"a", "b"})
	wantEqual(t, "second page", ids(must[[]auth.Project](t)(s.ListProjects(ctx, "b", 5)), id), []string{"c", "one"})
}

func testDeletedProjectIDStaysTaken(t *testing.T, s auth.Store) {
	ctx := t.Context()
	addProjects(t, s, one)
	update(t, s, func(tx auth.Tx) error { return tx.DeleteProject(ctx, one, now) })
	_, err := s.GetProject(ctx, one)
	wantError(t, "GetProject", err, auth.ErrNotFound)
	wantError(t, "DeleteProject again", s.Update(ctx, func(tx auth.Tx) error { return tx.DeleteProject(ctx, one, now) }), auth.ErrNotFound)
	wantError(t, "CreateProject of a deleted id", s.Update(ctx, func(tx auth.Tx) error { return tx.CreateProject(ctx, auth.Project{ID: one}) }), auth.ErrConflict)
}
