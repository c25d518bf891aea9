//go:build unix

package e2e

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/e2e/pgcluster"
)

// TestFormerPrimary: after a failover the old primary comes back as if nothing had happened, and is the first host of the URL. What was revoked since is alive
// on it. Neither a process that saw the failover nor one that starts now listens to it (P21, P48).
func TestFormerPrimary(t *testing.T) {
	t.Parallel()
	c, err := pgcluster.Start("", "doorward")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	options := serverOptions{adminToken: randomSecret("admin"), args: []string{"--database", c.URL("doorward", "")}}
	s := ownServer(t, options)
	options.data = s.opts.data // the master key is there
	p := project{srv: s, id: "default", adminToken: options.adminToken}
	a := p.signUp(t)
	p.client().bearer(a.idToken).get(t, sessionsPath).wantStatus(t, http.StatusOK)

	c.Kill()
	if err := c.Promote(); err != nil {
		t.Fatal(err)
	}
	promoted := time.Now()
	eventually(t, 20*time.Second, func() error {
		r, err := p.client().bearer(a.idToken).send(http.MethodDelete, apiBase+sessionsPath, nil)
		if err == nil && r.status != http.StatusNoContent {
			err = fmt.Errorf("revoking after the promotion: %d %s", r.status, r.body)
		}
		return err
	})
	t.Logf("changes again %v after the promotion", time.Since(promoted).Round(time.Millisecond))
	if err := c.StartStale(); err != nil {
		t.Fatal(err)
	}
	revoked := func(s *server) {
		p := project{srv: s, id: "default"}
		var refused, shed atomic.Int32
		var wg sync.WaitGroup
		for range 24 { // more than the pool keeps open, so that new connections are made all the time
			wg.Go(func() {
				for range 10 {
					r, err := p.client().bearer(a.idToken).send(http.MethodGet, apiBase+sessionsPath, nil)
					switch {
					case err != nil || r.status == http.StatusOK:
						t.Errorf("a revoked session: %d %s, %v", r.status, r.body, err)
						return
					case r.status == http.StatusForbidden:
						refused.Add(1)
					default:
						shed.Add(1)
					}
				}
			})
		}
		wg.Wait()
		if refused.Load() == 0 || shed.Load() > 10 {
			t.Errorf("%d refused and %d not answered", refused.Load(), shed.Load())
		}
	}
	revoked(s)
	revoked(ownServer(t, options))
	p.signUp(t)
}

// TestOvertakenPrimary: the standby is promoted while the primary lives, as where the network between them broke. Commits on the old one wait for a standby that is
// gone; nobody waits with them for long.
func TestOvertakenPrimary(t *testing.T) {
	t.Parallel()
	c, err := pgcluster.Start("", "doorward")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	s := ownServer(t, serverOptions{adminToken: randomSecret("admin"), args: []string{"--database", c.URL("doorward", "")}})
	p := project{srv: s, id: "default"}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	rest := sync.OnceFunc(func() { close(stop); wg.Wait() })
	defer rest()
	var slowest atomic.Int64
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				began := time.Now()
				a := account{email: newEmail(), password: newPassword()}
				if _, err := p.client().send(http.MethodPost, apiBase+signup, a.credentials()); err != nil {
					t.Errorf("a sign-up: %v", err)
				}
				if took := int64(time.Since(began)); took > slowest.Load() {
					slowest.Store(took)
				}
			}
		})
	}
	time.Sleep(time.Second)
	if err := c.Promote(); err != nil {
		t.Fatal(err)
	}
	promoted := time.Now()
	time.Sleep(2 * time.Second)
	a := p.signUp(t)
	t.Logf("a sign-up %v after the promotion; the slowest took %v", time.Since(promoted).Round(time.Millisecond), time.Duration(slowest.Load()).Round(time.Millisecond))
	rest()
	if took := time.Duration(slowest.Load()); took > 12*time.Second { // PostgreSQL itself would give up after 15 s
		t.Errorf("a sign-up took %v", took)
	}
	p.signIn(t, a.email, a.password)
}
