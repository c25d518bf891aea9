package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/doorward/doorward/internal/backup"
	"github.com/doorward/doorward/internal/fileowner"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/sqlstore"
)

// restoreSQLite fills a file beside the database's, which gets its name when all is done. Only who has the lock touches that file.
func restoreSQLite(ctx context.Context, c Config, o RestoreOptions, r *backup.Reader) (Restored, error) {
	path := strings.TrimPrefix(c.Database, "sqlite:")
	if err := refuseSQLite(path); err != nil {
		return Restored{}, err
	}
	unlock, err := lockRestore(path)
	if err != nil {
		return Restored{}, err
	}
	defer unlock()
	aside := path + restoringSuffix
	if err := removeSQLite(aside); err != nil {
		return Restored{}, err
	}
	own, err := createNew(aside)
	if err != nil {
		return Restored{}, err
	}
	c.Database = "sqlite:" + aside
	restored, err := fillNew(ctx, c, o, r, sqlstore.Options{URL: c.Database, NoSync: true, Existing: true})
	if err == nil {
		err = publish(aside, path, own)
	}
	if err != nil {
		return restored, errors.Join(err, removeSQLite(aside))
	}
	return restored, nil
}

// restoringSuffix ends the name of a database that is being filled.
const restoringSuffix = ".restoring"

// ErrRestoring means that another process restores into the same file.
var ErrRestoring = errors.New("another restore into this file still runs")

// lockRestore keeps a second restore into the same file out, until unlock or the end of the process. It fails with ErrRestoring.
func lockRestore(path string) (unlock func(), err error) {
	name := path + restoringSuffix + ".lock"
	for {
		lock, err := secret.TryLock(name)
		if err != nil {
			return nil, err
		}
		if lock == nil {
			return nil, fmt.Errorf("%w: %s is locked; let it end, or stop it and begin anew", ErrRestoring, name)
		}
		if isFile(name, lock) {
			return func() { removeLock(lock) }, nil
		}
		_ = lock.Close() // whoever held it removed it between our open and our lock: of the name, there may be a new one
	}
}

// isFile tells whether an open file still has the name.
func isFile(name string, file *os.File) bool {
	held, err := file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(name)
	return err == nil && os.SameFile(held, named)
}

// removeLock removes the name while the lock is held. Windows removes no open file, and none that another process has opened meanwhile. A name that stays harms nothing.
func removeLock(lock *os.File) {
	if runtime.GOOS != "windows" {
		_ = os.Remove(lock.Name())
	}
	_ = lock.Close()
	if runtime.GOOS == "windows" {
		_ = os.Remove(lock.Name())
	}
}

// createNew makes a private file, the directory's owner's where root makes it, and gives what tells it from any other that may bear its name later.
func createNew(path string) (os.FileInfo, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := fileowner.KeepNew(file, filepath.Dir(path)); err != nil {
		return nil, errors.Join(err, file.Close(), os.Remove(path))
	}
	info, err := file.Stat()
	return info, errors.Join(err, file.Close())
}

// sqliteFiles are those that SQLite takes for parts of one database. A log of another one would be played into it.
func sqliteFiles(path string) []string {
	return []string{path, path + "-wal", path + "-shm", path + "-journal"}
}

// refuseSQLite fails with ErrNotEmpty where anything of a database is there.
func refuseSQLite(path string) error {
	for _, file := range sqliteFiles(path) {
		_, err := os.Lstat(file)
		switch {
		case err == nil:
			return fmt.Errorf("%w: %s is there; stop what serves it, and move %s, -wal and -shm away together", ErrNotEmpty, file, path)
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	return nil
}

func removeSQLite(path string) error {
	for _, file := range sqliteFiles(path) {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// publish gives a closed database its name, with all of it on stable storage (P48). It fails where aside is no longer the file that this restore filled.
func publish(aside, path string, own os.FileInfo) error {
	if _, err := os.Stat(aside + "-wal"); err == nil {
		return fmt.Errorf("%s-wal is left: something else has the database open", aside)
	}
	file, err := os.OpenFile(aside, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := refuseSQLite(path); err != nil {
		return err
	}
	if named, err := os.Lstat(aside); err != nil || !os.SameFile(own, named) {
		return errors.Join(fmt.Errorf("%s is not the file any more that was filled: something else removed or replaced it", aside), err)
	}
	if err := giveName(aside, path); err != nil {
		return err
	}
	if runtime.GOOS == "windows" { // has no such call, and needs none
		return nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// giveName replaces nothing: a server may have made a database meanwhile. Where the file system has no links, only what was looked at just before keeps that.
func giveName(aside, path string) error {
	err := os.Link(aside, path)
	switch {
	case err == nil:
		return os.Remove(aside)
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%w: %s appeared meanwhile; stop what serves it", ErrNotEmpty, path)
	}
	return os.Rename(aside, path)
}
