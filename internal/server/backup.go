package server

import (
	"context"
	"errors"
	"fmt"
	"io"
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

func (i *Instance) backupLock() backup.Lock {
	c := i.config.Backup
	return backup.Lock{Recipients: c.Recipients, Passphrase: c.Passphrase, MasterKey: masterLock{i.keyring}}
}

// Backup writes a backup to the place, under the name, or under one that is made up where name is "". Servers go on serving meanwhile. The caller has to be an operator.
func (i *Instance) Backup(ctx context.Context, c auth.Caller, to backup.Place, name string) (made Backup, err error) {
	err = i.Admin.Backup(ctx, c, func() (string, error) {
		made, err = i.takeBackup(ctx, to, name, false)
		return made.Name, err
	})
	return made, err
}

func (i *Instance) takeBackup(ctx context.Context, to backup.Place, name string, scheduled bool) (Backup, error) {
	made := Backup{Name: name, At: i.config.Clock().UTC().Truncate(time.Millisecond), MasterKey: i.backupLock().CarriesMasterKey()}
	if name == "" {
		made.Name = i.backupName(made.At, scheduled)
	}
	snapshot, err := i.store.Snapshot(ctx, sqlstore.SnapshotOptions{})
	if err != nil {
		return made, err
	}
	made.Bytes, err = to.Put(ctx, made.Name, func(w io.Writer) error {
		trailer, err := i.writeBackup(ctx, w, snapshot, made.At)
		made.Rows = trailer.Rows()
		return err
	})
	return made, errors.Join(err, snapshot.Close())
}

func (i *Instance) backupName(at time.Time, scheduled bool) string {
	name, err := backup.NewName(i.config.PublicURL.Host, at, scheduled, i.config.Rand)
	if err != nil {
		return "" // refused as a name; without randomness nothing could be sealed either
	}
	return name.String()
}

// writeBackup writes what the snapshot has, sealed.
func (i *Instance) writeBackup(ctx context.Context, w io.Writer, snapshot *sqlstore.Snapshot, at time.Time) (backup.Trailer, error) {
	var none backup.Trailer
	lock := i.backupLock()
	schema, err := snapshot.Schema(ctx)
	if err != nil {
		return none, err
	}
	tables, err := describe(ctx, snapshot)
	if err != nil {
		return none, err
	}
	sealed, err := lock.Seal(w)
	if err != nil {
		return none, err
	}
	out, err := backup.NewWriter(sealed, backup.Header{Schema: schema, At: at, Host: i.config.PublicURL.Host, Program: i.config.Program, Engine: engineOf(i.config.Database),
		MasterKey: lock.CarriesMasterKey(), Tables: tables})
	if err != nil {
		return none, err
	}
	if lock.CarriesMasterKey() {
		text, err := i.keyring.Text()
		if err != nil {
			return none, err
		}
		if err := out.MasterKey(text); err != nil {
			return none, err
		}
	}
	for _, t := range sqlstore.Tables() {
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

// describe tells of all tables what a restore has to know.
func describe(ctx context.Context, snapshot *sqlstore.Snapshot) ([]backup.Table, error) {
	var tables []backup.Table
	for _, t := range sqlstore.Tables() {
		rows, err := snapshot.Count(ctx, t, sqlstore.Range{})
		if err != nil {
			return nil, err
		}
		tables = append(tables, describeTable(t, rows))
	}
	return tables, nil
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
