package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

func openTest(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Options{URL: "sqlite:" + path, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func openFresh(t testing.TB) *Store {
	t.Helper()
	return openTest(t, filepath.Join(t.TempDir(), "test.db"))
}

func createProject(s *Store, id auth.ProjectID) error {
	return s.Update(context.Background(), func(tx auth.Tx) error { return tx.CreateProject(context.Background(), auth.Project{ID: id}) })
}

func TestFilesArePrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "with space?and#marks%.db")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s := openTest(t, path)
	if err := createProject(s, "p"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", filepath.Base(name), info.Mode().Perm())
		}
	}
}

func TestPragmas(t *testing.T) {
	s, err := Open(t.Context(), Options{URL: filepath.Join(t.TempDir(), "test.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	check := func(q *querier, want map[string]string) {
		for pragma, value := range want {
			got, err := get(t.Context(), q, func(v *string) []any { return []any{v} }, `PRAGMA `+pragma)
			if err != nil || got != value {
				t.Errorf("%s is %q (%v), want %q", pragma, got, err, value)
			}
		}
	}
	check(s.q, map[string]string{"query_only": "1", "journal_mode": "wal", "mmap_size": "0", "synchronous": "2", "checkpoint_fullfsync": "1"})
	err = s.writer.update(t.Context(), func(q *querier) error {
		check(q, map[string]string{"synchronous": "2", "foreign_keys": "1", "journal_mode": "wal", "busy_timeout": "10000",
			"fullfsync": "1", "checkpoint_fullfsync": "1", "wal_autocheckpoint": "0"})
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestURLs(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "nosuch", "test.db")
	for _, url := range []string{"", "sqlite:", ":memory:", "sqlite::memory:", "mysql://localhost/x", missing, "sqlite:" + t.TempDir(), "postgres://user:hunter2@%zz/x"} {
		s, err := Open(t.Context(), Options{URL: url})
		if err == nil {
			_ = s.Close()
			t.Errorf("%q opens", url)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}

func TestManyOpenOneNewFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			s, err := Open(t.Context(), Options{URL: path})
			if err != nil {
				t.Errorf("opening %d: %v", i, err)
				return
			}
			defer s.Close()
			if err := createProject(s, auth.ProjectID(fmt.Sprintf("p%d", i))); err != nil {
				t.Errorf("writing %d: %v", i, err)
			}
		})
	}
	wait.Wait()
	s := openTest(t, path)
	projects, err := s.ListProjects(t.Context(), "", 99)
	if err != nil || len(projects) != 8 {
		t.Errorf("%d projects, %v", len(projects), err)
	}
}

func TestLaterOpenIsFast(t *testing.T) {
	opening := func(path string) time.Duration {
		start := time.Now()
		s := openTest(t, path)
		took := time.Since(start)
		_ = s.Close()
		return took
	}
	first, later := time.Hour, time.Hour
	for i := range 5 {
		path := filepath.Join(t.TempDir(), fmt.Sprint(i, ".db"))
		first = min(first, opening(path))
		later = min(later, opening(path))
	}
	if later > first/2 { // it does not migrate, nor look at each migration
		t.Errorf("opening a migrated file takes %v, and %v where it is migrated", later, first)
	}
}

// Two stores stand for two processes: a server and a command beside it.
func TestTwoStoresOnOneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	stores := []*Store{openTest(t, path), openTest(t, path)}
	if err := createProject(stores[0], "p"); err != nil {
		t.Fatal(err)
	}
	const each = 50
	var wait sync.WaitGroup
	for _, s := range stores {
		for range 2 {
			wait.Go(func() {
				for range each {
					err := s.Update(t.Context(), func(tx auth.Tx) error {
						p, err := tx.GetProject(t.Context(), "p")
						if err != nil {
							return err
						}
						return tx.UpdateProject(t.Context(), p)
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wait.Wait()
	for _, s := range stores {
		p, err := s.GetProject(t.Context(), "p")
		if err != nil || p.Version != 4*each {
			t.Errorf("version %d, %v; want %d", p.Version, err, 4*each)
		}
	}
}

// hold keeps the writer busy until release is called, so that changes gather behind it.
func hold(t *testing.T, s *Store) (release func()) {
	t.Helper()
	begun, end, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.writer.update(t.Context(), func(*querier) error {
			close(begun)
			<-end
			return nil
		})
	}()
	<-begun
	return func() { close(end); <-ended }
}

// gather waits until n changes wait for the writer.
func gather(s *Store, n int) {
	for {
		s.writer.mu.Lock()
		waiting := len(s.writer.waiting)
		s.writer.mu.Unlock()
		if waiting >= n {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func TestBatchMembersAreApart(t *testing.T) {
	s := openFresh(t)
	errOwn := errors.New("own")
	release := hold(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	results := map[string]chan error{}
	start := func(name string, ctx context.Context, f func(tx auth.Tx) error) {
		result := make(chan error, 1)
		results[name] = result
		go func() {
			err := errors.New("the goroutine ended")
			defer func() {
				if r := recover(); r != nil {
					err = fmt.Errorf("panic: %v", r)
				}
				result <- err
			}()
			err = s.Update(ctx, func(tx auth.Tx) error {
				if err := tx.CreateProject(t.Context(), auth.Project{ID: auth.ProjectID(name)}); err != nil {
					return err
				}
				return f(tx)
			})
		}()
		gather(s, len(results))
	}
	start("first", t.Context(), func(auth.Tx) error { return nil })
	start("fails", t.Context(), func(auth.Tx) error { return errOwn })
	start("panics", t.Context(), func(auth.Tx) error { panic("boom") })
	start("exits", t.Context(), func(auth.Tx) error { runtime.Goexit(); return nil })
	start("violates", t.Context(), func(tx auth.Tx) error { return tx.CreateUser(t.Context(), auth.User{Project: "nosuch"}) })
	start("leaves", ctx, func(auth.Tx) error { return nil })
	start("last", t.Context(), func(auth.Tx) error { return nil })
	cancel()
	left := <-results["leaves"] // at once, while the writer is busy
	release()
	want := map[string]string{"first": "<nil>", "fails": "own", "panics": "panic: boom", "exits": "the goroutine ended", "last": "<nil>"}
	for name, text := range want {
		if got := fmt.Sprint(<-results[name]); got != text {
			t.Errorf("%s: %s, want %s", name, got, text)
		}
	}
	if err := <-results["violates"]; !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("violates: %v", err)
	}
	if !errors.Is(left, auth.ErrStoreBusy) || !errors.Is(left, context.Canceled) {
		t.Errorf("leaves: %v", left)
	}
	projects, err := s.ListProjects(t.Context(), "", 9)
	if err != nil || len(projects) != 2 || projects[0].ID != "first" || projects[1].ID != "last" {
		t.Errorf("committed: %+v, %v", projects, err)
	}
}

func TestFullDiskIsBusyAndHeals(t *testing.T) {
	s := openFresh(t)
	if err := createProject(s, "p"); err != nil {
		t.Fatal(err)
	}
	limitPages := func(n int) {
		t.Helper()
		if err := s.writer.update(t.Context(), func(q *querier) error {
			_, err := q.exec(t.Context(), fmt.Sprintf(`PRAGMA max_page_count = %d`, n))
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	limitPages(1) // SQLite takes the present size for the least
	big := strings.Repeat("x", 100_000)
	release := hold(t, s)
	results := make([]chan error, 3)
	for i := range results {
		results[i] = make(chan error, 1)
		name := "small"
		if i == 1 {
			name = big
		}
		go func() {
			results[i] <- s.Update(t.Context(), func(tx auth.Tx) error {
				_ = tx.CreateProject(t.Context(), auth.Project{ID: auth.ProjectID(fmt.Sprintf("p%d", i)), DisplayName: name}) // overlooked on purpose
				return nil
			})
		}()
		gather(s, i+1)
	}
	release()
	var stored []auth.ProjectID
	for i := range results {
		err := <-results[i]
		if i == 1 && err == nil {
			t.Error("a change that does not fit is told to be stored")
		}
		if err != nil && !errors.Is(err, auth.ErrStoreBusy) {
			t.Errorf("change %d: %v, want busy", i, err)
		}
		if err == nil {
			stored = append(stored, auth.ProjectID(fmt.Sprintf("p%d", i)))
		}
	}
	projects, err := s.ListProjects(t.Context(), "", 9)
	if err != nil || len(projects) != 1+len(stored) {
		t.Errorf("%d projects, told to be stored: p %v (%v)", len(projects), stored, err)
	}
	limitPages(1 << 20)
	if err := createProject(s, "healed"); err != nil {
		t.Errorf("after the disk has room again: %v", err)
	}
}

func TestForeignLockIsBusy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	first, second := openTest(t, path), openTest(t, path)
	if err := second.writer.update(t.Context(), func(q *querier) error {
		_, err := q.exec(t.Context(), `PRAGMA busy_timeout = 20`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	release := hold(t, first)
	err := createProject(second, "p")
	release()
	if !errors.Is(err, auth.ErrStoreBusy) {
		t.Errorf("while another process writes: %v, want busy", err)
	}
	if err := createProject(second, "p"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestCloseFinishesWhatWasAccepted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	s := openTest(t, path)
	release := hold(t, s)
	const n = 2*batchLimit + 3
	results := make(chan error, n)
	for i := range n {
		go func() { results <- createProject(s, auth.ProjectID(fmt.Sprintf("p%d", i))) }()
	}
	gather(s, n)
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	release()
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
	for range n {
		if err := <-results; err != nil {
			t.Errorf("an accepted change: %v", err)
		}
	}
	if err := createProject(s, "late"); !errors.Is(err, errClosed) {
		t.Errorf("after Close: %v, want %v", err, errClosed)
	}
	projects, err := openTest(t, path).ListProjects(t.Context(), "", 999)
	if err != nil || len(projects) != n {
		t.Errorf("%d projects, %v; want %d", len(projects), err, n)
	}
}

// The planner must find rows by an index, not by reading a table.
func TestQueriesUseIndexes(t *testing.T) {
	s := openFresh(t)
	for name, statement := range map[string]string{
		"user":       selectUsers + ` AND u.id = $2`,
		"email":      selectUsers + ` AND u.email = $2`,
		"count":      `SELECT COUNT(*) FROM users WHERE project = $1`,
		"creation":   selectUsers + ` ORDER BY u.created_at DESC, u.id DESC LIMIT $2`,
		"attribute":  `SELECT user_id FROM user_attributes a WHERE a.project = $1 AND a.name = $2 AND a.place = -1 AND a.kind = 's' AND a.text_value = $2 AND a.text_key = $2`,
		"number":     `SELECT user_id FROM user_attributes a WHERE a.project = $1 AND a.name = $2 AND a.kind = 'n' AND a.number_value < $2`,
		"due mail":   `SELECT id FROM outbox WHERE project = $1 AND due_at IS NOT NULL AND due_at <= $2 ORDER BY due_at LIMIT $2`,
		"sessions":   `SELECT id FROM sessions WHERE project = $1 AND revoked_at = 0 AND user_id = $2 ORDER BY created_at DESC, id DESC`,
		"living":     `SELECT id FROM sessions WHERE project = $1 AND revoked_at = 0 ORDER BY created_at DESC, id DESC LIMIT $2`,
		"identities": `SELECT ` + identityColumns + ` FROM identities WHERE project = $1 AND user_id = $2 ORDER BY provider_id, subject`,
		"deletion":   `SELECT id FROM audit WHERE 1 = 1 AND project = $1 AND event = $2 AND user_id = $2 AND user_id <> '' ORDER BY id DESC LIMIT 1`,
		"revocation": `UPDATE sessions SET revoked_at = 3 WHERE project = $1 AND user_id = $2 AND id <> $2 AND revoked_at = 0`,
		"void":       `DELETE FROM oob_codes WHERE project = $1 AND user_id = $2 AND purpose IN ('verify_email')`,
		"typed code": `UPDATE oob_codes SET short_tries = 1 WHERE project = $1 AND short_id = $2 AND short_id <> '' AND consumed_at = 0`,
		"tokens":     `SELECT hash FROM refresh_tokens WHERE project = $1 AND session_id = $2`,
		"own roles":  `DELETE FROM user_roles WHERE project = $1 AND user_id = $2`,
		"audit":      `SELECT id FROM audit WHERE 1 = 1 ORDER BY id DESC LIMIT $2`,
		"codes":      sweepCodes, "revoked": sweepSessions, "limits": sweepLimits, "keys": sweepKeys, "mail": sweepMail,
	} {
		rows, err := s.pool.QueryContext(t.Context(), `EXPLAIN QUERY PLAN `+statement, "a", "b")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Error(err)
			}
			wholeProject := strings.HasSuffix(detail, "(project=?)") && name != "count" && name != "creation" && name != "living"
			if wholeProject || strings.HasPrefix(detail, "SCAN") && !strings.Contains(detail, "INDEX") || strings.Contains(detail, "TEMP B-TREE") {
				t.Errorf("%s: %s", name, detail)
			}
		}
		_ = rows.Close()
	}
}

// TestLookChangesNothing: a database of another program, which is not in WAL mode, is the same after a look.
func TestLookChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "other.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), `CREATE TABLE other (x)`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if l, err := LookAt(t.Context(), path); err != nil || l.Schema != 0 || l.Used {
		t.Errorf("it is %+v, %v", l, err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file changed (%v)", err)
	}
}
