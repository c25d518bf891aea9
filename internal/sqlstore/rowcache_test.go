package sqlstore

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/doorward/doorward/internal/auth"
)

func openCached(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Options{URL: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func makeProject(t *testing.T, s *Store) {
	t.Helper()
	if err := createProject(s, "p"); err != nil {
		t.Fatal(err)
	}
}

func rename(s *Store, name string) error {
	ctx := context.Background()
	return s.Update(ctx, func(tx auth.Tx) error {
		p, err := tx.GetProject(ctx, "p")
		if err != nil {
			return err
		}
		p.DisplayName = name
		return tx.UpdateProject(ctx, p)
	})
}

// TestRowsAreKept: a read that is asked again while nothing changed costs no statement, and gives values of its own.
func TestRowsAreKept(t *testing.T) {
	s := openCached(t, filepath.Join(t.TempDir(), "kept.db"))
	if err := s.Update(t.Context(), func(tx auth.Tx) error {
		return tx.CreateProject(t.Context(), auth.Project{ID: "p", Overrides: map[string]string{"a": "b"}})
	}); err != nil {
		t.Fatal(err)
	}
	first, err := s.GetProject(t.Context(), "p")
	if err != nil || len(s.reader.q.cache.rows) != 1 {
		t.Fatalf("%v, %d reads kept", err, len(s.reader.q.cache.rows))
	}
	first.Overrides["a"] = "changed by who read it"
	for _, rows := range s.reader.q.cache.rows { // that it is this that is told
		rows[0][1] = "kept"
	}
	if again, err := s.GetProject(t.Context(), "p"); err != nil || again.DisplayName != "kept" || again.Overrides["a"] != "b" {
		t.Errorf("%+v, %v", again, err)
	}
	if _, err := s.GetProject(t.Context(), "nobody"); err != auth.ErrNotFound {
		t.Error(err)
	}
}

// TestNoRowIsStale: what another store of the file, as another process is, has committed is what the next read tells, always.
func TestNoRowIsStale(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shared.db")
	here, there := openCached(t, path), openCached(t, path)
	makeProject(t, there)
	var committed atomic.Int64
	var readers, writers sync.WaitGroup
	end := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
				}
				least := committed.Load()
				p, err := here.GetProject(context.Background(), "p")
				var seen int64
				_, _ = fmt.Sscan(p.DisplayName, &seen)
				if err != nil || seen < least {
					t.Errorf("%d was committed, and %q is told (%v)", least, p.DisplayName, err)
					return
				}
			}
		})
	}
	writers.Go(func() {
		for n := range int64(2000) {
			if err := rename([]*Store{there, here}[n%2], fmt.Sprint(n)); err != nil {
				t.Error(err)
				return
			}
			committed.Store(n)
		}
	})
	writers.Wait()
	close(end)
	readers.Wait()
}

// TestRowsOfAnotherLog: once the index of the log lost its name, nothing is told any more: SQLite may go on with the one that is gone.
func TestRowsOfAnotherLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "anew.db")
	s := openCached(t, path)
	makeProject(t, s)
	if _, err := s.GetProject(t.Context(), "p"); err != nil {
		t.Fatal(err)
	}
	index := s.reader.q.cache.index
	before, ok := index.read()
	if !ok {
		t.Fatal("no header")
	}
	if err := os.Remove(path + "-shm"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+"-shm", append(append([]byte{}, before[:]...), before[:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	for range lookEvery {
		index.read()
	}
	for range 2 {
		if h, ok := index.read(); ok {
			t.Errorf("another index tells %x", h)
		}
	}
	if _, err := s.GetProject(t.Context(), "p"); err != nil {
		t.Error(err)
	}
	if kept := len(s.reader.q.cache.rows); kept != 0 {
		t.Errorf("%d rows are kept", kept)
	}
}

// TestUnsoundHeaders: a header that is being written, is not set up, or is that of every empty log tells nothing.
func TestUnsoundHeaders(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sound.db")
	s := openCached(t, path)
	makeProject(t, s)
	good, ok := s.reader.q.cache.index.read()
	if !ok {
		t.Fatal("no header")
	}
	changed := func(at int, to ...byte) walHeader {
		h := good
		copy(h[at:], to)
		return h
	}
	summed := func(h walHeader) walHeader {
		var s0, s1 uint32
		for at := 0; at < 40; at += 8 {
			s0 += binary.NativeEndian.Uint32(h[at:]) + s1
			s1 += binary.NativeEndian.Uint32(h[at+4:]) + s0
		}
		binary.NativeEndian.PutUint32(h[40:], s0)
		binary.NativeEndian.PutUint32(h[44:], s1)
		return h
	}
	empty := changed(16, 0, 0, 0, 0)
	copy(empty[32:40], make([]byte, 8))
	for name, tt := range map[string]struct {
		first, second walHeader
		want          bool
	}{
		"as it is":             {good, good, true},
		"summed up here":       {summed(changed(16, 7)), summed(changed(16, 7)), true},
		"two copies":           {good, summed(changed(16, 7)), false},
		"a wrong checksum":     {changed(16, 7), changed(16, 7), false},
		"not set up":           {summed(changed(12, 0)), summed(changed(12, 0)), false},
		"another version":      {summed(changed(0, 1)), summed(changed(0, 1)), false},
		"that of an empty log": {summed(empty), summed(empty), false},
	} {
		made := filepath.Join(t.TempDir(), "made.db")
		if err := os.WriteFile(made+"-shm", append(tt.first[:], tt.second[:]...), 0o600); err != nil {
			t.Fatal(err)
		}
		index := useWALIndex(made)
		index.follow()
		if h, ok := index.read(); ok != tt.want {
			t.Errorf("%s: %v, %x", name, ok, h)
		}
		if err := index.close(); err != nil {
			t.Error(err)
		}
		if _, ok := index.read(); ok {
			t.Errorf("%s: a closed one tells something", name)
		}
	}
}

// TestFilesStayOpen: no file of a database is closed while a store of this process uses it, since that would end the locks of SQLite.
func TestFilesStayOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "open.db")
	first, second := openCached(t, path), openCached(t, path)
	makeProject(t, first)
	if err := rename(second, "the writer has a connection"); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Store{first, second} {
		if _, ok := s.index.read(); !ok {
			t.Fatal("no header")
		}
	}
	file := first.index.file
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := file.file.Stat(); err != nil {
		t.Errorf("closed beside another store: %v", err)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := file.file.Stat(); err == nil {
		t.Error("open although nobody uses the database")
	}
	if err := first.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
}

// TestIndexIsCutOff: memory of a file that was cut off tells nothing, and does not end the process.
func TestIndexIsCutOff(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cut.db")
	s := openCached(t, path)
	makeProject(t, s)
	good, ok := s.index.read()
	if !ok {
		t.Fatal("no header")
	}
	made := filepath.Join(t.TempDir(), "made.db")
	if err := os.WriteFile(made+"-shm", append(good[:], good[:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	index := useWALIndex(made)
	index.follow()
	if h, ok := index.read(); !ok || h != good {
		t.Fatalf("the header is %x, %v", h, ok)
	}
	if err := os.Truncate(made+"-shm", 0); err != nil {
		t.Fatal(err)
	}
	if h, ok := index.read(); ok {
		t.Errorf("nothing tells %x", h)
	}
	if err := index.close(); err != nil {
		t.Error(err)
	}
}

// TestIndexAcrossConnections: nothing is told while the writer has no connection, which is what keeps SQLite from making the index anew; then the header is told again.
func TestIndexAcrossConnections(t *testing.T) {
	w, _ := openWriter(t, filepath.Join(t.TempDir(), "again.db"))
	seen := map[walHeader]string{}
	told := func(when string) {
		t.Helper()
		h, ok := w.index.read()
		if before, known := seen[h]; !ok || known {
			t.Errorf("%s: the header is told: %v; it is the one of %q", when, ok, before)
		}
		seen[h] = when
	}
	told("at first")
	for name, lose := range map[string]func() error{"dropped": func() error { w.drop(); return nil }, "all closed": w.closeAll} {
		if err := lose(); err != nil {
			t.Fatal(err)
		}
		if h, ok := w.index.read(); ok {
			t.Errorf("%s: %x is told", name, h)
		}
		w.fill(t, `INSERT INTO filler VALUES (1)`)
		told(name)
		w.fill(t, `INSERT INTO filler VALUES (2)`)
		told(name + ", changed again")
	}
}
