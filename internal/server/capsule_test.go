package server

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/backup"
	"github.com/doorward/doorward/internal/sqlstore"
)

// defaultOperator is an operator who calls about the default project.
func defaultOperator(t *testing.T, i *Instance) auth.Caller {
	t.Helper()
	p, err := i.Service.Project(t.Context(), auth.DefaultProject)
	if err != nil {
		t.Fatal(err)
	}
	return i.Service.LocalOperator(auth.Caller{Project: p})
}

func exportCapsule(t *testing.T, i *Instance, lock backup.Lock) []byte {
	t.Helper()
	var file bytes.Buffer
	if _, err := i.ExportProject(t.Context(), defaultOperator(t, i), &file, lock); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// A file that is not whole, not as it was written, or sealed for somebody else changes nothing.
func TestDamagedCapsule(t *testing.T) {
	t.Parallel()
	from := openInstance(t, testConfig(t))
	p, err := from.Service.Project(t.Context(), auth.DefaultProject)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := from.Service.SignUp(t.Context(), auth.Caller{Project: p}, auth.SignUpParams{Email: "ada@example.com", Password: "blue teapot on the moon"})
	if err != nil {
		t.Fatal(err)
	}
	key, recipient, err := backup.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	foreign, _, err := backup.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	file := exportCapsule(t, from, backup.Lock{Recipients: []string{recipient}})
	for _, secret := range []string{"ada@example.com", "argon2id", tokens.RefreshToken} {
		if bytes.Contains(file, []byte(secret)) {
			t.Errorf("%q is in the file in clear", secret)
		}
	}

	to := openInstance(t, testConfig(t))
	operator := to.Service.LocalOperator(auth.Caller{})
	flipped := func(at int) []byte {
		changed := bytes.Clone(file)
		changed[at] ^= 1
		return changed
	}
	tests := map[string]struct {
		file []byte
		keys backup.Keys
		want error
	}{
		"empty":              {nil, backup.Keys{Identities: key}, backup.ErrDamaged},
		"another key":        {file, backup.Keys{Identities: foreign}, backup.ErrWrongKey},
		"no key":             {file, backup.Keys{}, backup.ErrWrongKey},
		"cut in the middle":  {file[:len(file)/2], backup.Keys{Identities: key}, backup.ErrDamaged},
		"cut at the end":     {file[:len(file)-1], backup.Keys{Identities: key}, backup.ErrDamaged},
		"longer":             {append(bytes.Clone(file), 0), backup.Keys{Identities: key}, backup.ErrDamaged},
		"changed":            {flipped(len(file) / 2), backup.Keys{Identities: key}, backup.ErrDamaged},
		"changed at the end": {flipped(len(file) - 1), backup.Keys{Identities: key}, backup.ErrDamaged},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := to.ImportProject(t.Context(), operator, bytes.NewReader(tt.file), tt.keys, nil); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
	late := testConfig(t)
	late.Clock = func() time.Time { return time.Now().Add(2 * time.Hour) }
	elsewhere := openInstance(t, late)
	if _, err := elsewhere.ImportProject(t.Context(), elsewhere.Service.LocalOperator(auth.Caller{}), bytes.NewReader(file), backup.Keys{Identities: key}, nil); !errors.Is(err, ErrStaleCapsule) {
		t.Errorf("an old file: %v", err)
	}
	end := true
	imported, err := elsewhere.ImportProject(t.Context(), elsewhere.Service.LocalOperator(auth.Caller{}), bytes.NewReader(file), backup.Keys{Identities: key}, &end)
	if err != nil {
		t.Errorf("an old file without its sessions: %v", err)
	}
	if !slices.ContainsFunc(imported.Unknown, func(u Unknown) bool { return u.Project == "default" && strings.HasPrefix(u.What, "users:") }) {
		t.Errorf("what may have changed since: %+v", imported.Unknown)
	}
	early := testConfig(t)
	early.Clock = func() time.Time { return time.Now().Add(-2 * time.Hour) }
	behind := openInstance(t, early)
	if _, err := behind.ImportProject(t.Context(), behind.Service.LocalOperator(auth.Caller{}), bytes.NewReader(file), backup.Keys{Identities: key}, nil); !errors.Is(err, ErrStaleCapsule) {
		t.Errorf("a file from the future: %v", err)
	}
	if _, err := to.Service.Project(t.Context(), auth.DefaultProject); err != nil {
		t.Errorf("the default project gave way to a file that is not whole: %v", err)
	}
	if _, err := to.ImportProject(t.Context(), operator, bytes.NewReader(file), backup.Keys{Identities: key}, nil); err != nil {
		t.Fatalf("after all of that: %v", err)
	}
	moved, err := to.Service.Project(t.Context(), auth.DefaultProject)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := to.Service.Refresh(t.Context(), auth.Caller{Project: moved}, tokens.RefreshToken); err != nil {
		t.Errorf("a refresh token of the old server: %v", err)
	}

	// A capsule is no backup, and a backup no capsule.
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "acme.backup"), file, 0o600); err != nil {
		t.Fatal(err)
	}
	place, name, err := backup.ParsePlace(filepath.Join(dir, "acme.backup"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := VerifyBackup(t.Context(), testConfig(t), RestoreOptions{From: place, Name: name, Keys: backup.Keys{Identities: key}}); err == nil || !strings.Contains(err.Error(), "project import") {
		t.Errorf("restoring a capsule: %v", err)
	}
	c := testConfig(t)
	c.Backup.Recipients = []string{recipient}
	instance := openInstance(t, c)
	place, name, err = backup.ParsePlace(filepath.Join(dir, "whole.backup"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := instance.Backup(t.Context(), instance.Service.LocalOperator(auth.Caller{}), place, name); err != nil {
		t.Fatal(err)
	}
	whole, err := os.Open(filepath.Join(dir, "whole.backup"))
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Close()
	if _, err := to.ImportProject(t.Context(), operator, whole, backup.Keys{Identities: key}, nil); !errors.Is(err, ErrNoCapsule) {
		t.Errorf("importing a backup: %v", err)
	}
	if _, err := to.ImportProject(t.Context(), operator, bytes.NewReader(file), backup.Keys{Identities: key}, nil); auth.CodeOf(err) != auth.CodeConflict || !strings.Contains(err.Error(), "in use") {
		t.Errorf("twice: %v", err)
	}
}

// doubled is a capsule of the default project with a row twice: its import breaks off half-way.
func doubled(t *testing.T, i *Instance, lock backup.Lock) []byte {
	t.Helper()
	var file bytes.Buffer
	sealed, err := lock.Seal(&file)
	if err != nil {
		t.Fatal(err)
	}
	out := &capsuleWriter{file: sealed, engine: "sqlite", host: "localhost"}
	err = i.Admin.ExportProject(t.Context(), defaultOperator(t, i), out.begin, func(r auth.ProjectRow) error {
		if r.Table == "signing_keys" {
			return errors.Join(out.row(r), out.row(r))
		}
		return out.row(r)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.end(); err != nil {
		t.Fatal(err)
	}
	if err := sealed.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// TestDefaultProjectComesBack: the default project that gave way to an import is there again once that has failed, at once or, where it was killed, with the next sweep.
func TestDefaultProjectComesBack(t *testing.T) {
	t.Parallel()
	key, recipient, err := backup.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	file := doubled(t, openInstance(t, testConfig(t)), backup.Lock{Recipients: []string{recipient}})
	to := openInstance(t, testConfig(t))
	operator := to.Service.LocalOperator(auth.Caller{})
	there := func(when string) {
		t.Helper()
		if _, err := to.store.GetProject(t.Context(), auth.DefaultProject); err != nil {
			t.Errorf("%s: %v", when, err)
		}
	}
	_, err = to.ImportProject(t.Context(), operator, bytes.NewReader(file), backup.Keys{Identities: key}, nil)
	if auth.CodeOf(err) != auth.CodeInvalidArgument || !strings.Contains(err.Error(), "rotate-admin-token default") {
		t.Errorf("importing: %v", err)
	}
	there("after an import that failed")

	s, err := New(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	if err := to.store.BeginProject(t.Context(), auth.DefaultProject, "killed", to.config.Clock()); err != nil {
		t.Fatal(err)
	}
	if err := s.sweep(t.Context()); err != nil {
		t.Error(err)
	}
	there("after the sweep")
	if err := to.store.BeginProject(t.Context(), auth.DefaultProject, "killed", to.config.Clock()); err != nil {
		t.Fatal(err)
	}
	if made, _, err := to.EnsureDefaultProject(t.Context()); err != nil || !made {
		t.Errorf("made %v, %v", made, err)
	}
	there("after a start")
}

// TestLeftImportDoesNotKeepAServerFromStarting: what an import left is no reason for a start to fail or to wait, as on a database that takes no changes.
func TestLeftImportDoesNotKeepAServerFromStarting(t *testing.T) {
	t.Parallel()
	i := openInstance(t, testConfig(t))
	if err := i.store.BeginProject(t.Context(), "shop", "killed", i.config.Clock()); err != nil {
		t.Fatal(err)
	}
	err := i.store.UpdateMarks(t.Context(), func(marks map[sqlstore.Mark]sqlstore.MarkValue) error {
		marks[sqlstore.MarkMoving] = sqlstore.MarkValue{Value: sqlstore.MovingClosed}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := i.EnsureDefaultProject(t.Context()); err != nil {
		t.Errorf("starting: %v", err)
	}
}
