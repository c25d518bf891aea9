//go:build unix

package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/backup"
	"github.com/doorward/doorward/internal/certs"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/sqlstore"
	"github.com/doorward/doorward/internal/storetest/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// on gives the configuration of a new instance on an empty database of an engine.
func on(t *testing.T, engine string) Config {
	t.Helper()
	c := testConfig(t)
	if engine == "postgres" {
		c.Database = pgtest.EmptyURL(t)
	}
	return c
}

// call sends JSON to the AUTH API and gives the status and the data of the answer.
func call(t *testing.T, s *Server, method, path, token string, body map[string]any) (int, map[string]any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r := request(method, "localhost", "/api/v1/auth/accounts"+path, string(text))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	var answer struct{ Data map[string]any }
	_ = json.Unmarshal(w.Body.Bytes(), &answer) // errors have no data
	return w.Code, answer.Data
}

const rightPassword = "a long passphrase"

// inhabited is an instance with a user who is signed in, a mail that waits, and a directory for backups.
type inhabited struct {
	*Instance
	server  *Server
	config  Config
	idToken string
	refresh string
	place   backup.Place
	keys    backup.Keys
}

func inhabit(t *testing.T, engine string) *inhabited {
	t.Helper()
	c := on(t, engine)
	file, recipient, err := backup.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	c.Backup.Recipients = []string{recipient}
	h := &inhabited{config: c, keys: backup.Keys{Identities: file}, Instance: openInstance(t, c)}
	if h.server, err = New(t.Context(), h.Instance); err != nil {
		t.Fatal(err)
	}
	if h.place, _, err = backup.ParsePlace(t.TempDir(), c.Clock); err != nil {
		t.Fatal(err)
	}
	status, data := call(t, h.server, "POST", "/signup", "", map[string]any{"email": "ada@example.com", "password": rightPassword})
	if status != 200 {
		t.Fatalf("sign-up: %d", status)
	}
	h.idToken, h.refresh = data["idToken"].(string), data["refreshToken"].(string)
	if status, _ := call(t, h.server, "POST", "/password-reset", "", map[string]any{"email": "ada@example.com"}); status >= 300 {
		t.Fatalf("password reset: %d", status)
	}
	return h
}

func (h *inhabited) backUp(t *testing.T) Backup {
	t.Helper()
	made, err := h.Backup(t.Context(), h.Service.LocalOperator(auth.Caller{}), h.place, "")
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func (h *inhabited) options(name string) RestoreOptions {
	return RestoreOptions{From: h.place, Name: name, Keys: h.keys}
}

// serverOn opens what was restored.
func serverOn(t *testing.T, c Config) *Server {
	t.Helper()
	i, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = i.Close() })
	s, err := New(t.Context(), i)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func kids(t *testing.T, s *Server) (ids []string) {
	t.Helper()
	keys, err := s.instance.store.ListSigningKeys(t.Context(), auth.DefaultProject)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		ids = append(ids, string(k.ID))
	}
	return ids
}

func mailStates(t *testing.T, s *Server) map[auth.MailState]int {
	t.Helper()
	counts, err := s.instance.store.CountMail(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(counts, func(_ auth.MailState, n int) bool { return n == 0 })
	return counts
}

// TestRestoreOnBothEngines: a backup of either engine restores into either; passwords hold, and nothing lives again that may have been ended since (P21).
func TestRestoreOnBothEngines(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"sqlite", "postgres"} {
		h := inhabit(t, from)
		made := h.backUp(t)
		if made.Bytes == 0 || made.Rows == 0 || !made.MasterKey {
			t.Errorf("%s: made %+v", from, made)
		}
		for _, to := range []string{"sqlite", "postgres"} {
			c := on(t, to)
			restored, err := Restore(t.Context(), c, h.options(made.Name))
			if err != nil {
				t.Fatalf("%s to %s: %v", from, to, err)
			}
			if len(restored.Unknown) == 0 || restored.Header.Engine != from {
				t.Errorf("%s to %s: %+v", from, to, restored)
			}
			s := serverOn(t, c)
			if status, _ := call(t, s, "POST", "/sign-in/email", "", map[string]any{"email": "ada@example.com", "password": rightPassword}); status != 200 {
				t.Errorf("%s to %s: sign-in %d", from, to, status)
			}
			if status, _ := call(t, s, "POST", "/token/refresh", "", map[string]any{"refresh_token": h.refresh}); status != 400 {
				t.Errorf("%s to %s: an old refresh token: %d", from, to, status)
			}
			if status, _ := call(t, s, "GET", "/sessions", h.idToken, nil); status != 403 {
				t.Errorf("%s to %s: an old id token: %d", from, to, status)
			}
			if got, old := kids(t, s), kids(t, h.server); len(got) != 1 || slices.Contains(old, got[0]) {
				t.Errorf("%s to %s: keys %v, before %v", from, to, got, old)
			}
			if states := mailStates(t, s); states[auth.MailDead] == 0 || states[auth.MailQueued] > 0 {
				t.Errorf("%s to %s: mails %v", from, to, states)
			}
			records, err := s.instance.store.ListAudit(t.Context(), "", auth.AuditFilter{Limit: 100})
			if err != nil || !slices.ContainsFunc(records, func(r auth.AuditRecord) bool { return r.Event == auth.EventRestored && r.Detail["name"] == made.Name }) {
				t.Errorf("%s to %s: no record of it: %v", from, to, err)
			}
			if _, err := Restore(t.Context(), c, h.options(made.Name)); !errors.Is(err, ErrNotEmpty) {
				t.Errorf("%s to %s: a second time: %v", from, to, err)
			}
			if status, _ := call(t, s, "POST", "/sign-in/email", "", map[string]any{"email": "ada@example.com", "password": rightPassword}); status != 200 {
				t.Errorf("%s to %s: sign-in after the refusal: %d", from, to, status)
			}
		}
	}
}

// TestRestoreOfAStoppedSource: where nothing happened since, everything goes on.
func TestRestoreOfAStoppedSource(t *testing.T) {
	t.Parallel()
	h := inhabit(t, "sqlite")
	made := h.backUp(t)
	o := h.options(made.Name)
	o.SourceStopped = true
	c := on(t, "postgres")
	if _, err := Restore(t.Context(), c, o); err != nil {
		t.Fatal(err)
	}
	s := serverOn(t, c)
	if status, _ := call(t, s, "POST", "/token/refresh", "", map[string]any{"refresh_token": h.refresh}); status != 200 {
		t.Errorf("refresh: %d", status)
	}
	if status, _ := call(t, s, "GET", "/sessions", h.idToken, nil); status != 200 {
		t.Errorf("id token: %d", status)
	}
	if !slices.Equal(kids(t, s), kids(t, h.server)) || mailStates(t, s)[auth.MailQueued] == 0 {
		t.Errorf("keys %v, mails %v", kids(t, s), mailStates(t, s))
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		h := inhabit(t, engine)
		made := h.backUp(t)
		c := on(t, "sqlite")
		c.TLS.Files = []certs.Pair{{Cert: "/of/another/machine.crt", Key: "/of/another/machine.key"}}
		v, err := VerifyBackup(t.Context(), c, h.options(made.Name))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(v.Projects, []string{"default"}) || v.Secrets == 0 || (backup.Trailer{Tables: v.Tables}).Rows() != made.Rows {
			t.Errorf("%s: %+v", engine, v)
		}
		if _, err := os.Stat(c.DataDir); err == nil {
			t.Errorf("%s: verifying left something in the data directory", engine)
		}
	}
}

// TestVerifySeesAKeyThatIsNotItsOwn: rows that are as they were written are not enough.
func TestVerifySeesAKeyThatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	h := inhabit(t, "sqlite")
	keys, err := h.store.ListSigningKeys(t.Context(), auth.DefaultProject)
	if err != nil {
		t.Fatal(err)
	}
	other := inhabit(t, "sqlite")
	foreign, err := other.store.ListSigningKeys(t.Context(), auth.DefaultProject)
	if err != nil {
		t.Fatal(err)
	}
	// The public half of another key under this one's id.
	public := strings.Replace(string(foreign[0].PublicJWK), string(foreign[0].ID), string(keys[0].ID), 1)
	err = h.store.Update(t.Context(), func(tx auth.Tx) error {
		k := keys[0]
		k.PublicJWK = []byte(public)
		return errors.Join(tx.DeleteSigningKey(t.Context(), k.Project, k.ID), tx.CreateSigningKey(t.Context(), k))
	})
	if err != nil {
		t.Fatal(err)
	}
	made := h.backUp(t)
	if _, err := VerifyBackup(t.Context(), on(t, "sqlite"), h.options(made.Name)); err == nil || !strings.Contains(err.Error(), "project default") {
		t.Errorf("verified: %v", err)
	}
}

// TestMasterKeySeals: without a recipient the key file is what opens a backup, and is not in it.
func TestMasterKeySeals(t *testing.T) {
	t.Parallel()
	h := inhabit(t, "sqlite")
	h.Instance.config.Backup = BackupConfig{}
	made := h.backUp(t)
	if made.MasterKey {
		t.Error("the master key is in a backup that it seals")
	}
	h.keys = backup.Keys{}
	c := on(t, "sqlite")
	if _, err := Restore(t.Context(), c, h.options(made.Name)); !errors.Is(err, backup.ErrWrongKey) {
		t.Errorf("without the key: %v", err)
	}
	if _, _, err := secret.OpenKeyring(c.MasterKeyFile, c.Rand); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), c, h.options(made.Name)); !errors.Is(err, backup.ErrWrongKey) {
		t.Errorf("with another key: %v", err)
	}
	c.MasterKeyFile = h.config.MasterKeyFile
	if _, err := Restore(t.Context(), c, h.options(made.Name)); err != nil {
		t.Errorf("with the key: %v", err)
	}
}

// TestAnotherMasterKeyIsLeftAlone: a restore replaces no key file.
func TestAnotherMasterKeyIsLeftAlone(t *testing.T) {
	t.Parallel()
	h := inhabit(t, "sqlite")
	made := h.backUp(t)
	c := on(t, "sqlite")
	if err := openDataDir(c.DataDir); err != nil {
		t.Fatal(err)
	}
	if _, _, err := secret.OpenKeyring(c.MasterKeyFile, c.Rand); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(c.MasterKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), c, h.options(made.Name)); !errors.Is(err, secret.ErrOtherKeyFile) {
		t.Errorf("restored: %v", err)
	}
	after, err := os.ReadFile(c.MasterKeyFile)
	if err != nil || string(after) != string(before) {
		t.Errorf("the key file changed: %v", err)
	}
	if entries, _ := filepath.Glob(filepath.Join(c.DataDir, "doorward.db*")); len(entries) > 0 {
		t.Errorf("left %v", entries)
	}
}

// TestInterruptedRestore: a database that is not whole is not served, and the same command begins anew.
func TestInterruptedRestore(t *testing.T) {
	t.Parallel()
	h := inhabit(t, "sqlite")
	made := h.backUp(t)
	for _, engine := range []string{"sqlite", "postgres"} {
		c := on(t, engine)
		ctx, cancel := context.WithCancel(t.Context())
		o := h.options(made.Name)
		o.Progress = func(table string, _, _ int64) {
			if table == "users" {
				cancel()
			}
		}
		if _, err := Restore(ctx, c, o); err == nil {
			t.Fatalf("%s: the restore was not interrupted", engine)
		}
		cancel()
		if engine == "postgres" {
			if _, err := Open(t.Context(), c); !errors.Is(err, sqlstore.ErrFilling) || !strings.Contains(err.Error(), made.Name) {
				t.Errorf("served what is not whole: %v", err)
			}
		} else if entries, _ := filepath.Glob(filepath.Join(c.DataDir, "doorward.db*")); len(entries) > 0 {
			t.Errorf("left %v", entries)
		}
		if _, err := Restore(t.Context(), c, h.options(made.Name)); err != nil {
			t.Fatalf("%s: again: %v", engine, err)
		}
		if status, _ := call(t, serverOn(t, c), "POST", "/sign-in/email", "", map[string]any{"email": "ada@example.com", "password": rightPassword}); status != 200 {
			t.Errorf("%s: sign-in %d", engine, status)
		}
	}
}

// TestRestoreLeavesADatabaseAlone: neither a log that a killed server left nor a database that appears meanwhile is touched, and nothing is restored beside it.
func TestRestoreLeavesADatabaseAlone(t *testing.T) {
	t.Parallel()
	h := inhabit(t, "sqlite")
	made := h.backUp(t)
	for _, end := range []string{"", "-wal", "-shm", "-journal"} {
		for _, meanwhile := range []bool{false, true} {
			c := on(t, "sqlite")
			path := strings.TrimPrefix(c.Database, "sqlite:")
			o := h.options(made.Name)
			put := func() {
				if err := os.WriteFile(path+end, []byte("another"), 0o600); err != nil {
					t.Error(err)
				}
			}
			if err := openDataDir(c.DataDir); err != nil {
				t.Fatal(err)
			}
			if meanwhile {
				o.Progress = func(table string, _, _ int64) {
					if table == "users" {
						put()
					}
				}
			} else {
				put()
			}
			if _, err := Restore(t.Context(), c, o); !errors.Is(err, ErrNotEmpty) {
				t.Errorf("%q, meanwhile %v: %v", end, meanwhile, err)
			}
			if left, _ := filepath.Glob(path + "*"); !slices.Equal(left, []string{path + end}) {
				t.Errorf("%q, meanwhile %v: left %v", end, meanwhile, left)
			}
			if text, err := os.ReadFile(path + end); err != nil || string(text) != "another" {
				t.Errorf("%q, meanwhile %v: it has %d other bytes now, %v", end, meanwhile, len(text), err)
			}
		}
	}
	dir := t.TempDir()
	aside, path := filepath.Join(dir, "aside"), filepath.Join(dir, "path")
	if err := errors.Join(os.WriteFile(aside, nil, 0o600), os.WriteFile(path, []byte("another"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := giveName(aside, path); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("a name that was taken at the last moment: %v", err)
	}
}

// TestUnknowns: of what may have changed since, what would live again is named.
func TestUnknowns(t *testing.T) {
	t.Parallel()
	var u unknowns
	for name, values := range map[string]map[string]any{
		"projects":   {"id": "shop", "updated_at": int64(1000)},
		"identities": {"project": "shop", "created_at": int64(2000)},
		"tls_files":  {"path": "a", "modified_at": int64(3000)},
	} {
		table, ok := sqlstore.TableNamed(name)
		if !ok {
			t.Fatalf("no table %s", name)
		}
		row := make(sqlstore.Row, len(table.Columns))
		for column, value := range values {
			row[table.Place(column)] = value
		}
		u.see(table, row)
	}
	var got []string
	for _, one := range u.list() {
		got = append(got, fmt.Sprint(one.Project, " ", one.Changed.UnixMilli(), " ", one.Command))
	}
	want := []string{
		" 3000 doorward serve --tls-cert FILE --tls-key FILE",
		"shop 2000 doorward user disable EMAIL --project shop",
		"shop 1000 doorward project rotate-admin-token shop",
		"shop 1000 doorward project delete shop",
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed %q", got)
	}
}

// TestOneRestoreAtATime: a restore whose database another one has taken over stops, and leaves that one's work alone.
func TestOneRestoreAtATime(t *testing.T) {
	t.Parallel()
	h := inhabit(t, "sqlite")
	made := h.backUp(t)
	c := on(t, "postgres")
	late := h.options(made.Name)
	taken := false
	late.Progress = func(table string, _, _ int64) {
		if taken || table != "users" {
			return
		}
		taken = true
		broken, cancel := context.WithCancel(t.Context())
		defer cancel()
		o := h.options(made.Name)
		o.Progress = func(string, int64, int64) { cancel() }
		if _, err := Restore(broken, c, o); !errors.Is(err, context.Canceled) {
			t.Errorf("the one that takes over: %v", err)
		}
	}
	if _, err := Restore(t.Context(), c, late); !errors.Is(err, sqlstore.ErrOtherRun) {
		t.Errorf("went on: %v", err)
	}
	if _, err := Open(t.Context(), c); !errors.Is(err, sqlstore.ErrFilling) {
		t.Errorf("served what is not whole: %v", err)
	}
	// The same where it had loaded everything already.
	r, done, err := h.options(made.Name).open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if _, err := Restore(t.Context(), c, h.options(made.Name)); err != nil {
		t.Fatal(err)
	}
	store, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: c.Database})
	if err != nil {
		t.Fatal(err)
	}
	err = store.UpdateMarks(t.Context(), func(marks map[sqlstore.Mark]sqlstore.MarkValue) error {
		if len(marks) > 0 {
			t.Errorf("marks are left: %v", marks)
		}
		marks[sqlstore.MarkFilling], marks[sqlstore.MarkFillingRun] = sqlstore.MarkValue{Value: restoring + "b"}, sqlstore.MarkValue{Value: "another"}
		return nil
	})
	if err = errors.Join(err, store.Close()); err != nil {
		t.Fatal(err)
	}
	if err := finish(t.Context(), c, late, r.Header, sqlstore.Options{URL: c.Database, Filling: true}, "late"); !errors.Is(err, sqlstore.ErrOtherRun) {
		t.Errorf("finished: %v", err)
	}
	if _, err := Open(t.Context(), c); !errors.Is(err, sqlstore.ErrFilling) {
		t.Errorf("marked whole: %v", err)
	}
}

// TestOneRestoreIntoAFile: a second restore into a file does not touch what the first fills, and is refused until that one has ended, however it ended.
func TestOneRestoreIntoAFile(t *testing.T) {
	t.Parallel()
	h := inhabit(t, "sqlite")
	made := h.backUp(t)
	c := on(t, "sqlite")
	path := strings.TrimPrefix(c.Database, "sqlite:")
	first := h.options(made.Name)
	tried := false
	first.Progress = func(table string, _, _ int64) {
		if tried || table != "users" {
			return
		}
		tried = true
		if _, err := Restore(t.Context(), c, h.options(made.Name)); !errors.Is(err, ErrRestoring) {
			t.Errorf("a second one: %v", err)
		}
	}
	if err := errors.Join(openDataDir(c.DataDir), os.WriteFile(path+".restoring.lock", nil, 0o600), os.WriteFile(path+".restoring-wal", []byte("of one that was killed"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), c, first); err != nil || !tried {
		t.Fatalf("the first: %v, tried a second %v", err, tried)
	}
	if left, _ := filepath.Glob(path + "*"); !slices.Equal(left, []string{path}) {
		t.Errorf("left %v", left)
	}
	if status, _ := call(t, serverOn(t, c), "POST", "/sign-in/email", "", map[string]any{"email": "ada@example.com", "password": rightPassword}); status != 200 {
		t.Errorf("sign-in %d", status)
	}
}

// TestRestoredFileIsItsOwn: where the file that was filled is gone or another one when it is finished or gets its name, nothing is published, and no empty database made.
func TestRestoredFileIsItsOwn(t *testing.T) {
	t.Parallel()
	h := inhabit(t, "sqlite")
	made := h.backUp(t)
	c := on(t, "sqlite")
	r, done, err := h.options(made.Name).open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	dir := t.TempDir()
	aside, path := filepath.Join(dir, "aside"), filepath.Join(dir, "path")
	err = finish(t.Context(), c, h.options(made.Name), r.Header, sqlstore.Options{URL: "sqlite:" + aside, Filling: true}, "")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("finished a file that is gone: %v", err)
	}
	if left, _ := filepath.Glob(aside + "*"); len(left) > 0 {
		t.Errorf("made %v", left)
	}
	own, err := createNew(aside)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Rename(aside, filepath.Join(dir, "away")), os.WriteFile(aside, []byte("another"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := publish(aside, path, own); err == nil {
		t.Error("another file was published")
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something is there: %v", err)
	}
}

// onSchema gives an empty database of an older schema, with a master key beside it.
func onSchema(t *testing.T, engine string, schema int64) (Config, *sqlstore.Store) {
	t.Helper()
	c := on(t, engine)
	if err := openDataDir(c.DataDir); err != nil {
		t.Fatal(err)
	}
	if _, _, err := secret.OpenKeyring(c.MasterKeyFile, c.Rand); err != nil {
		t.Fatal(err)
	}
	store, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: c.Database, Schema: schema, Filling: true})
	if err != nil {
		t.Fatal(err)
	}
	return c, store
}

// TestBackupBeforeMigration: a database of an older schema is backed up as it is, and comes back under the newest schema.
func TestBackupBeforeMigration(t *testing.T) {
	t.Parallel()
	const old = 8
	c, store := onSchema(t, "postgres", old)
	retired, _ := sqlstore.TableNamed("retired_projects")
	projects, _ := sqlstore.TableNamed("projects")
	err := store.UpdateRows(t.Context(), func(_ auth.Tx, w *sqlstore.RowWriter) error {
		_, first := w.Put(t.Context(), retired, []sqlstore.Row{{"gone", int64(1)}}, sqlstore.Refuse)
		_, second := w.Put(t.Context(), projects, []sqlstore.Row{{"shop", "Shop", "documented", "{}", nil, nil, int64(1), int64(1), int64(1)}}, sqlstore.Refuse)
		return errors.Join(first, second)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := backupBeforeMigration(t.Context(), c, store, old); err != nil { // an earlier try, which is replaced
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	// Another was killed while it wrote.
	if err := os.WriteFile(filepath.Join(c.DataDir, ".before-00009.backup.partial"), []byte("age"), 0o600); err != nil {
		t.Fatal(err)
	}
	lost := c
	lost.MasterKeyFile += ".lost"
	if _, err := Open(t.Context(), lost); !errors.Is(err, ErrMasterKeyMissing) {
		t.Errorf("migrated without a backup: %v", err)
	}
	migrated := openInstance(t, c)
	if v := schemaOf(t, migrated.store); v != sqlstore.NewestSchema() {
		t.Errorf("schema %d", v)
	}
	place, name, err := backup.ParsePlace(filepath.Join(c.DataDir, "before-00009.backup"), c.Clock)
	if err != nil {
		t.Fatal(err)
	}
	to := on(t, "sqlite")
	to.MasterKeyFile = c.MasterKeyFile
	restored, err := Restore(t.Context(), to, RestoreOptions{From: place, Name: name})
	if err != nil || restored.Header.Schema != old {
		t.Fatalf("restored %+v, %v", restored.Header, err)
	}
	s := serverOn(t, to)
	rows := 0
	for row, err := range s.instance.store.Rows(t.Context(), retired, sqlstore.Range{}) {
		if rows++; err != nil || row[0] != "gone" {
			t.Errorf("row %v, %v", row, err)
		}
	}
	if rows != 1 {
		t.Errorf("%d rows", rows)
	}
	inPostgres := on(t, "postgres")
	inPostgres.MasterKeyFile = c.MasterKeyFile
	if _, err := Restore(t.Context(), inPostgres, RestoreOptions{From: place, Name: name}); err == nil || !strings.Contains(err.Error(), "db copy") {
		t.Errorf("into PostgreSQL: %v", err)
	}
}

// TestRestoreWhoseLastAnswerIsLost: only where the mark of a database may be gone the restore may be done.
func TestRestoreWhoseLastAnswerIsLost(t *testing.T) {
	t.Parallel()
	if err := lastStep("run", fmt.Errorf("commit: %w", auth.ErrOutcomeUnknown)); !errors.Is(err, ErrMaybeRestored) || !errors.Is(err, auth.ErrOutcomeUnknown) {
		t.Errorf("a database on a server: %v", err)
	}
	if err := lastStep("", auth.ErrOutcomeUnknown); errors.Is(err, ErrMaybeRestored) {
		t.Errorf("a file: %v", err)
	}
	if err := lastStep("run", sqlstore.ErrOtherRun); errors.Is(err, ErrMaybeRestored) {
		t.Errorf("another restore's: %v", err)
	}
}

// TestKeysAreTriedBeforeTheMigration: with a key file that does not open what a backup of an older schema holds, the database stays as it was filled.
func TestKeysAreTriedBeforeTheMigration(t *testing.T) {
	t.Parallel()
	const old = 8
	c, store := onSchema(t, "sqlite", old)
	foreign, _, err := secret.OpenKeyring(filepath.Join(t.TempDir(), "master.key"), c.Rand)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := foreign.Seal([]byte("secret"), auth.SealedProjectSecrets.AD("shop", "shop"))
	if err != nil {
		t.Fatal(err)
	}
	projects, _ := sqlstore.TableNamed("projects")
	err = store.UpdateRows(t.Context(), func(_ auth.Tx, w *sqlstore.RowWriter) error {
		_, err := w.Put(t.Context(), projects, []sqlstore.Row{{"shop", "Shop", "documented", "{}", sealed, nil, int64(1), int64(1), int64(1)}}, sqlstore.Refuse)
		return err
	})
	if err = errors.Join(err, backupBeforeMigration(t.Context(), c, store, old), store.Close()); err != nil {
		t.Fatal(err)
	}
	place, name, err := backup.ParsePlace(filepath.Join(c.DataDir, "before-00009.backup"), c.Clock)
	if err != nil {
		t.Fatal(err)
	}
	o := RestoreOptions{From: place, Name: name}
	r, done, err := o.open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	to := sqlstore.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "doorward.db")}
	if _, err := fillNew(t.Context(), c, o, r, to); err == nil || !strings.Contains(err.Error(), "not the key file") {
		t.Errorf("filled: %v", err)
	}
	to.Schema, to.Filling = old, true
	filled, err := sqlstore.Open(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	defer filled.Close()
	if v, err := filled.SchemaNumber(t.Context()); err != nil || v != old {
		t.Errorf("migrated to schema %d, %v", v, err)
	}
}

func schemaOf(t *testing.T, store *sqlstore.Store) int64 {
	t.Helper()
	snapshot, err := store.Snapshot(t.Context(), sqlstore.SnapshotOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer snapshot.Close()
	version, err := snapshot.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return version
}

// TestEveryTableHasAFate: a new table finds its place before anybody restores it.
func TestEveryTableHasAFate(t *testing.T) {
	t.Parallel()
	for _, table := range sqlstore.Tables() {
		if fates[table.Name] == 0 {
			t.Errorf("what becomes of %s when a backup is restored? See fates", table.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fates)) {
		if _, ok := sqlstore.TableNamed(name); !ok {
			t.Errorf("there is no table %s", name)
		}
	}
}

// movable is a clock that a test moves.
type movable struct{ time.Time }

// TestSchedule: the newest backup at the place says when the next is due; another process makes none beside it; old ones go only after a newer one is there.
func TestSchedule(t *testing.T) {
	t.Parallel()
	now := &movable{time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC)}
	c := testConfig(t)
	c.Clock = func() time.Time { return now.Time }
	c.Backup = BackupConfig{To: t.TempDir(), Every: 24 * time.Hour, Keep: 2}
	first, second := schedules(t, c), schedules(t, c)
	count := func() (names []string) {
		files, err := first.place.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			names = append(names, f.Name.String())
		}
		return names
	}
	run := func(s *schedule) {
		t.Helper()
		if err := s.run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	run(first)
	run(second)
	run(first)
	if got := count(); len(got) != 1 || second.newest == nil {
		t.Fatalf("two processes made %v", got)
	}
	for range 3 {
		now.Time = now.Add(23 * time.Hour)
		before := count()
		run(second)
		if got := count(); !slices.Equal(got, before) {
			t.Errorf("made before it was due: %v", got)
		}
		now.Time = now.Add(time.Hour)
		run(first)
		run(second)
	}
	kept := count()
	if len(kept) != 2 {
		t.Errorf("kept %v", kept)
	}
	manual, err := first.instance.Backup(t.Context(), first.instance.Service.LocalOperator(auth.Caller{}), first.place, "")
	if err != nil {
		t.Fatal(err)
	}

	// The place is away: nothing is removed, it is counted, and tried again later.
	now.Time = now.Add(25 * time.Hour)
	away := c.Backup.To + ".away"
	if err := os.Rename(c.Backup.To, away); err != nil {
		t.Fatal(err)
	}
	if err := first.run(t.Context()); err == nil || first.failures != 1 {
		t.Errorf("with its place away: %v, %d failures", err, first.failures)
	}
	if err := first.run(t.Context()); err != nil {
		t.Errorf("tried again at once: %v", err)
	}
	if err := os.Rename(away, c.Backup.To); err != nil {
		t.Fatal(err)
	}
	now.Time = now.Add(backupRetry)
	run(first)
	got := count()
	if len(got) != 3 || !slices.Contains(got, manual.Name) || !slices.Contains(got, kept[0]) || slices.Contains(got, kept[1]) {
		t.Errorf("kept %v, before %v", got, kept)
	}
	if metrics := scrapeSchedule(t, first); !strings.Contains(metrics, "doorward_backup_overdue 0") || !strings.Contains(metrics, "doorward_backup_failures_total 1") {
		t.Errorf("metrics:\n%s", metrics)
	}
	now.Time = now.Add(30 * time.Hour)
	if metrics := scrapeSchedule(t, first); !strings.Contains(metrics, "\ndoorward_backup_overdue 1\n") {
		t.Errorf("metrics when it is overdue:\n%s", metrics)
	}
}

// TestScheduleAfterTheClockWasAhead: a backup of the future neither makes another one due at every look nor counts among those to keep, and says nothing about how old the newest is (P53).
func TestScheduleAfterTheClockWasAhead(t *testing.T) {
	t.Parallel()
	right := time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC)
	now := &movable{right}
	c := testConfig(t)
	c.Clock = func() time.Time { return now.Time }
	c.Backup = BackupConfig{To: t.TempDir(), Every: 24 * time.Hour, Keep: 1}
	s := schedules(t, c)
	run := func(at time.Time) int {
		t.Helper()
		now.Time = at
		if err := s.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		files, err := s.place.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	if n := run(right.AddDate(1, 0, 0)); n != 1 {
		t.Fatalf("%d backups", n)
	}
	now.Time = right
	if metrics := scrapeSchedule(t, s); !strings.Contains(metrics, "\ndoorward_backup_overdue 1\n") {
		t.Errorf("metrics beside one of the future:\n%s", metrics)
	}
	s.retryAt = time.Time{} // a process that starts now
	if n := run(right); n != 2 {
		t.Errorf("%d backups, and not one of each time", n)
	}
	for look := range 8 {
		if n := run(right.Add(time.Duration(look+1) * backupLook)); n != 2 {
			t.Fatalf("%d backups at look %d", n, look)
		}
	}
	if n := run(right.AddDate(0, 0, 1)); n != 2 || s.newest == nil || !s.newest.At.Equal(right.AddDate(0, 0, 1)) {
		t.Errorf("%d backups a day later, the newest %v", n, s.newest)
	}

	// Whatever the place answers, there are never two within a minute.
	s.place = forgetful{s.place}
	if n := run(right.AddDate(0, 0, 2)); n != 0 {
		t.Fatalf("%d are listed", n)
	}
	again := s.retryAt
	run(right.AddDate(0, 0, 2).Add(backupLook))
	if s.retryAt != again {
		t.Error("two within a minute")
	}
}

// forgetful is a place that lists nothing.
type forgetful struct{ backup.Place }

func (forgetful) List(context.Context) ([]backup.File, error) { return nil, nil }

func schedules(t *testing.T, c Config) *schedule {
	t.Helper()
	s, err := newSchedule(openInstance(t, c))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestScheduleTellsOfAPlaceThatTakesNothing with the first look, and not only when a backup is due.
func TestScheduleTellsOfAPlaceThatTakesNothing(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("it needs a directory that refuses root, too")
	}
	c := testConfig(t)
	c.Backup = BackupConfig{To: "/proc", Every: time.Hour}
	s := schedules(t, c)
	if _, err := s.due(t.Context()); err == nil || !strings.Contains(err.Error(), "no backup can be written to /proc") {
		t.Errorf("%v", err)
	}
}

// TestScheduleLeavesTheLeaseholderAlone: while another process makes the backup, this one waits.
func TestScheduleLeavesTheLeaseholderAlone(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.Backup = BackupConfig{To: t.TempDir(), Every: time.Hour}
	s := schedules(t, c)
	take := func(until time.Duration) {
		err := s.instance.store.Update(t.Context(), func(tx auth.Tx) error {
			now := time.Now()
			return tx.TakeLease(t.Context(), backupLeaseID, "another process", now, now.Add(until))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	take(time.Hour)
	if err := s.run(t.Context()); err != nil || s.newest != nil {
		t.Errorf("beside another process: %v, %v", err, s.newest)
	}
	take(-time.Second) // it died
	if err := s.run(t.Context()); err != nil || s.newest == nil {
		t.Errorf("after it died: %v, %v", err, s.newest)
	}
}

// TestKeepLease: a database that is away for a moment ends no backup; the lease ends before another process may take it.
func TestKeepLease(t *testing.T) {
	t.Parallel()
	away := errors.New("away")
	for name, test := range map[string]struct {
		answers []error // of the tries; nil from then on
		want    error
	}{
		"two failures":      {[]error{away, away, nil, away, away}, nil},
		"three in a row":    {[]error{nil, away, away, away}, away},
		"of another holder": {[]error{nil, auth.ErrConflict}, auth.ErrConflict},
	} {
		synctest.Test(t, func(t *testing.T) {
			done := make(chan struct{})
			time.AfterFunc(time.Hour, func() { close(done) })
			held, tries := time.Now(), 0
			err := keepLease(t.Context(), done, func(context.Context) error {
				tries++
				if tries <= len(test.answers) && test.answers[tries-1] != nil {
					return test.answers[tries-1]
				}
				held = time.Now()
				return nil
			})
			if !errors.Is(err, test.want) || err != nil && tries != len(test.answers) {
				t.Errorf("%s: %v after %d tries", name, err, tries)
			}
			if since := time.Since(held); since+backupLease/8 >= backupLease {
				t.Errorf("%s: held %s after the lease was prolonged last", name, since)
			}
		})
	}
}

func scrapeSchedule(t *testing.T, s *schedule) string {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(s)
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}
