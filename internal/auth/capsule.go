package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/doorward/doorward/internal/token"
)

// Capsule says what a project capsule holds: one project whole, to go on living on another server.
type Capsule struct {
	Project     ProjectID
	DisplayName string
	Issuer      string    // of its id tokens where it comes from
	Schema      int64     // number of the newest migration of the database that it comes from
	At          time.Time // later changes are not in it
	EndSessions bool      // at an import: sessions, codes and signing keys stay behind, because what was ended since is not known (P21)
}

// ProjectRow is a row of a table of projects' data, as stores give and take it. Values are int64, float64, string, []byte, or nil; those of sealed columns are opened
// on their way out of the domain, and sealed on their way in.
type ProjectRow struct {
	Table   string
	Columns []string
	Values  []any
}

// ProjectRows is the part of a store that moves projects whole.
type ProjectRows interface {
	// SchemaNumber is that of the last migration that the database has.
	SchemaNumber(ctx context.Context) (int64, error)
	// ReadProject hands over all rows that belong to the project as of one instant, parents before children. It fails with ErrNotFound.
	ReadProject(ctx context.Context, p ProjectID, each func(ProjectRow) error) error
	// BeginProject makes room for a project that holder brings in row by row, and that nobody sees before UpdateProject gives it a preset. What an import left that broke off is
	// removed. It fails with ErrConflict where the id is taken or was ever used (P6); the project default gives way as long as nobody changed or used it.
	BeginProject(ctx context.Context, p ProjectID, holder string, now time.Time) error
	// WriteProject writes rows of a project that holder began, in one transaction. It fails with ErrNotFound where it did not, or a row's parent is missing; with ErrConflict where
	// a row is there already; and with ErrMisfit where a row is of no known table or of another project.
	WriteProject(ctx context.Context, p ProjectID, holder string, rows []ProjectRow) error
	// AbandonProject removes what came in of a project that holder began and did not finish; holder "" is any, and also what a deleted project left. An id that was free
	// stays so.
	AbandonProject(ctx context.Context, p ProjectID, holder string) error
	// ListImports names the projects that come in, or did when their import broke off, and the deleted ones that have rows left.
	ListImports(ctx context.Context) ([]ProjectID, error)
}

// ErrMisfit means that a row does not belong where it shall go.
var ErrMisfit = errors.New("the row does not fit")

// capsuleTables are the tables whose rows go with a project; capsuleLeaves are those that stay, and why. A test holds them against the schema.
var (
	capsuleTables = map[string]bool{
		"projects": true, "users": true, "roles": true, "user_roles": true, "user_attributes": true, "identities": true, "sessions": true, "refresh_tokens": true,
		"browser_tokens": true, "oob_codes": true, "signing_keys": true, "mail_templates": true, "identity_providers": true, "second_factors": true, "recovery_codes": true, "known_sources": true,
		"webhooks": true, "audit": true, "limits": true, "decisions": true,
		"activity": true, "activity_marks": true,
	}
	capsuleLeaves = map[string]string{
		"outbox":             "the server that queued a mail sends it; nobody gets it twice",
		"webhook_deliveries": "as outbox",
		"sign_in_flows":      "bound to the old server's callback, and minutes old",
		"pending_sign_ins":   "minutes old; the second factor is asked for again",
		"passkey_challenges": "minutes old",
		"sign_in_codes":      "a minute old; the app asks for another",
		"user_imports":       "the server that has the file imports it",
		"user_import_parts":  "as user_imports",
	}
)

// endedTables are left out where an import ends sessions: what by itself lets somebody in who may have been shut out since. Without the signing keys no id token of before counts
// (P25): one of them may have been withdrawn since. The project gets a new one.
var endedTables = map[string]bool{"sessions": true, "refresh_tokens": true, "browser_tokens": true, "oob_codes": true, "signing_keys": true}

// CapsuleTables tells of a table that holds projects' data whether its rows go with a project, and if not, why.
func CapsuleTables(table string) (goes bool, why string, known bool) {
	if capsuleTables[table] {
		return true, "", true
	}
	why, known = capsuleLeaves[table]
	return false, why, known
}

// ExportProject hands over a project whole, with every secret in clear: begin is called once, then each for every row. Only for operators. It fails with CodeNotFound,
// and with the errors of begin and each.
func (a *Admin) ExportProject(ctx context.Context, c Caller, begin func(Capsule) error, each func(ProjectRow) error) error {
	if err := c.requireOperator(); err != nil {
		return err
	}
	if err := c.notConsole(); err != nil {
		return err
	}
	rows, err := a.projectRows()
	if err != nil {
		return err
	}
	schema, err := rows.SchemaNumber(ctx)
	if err != nil {
		return err
	}
	p := c.Project
	// Written down before anything leaves, and part of what leaves.
	if err := a.store.Update(ctx, func(tx Tx) error { return a.audit(ctx, tx, c, EventProjectExported, OutcomeAllowed, "") }); err != nil {
		return notFound(err, "there is no such project")
	}
	if err := begin(Capsule{Project: p.ID, DisplayName: p.DisplayName, Issuer: a.Issuer(p.ID), Schema: schema, At: a.now()}); err != nil {
		return err
	}
	err = rows.ReadProject(ctx, p.ID, func(row ProjectRow) error {
		if !capsuleTables[row.Table] {
			return nil
		}
		if err := a.unseal(p.ID, row); err != nil {
			return err
		}
		return each(row)
	})
	return notFound(err, "there is no such project")
}

// importRows bounds the rows of one transaction of an import.
const importRows = 500

// ImportProject takes in what ExportProject handed over, and gives the number of rows. rows calls take for each of them. The project is served when all of it is there; an import
// that breaks off leaves nothing. Id tokens of the old server count on, unless sessions end. Only for operators. It fails with CodeConflict where the id is or ever was in use (P6), with
// CodeInvalidArgument where the capsule does not fit, and with the errors of rows.
func (a *Admin) ImportProject(ctx context.Context, c Caller, capsule Capsule, rows func(take func(ProjectRow) error) error) (n int, err error) {
	if err := c.requireOperator(); err != nil {
		return 0, err
	}
	store, err := a.projectRows()
	if err != nil {
		return 0, err
	}
	if _, err := ParseProjectID(string(capsule.Project)); err != nil {
		return 0, err
	}
	schema, err := store.SchemaNumber(ctx)
	if err != nil {
		return 0, err
	}
	if capsule.Schema > schema {
		return 0, invalidArgument("capsule", fmt.Sprintf("a newer release wrote the capsule (its schema has number %d, this database's %d); upgrade this server first", capsule.Schema, schema))
	}
	holder, err := token.NewID(28, a.rand)
	if err != nil {
		return 0, err
	}
	i := &projectImport{admin: a, store: store, capsule: capsule, holder: holder}
	return i.run(ctx, c, rows)
}

// CleanUpImports removes what imports left that broke off, and what deleted projects left, and gives how many; of one project, where one is named. It leaves alone imports that run.
// One that cannot be removed does not keep it from the others.
func (a *Admin) CleanUpImports(ctx context.Context, only ...ProjectID) (removed int, err error) {
	store, err := a.projectRows()
	if err != nil {
		return 0, err
	}
	ids, err := store.ListImports(ctx)
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		if len(only) > 0 && !slices.Contains(only, id) {
			continue
		}
		done, failed := a.cleanUpImport(ctx, store, id)
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("what an import of project %s left: %w", id, failed))
		}
		if done {
			removed++
		}
	}
	return removed, err
}

func (a *Admin) cleanUpImport(ctx context.Context, store ProjectRows, id ProjectID) (bool, error) {
	holder, err := token.NewID(28, a.rand)
	if err != nil {
		return false, err
	}
	i := &projectImport{admin: a, store: store, capsule: Capsule{Project: id}, holder: holder}
	if err := i.lease(ctx); err != nil {
		if CodeOf(err) == CodeConflict {
			err = nil // it runs
		}
		return false, err
	}
	defer i.release(ctx)
	err = store.AbandonProject(ctx, id, "")
	return err == nil, err
}

func (a *Admin) projectRows() (ProjectRows, error) {
	if a.rows == nil {
		return nil, errors.New("no store that moves projects was configured")
	}
	return a.rows, nil
}

// sealedColumn gives the kind of a column that holds sealed values.
func sealedColumn(table, column string) (SealedKind, bool) {
	for _, kind := range SealedKinds() {
		if string(kind) == table+"."+column {
			return kind, true
		}
	}
	return "", false
}

// eachSealed calls change with every sealed value of a row, and stores what it gives.
func eachSealed(row ProjectRow, change func(kind SealedKind, id string, value []byte) ([]byte, error)) error {
	id := ""
	for i, column := range row.Columns {
		if column == "id" || column == "short_id" { // no table has both
			id, _ = row.Values[i].(string)
		}
	}
	for i, column := range row.Columns {
		kind, sealed := sealedColumn(row.Table, column)
		if !sealed || row.Values[i] == nil {
			continue
		}
		value, ok := row.Values[i].([]byte)
		if !ok || id == "" {
			return fmt.Errorf("%w: %s.%s", ErrMisfit, row.Table, column)
		}
		changed, err := change(kind, id, value)
		if err != nil {
			return fmt.Errorf("%s.%s of %s: %w", row.Table, column, id, err)
		}
		row.Values[i] = changed
	}
	return nil
}

func (s *Service) unseal(p ProjectID, row ProjectRow) error {
	return eachSealed(row, func(kind SealedKind, id string, value []byte) ([]byte, error) {
		return s.keyring.Open(value, kind.AD(p, id))
	})
}

func (s *Service) seal(p ProjectID, row ProjectRow) error {
	return eachSealed(row, func(kind SealedKind, id string, value []byte) ([]byte, error) {
		return s.keyring.Seal(value, kind.AD(p, id))
	})
}
