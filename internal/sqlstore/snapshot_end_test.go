package sqlstore

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
)

// A closed snapshot holds nothing: the log is copied whole and begins anew, and after a failed sync it is read anew.
func TestClosedSnapshotLeavesTheLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	w, _ := openWriter(t, path)
	w.fill(t, fillPages)
	snapshot := snapshotOf(t, path)
	for range 11 {
		w.fill(t, fillPages)
	}
	if err := snapshot.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := w.checkpoint("PASSIVE"); err != nil {
		t.Fatal(err)
	}
	before, copied := w.looked(t)
	if before < checkpointEvery || copied != before {
		t.Fatalf("%d of %d frames are copied, want all", copied, before)
	}
	w.fill(t, fillPages)
	if frames, _ := w.looked(t); frames >= before {
		t.Errorf("the log has %d frames after %d: it did not begin anew", frames, before)
	}

	snapshot = snapshotOf(t, path)
	w.fill(t, fillPages)
	if err := snapshot.Close(); err != nil {
		t.Fatal(err)
	}
	w.checkpoints.suspect = true
	if err := w.copyLog(); err != nil || w.checkpoints.suspect {
		t.Errorf("copying the log after a failed sync: %v", err)
	}
}

// snapshotOf begins a snapshot that has read.
func snapshotOf(t *testing.T, path string) *Snapshot {
	t.Helper()
	snapshot, err := snapshotSQLite(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := get(t.Context(), snapshot.q, value[int64], `SELECT COUNT(*) FROM filler`); err != nil {
		t.Fatal(err)
	}
	return snapshot
}

// Whoever keeps the log from beginning anew is told of, but not at each try.
func TestLogHeldByAReaderIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	w, _ := openWriter(t, path)
	var log strings.Builder
	w.log, w.checkpoints.limit = slog.New(slog.NewTextHandler(&log, nil)), checkpointEvery
	w.fill(t, fillPages)
	snapshot := snapshotOf(t, path)
	for range 45 {
		w.fill(t, fillPages)
		w.tidy()
	}
	if err := snapshot.Close(); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(log.String(), "cannot begin anew"); lines != 2 {
		t.Errorf("told %d times, want at about 2000 and 4000 frames:\n%s", lines, log.String())
	}
	for range 20 {
		w.fill(t, fillPages)
		w.tidy()
	}
	if frames, _ := w.looked(t); frames > 2*checkpointEvery {
		t.Errorf("the log has %d frames after the reader left", frames)
	}
}
