package main

import (
	"crypto/rand"
	"net/url"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/backup"
	"github.com/doorward/doorward/internal/server"
)

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
