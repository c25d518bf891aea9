package mail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/storetest"
)

// heldClock stands still until it is moved.
type heldClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *heldClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *heldClock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// view is how one process sees the store. It can be cut off, and counts the looks that succeed.
type view struct {
	auth.Store
	cut   atomic.Bool
	looks atomic.Int64
}

func (v *view) Update(ctx context.Context, f func(auth.Tx) error) error {
	if v.cut.Load() {
		return auth.ErrStoreBusy
	}
	return v.Store.Update(ctx, f)
}

func (v *view) DueMail(ctx context.Context, now time.Time) ([]auth.ProjectID, error) {
	if v.cut.Load() {
		return nil, auth.ErrStoreBusy
	}
	v.looks.Add(1)
	return v.Store.DueMail(ctx, now)
}

// processes are workers on one store, as of so many processes, that send through one sender.
type processes struct {
	store auth.Store
	clock *heldClock
	views []*view
	stops []func()
}

func startProcesses(t *testing.T, n int, mails int, sender Sender) *processes {
	t.Helper()
	p := &processes{store: storetest.Open(t), clock: &heldClock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}}
	err := p.store.Update(t.Context(), func(tx auth.Tx) error {
		err := tx.CreateProject(t.Context(), auth.Project{ID: "p"})
		for i := range mails {
			m := queued(auth.MailID(fmt.Sprintf("m%03d", i)))
			m.CreatedAt, m.NextAttemptAt = p.clock.Now(), p.clock.Now()
			err = errors.Join(err, tx.CreateMail(t.Context(), m))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		v := &view{Store: p.store}
		w := newWorker(v, sender, &bytes.Buffer{})
		w.Clock, w.Poll, w.Grace, w.LeaseToken = p.clock.Now, 2*time.Millisecond, 20*time.Millisecond, fmt.Sprintf("process-%d", i)
		stop := start(t, w)
		p.views, p.stops = append(p.views, v), append(p.stops, stop)
		t.Cleanup(stop)
	}
	return p
}

// looksOf waits until a process has looked for work so many times more.
func (p *processes) looksOf(t *testing.T, i int, n int64) {
	t.Helper()
	end := p.views[i].looks.Load() + n
	waitUntil(t, "looks for mail", func() bool { return p.views[i].looks.Load() >= end })
}

func (p *processes) state(t *testing.T, state auth.MailState) (n int) {
	t.Helper()
	counts, err := p.store.CountMail(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return counts[state]
}

func waitUntil(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %s", what)
		}
	}
}

// Three processes race for the mails, over SMTP; each goes out once.
func TestProcessesRace(t *testing.T) {
	smtp := &peer{}
	smtp.start(t)
	const mails = 60
	p := startProcesses(t, 3, mails, smtp.sender(t, "smtp://localhost:2525", nil))
	waitUntil(t, "end of the mails", func() bool { return p.state(t, auth.MailSent) == mails })
	_, sent := smtp.got()
	ids := map[string]bool{}
	for _, m := range sent {
		_, id, _ := strings.Cut(m, "Message-ID: ")
		id, _, _ = strings.Cut(id, "\r\n")
		ids[id] = true
	}
	if len(sent) != mails || len(ids) != mails {
		t.Errorf("%d mails were sent, %d different ones, want %d", len(sent), len(ids), mails)
	}
}

// The store is away for all, from when the SMTP server took a mail until long after its lease. When it is back, others look first; still the one that sent the
// mail records it, and nobody sends it again.
func TestNobodyTakesOverAfterAnOutage(t *testing.T) {
	var p *processes
	ready, sender := make(chan struct{}), &recorder{}
	sender.answer = func(context.Context, auth.MailID) error {
		<-ready
		for _, v := range p.views {
			v.cut.Store(true)
		}
		return nil
	}
	p = startProcesses(t, 3, 1, sender)
	for i := range p.views {
		p.looksOf(t, i, 2)
	}
	close(ready)
	waitUntil(t, "outage", func() bool { return p.views[len(p.views)-1].cut.Load() })
	p.clock.move(time.Hour)
	m, err := p.store.GetMail(t.Context(), "p", "m000")
	if err != nil || m.State != auth.MailWorking {
		t.Fatalf("%+v, %v", m, err)
	}
	holder := int(m.LeaseToken[len("process-")] - '0')
	for i, v := range p.views {
		v.cut.Store(i == holder)
	}
	for i := range p.views {
		if i != holder {
			p.looksOf(t, i, 20)
		}
	}
	p.views[holder].cut.Store(false)
	waitUntil(t, "record of the sent mail", func() bool { return p.state(t, auth.MailSent) == 1 })
	if tries := sender.tries(); len(tries) != 1 {
		t.Errorf("sent %d times", len(tries))
	}
}

// A process that is gone for good loses its mails to others, once the store has answered those for as long as a lease.
func TestOthersTakeOverFromTheDead(t *testing.T) {
	sender := &recorder{}
	p := startProcesses(t, 2, 0, sender)
	err := p.store.Update(t.Context(), func(tx auth.Tx) error {
		m := queued("m")
		m.State, m.LeaseToken, m.LeaseUntil, m.Attempts = auth.MailWorking, "dead", p.clock.Now(), 1
		return tx.CreateMail(t.Context(), m)
	})
	if err != nil {
		t.Fatal(err)
	}
	p.looksOf(t, 0, 10)
	p.looksOf(t, 1, 10)
	if len(sender.tries()) != 0 {
		t.Error("taken over at once")
	}
	for range defaultLease/(10*time.Second) + 1 {
		p.clock.move(10 * time.Second)
		p.looksOf(t, 0, 3)
	}
	waitUntil(t, "take-over", func() bool { return p.state(t, auth.MailSent) == 1 })
	if tries := sender.tries(); len(tries) != 1 {
		t.Errorf("sent %d times", len(tries))
	}
}

// A process whose store is away when it is told to end keeps its acknowledgement as long as it may; the next one sends the mail again, under the same id.
func TestEndWithoutTheStore(t *testing.T) {
	var p *processes
	ready, sender := make(chan struct{}), &recorder{}
	sender.answer = func(context.Context, auth.MailID) error {
		<-ready
		p.views[0].cut.Store(len(sender.tries()) == 1)
		return nil
	}
	p = startProcesses(t, 1, 1, sender)
	close(ready)
	waitUntil(t, "outage", func() bool { return p.views[0].cut.Load() })
	p.stops[0]()
	if n := p.state(t, auth.MailWorking); n != 1 {
		t.Errorf("%d mails are leased, want the one", n)
	}
	p.views[0].cut.Store(false)
	next := newWorker(p.views[0], sender, &bytes.Buffer{})
	next.Clock, next.Poll, next.LeaseToken = p.clock.Now, 2*time.Millisecond, "next"
	defer start(t, next)()
	for range defaultLease/(10*time.Second) + 1 {
		p.clock.move(10 * time.Second)
		p.looksOf(t, 0, 3)
	}
	waitUntil(t, "second sending", func() bool { return p.state(t, auth.MailSent) == 1 })
	if tries := sender.tries(); len(tries) != 2 || tries[0] != tries[1] {
		t.Errorf("sent %v", tries)
	}
}
