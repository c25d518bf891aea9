package sqlstore

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

// openDurable gives a store that syncs, with one project and one user.
func openDurable(b *testing.B) *Store {
	b.Helper()
	s, err := Open(b.Context(), Options{URL: filepath.Join(b.TempDir(), "bench.db")})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	err = s.Update(b.Context(), func(tx auth.Tx) error {
		if err := tx.CreateProject(b.Context(), auth.Project{ID: "p"}); err != nil {
			return err
		}
		return tx.CreateUser(b.Context(), auth.User{Project: "p", ID: "user", Email: "user@example.com", Attributes: map[string]any{"plan": "pro"}})
	})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// BenchmarkDurableCommits measures durable commits by so many writers at a time, against a loop that appends the frames of one such commit to a file and syncs it:
// what the disk gives to a program that does not gather. Both run for a moment each, in turns, since disks change their minds.
func BenchmarkDurableCommits(b *testing.B) {
	for _, writers := range []int{1, 8, 32, 128} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := openDurable(b)
			file, err := os.Create(filepath.Join(b.TempDir(), "plain"))
			if err != nil {
				b.Fatal(err)
			}
			defer file.Close()
			var next, worst atomic.Int64
			var commits, syncs int
			var committing, syncing time.Duration
			for b.Loop() {
				start := time.Now()
				commits += commitFor(b, s, writers, 200*time.Millisecond, &next, &worst)
				committing += time.Since(start)
				start = time.Now()
				syncs += syncFor(b, file, 200*time.Millisecond)
				syncing += time.Since(start)
			}
			perSecond, plain := float64(commits)/committing.Seconds(), float64(syncs)/syncing.Seconds()
			b.ReportMetric(perSecond, "commits/s")
			b.ReportMetric(plain, "fsyncs/s")
			b.ReportMetric(perSecond/plain, "commits/fsync")
			b.ReportMetric(float64(worst.Load())/1e6, "worst-ms")
		})
	}
}

func commitFor(b *testing.B, s *Store, writers int, d time.Duration, next, worst *atomic.Int64) int {
	var done atomic.Int64
	var wait sync.WaitGroup
	end := time.Now().Add(d)
	for range writers {
		wait.Go(func() {
			for time.Now().Before(end) {
				start := time.Now()
				benchUpdate(b, s, next.Add(1))
				done.Add(1)
				for took, before := int64(time.Since(start)), worst.Load(); took > before && !worst.CompareAndSwap(before, took); before = worst.Load() {
				}
			}
		})
	}
	wait.Wait()
	return int(done.Load())
}

func syncFor(b *testing.B, file *os.File, d time.Duration) (syncs int) {
	frames := make([]byte, 4*4120)
	for end := time.Now().Add(d); time.Now().Before(end); syncs++ {
		if _, err := file.Write(frames); err != nil {
			b.Fatal(err)
		}
		if err := file.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	return syncs
}

func benchUpdate(b *testing.B, s *Store, n int64) {
	err := s.Update(b.Context(), func(tx auth.Tx) error {
		return tx.CreateSession(b.Context(), auth.Session{Project: "p", ID: auth.SessionID(fmt.Sprintf("s%d", n)), User: "user"})
	})
	if err != nil {
		b.Error(err)
	}
}

func BenchmarkGetUser(b *testing.B) {
	s := openDurable(b)
	for b.Loop() {
		if _, err := s.GetUser(b.Context(), "p", "user"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTakeLimit(b *testing.B) {
	s := openDurable(b)
	now := time.Now()
	for b.Loop() {
		err := s.Count(b.Context(), func(l auth.Limits) error {
			_, err := l.TakeLimit(b.Context(), "p", "limit", now, time.Nanosecond, 1_000_000)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
