package sqlstore

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

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

func BenchmarkUpdate(b *testing.B) {
	for _, writers := range []int{1, 32} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := openDurable(b)
			var next atomic.Int64
			b.SetParallelism(writers)
			if writers == 1 {
				for b.Loop() {
					benchUpdate(b, s, next.Add(1))
				}
			} else {
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						benchUpdate(b, s, next.Add(1))
					}
				})
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
		})
	}
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
