package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// In frames of the log, which are pages of 4 KiB.
const (
	checkpointEvery = 1000
	logLimit        = 16_000 // from here on a checkpoint waits for readers, so that the log begins anew: 64 MiB
)

const (
	readerWait  = 100 * time.Millisecond // of writers, for readers, where the log is over its limit
	rebuildWait = sqliteReadTime + sqliteReadWait
)

// checkpoints moves the log into the database file, between two commits and after their callers were answered. SQLite would do so by itself, but keeps the
// errors for itself, too, and one of them must not be overlooked.
//
// A checkpoint beside a long reader copies what it may and does not sync it: the sync of a later one covers both. If that sync fails, the kernel forgets
// which pages were not written, SQLite repeats only its own copies, and a sync that succeeds then covers less than SQLite believes. So after a failed sync
// nothing is taken for copied any more: see rebuild. Commits go on meanwhile, for the log holds them, and it is kept until a checkpoint succeeds.
type checkpoints struct {
	limit   int  // frames
	frames  int  // in the log, when last seen
	next    int  // frames of the log at which to checkpoint again
	tell    int  // frames of the log at which to say again that somebody keeps it
	suspect bool // a sync failed, and what SQLite takes for copied may not be on the disk
}

// tidy runs a checkpoint where one is due. What goes wrong is logged, and tried again after as many frames.
func (w *writer) tidy() {
	frames, _, _, err := w.checkpoint("NOOP")
	if err != nil {
		return // the connection is broken, and the next commit will say so
	}
	c := &w.checkpoints
	if frames < c.frames || c.next == 0 { // the log began anew
		c.next, c.tell = checkpointEvery, 0
	}
	c.frames = frames
	if frames < c.next {
		return
	}
	c.next = frames + checkpointEvery
	if err := w.copyLog(); err != nil {
		w.log.Error("the database's log could not be copied into its file; it is kept and grows until that succeeds", slog.Any("error", err))
	}
}

func (w *writer) copyLog() error {
	if w.checkpoints.suspect {
		if err := w.rebuild(); err != nil {
			return err
		}
	}
	mode := "PASSIVE"
	if w.checkpoints.frames > w.checkpoints.limit {
		mode = "RESTART"
		defer w.waitForReaders(sqliteBusyTimeout)
		w.waitForReaders(readerWait)
	}
	_, _, blocked, err := w.checkpoint(mode)
	w.checkpoints.suspect = isSyncFailure(err)
	if blocked {
		w.tellOfReader()
	}
	return err
}

// tellOfReader says that the log grows over its limit, again each time that it has doubled. A copy or backup that runs is a reason that ends by itself.
func (w *writer) tellOfReader() {
	c := &w.checkpoints
	if c.frames <= c.limit || c.frames < c.tell {
		return
	}
	c.tell = 2 * c.frames
	w.log.Warn("the database's log is over its limit and cannot begin anew: somebody reads an old state of the database, as a backup, a copy or another process does",
		slog.Int("frames", c.frames))
}

func (w *writer) waitForReaders(d time.Duration) {
	_, _ = w.conn.ExecContext(context.Background(), fmt.Sprintf(`PRAGMA busy_timeout = %d`, d.Milliseconds()))
}

// checkpoint gives how many frames the log has, how many of them SQLite takes for copied, and whether somebody kept it from its end. NOOP only looks.
func (w *writer) checkpoint(mode string) (frames, copied int, blocked bool, err error) {
	if err := w.connect(); err != nil {
		return 0, 0, false, err
	}
	err = w.conn.QueryRowContext(context.Background(), `PRAGMA wal_checkpoint(`+mode+`)`).Scan(&blocked, &frames, &copied)
	return frames, copied, blocked, err
}

func isSyncFailure(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && (e.Code() == sqlite3.SQLITE_IOERR_FSYNC || e.Code() == sqlite3.SQLITE_IOERR_DIR_FSYNC)
}

var errInUse = errors.New("another process has the database open: what is on the disk can be made sure of only once that has ended, or by a restart of all")

// rebuild has SQLite read the whole log anew, as after a crash, with nothing in it taken for copied. It does that when the first connection opens the
// database, so all are closed for a moment, and reads wait for that.
func (w *writer) rebuild() error {
	if err := w.closeAll(); err != nil {
		return err
	}
	_, copied, _, err := w.checkpoint("NOOP")
	if err == nil && copied != 0 {
		return errInUse
	}
	return err
}

// closeAll closes all connections. The last of them may only read, so that closing it runs no checkpoint.
func (w *writer) closeAll() error {
	ctx, cancel := context.WithTimeout(context.Background(), rebuildWait)
	defer cancel()
	for _, r := range w.readers {
		release, err := r.turns.takeAll(ctx)
		if err != nil {
			return err
		}
		defer release()
	}
	last, err := sql.Open("sqlite", sqliteDSN(w.path, url.Values{"mode": {"ro"}}))
	if err != nil {
		return err
	}
	defer last.Close()
	last.SetMaxOpenConns(1)
	if _, err := last.ExecContext(ctx, `SELECT COUNT(*) FROM sqlite_schema`); err != nil { // opens the log, and keeps it open
		return fmt.Errorf("opening the database: %w", err)
	}
	w.drop()
	for _, r := range w.readers {
		r.db.SetMaxIdleConns(0)
		r.db.SetMaxIdleConns(r.idle)
	}
	return nil
}

// readers are connections beside the writer's.
type readers struct {
	db    *sql.DB
	turns *turns
	idle  int // connections to keep
}
