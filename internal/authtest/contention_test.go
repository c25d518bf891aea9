package authtest_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/authtest"
	"github.com/doorward/doorward/internal/password"
	"github.com/doorward/doorward/internal/storetest"
	"github.com/doorward/doorward/internal/storetest/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// crowd is a project on PostgreSQL with cheap hashes and wide limits, and some accounts.
type crowd struct {
	service *auth.Service
	project *auth.Project
}

const crowdPassword = "correct horse battery 9"

func newCrowd(t testing.TB, accounts int) *crowd {
	t.Helper()
	config := authtest.Config(t, func() time.Time { return time.UnixMilli(1_790_000_000_000) })
	config.Store = storetest.OpenURL(t, pgtest.URL(t))
	config.Hashing = password.NewQueue(2, 10_000)
	c := &crowd{service: auth.NewService(config)}
	admin := auth.NewAdmin(c.service)
	_, _, err := admin.CreateProject(t.Context(), c.service.LocalOperator(auth.Caller{}), auth.NewProject{ID: "shop", Preset: auth.PresetDocumented, Settings: map[string]string{
		"signingAlgorithm": "ES256", "passwordHashMemory": "8192", "passwordHashTime": "1", "signInAccountBurst": "10000", "signInSourceBurst": "100000",
		"signUpSourceBurst": "10000",
	}})
	if err != nil {
		t.Fatal(err)
	}
	if c.project, err = c.service.Project(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	for i := range accounts {
		if _, err := c.service.SignUp(t.Context(), c.from(0), auth.SignUpParams{Email: crowdEmail(i), Password: crowdPassword}); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func crowdEmail(i int) string { return fmt.Sprintf("user%d@example.com", i) }

// from is an anonymous caller at an address of its own.
func (c *crowd) from(i int) auth.Caller {
	return auth.Caller{Project: c.project, Addr: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})}
}

// signIn signs in n times at once and tells how many were answered that the store is busy, and how long the slowest took.
func (c *crowd) signIn(t testing.TB, n int, email func(i int) string, source func(i int) int) (busy int64, slowest time.Duration) {
	t.Helper()
	var refused atomic.Int64
	var longest atomic.Int64
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() {
			began := time.Now()
			_, err := c.service.SignIn(context.Background(), c.from(source(i)), auth.SignInParams{Email: email(i), Password: crowdPassword})
			took := int64(time.Since(began))
			for old := longest.Load(); took > old && !longest.CompareAndSwap(old, took); old = longest.Load() {
			}
			switch {
			case errors.Is(err, auth.ErrStoreBusy):
				refused.Add(1)
			case err != nil:
				t.Errorf("sign-in %d: %v", i, err)
			}
		})
	}
	wait.Wait()
	return refused.Load(), time.Duration(longest.Load())
}

// TestCrowdIsServed: whoever signs in at the same moment waits for the others, and is not refused.
func TestCrowdIsServed(t *testing.T) {
	c := newCrowd(t, 1)
	busy, _ := c.signIn(t, 80, func(int) string { return crowdEmail(0) }, func(i int) int { return i % 2 })
	if busy > 0 {
		t.Errorf("%d of 80 sign-ins to one account were refused", busy)
	}
}

func BenchmarkCrowd(b *testing.B) {
	same := func(int) string { return crowdEmail(0) }
	cases := []struct {
		name   string
		email  func(int) string
		source func(int) int
	}{
		{"one account, one source", same, func(int) int { return 0 }},
		{"one account, many sources", same, func(i int) int { return i + 1 }},
		{"many accounts, many sources", func(i int) string { return crowdEmail(i % 20) }, func(i int) int { return i + 1 }},
	}
	for _, test := range cases {
		b.Run(test.name, func(b *testing.B) {
			c := newCrowd(b, 20)
			var busy int64
			var slowest time.Duration
			for b.Loop() {
				refused, took := c.signIn(b, 200, test.email, test.source)
				busy += refused
				slowest = max(slowest, took)
			}
			b.ReportMetric(float64(busy)/float64(b.N), "busy/200")
			b.ReportMetric(slowest.Seconds(), "slowest-s")
		})
	}
}
