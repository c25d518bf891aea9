package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// SnapshotBeforeMigration gives the [Options.BeforeMigrate] that copies a SQLite database to FILE.before-NNNNN beside it, where NNNNN is the first migration that comes
// then. Of a PostgreSQL it gives nil: its administrators have better ways.
func SnapshotBeforeMigration(url string) func(ctx context.Context, from, to int64) error {
	if isPostgresURL(url) {
		return nil
	}
	path := strings.TrimPrefix(url, "sqlite:")
	return func(ctx context.Context, from, _ int64) error {
		copied := fmt.Sprintf("%s.before-%05d", path, from+1)
		if err := snapshotSQLite(ctx, path, copied); err != nil {
			return fmt.Errorf("copying the database to %s, which needs as much free space as the database takes: %w", copied, err)
		}
		return nil
	}
}

// snapshotSQLite writes a copy of the database as it is at one instant. The copy appears whole, on the disk, and readable by its owner only (P47).
func snapshotSQLite(ctx context.Context, path, to string) (err error) {
	draft := to + ".draft"
	if err := os.Remove(draft); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(draft)
		}
	}()
	if err := createPrivate(draft); err != nil { // SQLite takes an empty file, and keeps its mode
		return err
	}
	db, err := sql.Open("sqlite", sqliteDSN(path, sqlitePragmas()))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `VACUUM INTO $1`, draft)
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	if err := syncFile(draft); err != nil {
		return err
	}
	if err := os.Rename(draft, to); err != nil {
		return err
	}
	if runtime.GOOS == "windows" { // which syncs no directories
		return nil
	}
	return syncFile(filepath.Dir(to))
}

func syncFile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
