package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/backup"
	"github.com/doorward/doorward/internal/sqlstore"
)

// ErrNoCapsule means that a file is a backup of a whole instance.
var ErrNoCapsule = errors.New("this is a backup of a whole instance, not one project; `doorward restore` takes it")

// CapsuleFresh is how old a capsule may be, or how far from the future by clocks that differ, for its sessions to go on without a word: what was ended on the old server meanwhile would live again (P21).
const CapsuleFresh = time.Hour

// ErrStaleCapsule means that it is not said whether the sessions of a capsule that is not of just now go on.
var ErrStaleCapsule = errors.New("the file is not of the last hour: what was signed out, changed or disabled on the old server since would be valid again; --end-sessions ends sessions, links and id tokens and lists what else to look at, --keep-sessions is for where that server was stopped")

// ExportProject writes the caller's project to w, whole, sealed by lock, and gives the number of rows. Only for operators.
func (i *Instance) ExportProject(ctx context.Context, c auth.Caller, w io.Writer, lock backup.Lock) (rows int64, err error) {
	if lock.MasterKey != nil {
		return 0, errors.New("another server does not have this one's master key: seal the capsule for a recipient or with a passphrase")
	}
	sealed, err := lock.Seal(w)
	if err != nil {
		return 0, err
	}
	out := &capsuleWriter{file: sealed, program: i.config.Version.Version, engine: engineOf(i.config.Database), host: i.config.PublicURL.Host}
	if err := i.Admin.ExportProject(ctx, c, out.begin, out.row); err != nil {
		return 0, err
	}
	trailer, err := out.end()
	if err != nil {
		return 0, err
	}
	return trailer.Rows(), sealed.Close()
}

// capsuleWriter puts rows into the format of backups.
type capsuleWriter struct {
	file                  io.Writer
	program, engine, host string

	out   *backup.Writer
	table string           // whose rows come now
	ahead []sqlstore.Table // those that are still to come
}

func (c *capsuleWriter) begin(capsule auth.Capsule) (err error) {
	h := backup.Header{Schema: capsule.Schema, At: capsule.At, Host: c.host, Program: c.program, Engine: c.engine,
		Capsule: &backup.Capsule{Project: string(capsule.Project), DisplayName: capsule.DisplayName, Issuer: capsule.Issuer}}
	for _, t := range sqlstore.Tables() {
		if goes, _, _ := auth.CapsuleTables(t.Name); goes {
			c.ahead = append(c.ahead, t)
			h.Tables = append(h.Tables, describeTable(t, 0))
		}
	}
	c.out, err = backup.NewWriter(c.file, h)
	return err
}

// row comes in the order of the tables; those without rows are written, too.
func (c *capsuleWriter) row(r auth.ProjectRow) error {
	for c.table != r.Table {
		if err := c.next(); err != nil {
			return err
		}
	}
	return c.out.Row(r.Values)
}

func (c *capsuleWriter) next() error {
	if len(c.ahead) == 0 {
		return errors.New("a row out of order")
	}
	c.table, c.ahead = c.ahead[0].Name, c.ahead[1:]
	return c.out.Table(c.table)
}

func (c *capsuleWriter) end() (backup.Trailer, error) {
	for len(c.ahead) > 0 {
		if err := c.next(); err != nil {
			return backup.Trailer{}, err
		}
	}
	return c.out.Close()
}

// ImportProject takes in what ExportProject wrote, all or nothing. Only for operators. It fails with the errors of package backup where the file cannot be opened or is damaged,
// and as [auth.Admin.ImportProject].
//
// endSessions leaves sessions, codes and signing keys behind; where it is nil, a capsule of more than [CapsuleFresh] ago, or from now, is refused with ErrStaleCapsule.
func (i *Instance) ImportProject(ctx context.Context, c auth.Caller, file io.ReadSeeker, keys backup.Keys, endSessions *bool) (imported ImportedProject, err error) {
	// All of it once before anything is touched: a file that is not whole changes nothing.
	if err := readThrough(file, keys); err != nil {
		return imported, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return imported, err
	}
	plain, err := keys.Open(file)
	if err != nil {
		return imported, err
	}
	r, err := backup.NewReader(plain)
	if err != nil {
		return imported, err
	}
	defer r.Close()
	h := r.Header
	capsule := auth.Capsule{Project: auth.ProjectID(h.Capsule.Project), DisplayName: h.Capsule.DisplayName, Issuer: h.Capsule.Issuer, Schema: h.Schema, At: h.At}
	switch age := i.config.Clock().Sub(h.At); {
	case endSessions != nil:
		capsule.EndSessions = *endSessions
	case age > CapsuleFresh || age < -CapsuleFresh:
		return imported, fmt.Errorf("%w: it is of %s, and now is %s by this machine's clock", ErrStaleCapsule, h.At.UTC().Format(time.RFC3339), h.At.Add(age).UTC().Format(time.RFC3339))
	}
	var unknown unknowns
	_, missing := i.Service.Project(ctx, auth.DefaultProject)
	rows, err := i.Admin.ImportProject(ctx, c, capsule, func(take func(auth.ProjectRow) error) error {
		row := auth.ProjectRow{}
		var table sqlstore.Table
		_, err := r.Read(backup.Content{
			Table: func(t backup.Table) error {
				row, table = auth.ProjectRow{Table: t.Name}, tableOf(t)
				for _, column := range t.Columns {
					row.Columns = append(row.Columns, column.Name)
				}
				return nil
			},
			Row: func(values []any) error {
				unknown.see(table, values)
				return take(auth.ProjectRow{Table: row.Table, Columns: row.Columns, Values: values})
			},
		})
		return err
	})
	if err != nil && missing == nil && capsule.Project == auth.DefaultProject {
		err = i.remakeDefault(ctx, err)
	}
	switch {
	case errors.Is(err, auth.ErrOutcomeUnknown):
		return imported, fmt.Errorf("it is not known whether the project is here; look with `doorward project show %s`: %w", capsule.Project, err)
	case err != nil:
		return imported, fmt.Errorf("nothing was imported: %w", err)
	}
	imported = ImportedProject{Capsule: capsule, Rows: rows}
	if capsule.EndSessions {
		imported.Unknown = unknown.list()
	}
	return imported, nil
}

// remakeDefault brings back what gave way to an import that failed, and says so beside the import's error.
func (i *Instance) remakeDefault(ctx context.Context, failed error) error {
	made, _, err := i.EnsureDefaultProject(context.WithoutCancel(ctx))
	switch {
	case err != nil:
		return fmt.Errorf("%w; and the empty project default that gave way is not there again until the server starts: %w", failed, err)
	case made:
		return fmt.Errorf("%w; the empty project default that gave way is there again, with another admin token: `doorward project rotate-admin-token default` makes one", failed)
	}
	return failed
}

// ImportedProject tells what came in.
type ImportedProject struct {
	auth.Capsule
	Rows    int
	Unknown []Unknown // where sessions ended: what else may have changed on the old server since
}

// readThrough reads a capsule to its end, and so checks all of it.
func readThrough(file io.Reader, keys backup.Keys) error {
	plain, err := keys.Open(file)
	if err != nil {
		return err
	}
	r, err := backup.NewReader(plain)
	if err != nil {
		return err
	}
	defer r.Close()
	if r.Header.Capsule == nil {
		return ErrNoCapsule
	}
	_, err = r.Read(backup.Content{})
	return err
}
