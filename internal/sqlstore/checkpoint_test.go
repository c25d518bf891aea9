package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// openWriter gives a writer whose loop does not run, with a table to write to, and the pool of its readers.
func openWriter(t *testing.T, path string) (*writer, *sql.DB) {
	t.Helper()
	writing, err := sql.Open("sqlite", sqliteDSN(path, writePragmas(Options{NoSync: true})))
	if err != nil {
		t.Fatal(err)
	}
	reading, err := sql.Open("sqlite", sqliteDSN(path, readPragmas))
	if err != nil {
		t.Fatal(err)
	}
	index := useWALIndex(path)
	w := &writer{db: writing, path: path, index: index, log: slog.New(slog.DiscardHandler), readers: []readers{{reading, sqliteTurns(2), 2}}}
	t.Cleanup(func() {
		w.drop()
		_ = errors.Join(reading.Close(), writing.Close(), index.close())
	})
	w.fill(t, `CREATE TABLE IF NOT EXISTS filler (x)`)
	return w, reading
}

// fill commits a statement.
func (w *writer) fill(t *testing.T, statement string) {
	t.Helper()
	if err := w.begin(); err != nil {
		t.Fatal(err)
	}
	if err := w.exec(statement); err != nil {
		t.Fatal(err)
	}
	if err := w.end(); err != nil {
		t.Fatal(err)
	}
}

const fillPages = `INSERT INTO filler VALUES (randomblob(400000))` // a hundred

// openSnapshot begins a read that sees the database as it is now, until it is closed.
func openSnapshot(t *testing.T, db *sql.DB) *sql.Rows {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT COUNT(*) FROM filler UNION ALL SELECT 1`)
	if err != nil || !rows.Next() {
		t.Error(err)
	}
	return rows
}

// looked gives what a checkpoint that only looks tells.
func (w *writer) looked(t *testing.T) (frames, copied int) {
	t.Helper()
	frames, copied, _, err := w.checkpoint("NOOP")
	if err != nil {
		t.Fatal(err)
	}
	return frames, copied
}

// After a failed sync nothing that an earlier checkpoint copied counts as copied: the log is read anew, and copied whole.
func TestRebuildTakesNothingForCopied(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	w, reading := openWriter(t, path)
	w.fill(t, fillPages)
	rows := openSnapshot(t, reading)
	w.fill(t, fillPages)
	if _, _, _, err := w.checkpoint("PASSIVE"); err != nil { // beside a reader: a part is copied, and not synced
		t.Fatal(err)
	}
	before, copied := w.looked(t)
	if copied == 0 || copied == before {
		t.Fatalf("%d of %d frames are copied; the test wants a part", copied, before)
	}
	_ = rows.Close()
	if err := w.rebuild(); err != nil {
		t.Fatal(err)
	}
	if frames, copied := w.looked(t); frames != before || copied != 0 {
		t.Errorf("after rebuild %d frames of %d count as copied, want 0 of %d", copied, frames, before)
	}
	w.checkpoints.frames, w.checkpoints.suspect = before, true
	if err := w.copyLog(); err != nil || w.checkpoints.suspect {
		t.Errorf("the checkpoint afterwards: %v", err)
	}
	if frames, copied := w.looked(t); copied != frames {
		t.Errorf("%d of %d frames are copied", copied, frames)
	}
	var n int
	if err := reading.QueryRow(`SELECT COUNT(*) FROM filler`).Scan(&n); err != nil || n != 2 {
		t.Errorf("%d rows, %v", n, err)
	}
}

// Where another process keeps the database open, SQLite does not read the log anew; then no checkpoint runs.
func TestRebuildBesideAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	w, _ := openWriter(t, path)
	other, err := sql.Open("sqlite", sqliteDSN(path, readPragmas))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	w.fill(t, fillPages)
	rows := openSnapshot(t, other)
	w.fill(t, fillPages)
	if _, _, _, err := w.checkpoint("PASSIVE"); err != nil {
		t.Fatal(err)
	}
	_, before := w.looked(t)
	w.checkpoints.suspect = true
	if err := w.copyLog(); !errors.Is(err, errInUse) || !w.checkpoints.suspect {
		t.Errorf("copying the log: %v, want %v", err, errInUse)
	}
	if _, copied := w.looked(t); copied != before {
		t.Errorf("%d frames count as copied, want %d as before", copied, before)
	}
	_ = rows.Close()
	_ = other.Close()
	if err := w.copyLog(); err != nil || w.checkpoints.suspect {
		t.Errorf("when the other has ended: %v", err)
	}
}

// A store with a failed sync is closed without a checkpoint.
func TestCloseAfterFailedSync(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	s := openTest(t, path)
	if err := createProject(s, "p"); err != nil {
		t.Fatal(err)
	}
	release := hold(t, s)
	s.writer.checkpoints.suspect = true
	release()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path + "-wal"); err != nil || info.Size() == 0 {
		t.Errorf("the log is gone: %v", err)
	}
	projects, err := openTest(t, path).ListProjects(t.Context(), "", 9)
	if err != nil || len(projects) != 1 {
		t.Errorf("%d projects, %v", len(projects), err)
	}
}

// The log does not grow for ever, although somebody reads at any time, and always something older than the last commit.
func TestLogIsBoundedUnderReaders(t *testing.T) {
	w, reading := openWriter(t, filepath.Join(t.TempDir(), "test.db"))
	w.checkpoints.limit = 3 * checkpointEvery
	stop := make(chan struct{})
	var reads sync.WaitGroup
	for i := range 2 {
		reads.Go(func() {
			time.Sleep(time.Duration(i) * 20 * time.Millisecond)
			for {
				select {
				case <-stop:
					return
				default:
				}
				rows := openSnapshot(t, reading)
				time.Sleep(40 * time.Millisecond)
				_ = rows.Close()
			}
		})
	}
	most, least := 0, 0
	for range 80 {
		w.fill(t, fillPages)
		w.tidy()
		frames, _ := w.looked(t)
		if frames < most && least == 0 {
			least = frames
		}
		most = max(most, frames)
	}
	close(stop)
	reads.Wait()
	if most > 2*w.checkpoints.limit || least == 0 {
		t.Errorf("the log had up to %d frames, want about %d; after it began anew %d", most, w.checkpoints.limit, least)
	}
}

// A connection that broke in the middle of a transaction does not keep the lock from the next.
func TestDroppedConnectionEnds(t *testing.T) {
	w, _ := openWriter(t, filepath.Join(t.TempDir(), "test.db"))
	if err := w.begin(); err != nil {
		t.Fatal(err)
	}
	if err := w.exec(fillPages); err != nil {
		t.Fatal(err)
	}
	w.drop()
	if err := w.connect(); err != nil {
		t.Fatal(err)
	}
	w.waitForReaders(50 * time.Millisecond) // sets how long any lock is waited for
	w.fill(t, fillPages)
}

func TestOutageIsLoggedOnce(t *testing.T) {
	var log strings.Builder
	s, err := Open(t.Context(), Options{URL: filepath.Join(t.TempDir(), "test.db"), NoSync: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	limit := func(pages int) {
		if err := s.writer.update(t.Context(), func(q *querier) error {
			_, err := q.exec(t.Context(), fmt.Sprintf(`PRAGMA max_page_count = %d`, pages))
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	limit(1)
	for range 5 {
		err := s.Update(t.Context(), func(tx auth.Tx) error {
			return tx.CreateProject(context.Background(), auth.Project{ID: "big", DisplayName: strings.Repeat("x", 1_000_000)})
		})
		if !errors.Is(err, auth.ErrStoreBusy) {
			t.Errorf("on a full disk: %v", err)
		}
	}
	limit(1 << 20)
	if err := createProject(s, "p"); err != nil {
		t.Error(err)
	}
	_ = s.Close()
	if lines := strings.Count(log.String(), "\n"); lines > 2 {
		t.Errorf("logged:\n%s", log.String())
	}
}
