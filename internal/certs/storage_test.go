package certs

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/authtest"
)

// The semantics that the ACME library asks of a storage.
func TestStorage(t *testing.T) {
	ctx := t.Context()
	clock := authtest.NewClock(start)
	s := newStorage(vault(t, clock), (&testLog{}).logger())
	const key = "certificates/ca/a.example/a.example.key"
	for _, path := range []string{key, "certificates/ca/a.example/a.example.crt", "certificates/ca/b.example/b.example.crt", "acme/ca/users/x/x.key"} {
		if err := s.Store(ctx, path, []byte("value of "+path)); err != nil {
			t.Fatal(err)
		}
	}
	if value, err := s.Load(ctx, key); err != nil || string(value) != "value of "+key {
		t.Errorf("Load: %q, %v", value, err)
	}
	clock.Advance(time.Hour)
	if err := s.Store(ctx, key, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if info, err := s.Stat(ctx, key); err != nil || info.Key != key || info.Size != 3 || !info.IsTerminal || !info.Modified.Equal(start.Add(time.Hour)) {
		t.Errorf("Stat of a value: %+v, %v", info, err)
	}
	if info, err := s.Stat(ctx, "certificates/ca"); err != nil || info.Key != "certificates/ca" || info.IsTerminal {
		t.Errorf("Stat of a directory: %+v, %v", info, err)
	}
	for path, want := range map[string]bool{key: true, "certificates": true, "certificates/ca/a.example": true, "certificates/c": false, key + "/x": false} {
		if s.Exists(ctx, path) != want {
			t.Errorf("Exists(%s) is %v", path, !want)
		}
	}
	for _, test := range []struct {
		directory string
		recursive bool
		want      []string
	}{
		{"", false, []string{"acme", "certificates"}},
		{"certificates/ca", false, []string{"certificates/ca/a.example", "certificates/ca/b.example"}},
		{"certificates/ca/a.example", false, []string{"certificates/ca/a.example/a.example.crt", key}},
		{"certificates", true, []string{"certificates/ca", "certificates/ca/a.example", "certificates/ca/a.example/a.example.crt", key, "certificates/ca/b.example",
			"certificates/ca/b.example/b.example.crt"}},
	} {
		if got, err := s.List(ctx, test.directory, test.recursive); err != nil || !slices.Equal(got, test.want) {
			t.Errorf("List(%q, %v): %v, %v", test.directory, test.recursive, got, err)
		}
	}

	if err := errors.Join(s.Delete(ctx, "certificates/ca/a.example"), s.Delete(ctx, "nosuch")); err != nil {
		t.Error(err)
	}
	_, loadErr := s.Load(ctx, key)
	_, statErr := s.Stat(ctx, "certificates/ca/a.example")
	_, listErr := s.List(ctx, "certificates/ca/a.example", false)
	for name, err := range map[string]error{"Load": loadErr, "Stat": statErr, "List": listErr} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s of what was deleted: %v", name, err)
		}
	}
	if !s.Exists(ctx, "certificates/ca/b.example/b.example.crt") {
		t.Error("its neighbour is gone, too")
	}
}

// A value that was put at another path in the database does not open (P18).
func TestValuesStayInPlace(t *testing.T) {
	ctx := t.Context()
	config := authtest.Config(t, authtest.NewClock(start).Now)
	s := newStorage(auth.NewCertificates(auth.NewService(config)), (&testLog{}).logger())
	if err := s.Store(ctx, "a.key", []byte("the private key")); err != nil {
		t.Fatal(err)
	}
	err := config.Store.Update(ctx, func(tx auth.Tx) error {
		f, err := tx.GetTLSFile(ctx, "a.key")
		if strings.Contains(string(f.Sealed), "private") {
			t.Error("it is not sealed")
		}
		f.Path = "b.key"
		return errors.Join(err, tx.PutTLSFile(ctx, f))
	})
	if err != nil {
		t.Fatal(err)
	}
	if value, err := s.Load(ctx, "b.key"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it opens: %q, %v", value, err)
	}
}

// fastLocks gives storages of two processes on one database, that look often.
func fastLocks(t *testing.T, clock *authtest.Clock) (a, b *storage) {
	t.Helper()
	v, log := vault(t, clock), &testLog{}
	a, b = newStorage(v, log.logger()), newStorage(v, log.logger())
	a.retry, b.retry = 2*time.Millisecond, 2*time.Millisecond
	return a, b
}

// A lock belongs to one at a time, in one process and among several, until it is unlocked.
func TestLocksExclude(t *testing.T) {
	a, b := fastLocks(t, authtest.NewClock(start))
	ctx := t.Context()
	inside := 0 // the race detector looks, too
	done := make(chan error)
	for i := range 8 {
		s := []*storage{a, b}[i%2]
		go func() {
			for range 5 {
				if err := s.Lock(ctx, "name"); err != nil {
					done <- err
					return
				}
				inside++
				if inside != 1 {
					t.Errorf("%d hold the lock", inside)
				}
				inside--
				if err := s.Unlock(ctx, "name"); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if err := a.Unlock(ctx, "name"); err == nil {
		t.Error("what is not locked can be unlocked")
	}
}

// A waiting Lock ends with its context, and other names are free.
func TestLockWaitsNoLongerThanItsContext(t *testing.T) {
	a, b := fastLocks(t, authtest.NewClock(start))
	if err := errors.Join(a.Lock(t.Context(), "name"), b.Lock(t.Context(), "other")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := b.Lock(ctx, "name"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Lock of a held name: %v", err)
	}
	a.unlockAll(t.Context())
	if err := b.Lock(t.Context(), "name"); err != nil {
		t.Errorf("after unlockAll: %v", err)
	}
	b.unlockAll(t.Context())
}

// The lock of a process that was killed ends by itself; one that is prolonged does not.
func TestLocksOfTheKilledEnd(t *testing.T) {
	clock := authtest.NewClock(start)
	a, b := fastLocks(t, clock)
	a.prolong = 2 * time.Millisecond
	if err := a.Lock(t.Context(), "prolonged"); err != nil {
		t.Fatal(err)
	}
	for range 4 { // each step is shorter than a lock, and prolonged within
		clock.Advance(lockLength * 3 / 4)
		time.Sleep(40 * time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := b.Lock(ctx, "prolonged"); err == nil {
		t.Error("a lock that is prolonged was taken away")
	}

	killed := newStorage(a.vault, a.log)
	killed.retry, killed.prolong = a.retry, time.Hour // as if it had been killed
	if err := killed.Lock(t.Context(), "killed"); err != nil {
		t.Fatal(err)
	}
	clock.Advance(lockLength + time.Second)
	if err := b.Lock(t.Context(), "killed"); err != nil {
		t.Errorf("the lock of a killed process: %v", err)
	}
	if err := killed.Unlock(t.Context(), "killed"); err != nil {
		t.Errorf("unlocking what was lost: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := killed.Lock(ctx, "killed"); err == nil {
		t.Error("the late holder's Unlock freed the new holder's lock")
	}
	a.unlockAll(t.Context())
	b.unlockAll(t.Context())
}
