package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/backup"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/sqlstore"
	"github.com/doorward/doorward/internal/token"
)

// RestoreOptions say what to restore, and how.
type RestoreOptions struct {
	From backup.Place
	Name string
	Keys backup.Keys // the master key is added where its file is there
	// SourceStopped: nothing was changed after the backup, so sessions, keys and mails go on from it. Else all of them end (P21).
	SourceStopped bool
	Progress      func(table string, rows, of int64) // may be nil
}

// Restored tells what was restored.
type Restored struct {
	Name    string
	Header  backup.Header
	Tables  []backup.Sum // as they were restored
	Unknown []Unknown    // what may have changed since
}

// ErrNotEmpty means that there is something already where a backup was to be restored.
var ErrNotEmpty = errors.New("a backup is restored into a new database only")

// Restore makes a new database of a backup, and the master key's file where the backup has it. A database that is not whole cannot be served: a restore that fails or is killed is begun
// anew by the same call. It fails with ErrNotEmpty, ErrRestoring, and with the errors of package backup; with ErrMaybeRestored and all of Restored where only the last answer is missing.
func Restore(ctx context.Context, c Config, o RestoreOptions) (Restored, error) {
	if err := openDataDir(c.DataDir); err != nil {
		return Restored{}, err
	}
	r, done, err := o.open(ctx, c)
	if err != nil {
		return Restored{}, err
	}
	defer done()
	if strings.Contains(c.Database, "://") {
		return fillNew(ctx, c, o, r, sqlstore.Options{URL: c.Database})
	}
	return restoreSQLite(ctx, c, o, r)
}

// open begins to read the backup.
func (o RestoreOptions) open(ctx context.Context, c Config) (*backup.Reader, func(), error) {
	keys := o.Keys
	keyring, err := secret.OpenKeyFile(c.MasterKeyFile, c.Rand)
	switch {
	case err == nil:
		keys.MasterKey = masterLock{keyring}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, nil, fmt.Errorf("master key: %w", err)
	}
	file, err := o.From.Get(ctx, o.Name)
	if err != nil {
		return nil, nil, err
	}
	plain, err := keys.Open(file)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", o.Name, err), file.Close())
	}
	r, err := backup.NewReader(plain)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", o.Name, err), file.Close())
	}
	if r.Header.Capsule != nil {
		r.Close()
		return nil, nil, errors.Join(fmt.Errorf("%s holds only the project %q; `doorward project import` takes it in", o.Name, r.Header.Capsule.Project), file.Close())
	}
	if known := sqlstore.NewestSchema(); r.Header.Schema > known {
		r.Close()
		return nil, nil, errors.Join(fmt.Errorf("%w: its schema has number %d, this program knows up to %d", backup.ErrNewer, r.Header.Schema, known), file.Close())
	}
	return r, func() { r.Close(); _ = file.Close() }, nil
}

// fillNew fills an empty database, checks what it holds then, and brings schema and instance up to date. Until all is done a database on a server is marked, so that nobody serves it.
func fillNew(ctx context.Context, c Config, o RestoreOptions, r *backup.Reader, to sqlstore.Options) (Restored, error) {
	restored := Restored{Name: o.Name, Header: r.Header}
	to.Filling, to.Schema = true, r.Header.Schema
	store, err := sqlstore.Open(ctx, to)
	if err != nil {
		return restored, err
	}
	run := "" // nobody else knows a file that has no name yet
	if engineOf(to.URL) != "sqlite" {
		if run, err = token.NewID(28, c.Rand); err != nil {
			return restored, errors.Join(err, store.Close())
		}
	}
	l := &loader{store: store, run: run, sourceStopped: o.SourceStopped, progress: o.Progress}
	for _, t := range r.Header.Tables {
		l.schema = append(l.schema, tableOf(t))
	}
	masterKey, err := l.fill(ctx, r, o.Name, c.Clock())
	restored.Tables, restored.Unknown = l.sums(), l.unknown.list()
	if err == nil && masterKey != nil {
		err = secret.PutKeyFile(c.MasterKeyFile, masterKey)
	}
	if errors.Is(err, secret.ErrOtherKeyFile) {
		err = fmt.Errorf("%w than the one in the backup; move it away, or name another path with --master-key-file", err)
	}
	if err == nil {
		err = l.tryKeys(ctx, c)
	}
	if err = errors.Join(err, store.Close()); err != nil {
		return restored, err
	}
	return restored, finish(ctx, c, o, r.Header, to, run)
}

// tryKeys opens all that is sealed, in the schema of the backup: with another key file nothing is migrated, and nothing settled.
func (l *loader) tryKeys(ctx context.Context, c Config) error {
	keyring, err := secret.OpenKeyFile(c.MasterKeyFile, c.Rand)
	if err != nil {
		return fmt.Errorf("master key: %w", err)
	}
	kinds := slices.DeleteFunc(auth.SealedKinds(), func(k auth.SealedKind) bool {
		table, column, _ := strings.Cut(string(k), ".")
		return !slices.ContainsFunc(l.schema, func(t sqlstore.Table) bool { return t.Name == table && t.Place(column) >= 0 })
	})
	if _, err := openEverySecret(ctx, l.store, keyring, kinds); err != nil {
		return fmt.Errorf("%w; %s is not the key file of the backup's time", err, c.MasterKeyFile)
	}
	return nil
}

// fill marks the database, loads and checks. A file of SQLite needs no mark: it gets its name when it is whole.
func (l *loader) fill(ctx context.Context, r *backup.Reader, name string, now time.Time) (masterKey []byte, err error) {
	if r.Header.Schema < marksSince && l.run != "" {
		return nil, fmt.Errorf("the backup has schema %d, which cannot be restored into PostgreSQL at once: restore it into sqlite:FILE, and run `doorward db copy`", r.Header.Schema)
	}
	if l.run != "" {
		err = l.claim(ctx, name, now)
	}
	if err != nil {
		return nil, err
	}
	if masterKey, err = l.load(ctx, r); err != nil {
		return nil, err
	}
	return masterKey, l.check(ctx)
}

// marksSince is the schema that brought the mark of a database that is being filled.
const marksSince = 9

// finish brings a filled database to the schema of this program, settles the instance in it, and takes the mark away.
func finish(ctx context.Context, c Config, o RestoreOptions, h backup.Header, to sqlstore.Options, run string) (err error) {
	to.Schema, to.Existing = 0, true // one that is gone meanwhile must not come back empty
	store, err := sqlstore.Open(ctx, to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	keyring, err := secret.OpenKeyFile(c.MasterKeyFile, c.Rand)
	if err != nil {
		return fmt.Errorf("master key: %w", err)
	}
	service := auth.NewService(auth.Config{Store: filling{store, run}, Keyring: keyring, Clock: c.Clock, Rand: c.Rand, PublicURL: c.PublicURL, Log: c.Log})
	err = auth.NewAdmin(service).SettleRestored(ctx, service.LocalOperator(auth.Caller{}), auth.Restored{Name: o.Name, At: h.At, SourceStopped: o.SourceStopped})
	if err != nil {
		return err
	}
	return lastStep(run, unmark(ctx, store, run))
}

// ErrMaybeRestored means that the answer to the last step was lost, which makes a database on a server known as whole.
var ErrMaybeRestored = errors.New("it is not known whether the database is whole: start a server on it, and where that refuses it as not whole, restore again")

// lastStep tells a restore that may be done from one that is not; a file without a mark is not, as it has no name yet.
func lastStep(run string, err error) error {
	if run != "" && errors.Is(err, auth.ErrOutcomeUnknown) {
		return fmt.Errorf("%w: %w", ErrMaybeRestored, err)
	}
	return err
}

// filling is a store that is not whole yet and takes changes all the same: those that make it whole.
type filling struct {
	*sqlstore.Store
	run string
}

func (f filling) Update(ctx context.Context, change func(auth.Tx) error) error {
	return f.UpdateRows(ctx, func(tx auth.Tx, w *sqlstore.RowWriter) error {
		if err := checkRun(ctx, w, f.run); err != nil {
			return err
		}
		return change(tx)
	})
}

// quiet is the configuration of an instance that serves nobody.
func (c Config) quiet() Config {
	c.SMTP, c.Backup, c.BreachedPasswords, c.MetricsListen, c.OTLPEndpoint, c.AdminToken, c.TLS = nil, BackupConfig{}, "", "", "", "", TLS{}
	return c
}

// openEverySecret finds out whether the keys open all that is sealed, and counts it.
func openEverySecret(ctx context.Context, store auth.Reader, keyring *secret.Keyring, kinds []auth.SealedKind) (n int64, err error) {
	for _, kind := range kinds {
		var last auth.SealedValue
		for {
			values, err := store.ListSealed(ctx, kind, last, 200)
			if err != nil {
				return n, err
			}
			if len(values) == 0 {
				break
			}
			for _, v := range values {
				last = v
				if _, err := keyring.Open(v.Sealed, kind.AD(v.Project, v.Row)); err != nil {
					return n, fmt.Errorf("%s of project %s: %w", kind, v.Project, err)
				}
				n++
			}
		}
	}
	return n, nil
}

// Unknown is something that a backup tells as it was, and that may have been changed since for a reason.
type Unknown struct {
	Project string // "" for the instance
	What    string
	Changed time.Time // the last change that the backup knows
	Command string    // that takes it back
}
