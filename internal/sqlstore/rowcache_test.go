package sqlstore

import (
	"context"
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
	if err := there.Update(t.Context(), func(tx auth.Tx) error { return tx.CreateProject(t.Context(), auth.Project{ID: "p"}) }); err != nil {
		t.Fatal(err)
	}
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

// TestRowsOfAnotherLog: where SQLite makes the index of its log anew, the one before tells nothing any more.
func TestRowsOfAnotherLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "anew.db")
	s := openCached(t, path)
	if err := s.Update(t.Context(), func(tx auth.Tx) error { return tx.CreateProject(t.Context(), auth.Project{ID: "p"}) }); err != nil {
		t.Fatal(err)
	}
	index := s.reader.q.cache.index
	before, ok := index.read()
	if !ok {
		t.Fatal("no header")
	}
	if err := os.Rename(path+"-shm", path+"-gone"); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path + "-gone"); err != nil {
		t.Fatal(err)
	}
	if h, ok := index.read(); ok {
		t.Errorf("a removed index tells %x", h)
	}
	if err := os.WriteFile(path+"-shm", make([]byte, 32<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	if h, ok := index.read(); ok {
		t.Errorf("an empty index tells %x", h)
	}
	torn := append(append([]byte{}, before[:]...), before[:]...)
	torn[16]++ // mxFrame of the first copy
	if err := os.WriteFile(path+"-shm", torn, 0o600); err != nil {
		t.Fatal(err)
	}
	if h, ok := index.read(); ok {
		t.Errorf("an index that is being written tells %x", h)
	}
	copy(torn[48:], torn[:48])
	if err := os.WriteFile(path+"-shm", torn, 0o600); err != nil {
		t.Fatal(err)
	}
	if h, ok := index.read(); ok {
		t.Errorf("an index with a wrong checksum tells %x", h)
	}
}

// TestFilesStayOpen: no file of a database is closed while a store of this process uses it, since that would end the locks of SQLite.
func TestFilesStayOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "open.db")
	first, second := openCached(t, path), openCached(t, path)
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
