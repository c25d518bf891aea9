package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// projectImport is one run of ImportProject.
type projectImport struct {
	admin   *Admin
	store   ProjectRows
	capsule Capsule
	holder  string // of the lease that keeps a second import of the same project out

	project *ProjectRow // the row of the project itself, written last
	batch   []ProjectRow
	rows    int
}

// importLease is how long an import that fell silent keeps others out.
const importLease = 2 * time.Minute

func (i *projectImport) run(ctx context.Context, c Caller, rows func(take func(ProjectRow) error) error) (int, error) {
	id := i.capsule.Project
	if err := i.lease(ctx); err != nil {
		return 0, err
	}
	defer i.release(ctx)
	if err := i.store.BeginProject(ctx, id, i.holder, i.admin.now()); err != nil {
		if errors.Is(err, ErrConflict) {
			return 0, newError(CodeConflict, fmt.Sprintf("the project id %q is in use here, or was once; ids are never used again", id))
		}
		return 0, err
	}
	err := rows(func(row ProjectRow) error { return i.take(ctx, row) })
	if err == nil {
		err = i.flush(ctx)
	}
	if err == nil {
		err = i.finish(ctx, c)
	}
	if err != nil {
		return 0, errors.Join(err, i.store.AbandonProject(context.WithoutCancel(ctx), id, i.holder))
	}
	return i.rows, nil
}

func (i *projectImport) lease(ctx context.Context) error {
	now := i.admin.now()
	err := i.admin.store.Update(ctx, func(tx Tx) error { return tx.TakeLease(ctx, i.leaseName(), i.holder, now, now.Add(importLease)) })
	if errors.Is(err, ErrConflict) {
		return newError(CodeConflict, fmt.Sprintf("the project %q is being imported already; one that broke off may be tried again after %s", i.capsule.Project, importLease))
	}
	return err
}

func (i *projectImport) leaseName() string { return "import/" + string(i.capsule.Project) }

// release lets the next import in at once; where it fails, the lease runs out by itself.
func (i *projectImport) release(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	_ = i.admin.store.Update(ctx, func(tx Tx) error { return tx.ReleaseLease(ctx, i.leaseName(), i.holder) })
}

func (i *projectImport) take(ctx context.Context, row ProjectRow) error {
	if !capsuleTables[row.Table] || len(row.Columns) != len(row.Values) {
		return invalidArgument("capsule", fmt.Sprintf("it holds rows of %q, which no project has", clip(row.Table, 60)))
	}
	if i.capsule.EndSessions && endedTables[row.Table] {
		return nil
	}
	i.rows++
	if row.Table == "projects" {
		if i.project != nil {
			return invalidArgument("capsule", "it holds more than one project")
		}
		i.project = &row // sealed when it is written: its master key may be pruned meanwhile
		return nil
	}
	if err := i.admin.seal(i.capsule.Project, row); err != nil {
		return err
	}
	if i.batch = append(i.batch, row); len(i.batch) < importRows {
		return nil
	}
	return i.flush(ctx)
}

func (i *projectImport) flush(ctx context.Context) error {
	if err := i.lease(ctx); err != nil {
		return err
	}
	err := i.store.WriteProject(ctx, i.capsule.Project, i.holder, i.batch)
	i.batch = i.batch[:0]
	switch {
	case errors.Is(err, ErrMisfit), errors.Is(err, ErrConflict), errors.Is(err, ErrNotFound):
		return invalidArgument("capsule", fmt.Sprintf("its rows do not fit together: %v", err))
	}
	return err
}

// finish makes the project what its own row says, and so visible.
func (i *projectImport) finish(ctx context.Context, c Caller) error {
	p, err := i.readProject()
	if err != nil {
		return err
	}
	c.Project = p
	var key SigningKey
	if i.capsule.EndSessions {
		if key, err = i.admin.newSigningKey(p); err != nil {
			return err
		}
	}
	return i.admin.store.Update(ctx, func(tx Tx) error {
		// Whoever took the lease over began anew, and these rows are not this import's.
		now := i.admin.now()
		if err := tx.TakeLease(ctx, i.leaseName(), i.holder, now, now.Add(importLease)); err != nil {
			return err
		}
		if err := tx.UpdateProject(ctx, *p); err != nil {
			return err
		}
		if i.capsule.EndSessions {
			if err := tx.CreateSigningKey(ctx, key); err != nil {
				return err
			}
		}
		return i.admin.audit(ctx, tx, c, EventProjectImported, OutcomeAllowed, "", "issuer", i.capsule.Issuer, "as_of", i.capsule.At.UTC().Format(time.RFC3339),
			"sessions_ended", fmt.Sprint(i.capsule.EndSessions))
	})
}

// readProject parses the project's own row, which says how everything else of it is treated.
func (i *projectImport) readProject() (*Project, error) {
	if i.project == nil {
		return nil, invalidArgument("capsule", "it holds no project")
	}
	if err := i.admin.seal(i.capsule.Project, *i.project); err != nil {
		return nil, err
	}
	p := &Project{ID: i.capsule.Project, UpdatedAt: i.admin.now(), Overrides: map[string]string{}}
	fits := true
	text := func(v any) string { s, ok := v.(string); fits = fits && ok; return s }
	blob := func(v any) []byte { b, ok := v.([]byte); fits = fits && (ok || v == nil); return b }
	for n, column := range i.project.Columns {
		switch v := i.project.Values[n]; column {
		case "id":
			fits = fits && text(v) == string(p.ID)
		case "display_name":
			p.DisplayName = text(v)
		case "preset":
			p.Preset = Preset(text(v))
		case "overrides":
			fits = json.Unmarshal([]byte(text(v)), &p.Overrides) == nil && fits
		case "secrets_sealed":
			p.SecretsSealed = blob(v)
		case "admin_token_hash":
			p.AdminTokenHash = blob(v)
		}
	}
	if !fits || len(p.AdminTokenHash) == 0 || p.Preset != PresetDocumented && p.Preset != PresetHardened || checkDisplayName(p.DisplayName) != nil {
		return nil, invalidArgument("capsule", "the description of its project cannot be read")
	}
	if i.capsule.Issuer != i.admin.Issuer(p.ID) && !i.capsule.EndSessions {
		p.Overrides["formerIssuer"] = i.capsule.Issuer
	}
	var err error
	p.Settings, err = ResolveSettings(p.Preset, p.Overrides) // not by the cache: the project has no version yet
	return p, err
}
