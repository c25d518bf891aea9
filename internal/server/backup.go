package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/backup"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/sqlstore"
)

// BackupConfig says how backups are sealed, and when the server makes them by itself. All may be empty.
type BackupConfig struct {
	To         string        // place, as backup.ParsePlace takes it; "": none by itself
	Every      time.Duration // how old the newest may become
	Keep       int           // so many; 0: all
	Recipients []string      // public keys age1…
	Passphrase string
}

// Backup is one that was made.
type Backup struct {
	Name  string
	At    time.Time // of the snapshot
	Bytes int64
	Rows  int64
	// MasterKey tells whether the key file is in it; else it opens only with that file.
	MasterKey bool
}

// masterLock seals backups with the master key.
type masterLock struct{ keyring *secret.Keyring }

var fileKeyAD = secret.AD{Table: "backup", Column: "file_key"}

func (m masterLock) SealFileKey(key []byte) ([]byte, error) { return m.keyring.Seal(key, fileKeyAD) }

func (m masterLock) OpenFileKey(sealed []byte) ([]byte, error) {
	return m.keyring.Open(sealed, fileKeyAD)
}

// source is what backups are made of.
type source struct {
	config  Config
	store   *sqlstore.Store
	keyring *secret.Keyring
}

func (s source) lock() backup.Lock {
	c := s.config.Backup
	return backup.Lock{Recipients: c.Recipients, Passphrase: c.Passphrase, MasterKey: masterLock{s.keyring}}
}

func (i *Instance) backupSource() source { return source{i.config, i.store, i.keyring} }

// Backup writes a backup to the place, under the name, or under one that is made up where name is "". Servers go on serving meanwhile. The caller has to be an operator.
func (i *Instance) Backup(ctx context.Context, c auth.Caller, to backup.Place, name string) (made Backup, err error) {
	err = i.Admin.Backup(ctx, c, func() (string, error) {
		made, err = i.backupSource().backUp(ctx, to, name, false)
		return made.Name, err
	})
	return made, err
}

// backUp takes the tables as the database describes them: in the middle of an upgrade its schema may be newer than this program, and before a migration it is older.
func (s source) backUp(ctx context.Context, to backup.Place, name string, scheduled bool) (Backup, error) {
	made := Backup{Name: name, At: s.config.Clock().UTC().Truncate(time.Millisecond), MasterKey: s.lock().CarriesMasterKey()}
	if name == "" {
		made.Name = s.name(made.At, scheduled)
	}
	snapshot, err := s.store.Snapshot(ctx, sqlstore.SnapshotOptions{AnyTables: true})
	if err != nil {
		return made, err
	}
	made.Bytes, err = to.Put(ctx, made.Name, func(w io.Writer) error {
		trailer, err := s.write(ctx, w, snapshot, made.At)
		made.Rows = trailer.Rows()
		return err
	})
	return made, errors.Join(err, snapshot.Close())
}

func (s source) name(at time.Time, scheduled bool) string {
	name, err := backup.NewName(s.config.PublicURL.Host, at, scheduled, s.config.Rand)
	if err != nil {
		return "" // refused as a name; without randomness nothing could be sealed either
	}
	return name.String()
}

// write writes what the snapshot has, sealed.
func (s source) write(ctx context.Context, w io.Writer, snapshot *sqlstore.Snapshot, at time.Time) (backup.Trailer, error) {
	var none backup.Trailer
	tables, header, err := s.describe(ctx, snapshot)
	if err != nil {
		return none, err
	}
	header.At = at
	sealed, err := s.lock().Seal(w)
	if err != nil {
		return none, err
	}
	out, err := backup.NewWriter(sealed, header)
	if err != nil {
		return none, err
	}
	if err := s.writeMasterKey(out); err != nil {
		return none, err
	}
	for _, t := range tables {
		if err := writeTable(ctx, out, snapshot, t); err != nil {
			return none, err
		}
	}
	trailer, err := out.Close()
	if err != nil {
		return none, err
	}
	return trailer, sealed.Close()
}

func (s source) writeMasterKey(out *backup.Writer) error {
	if !s.lock().CarriesMasterKey() {
		return nil
	}
	text, err := s.keyring.Text()
	if err != nil {
		return err
	}
	return out.MasterKey(text)
}

// describe tells of all tables what a restore has to know.
func (s source) describe(ctx context.Context, snapshot *sqlstore.Snapshot) ([]sqlstore.Table, backup.Header, error) {
	h := backup.Header{Host: s.config.PublicURL.Host, Program: s.config.Version.Version, Engine: engineOf(s.config.Database), MasterKey: s.lock().CarriesMasterKey()}
	var err error
	if h.Schema, err = snapshot.Schema(ctx); err != nil {
		return nil, h, err
	}
	tables, err := snapshot.Tables(ctx)
	if err != nil {
		return nil, h, err
	}
	for _, t := range tables {
		rows, err := snapshot.Count(ctx, t, sqlstore.Range{})
		if err != nil {
			return nil, h, err
		}
		h.Tables = append(h.Tables, describeTable(t, rows))
	}
	return tables, h, nil
}

func describeTable(t sqlstore.Table, rows int64) backup.Table {
	columns := make([]backup.Column, len(t.Columns))
	for i, c := range t.Columns {
		columns[i] = backup.Column{Name: c.Name, Kind: string(c.Kind)}
	}
	return backup.Table{Name: t.Name, Columns: columns, Key: t.Key, Rows: rows}
}

func writeTable(ctx context.Context, out *backup.Writer, snapshot *sqlstore.Snapshot, t sqlstore.Table) error {
	if err := out.Table(t.Name); err != nil {
		return err
	}
	for row, err := range snapshot.Rows(ctx, t, sqlstore.Range{}) {
		if err != nil {
			return err
		}
		if err := out.Row(row); err != nil {
			return fmt.Errorf("writing %s: %w", t.Name, err)
		}
	}
	return nil
}

func engineOf(database string) string {
	if strings.Contains(database, "://") {
		return "postgres"
	}
	return "sqlite"
}

// beforeMigration gives what saves a database before its schema is migrated: of an embedded one a copy beside it, of PostgreSQL a backup in the data directory.
func beforeMigration(c Config) func(ctx context.Context, from, to int64) error {
	if engineOf(c.Database) == "sqlite" {
		return sqlstore.SnapshotBeforeMigration(c.Database)
	}
	return func(ctx context.Context, from, _ int64) (err error) {
		store, err := sqlstore.Open(ctx, sqlstore.Options{URL: c.Database, Schema: from, Filling: true})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, store.Close()) }()
		if projects, err := store.ListProjects(ctx, "", 1); err != nil || len(projects) == 0 {
			return err // nobody used it yet
		}
		return backupBeforeMigration(ctx, c, store, from)
	}
}

// backupBeforeMigration makes before-NNNNN.backup, where NNNNN is the first migration that comes then.
func backupBeforeMigration(ctx context.Context, c Config, store *sqlstore.Store, from int64) error {
	path := filepath.Join(c.DataDir, fmt.Sprintf("before-%05d%s", from+1, backup.Suffix))
	keyring, err := secret.OpenKeyFile(c.MasterKeyFile, c.Rand)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: put %s back from its copy, or name it with --master-key-file", ErrMasterKeyMissing, c.MasterKeyFile)
	}
	if err != nil {
		return fmt.Errorf("master key: %w", err)
	}
	place, name, err := backup.ParsePlace(path, c.Clock)
	if err != nil {
		return err
	}
	// Of an earlier try, whose migration did not happen, or that was killed. Nobody else is at it: the caller holds the lock of the schema.
	if err := place.Delete(ctx, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := (source{c, store, keyring}).backUp(ctx, place, name, false); err != nil {
		return fmt.Errorf("backup to %s: %w", path, err)
	}
	return nil
}
