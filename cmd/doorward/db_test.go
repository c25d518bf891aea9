package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/dbcopy"
	"github.com/doorward/doorward/internal/sqlstore"
)

// db runs a verb that takes no data directory.
func db(args ...string) result {
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), append([]string{"db"}, args...), nil, strings.NewReader(""), &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

func TestDBVerbs(t *testing.T) {
	c := newCLI(t)
	c.okWith("a long passphrase", "user", "create", "ada@example.com", "--password-file", "-")
	from, dir := "sqlite:"+filepath.Join(c.data, "doorward.db"), t.TempDir()
	to := filepath.Join(dir, "second.db")
	urlFile := filepath.Join(dir, "url")
	if err := os.WriteFile(urlFile, []byte("sqlite:"+to+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	prepared := db("copy", from, "@"+urlFile, "--prepare")
	if prepared.code != exitDone || !strings.Contains(prepared.stdout, "without --prepare") || !strings.Contains(prepared.stderr, "doorward: copying: ") {
		t.Errorf("prepare: %+v", prepared)
	}
	if r := db("status", to); !strings.Contains(r.stdout, "filling") || !strings.Contains(r.stdout, from) {
		t.Errorf("status while it is filled: %+v", r)
	}
	db("reopen", to).wantFailure(t, exitFailed, "not whole yet")

	done := db("copy", from, to)
	for _, want := range []string{"are the same in both", "closed now", "--database sqlite:" + to, "master key file"} {
		if done.code != exitDone || !strings.Contains(done.stdout, want) {
			t.Errorf("no %q in %+v", want, done)
		}
	}
	if r := c.try("a long passphrase", "user", "create", "bob@example.com", "--password-file", "-"); r.code != exitFailed || !strings.Contains(r.stderr, "the data moved to sqlite:"+to) {
		t.Errorf("a change of the closed database: %+v", r)
	}
	if r := c.try("", "user", "list"); r.code != exitFailed || !strings.Contains(r.stderr, "the data moved to sqlite:"+to) {
		t.Errorf("a read of the closed database: %+v", r)
	}
	var users []struct{ Email string }
	c.json(&users, "user", "list", "--database", "sqlite:"+to)
	if len(users) != 1 || users[0].Email != "ada@example.com" {
		t.Errorf("users of the second database: %v", users)
	}
	var again copyReport
	if r := db("copy", from, to, "--json"); json.Unmarshal([]byte(r.stdout), &again) != nil || !again.Already || r.stderr != "" {
		t.Errorf("again: %+v", r)
	}

	db("copy", from, filepath.Join(dir, "third.db")).wantFailure(t, exitUsage, "moves to another database already")
	db("reopen", from).wantFailure(t, exitUsage, "needs --yes")
	var state statusReport
	if r := db("status", from, "--json"); json.Unmarshal([]byte(r.stdout), &state) != nil || state.State != "moved" || !strings.Contains(state.Note, to) || state.Since == nil {
		t.Errorf("status of the closed one: %+v", r)
	}
	if r := db("reopen", from, "--yes"); r.code != exitDone {
		t.Errorf("reopen: %+v", r)
	}
	if r := db("status", from); !strings.Contains(r.stdout, "open") {
		t.Errorf("status afterwards: %+v", r)
	}
	db("copy", from, to).wantFailure(t, exitUsage, "To copy anew, name an empty database")
}

func TestDBRefusals(t *testing.T) {
	c := newCLI(t)
	from, missing := filepath.Join(c.data, "doorward.db"), filepath.Join(t.TempDir(), "missing.db")
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no source":        {[]string{"copy", missing, filepath.Join(t.TempDir(), "new.db")}, exitUsage, "there is no database"},
		"no database":      {[]string{"status", missing}, exitUsage, "there is no database"},
		"onto itself":      {[]string{"copy", from, "sqlite:" + from}, exitUsage, "same database"},
		"other engine":     {[]string{"copy", from, "mysql://localhost/x"}, exitUsage, "neither sqlite:FILE nor postgres://"},
		"no file":          {[]string{"copy", from, "@" + missing}, exitUsage, "no such file"},
		"unreachable":      {[]string{"copy", from, "postgres://user:hunter2@127.0.0.1:1/x"}, exitFailed, "postgres://user:xxxxx@127.0.0.1:1/x"},
		"not readable URL": {[]string{"copy", from, "postgres://user:hunter2@%zz/x"}, exitUsage, "not a URL"},
	} {
		t.Run(name, func(t *testing.T) {
			r := db(test.args...)
			r.wantFailure(t, test.code, test.want)
			if strings.Contains(r.stderr+r.stdout, "hunter2") {
				t.Errorf("the password is told: %+v", r)
			}
		})
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("a database was made where one was looked for")
	}
}

// No verb changes the schema of a database that is in use without a copy of it, and status changes none at all.
func TestDBVerbsSaveAnOldDatabase(t *testing.T) {
	dir := t.TempDir()
	old := func(name string) string {
		path := filepath.Join(dir, name)
		store, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: path, Schema: 1, Filling: true})
		if err != nil {
			t.Fatal(err)
		}
		retired, _ := sqlstore.TableNamed("retired_projects")
		err = store.UpdateRows(t.Context(), func(_ auth.Tx, w *sqlstore.RowWriter) error {
			_, err := w.Put(t.Context(), retired, []sqlstore.Row{{"gone", int64(1)}}, sqlstore.Refuse)
			return err
		})
		if err := errors.Join(err, store.Close()); err != nil {
			t.Fatal(err)
		}
		return path
	}
	schema := func(path string) int64 {
		look, err := sqlstore.LookAt(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		return look.Schema
	}
	looked, source, target, reopened := old("looked.db"), old("source.db"), old("target.db"), old("reopened.db")
	if r := db("status", looked); r.code != exitDone || !strings.Contains(r.stdout, "open") || schema(looked) != 1 {
		t.Errorf("status: %+v, schema %d", r, schema(looked))
	}
	db("copy", source, target).wantFailure(t, exitUsage, "has other data")
	if schema(target) != 1 {
		t.Error("a target in use was migrated")
	}
	if r := db("reopen", reopened); r.code != exitDone {
		t.Errorf("reopen: %+v", r)
	}
	for _, path := range []string{source, reopened} {
		if _, err := os.Stat(path + ".before-00002"); err != nil || schema(path) == 1 {
			t.Errorf("schema %d, the copy from before: %v", schema(path), err)
		}
	}
}

func TestProgressText(t *testing.T) {
	for want, p := range map[string]dbcopy.Progress{
		": users, 500 of 1000 rows, 250 rows/s": {Step: dbcopy.StepCopy, Table: "users", Rows: 500, Of: 1000},
		": users, 500 of 500 rows, 250 rows/s":  {Step: dbcopy.StepLast, Table: "users", Rows: 500, Of: 400},
		": 3":                                   {Step: dbcopy.StepDrain, Of: 3},
	} {
		if got := progressText(p, 2*time.Second); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
