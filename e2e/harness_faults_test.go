package e2e

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"
)

// outcomes counts what became of requests while a fault struck.
type outcomes struct {
	mu     sync.Mutex
	ok     []account
	failed map[string]int // by status and detail
	early  []string       // answers that break the rules
}

// strike signs up from some goroutines until stop closes. What is neither a success nor a 503 with Retry-After breaks the rules.
func (p project) strike(workers int, stop <-chan struct{}) *outcomes {
	o := &outcomes{failed: map[string]int{}}
	var wait sync.WaitGroup
	for range workers {
		wait.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				o.signUp(p)
			}
		})
	}
	wait.Wait()
	return o
}

func (o *outcomes) signUp(p project) {
	a := account{email: newEmail(), password: newPassword()}
	r, err := p.client().send(http.MethodPost, apiBase+signup, a.credentials())
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err != nil:
		o.failed["no answer"]++
	case r.status == http.StatusOK:
		var body struct {
			Data struct{ UID, IDToken, RefreshToken string }
		}
		decodeQuietly(r.body, &body)
		a.uid, a.idToken, a.refreshToken = body.Data.UID, body.Data.IDToken, body.Data.RefreshToken
		o.ok = append(o.ok, a)
	case r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "":
		o.early = append(o.early, fmt.Sprintf("%d, Retry-After %q: %s", r.status, r.header.Get("Retry-After"), r.body))
	default:
		o.failed[string(r.body)]++
	}
}

// during strikes for a while.
func (p project) during(t *testing.T, d time.Duration) *outcomes {
	t.Helper()
	stop := make(chan struct{})
	time.AfterFunc(d, func() { close(stop) })
	o := p.strike(4, stop)
	for _, broken := range o.early {
		t.Errorf("a sign-up was answered %s", broken)
	}
	t.Logf("%d sign-ups acknowledged, others: %v", len(o.ok), o.failed)
	return o
}

// heals waits until a sign-up succeeds, and returns the account.
func (p project) heals(t *testing.T, limit time.Duration) account {
	t.Helper()
	o := &outcomes{failed: map[string]int{}}
	eventually(t, limit, func() error {
		if o.signUp(p); len(o.ok) == 0 {
			return fmt.Errorf("no sign-up succeeds: %v %v", o.failed, o.early)
		}
		return nil
	})
	return o.ok[0]
}

// killAndCheck ends the server with SIGKILL, starts it again, and looks for everything that was acknowledged.
func killAndCheck(t *testing.T, p project, acknowledged []account) {
	t.Helper()
	p.srv.kill(t)
	checkIntegrity(t, p.srv.opts.data)
	options := p.srv.opts
	options.publicURL = p.srv.publicURL
	p.srv = ownServer(t, options)
	for _, a := range acknowledged {
		p.refresh(t, a.uid, a.refreshToken)
	}
	last := acknowledged[len(acknowledged)-1]
	p.signIn(t, last.email, last.password)
}

// goesOn checks that what needs no write works.
func (p project) goesOn(t *testing.T, a account) {
	t.Helper()
	if err := verify(a.idToken, p.keys(t)); err != nil {
		t.Errorf("id token: %v", err)
	}
	p.client().bearer(a.idToken).get(t, users+"/"+a.uid).wantStatus(t, http.StatusOK)
	p.refresh(t, a.uid, a.refreshToken) // writes nothing in the documented preset
	p.srv.bareHost().do(t, http.MethodGet, "/healthz", nil).wantStatus(t, http.StatusOK)
}
