package storetest

import (
	"errors"
	"slices"
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

// testCapsule moves a project row by row to another id, which is what an import of it does on another server.
func testCapsule(t *testing.T, s auth.Store) {
	ctx := t.Context()
	rows, ok := s.(auth.ProjectRows)
	if !ok {
		t.Fatal("the store does not move projects")
	}
	Fill(t, s, one, two)
	const moved = auth.ProjectID("moved")
	var all []auth.ProjectRow
	read := func(p auth.ProjectID) error {
		all = nil
		return rows.ReadProject(ctx, p, func(r auth.ProjectRow) error {
			r.Values = slices.Clone(r.Values)
			all = append(all, r)
			return nil
		})
	}
	wantError(t, "reading a project", read(one), nil)
	own := own(all, one, moved)
	if len(own) < 25 || len(own) != len(all) {
		t.Fatalf("%d rows of %d are the project's", len(own), len(all))
	}

	wantError(t, "a taken id", rows.BeginProject(ctx, two, "a", now), auth.ErrConflict)
	wantError(t, "a retired id", rows.BeginProject(ctx, "retired", "a", now), auth.ErrConflict)
	wantError(t, "rows of a project that was not begun", rows.WriteProject(ctx, moved, "a", own), auth.ErrNotFound)
	wantError(t, "beginning", rows.BeginProject(ctx, moved, "a", now), nil)
	wantError(t, "another project's rows", rows.WriteProject(ctx, moved, "a", all[len(all)-1:]), auth.ErrMisfit)
	wantError(t, "an unknown table", rows.WriteProject(ctx, moved, "a", []auth.ProjectRow{{Table: "goose_db_version", Columns: []string{"id"}, Values: []any{int64(1)}}}), auth.ErrMisfit)
	wantError(t, "rows of an existing project", rows.WriteProject(ctx, two, "a", nil), auth.ErrNotFound)
	children := own[1:] // the first is the project itself
	orphan := slices.IndexFunc(children, func(r auth.ProjectRow) bool { return r.Table == "user_roles" })
	wantError(t, "a row without its parents", rows.WriteProject(ctx, moved, "a", children[orphan:orphan+1]), auth.ErrNotFound)
	wantError(t, "rows of another import", rows.WriteProject(ctx, moved, "b", children), auth.ErrNotFound)
	wantError(t, "rows", rows.WriteProject(ctx, moved, "a", children), nil)
	wantError(t, "rows twice", rows.WriteProject(ctx, moved, "a", children), auth.ErrConflict)
	hidden(t, s, moved)
	wantEqual(t, "imports", must[[]auth.ProjectID](t)(rows.ListImports(ctx)), []auth.ProjectID{moved})
	wantError(t, "abandoning another's", rows.AbandonProject(ctx, moved, "b"), nil)
	wantError(t, "rows after that", rows.WriteProject(ctx, moved, "a", nil), nil)
	wantError(t, "reading what comes in", read(moved), auth.ErrNotFound)

	wantError(t, "abandoning", rows.AbandonProject(ctx, moved, "a"), nil)
	wantError(t, "abandoning again", rows.AbandonProject(ctx, moved, "a"), nil)
	wantError(t, "abandoning a project that is served", rows.AbandonProject(ctx, two, "a"), nil)
	must[auth.Project](t)(s.GetProject(ctx, two))
	wantEqual(t, "what an abandoned import leaves", must[map[string]any](t)(snapshot(ctx, s, moved)), must[map[string]any](t)(snapshot(ctx, s, "never")))

	wantError(t, "beginning again", rows.BeginProject(ctx, moved, "a", now), nil)
	wantError(t, "rows again", rows.WriteProject(ctx, moved, "a", children), nil)
	hidden(t, s, moved)
	source := must[auth.Project](t)(s.GetProject(ctx, one))
	source.ID = moved
	update(t, s, func(tx auth.Tx) error { return tx.UpdateProject(ctx, source) })
	must[auth.Project](t)(s.GetProject(ctx, moved))
	want := slices.Clone(own)
	wantError(t, "reading it back", read(moved), nil)
	wantEqual(t, "what came in", all[1:], want[1:])
	wantError(t, "beginning over a project that is served", rows.BeginProject(ctx, moved, "a", now), auth.ErrConflict)

	addProjects(t, s, auth.DefaultProject)
	wantError(t, "beginning over the default project without users", rows.BeginProject(ctx, auth.DefaultProject, "a", now), nil)
	hidden(t, s, auth.DefaultProject)
	wantError(t, "abandoning it", rows.AbandonProject(ctx, auth.DefaultProject, "a"), nil)
	addProjects(t, s, auth.DefaultProject)
	update(t, s, func(tx auth.Tx) error {
		return tx.CreateRole(ctx, auth.Role{Project: auth.DefaultProject, ID: "editor", Name: "editor", CreatedAt: now})
	})
	wantError(t, "beginning over the default project with a role", rows.BeginProject(ctx, auth.DefaultProject, "a", now), auth.ErrConflict)
	update(t, s, func(tx auth.Tx) error { return tx.DeleteRole(ctx, auth.DefaultProject, "editor") })
	update(t, s, func(tx auth.Tx) error {
		p, err := tx.GetProject(ctx, auth.DefaultProject)
		return errors.Join(err, tx.UpdateProject(ctx, p))
	})
	wantError(t, "beginning over the default project that was set up", rows.BeginProject(ctx, auth.DefaultProject, "a", now), auth.ErrConflict)
	update(t, s, func(tx auth.Tx) error {
		return tx.CreateUser(ctx, auth.User{Project: auth.DefaultProject, ID: anna, CreatedAt: now})
	})
	wantError(t, "beginning over the default project with a user", rows.BeginProject(ctx, auth.DefaultProject, "a", now), auth.ErrConflict)
}

// own gives copies of the rows as those of another project.
func own(all []auth.ProjectRow, from, to auth.ProjectID) []auth.ProjectRow {
	var renamed []auth.ProjectRow
	for _, r := range all {
		values := slices.Clone(r.Values)
		for i, column := range r.Columns {
			if (column == "project" || r.Table == "projects" && column == "id") && values[i] == string(from) {
				values[i] = string(to)
				renamed = append(renamed, auth.ProjectRow{Table: r.Table, Columns: r.Columns, Values: values})
			}
		}
	}
	return renamed
}

// hidden checks that nobody sees the project while it comes in.
func hidden(t *testing.T, s auth.Store, p auth.ProjectID) {
	t.Helper()
	_, err := s.GetProject(t.Context(), p)
	wantError(t, "GetProject of one that comes in", err, auth.ErrNotFound)
	for _, project := range must[[]auth.Project](t)(s.ListProjects(t.Context(), "", 99)) {
		if project.ID == p {
			t.Error("a project that comes in is listed")
		}
	}
}
