package e2e

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite" // PRAGMA integrity_check on what a killed server leaves
)

// TestKill: SIGKILL in the middle of writes loses nothing that was acknowledged, and a restart needs no
// manual step (P48, P49).
func TestKill(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	options := serverOptions{data: data, adminToken: randomSecret("admin"), publicURL: "https://auth.example.test"}
	s := ownServer(t, options)
	p := s.newProject(t, "documented", mailURLs...)
	var acknowledged []account
	for round := range 3 {
		acknowledged = append(acknowledged, signUpUntilKilled(t, p, time.Duration(400+300*round)*time.Millisecond)...)
		checkIntegrity(t, data)
		p.srv = ownServer(t, options)
	}
	if len(acknowledged) == 0 {
		t.Fatal("no sign-up was acknowledged before a kill")
	}
	t.Logf("%d sign-ups were acknowledged before the kills", len(acknowledged))
	for _, a := range acknowledged {
		p.signIn(t, a.email, a.password)
		p.refresh(t, a.uid, a.refreshToken)
	}
	// The mail of an acknowledged sign-up was queued in the same transaction (P43).
	p.mailbox(acknowledged[len(acknowledged)-1].email).next(t, verifyURL)
}

// signUpUntilKilled signs up from several goroutines, kills the server some time after the first sign-up was answered, and returns the
// accounts whose sign-up was answered with 200 before that.
func signUpUntilKilled(t *testing.T, p project, after time.Duration) (acknowledged []account) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 6 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				a := account{email: newEmail(), password: newPassword()}
				r, err := p.client().send(http.MethodPost, apiBase+signup, a.credentials())
				if err != nil || r.status != http.StatusOK {
					continue // killed, or shed
				}
				var body struct {
					Data struct{ UID, IDToken, RefreshToken string }
				}
				decodeQuietly(r.body, &body)
				a.uid, a.idToken, a.refreshToken = body.Data.UID, body.Data.IDToken, body.Data.RefreshToken
				mu.Lock()
				acknowledged = append(acknowledged, a)
				mu.Unlock()
			}
		})
	}
	eventually(t, 30*time.Second, func() error { // on a machine that is busy the first one takes a while
		mu.Lock()
		defer mu.Unlock()
		if len(acknowledged) == 0 {
			return errors.New("no sign-up is acknowledged")
		}
		return nil
	})
	time.Sleep(after)
	p.srv.kill(t)
	close(stop)
	wg.Wait()
	return acknowledged
}

// checkIntegrity copies the data directory and checks every SQLite file of the copy, so that the server
// itself has to recover the original.
func checkIntegrity(t *testing.T, data string) {
	t.Helper()
	if postgres.dir != "" {
		return // the database is not there, and its server was not killed
	}
	copied := filepath.Join(t.TempDir(), "copy")
	if err := copyFiles(data, copied); err != nil {
		t.Fatal(err)
	}
	found := 0
	err := filepath.WalkDir(copied, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || !isSQLite(path) {
			return err
		}
		found++
		if verdict, err := integrity(path); err != nil || verdict != "ok" {
			t.Errorf("%s after the kill: %q, %v", entry.Name(), verdict, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found == 0 {
		t.Error("the data directory holds no SQLite file")
	}
}

// copyFiles copies the regular files of a directory tree.
func copyFiles(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.MkdirAll(filepath.Join(to, name), 0o700)
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), content, 0o600)
	})
}

func isSQLite(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	head := make([]byte, 16)
	_, err = io.ReadFull(file, head)
	return err == nil && bytes.Equal(head, []byte("SQLite format 3\x00"))
}

func integrity(path string) (verdict string, err error) {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return "", fmt.Errorf("open: %w", err)
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err = db.QueryRowContext(ctx, "PRAGMA integrity_check").Scan(&verdict)
	return verdict, err
}
