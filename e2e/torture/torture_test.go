package main

import (
	"bytes"
	"context"
	"database/sql"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/e2e/smalldisk"
)

var seed = flag.Uint64("torture.seed", 0, "of TestTortureShort; 0 takes a random one, which is printed")

var built struct {
	sync.Once
	dir, binary string
	err         error
}

// binary builds the server once for all tests.
func binary(t *testing.T) string {
	t.Helper()
	built.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "torture-binary-"); built.err == nil {
			built.binary, built.err = buildBinary(context.Background(), built.dir, "../..")
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.binary
}

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// scratch is a directory that stays where the test fails. Others may pass through, since PostgreSQL runs as another user.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "torture-")
	if err == nil {
		err = os.Chmod(dir, 0o711)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("data, logs and ledgers are kept in", dir)
			return
		}
		_ = os.RemoveAll(dir)
	})
	return dir
}

// TestTortureShort plays a few rounds of every scenario. How fast a killed server is back is judged by the long form alone: here others use the machine, too.
func TestTortureShort(t *testing.T) {
	if *seed == 0 {
		*seed = rand.Uint64() >> 12
	}
	t.Logf("seed %d; again: go test ./torture -run TestTortureShort -torture.seed %[1]d", *seed)
	for _, s := range Scenarios {
		if s.Short == 0 {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			if s.Mount && !smalldisk.Possible() {
				t.Skip("to mount a small file system takes root on Linux")
			}
			ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
			defer cancel()
			var out bytes.Buffer
			r := Play(ctx, s, *seed, s.Short, scratch(t), binary(t), &out)
			if !r.Good() {
				t.Errorf("verdicts %v, errors outside %d, error %q\n%s", r.Verdicts, r.Outside, r.Error, out.String())
			}
			if r.Calls[Done] < 20 {
				t.Errorf("too little was played to show anything: %d calls\n%s", r.Calls[Done], out.String())
			}
			t.Logf("%d rounds, %d acknowledged, %d failed, %d unknown, first sign-in after at most %v", r.Rounds, r.Calls[Done], r.Calls[Failed], r.Calls[Unknown], r.Restart.Most)
		})
	}
}

// TestDamageIsFound plays a load without faults, damages copies of what it left, and has each checked: the harness can fail.
func TestDamageIsFound(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	dir := scratch(t)
	a, s := played(ctx, t, dir)
	for name, c := range map[string]struct {
		damage string
		want   Verdict
		serve  bool // a server runs on the copy, and is asked too
	}{
		"nothing":                       {damage: `SELECT 1`, serve: true},
		"a user is dropped":             {damage: dropUser, want: Lost, serve: true},
		"a mail is dropped":             {damage: `DELETE FROM outbox WHERE rowid = (SELECT min(rowid) FROM outbox)`, want: Lost},
		"a password is put back":        {damage: `UPDATE users SET password_hash = (SELECT o.password_hash FROM users o ORDER BY o.created_at LIMIT 1)`, want: Lost, serve: true},
		"revoked sessions are put back": {damage: `UPDATE sessions SET revoked_at = 0 WHERE revoked_at > 0`, want: Revived, serve: true},
		"a user is invented":            {damage: copied("users", "true", "id = 'invented', email = 'invented@torture.test'"), want: Phantom},
		"a mail is queued twice":        {damage: copied("outbox", "kind = 'password-changed'", "id = '0twice', state = 'queued'"), want: Doubled},
		"a change is recorded twice":    {damage: copied("audit", "event = 'user.sign_up'", "id = '0twice'"), want: Doubled},
		"tokens move to somebody else":  {damage: `UPDATE refresh_tokens SET user_id = 'somebody'`, want: Mixed},
		"two users change places":       {damage: changePlaces, want: Mixed},
		"an index is not what it was":   {damage: otherIndex, want: Corrupt},
	} {
		t.Run(name, func(t *testing.T) {
			got, report := damaged(ctx, t, a, s, c.damage, c.serve)
			if c.want == "" && len(got) > 0 || c.want != "" && got[c.want] == 0 {
				t.Errorf("findings: %v, want %q\n%s", got, c.want, report)
			}
		})
	}
}

// copied inserts a copy of one row with other values in some columns.
func copied(table, where, changes string) string {
	return fmt.Sprintf(`CREATE TEMP TABLE one AS SELECT * FROM %[1]s WHERE %[2]s LIMIT 1; UPDATE one SET %[3]s; INSERT INTO %[1]s SELECT * FROM one`, table, where, changes)
}

const (
	dropUser     = `DELETE FROM users WHERE (project, id) IN (SELECT project, user_id FROM sessions WHERE revoked_at = 0 LIMIT 1)`
	otherIndex   = `PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = 'CREATE INDEX outbox_by_id ON outbox (kind)' WHERE name = 'outbox_by_id'`
	changePlaces = `CREATE TEMP TABLE two AS SELECT project, id, email FROM users WHERE project = (SELECT project FROM users GROUP BY project HAVING count(*) > 1 LIMIT 1) LIMIT 2;
		UPDATE users SET email = email || '.away' WHERE id IN (SELECT id FROM two);
		UPDATE users SET email = (SELECT t.email FROM two t WHERE t.id <> users.id) WHERE id IN (SELECT id FROM two)`
)

// played runs a short load on SQLite to its end.
func played(ctx context.Context, t *testing.T, dir string) (*Arena, *Server) {
	t.Helper()
	var out bytes.Buffer
	a, err := NewArena("damage", 7, dir, binary(t), &out)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := a.NewServer("server", "data", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	if err := a.Prepare(ctx, s); err != nil {
		t.Fatal(err)
	}
	load := a.StartLoad(ctx, 6, 8, s)
	for a.Tally.done() < 250 && ctx.Err() == nil {
		time.Sleep(50 * time.Millisecond)
	}
	load.Stop()
	if err := a.Check(ctx, s, SQLiteFile(filepath.Join(a.Dir, "data", "doorward.db")), true); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if n := a.Findings.Total(); n > 0 {
		t.Fatalf("%d findings where nothing was damaged\n%s", n, out.String())
	}
	return a, s
}

// damaged damages a copy of what an arena left, and checks that against the ledger.
func damaged(ctx context.Context, t *testing.T, from *Arena, of *Server, statement string, serve bool) (map[Verdict]int, string) {
	t.Helper()
	var out bytes.Buffer
	a, err := NewArena("damaged", 7, filepath.Dir(from.Dir), from.Binary, &out)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}()
	if a.Model, err = ReadLedger(from.Ledger.path); err != nil {
		t.Fatal(err)
	}
	a.Mail, a.operator, a.Projects, a.canary = from.Mail, from.operator, from.Projects, from.canary
	data := filepath.Join(a.Dir, "data")
	if err := os.CopyFS(data, os.DirFS(filepath.Join(from.Dir, "data"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(data, "master.key"), 0o600); err != nil {
		t.Fatal(err)
	}
	db := SQLiteFile(filepath.Join(data, "doorward.db"))
	execute(t, db, statement)
	if !serve {
		facts, err := db.Facts(ctx)
		if err != nil {
			a.Findings.Add(Finding{Corrupt, "", "", err.Error()})
		}
		for _, f := range Compare(a.Model, Evidence{Facts: facts, Arrived: a.Mail.ByID()}) {
			a.Findings.Add(f)
		}
		return a.Findings.Counts(), out.String()
	}
	s, err := a.NewServer(of.Name, "data", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	if err := a.awaitReady(ctx, s); err != nil {
		t.Fatal(err)
	}
	if err := a.Check(ctx, s, db, false); err != nil {
		t.Fatal(err)
	}
	return a.Findings.Counts(), out.String()
}

func execute(t *testing.T, file SQLiteFile, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+string(file)+"?_pragma=foreign_keys(ON)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
