package certs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/doorward/doorward/internal/auth"
)

// A lock that its holder prolongs no more, because it was killed, is free after lockLength.
const (
	lockLength  = 20 * time.Second
	prolongEach = 5 * time.Second
	lockRetry   = 500 * time.Millisecond
)

// storage keeps the ACME library's files and locks in the database (certmagic.Storage), and so among all processes.
type storage struct {
	vault *auth.Certificates
	log   *slog.Logger

	length, prolong, retry time.Duration

	mu   sync.Mutex
	held map[string]heldLock
}

// heldLock is a lock of this process. stop ends its prolonging, and waits for that.
type heldLock struct {
	holder string
	stop   func()
}

func newStorage(vault *auth.Certificates, log *slog.Logger) *storage {
	return &storage{vault: vault, log: log, length: lockLength, prolong: prolongEach, retry: lockRetry, held: map[string]heldLock{}}
}

var _ certmagic.Storage = (*storage)(nil)

// Store puts a value at a key.
func (s *storage) Store(ctx context.Context, key string, value []byte) error {
	return s.vault.Save(ctx, key, value)
}

// Load fails with fs.ErrNotExist where there is none.
func (s *storage) Load(ctx context.Context, key string) ([]byte, error) {
	value, _, err := s.vault.Load(ctx, key)
	return value, notExist(key, err)
}

// Delete deletes a key, or a directory with all below it; none is fine.
func (s *storage) Delete(ctx context.Context, key string) error {
	return s.vault.Remove(ctx, key)
}

// Exists tells whether there is a value or a directory.
func (s *storage) Exists(ctx context.Context, key string) bool {
	_, err := s.Stat(ctx, key)
	return err == nil
}

// Stat describes a value or a directory. It fails with fs.ErrNotExist.
func (s *storage) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	value, modified, err := s.vault.Load(ctx, key)
	if err == nil {
		return certmagic.KeyInfo{Key: key, Modified: modified, Size: int64(len(value)), IsTerminal: true}, nil
	}
	if !errors.Is(err, auth.ErrNotFound) {
		return certmagic.KeyInfo{}, err
	}
	if below, err := s.vault.List(ctx, key); err != nil || len(below) == 0 {
		return certmagic.KeyInfo{}, notExist(key, errors.Join(err, auth.ErrNotFound))
	}
	return certmagic.KeyInfo{Key: key}, nil
}

// List gives the children of a directory, or all that is below it, directories too. It fails with fs.ErrNotExist.
func (s *storage) List(ctx context.Context, directory string, recursive bool) ([]string, error) {
	files, err := s.vault.List(ctx, directory)
	if err == nil && len(files) == 0 {
		err = auth.ErrNotFound
	}
	if err != nil {
		return nil, notExist(directory, err)
	}
	prefix := ""
	if directory != "" {
		prefix = directory + "/"
	}
	keys := map[string]bool{}
	for _, file := range files {
		steps := strings.Split(strings.TrimPrefix(file, prefix), "/")
		for i := range steps {
			if i == 0 || recursive {
				keys[prefix+strings.Join(steps[:i+1], "/")] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(keys)), nil
}

func notExist(key string, err error) error {
	if errors.Is(err, auth.ErrNotFound) {
		return fmt.Errorf("%s: %w", key, fs.ErrNotExist)
	}
	return err
}

// Lock waits until the lock is free or ctx ends, and then prolongs it until Unlock.
func (s *storage) Lock(ctx context.Context, name string) error {
	holder, err := s.vault.NewHolder()
	if err != nil {
		return err
	}
	for {
		err := s.vault.Lock(ctx, name, holder, s.length)
		if err == nil {
			break
		}
		// A busy database is waited for, as the lock is; the caller's deadline bounds both.
		if !errors.Is(err, auth.ErrConflict) && !errors.Is(err, auth.ErrStoreBusy) {
			return fmt.Errorf("lock %s: %w", name, err)
		}
		if err := wait(ctx, s.retry); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[name] = heldLock{holder, s.keep(name, holder)}
	return nil
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// keep prolongs the lock until stop is called, which the request that took it may outlive.
func (s *storage) keep(name, holder string) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var keeping sync.WaitGroup
	keeping.Go(func() {
		for wait(ctx, s.prolong) == nil {
			err := s.vault.Lock(ctx, name, holder, s.length)
			if errors.Is(err, auth.ErrConflict) {
				s.log.Warn("a lock was lost to another process, after a pause of this one", slog.String("lock", name))
				return
			}
			if err != nil && ctx.Err() == nil {
				s.log.Warn("a lock was not prolonged; it is tried again", slog.String("lock", name), slog.Any("error", err))
			}
		}
	})
	return func() {
		cancel()
		keeping.Wait()
	}
}

// Unlock frees the lock. One that was lost is free already.
func (s *storage) Unlock(ctx context.Context, name string) error {
	s.mu.Lock()
	lock, held := s.held[name]
	delete(s.held, name)
	s.mu.Unlock()
	if !held {
		return fmt.Errorf("unlock %s: it is not locked here", name)
	}
	lock.stop()
	if err := s.vault.Unlock(ctx, name, lock.holder); err != nil && !errors.Is(err, auth.ErrNotFound) {
		return fmt.Errorf("unlock %s: %w", name, err)
	}
	return nil
}

// unlockAll frees what this process holds, so that others need not wait for the end of its leases.
func (s *storage) unlockAll(ctx context.Context) {
	s.mu.Lock()
	names := slices.Collect(maps.Keys(s.held))
	s.mu.Unlock()
	for _, name := range names {
		if err := s.Unlock(ctx, name); err != nil {
			s.log.Warn("a lock stays until its lease ends", slog.String("lock", name), slog.Any("error", err))
		}
	}
}
