package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/backup"
	"github.com/doorward/doorward/internal/server"
)

// TestBackupError: nobody is told that there is no backup where there is one.
func TestBackupError(t *testing.T) {
	t.Parallel()
	place, _, err := backup.ParsePlace("/mnt/backups", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	said := backupError(fmt.Errorf("%w: the disk is full", auth.ErrBackupNotRecorded), "a.backup", place).Error()
	if !strings.HasPrefix(said, "a.backup is in /mnt/backups: ") || strings.Contains(said, "no new backup") {
		t.Errorf("where only the record failed: %s", said)
	}
	if said := backupError(errors.New("the disk is full"), "a.backup", place).Error(); !strings.HasSuffix(said, "; there is no new backup") {
		t.Errorf("where it failed: %s", said)
	}
}

// TestOverdue: a backup of the future, made while the clock was ahead, hides no overdue one (P53).
func TestOverdue(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC)
	c := server.Config{PublicURL: &url.URL{Scheme: "https", Host: "auth.example.com"}, Backup: server.BackupConfig{Every: 24 * time.Hour}}
	of := func(ages ...time.Duration) (files []backup.File) {
		for _, age := range ages {
			name, err := backup.NewName("auth.example.com", now.Add(-age), true, rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, backup.File{Name: name})
		}
		return files
	}
	const day = 24 * time.Hour
	for _, test := range []struct {
		files []backup.File
		want  bool
	}{
		{of(), true}, {of(time.Hour), false}, {of(-time.Minute), false}, {of(2 * day), true}, {of(-day), true}, {of(-day, 2*day), true}, {of(-day, time.Hour), false},
	} {
		if err := overdue(test.files, c, now); (err != nil) != test.want {
			t.Errorf("%v: %v", test.files, err)
		}
	}
}

// config check tells of a directory that takes no backups.
func TestConfigCheckOfBackups(t *testing.T) {
	t.Parallel()
	for to, want := range map[string]bool{"": false, t.TempDir(): false, filepath.Join(t.TempDir(), "missing"): true, "s3://bucket/x?endpoint=https://s3.example.com": false} {
		var out lockedBuffer
		if code := run(t.Context(), []string{"config", "check", "--backup-to", to}, nil, strings.NewReader(""), &out, &out); code != exitDone {
			t.Errorf("%q: exit code %d\n%s", to, code, out.String())
		}
		if strings.Contains(out.String(), "NOTE  backup-to (flag --backup-to): there is no directory") != want {
			t.Errorf("%q:\n%s", to, out.String())
		}
	}
}

// TestUnsureRestore: where it is not known whether a restore ended, what to do again is listed all the same.
func TestUnsureRestore(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	r := restoreReport{Restored: "postgres://db/doorward", Unsure: true, Unknown: []unknownReport{{Project: "shop", What: "users", Command: "doorward user disable EMAIL"}}}
	r.write(&out, "master.key")
	for _, want := range []string{"not known whether", "doorward user disable EMAIL"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:\n%s", want, out.String())
		}
	}
}
