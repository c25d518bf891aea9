package mail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/auth"
)

// memoryOutbox keeps mails as auth.Tx describes it, in memory. It can be away.
type memoryOutbox struct {
	mu    sync.Mutex
	mails map[auth.MailID]auth.OutboxMail
	away  func(claiming bool) error // nil while the store answers
}

// memoryTx has the two methods that the worker needs of a transaction; any other panics.
type memoryTx struct {
	auth.Tx
	*memoryOutbox
}

func newOutbox(mails ...auth.OutboxMail) *memoryOutbox {
	o := &memoryOutbox{mails: map[auth.MailID]auth.OutboxMail{}}
	for _, m := range mails {
		o.mails[m.ID] = m
	}
	return o
}

func (o *memoryOutbox) Update(ctx context.Context, f func(auth.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return f(memoryTx{memoryOutbox: o})
}

func (o *memoryOutbox) DueMail(_ context.Context, now time.Time) ([]auth.ProjectID, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.away != nil {
		if err := o.away(true); err != nil {
			return nil, err
		}
	}
	var due []auth.ProjectID
	for _, m := range o.mails {
		if isDue(m, now) {
			due = append(due, m.Project)
		}
	}
	slices.Sort(due)
	return slices.Compact(due), nil
}

func (t memoryTx) DueMail(ctx context.Context, now time.Time) ([]auth.ProjectID, error) {
	return t.memoryOutbox.DueMail(ctx, now)
}

func isDue(m auth.OutboxMail, now time.Time) bool {
	return m.State == auth.MailQueued && !m.NextAttemptAt.After(now) || m.State == auth.MailWorking && !m.LeaseUntil.After(now)
}

func (t memoryTx) ClaimMail(_ context.Context, p auth.ProjectID, leaseToken string, now, leaseUntil time.Time, limit int, takeOver bool) ([]auth.OutboxMail, error) {
	if t.away != nil {
		if err := t.away(true); err != nil {
			return nil, err
		}
	}
	var claimed []auth.OutboxMail
	for _, id := range sortedIDs(t.mails) {
		m := t.mails[id]
		if m.Project == p && isDue(m, now) && len(claimed) < limit && (takeOver || m.State == auth.MailQueued || m.LeaseToken == leaseToken) {
			m.State, m.LeaseToken, m.LeaseUntil, m.Attempts = auth.MailWorking, leaseToken, leaseUntil, m.Attempts+1
			t.mails[id] = m
			claimed = append(claimed, m)
		}
	}
	return claimed, nil
}

func (t memoryTx) FinishMail(_ context.Context, m auth.OutboxMail) error {
	if t.away != nil {
		if err := t.away(false); err != nil {
			return err
		}
	}
	stored, ok := t.mails[m.ID]
	if !ok || stored.State != auth.MailWorking || stored.LeaseToken != m.LeaseToken {
		return auth.ErrNotFound
	}
	stored.State, stored.NextAttemptAt, stored.FinishedAt, stored.LastError, stored.Sealed = m.State, m.NextAttemptAt, m.FinishedAt, m.LastError, m.Sealed
	stored.Transcript = m.Transcript
	t.mails[m.ID] = stored
	return nil
}

func sortedIDs(mails map[auth.MailID]auth.OutboxMail) []auth.MailID {
	var ids []auth.MailID
	for id := range mails {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (o *memoryOutbox) ids() []auth.MailID {
	o.mu.Lock()
	defer o.mu.Unlock()
	return sortedIDs(o.mails)
}

func (o *memoryOutbox) get(id auth.MailID) auth.OutboxMail {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.mails[id]
}

func (o *memoryOutbox) setAway(away func(claiming bool) error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.away = away
}

// recorder is a Sender that notes what it is given and answers as told.
type recorder struct {
	mu     sync.Mutex
	sent   []auth.MailID
	answer func(ctx context.Context, id auth.MailID) error // nil sends
}

func (r *recorder) Send(ctx context.Context, from string, m auth.Message, id auth.MailID) error {
	r.mu.Lock()
	r.sent = append(r.sent, id)
	answer := r.answer
	r.mu.Unlock()
	if from != "no-reply@example.com" || m.Text != "content of "+string(id) {
		return fmt.Errorf("from %q with %q", from, m.Text)
	}
	if answer == nil {
		return nil
	}
	return answer(ctx, id)
}

func (r *recorder) tries() []auth.MailID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sent)
}

func queued(id auth.MailID) auth.OutboxMail {
	now := time.Now()
	return auth.OutboxMail{Project: "p", ID: id, Kind: auth.MailInvite, To: "bob@example.org", State: auth.MailQueued, Sealed: []byte("content of " + id), CreatedAt: now, NextAttemptAt: now}
}

func newWorker(store Outbox, sender Sender, log *bytes.Buffer) *Worker {
	return &Worker{
		Store: store,
		Open: func(m auth.OutboxMail) (auth.Message, error) {
			return auth.Message{To: m.To, Subject: "s", Text: string(m.Sealed)}, nil
		},
		PerProject: func(context.Context, auth.ProjectID) (Sender, string, error) {
			return sender, "no-reply@example.com", nil
		},
		Clock:      time.Now,
		Jitter:     func() float64 { return 0 },
		LeaseToken: "worker-1",
		Log:        slog.New(slog.NewTextHandler(&lockedWriter{out: log}, nil)),
	}
}

type lockedWriter struct {
	mu  sync.Mutex
	out *bytes.Buffer
}

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.Write(p)
}

// start runs the worker within a bubble of fake time. What it gives ends the worker and waits for that.
func start(t *testing.T, w *Worker) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestMailIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, sender, log := newOutbox(queued("a"), queued("b")), &recorder{}, &bytes.Buffer{}
		begin := time.Now()
		stop := start(t, newWorker(store, sender, log))
		defer stop()
		synctest.Wait()
		for _, id := range []auth.MailID{"a", "b"} {
			got := store.get(id)
			want := queued(id)
			want.State, want.Sealed, want.Attempts, want.FinishedAt = auth.MailSent, nil, 1, begin
			want.LeaseToken, want.LeaseUntil = "worker-1", begin.Add(2*time.Minute)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
		time.Sleep(time.Hour)
		if tries := sender.tries(); len(tries) != 2 {
			t.Errorf("sent %v", tries)
		}
		stop()
		if log.Len() > 0 {
			t.Errorf("logged %s", log)
		}
	})
}

func TestMailIsKeptWithoutServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newOutbox(queued("a"))
		w := newWorker(store, nil, &bytes.Buffer{})
		w.PerProject = func(context.Context, auth.ProjectID) (Sender, string, error) { return nil, "", nil }
		w.Open = func(auth.OutboxMail) (auth.Message, error) {
			t.Error("opened")
			return auth.Message{}, nil
		}
		defer start(t, w)()
		synctest.Wait()
		got := store.get("a")
		if got.State != auth.MailKept || string(got.Sealed) != "content of a" || got.FinishedAt.IsZero() || got.LastError != "" {
			t.Errorf("got %+v", got)
		}
	})
}

func TestFailedMail(t *testing.T) {
	temporary := &SendError{Code: 451, text: "later\r\nplease"}
	permanent := &SendError{Code: 550, Permanent: true, text: "never"}
	tests := []struct {
		name      string
		sendErr   error
		openErr   error
		lookupErr error
		state     auth.MailState
		text      string
	}{
		{name: "refused for now", sendErr: temporary, state: auth.MailQueued, text: "later please"},
		{name: "refused for good", sendErr: permanent, state: auth.MailDead, text: "never"},
		{name: "refused for good, wrapped", sendErr: fmt.Errorf("send: %w", permanent), state: auth.MailDead, text: "send: never"},
		{name: "another error", sendErr: errors.New(strings.Repeat("x", 1000)), state: auth.MailQueued, text: strings.Repeat("x", 499) + "…"},
		{name: "cannot be opened", openErr: errors.New("wrong key"), state: auth.MailQueued, text: "open the sealed mail: wrong key"},
		{name: "no settings", lookupErr: errors.New("away"), state: auth.MailQueued, text: "find the SMTP server: away"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newOutbox(queued("a"))
				sender := &recorder{answer: func(context.Context, auth.MailID) error { return tc.sendErr }}
				w := newWorker(store, sender, &bytes.Buffer{})
				if tc.openErr != nil {
					w.Open = func(auth.OutboxMail) (auth.Message, error) { return auth.Message{}, tc.openErr }
				}
				if tc.lookupErr != nil {
					w.PerProject = func(context.Context, auth.ProjectID) (Sender, string, error) { return nil, "", tc.lookupErr }
				}
				begin := time.Now()
				defer start(t, w)()
				synctest.Wait()
				got := store.get("a")
				if got.State != tc.state || got.LastError != tc.text || string(got.Sealed) != "content of a" || got.Attempts != 1 {
					t.Fatalf("got %+v", got)
				}
				if tc.state == auth.MailQueued && (!got.NextAttemptAt.Equal(begin.Add(10*time.Second)) || !got.FinishedAt.IsZero()) {
					t.Errorf("next attempt %s, finished %s", got.NextAttemptAt, got.FinishedAt)
				}
				if tc.state == auth.MailDead && !got.FinishedAt.Equal(begin) {
					t.Errorf("finished %s", got.FinishedAt)
				}
			})
		})
	}
}

func TestFailedMailIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, sender := newOutbox(queued("a")), &recorder{}
		sender.answer = func(context.Context, auth.MailID) error {
			if len(sender.tries()) < 4 {
				return &SendError{Code: 421, text: "busy"}
			}
			return nil
		}
		begin := time.Now()
		defer start(t, newWorker(store, sender, &bytes.Buffer{}))()
		time.Sleep(time.Hour)
		got := store.get("a")
		if got.State != auth.MailSent || got.Sealed != nil || got.LastError != "" || got.Attempts != 4 {
			t.Errorf("got %+v", got)
		}
		if waited := got.FinishedAt.Sub(begin); waited < 70*time.Second || waited > 75*time.Second { // 10 + 20 + 40, and up to a poll each
			t.Errorf("sent after %s", waited)
		}
	})
}

func TestBackoff(t *testing.T) {
	tests := []struct {
		attempts int
		jitter   float64
		want     time.Duration
	}{
		{0, 0, 10 * time.Second},
		{1, 0, 10 * time.Second},
		{2, 0, 20 * time.Second},
		{9, 0, 2560 * time.Second},
		{10, 0, time.Hour},
		{11, 0, time.Hour},
		{1000000, 0, time.Hour},
		{1, 0.5, 9 * time.Second},
		{11, 0.5, 54 * time.Minute},
	}
	for _, tc := range tests {
		w := &Worker{Jitter: func() float64 { return tc.jitter }}
		if got := w.backoff(tc.attempts); got != tc.want {
			t.Errorf("after %d attempts with jitter %g: %s, want %s", tc.attempts, tc.jitter, got, tc.want)
		}
	}
}

func TestMailDies(t *testing.T) {
	tests := []struct {
		name             string
		age              time.Duration // at the start
		fewest, most     int           // attempts
		earliest, latest time.Duration // of the end, from the start
	}{
		{"a new one after a day", 0, 13, 40, 24 * time.Hour, 25 * time.Hour},
		{"an old one after twelve attempts", 48 * time.Hour, 12, 12, 3 * time.Hour, 4 * time.Hour},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := queued("a")
				m.CreatedAt = m.CreatedAt.Add(-tc.age)
				store := newOutbox(m)
				sender := &recorder{answer: func(context.Context, auth.MailID) error { return errors.New("away") }}
				begin := time.Now()
				defer start(t, newWorker(store, sender, &bytes.Buffer{}))()
				time.Sleep(72 * time.Hour)
				got := store.get("a")
				if got.State != auth.MailDead || string(got.Sealed) != "content of a" || got.LastError != "away" || got.Attempts < tc.fewest || got.Attempts > tc.most {
					t.Errorf("got %+v", got)
				}
				if took := got.FinishedAt.Sub(begin); took < tc.earliest || took > tc.latest {
					t.Errorf("died after %s", took)
				}
			})
		})
	}
}

func TestWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, sender := newOutbox(), &recorder{}
		w := newWorker(store, sender, &bytes.Buffer{})
		w.Poll = time.Hour
		w.Wake() // before Run, and more than once: neither blocks
		w.Wake()
		defer start(t, w)()
		synctest.Wait()
		add := func(id auth.MailID) {
			store.mu.Lock()
			defer store.mu.Unlock()
			store.mails[id] = queued(id)
		}
		begin := time.Now()
		add("a")
		w.Wake()
		synctest.Wait()
		if len(sender.tries()) != 1 || time.Since(begin) != 0 {
			t.Errorf("after Wake: %v after %s", sender.tries(), time.Since(begin))
		}
		add("b")
		synctest.Wait()
		if len(sender.tries()) != 1 {
			t.Error("looked without being woken")
		}
		time.Sleep(time.Hour + time.Second)
		if len(sender.tries()) != 2 {
			t.Error("did not look by itself")
		}
	})
}

// The mail of a worker that died is sent by the next one, once the lease has run out and not before.
func TestRestartAfterCrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := queued("a")
		m.State, m.LeaseToken, m.LeaseUntil, m.Attempts = auth.MailWorking, "dead worker", time.Now().Add(2*time.Minute), 1
		store, sender := newOutbox(m), &recorder{}
		defer start(t, newWorker(store, sender, &bytes.Buffer{}))()
		time.Sleep(2*time.Minute - time.Millisecond)
		if len(sender.tries()) != 0 {
			t.Error("sent while another worker has it")
		}
		time.Sleep(2 * time.Second)
		if got := store.get("a"); got.State != auth.MailSent || got.Attempts != 2 {
			t.Errorf("got %+v", got)
		}
	})
}

// A worker that is told to end finishes what it has in hand, and takes nothing new.
func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newOutbox(queued("a"), queued("b"))
		sender := &recorder{answer: func(ctx context.Context, _ auth.MailID) error {
			select {
			case <-time.After(5 * time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
		w := newWorker(store, sender, &bytes.Buffer{})
		w.Concurrency = 1
		stop := start(t, w)
		synctest.Wait()
		begin := time.Now()
		stop()
		if took := time.Since(begin); took != 5*time.Second {
			t.Errorf("ended after %s", took)
		}
		if a, b := store.get("a"), store.get("b"); a.State != auth.MailSent || b.State != auth.MailQueued || b.Attempts != 0 {
			t.Errorf("got %+v and %+v", a, b)
		}
	})
}

// A send that hangs holds the end of the program up for the grace time only; its mail is queued again, for the next start.
func TestShutdownIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newOutbox(queued("a"))
		sender := &recorder{answer: func(ctx context.Context, _ auth.MailID) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		stop := start(t, newWorker(store, sender, &bytes.Buffer{}))
		synctest.Wait()
		begin := time.Now()
		stop()
		if took := time.Since(begin); took != 10*time.Second {
			t.Errorf("ended after %s", took)
		}
		if got := store.get("a"); got.State != auth.MailQueued || string(got.Sealed) != "content of a" {
			t.Errorf("got %+v", got)
		}
	})
}

// No send outlives its lease, so that no two workers ever send the same mail at the same time.
func TestSendEndsBeforeItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newOutbox(queued("a"))
		begin := time.Now()
		var cut time.Duration
		sender := &recorder{answer: func(ctx context.Context, _ auth.MailID) error {
			<-ctx.Done()
			cut = time.Since(begin)
			return ctx.Err()
		}}
		w := newWorker(store, sender, &bytes.Buffer{})
		defer start(t, w)()
		time.Sleep(95 * time.Second)
		if got := store.get("a"); cut != 90*time.Second || got.State != auth.MailQueued {
			t.Errorf("cut off after %s: %+v", cut, got)
		}
	})
}

// slowOutbox takes its time to answer the first change.
type slowOutbox struct {
	*memoryOutbox
	slow time.Duration
}

func (o *slowOutbox) Update(ctx context.Context, f func(auth.Tx) error) error {
	err := o.memoryOutbox.Update(ctx, f)
	time.Sleep(o.slow)
	o.slow = 0
	return err
}

// A mail whose lease came late is sent in what is left of it, and where that is too little not before somebody has leased it again.
func TestLateLease(t *testing.T) {
	for _, test := range []struct{ slow, sent, cut time.Duration }{
		{80 * time.Second, 80 * time.Second, 90 * time.Second},
		{100 * time.Second, 120 * time.Second, 210 * time.Second}, // the lease ends after 120s
	} {
		synctest.Test(t, func(t *testing.T) {
			store := &slowOutbox{newOutbox(queued("a")), test.slow}
			begin := time.Now()
			var sent, cut []time.Duration
			sender := &recorder{answer: func(ctx context.Context, _ auth.MailID) error {
				sent = append(sent, time.Since(begin).Truncate(10*time.Second))
				<-ctx.Done()
				cut = append(cut, time.Since(begin).Truncate(10*time.Second))
				return ctx.Err()
			}}
			w := newWorker(store, sender, &bytes.Buffer{})
			stop := start(t, w)
			time.Sleep(215 * time.Second)
			stop() // nobody writes below
			if sent[0] != test.sent || cut[0] != test.cut {
				t.Errorf("leased after %v: sent after %v, cut off after %v", test.slow, sent, cut)
			}
		})
	}
}

// While the store is away the worker asks ever more rarely, says so once, and goes on when it is back.
func TestStoreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, sender, log := newOutbox(queued("a")), &recorder{}, &bytes.Buffer{}
		asked := 0
		store.setAway(func(bool) error { asked++; return auth.ErrStoreBusy })
		stop := start(t, newWorker(store, sender, log))
		defer stop()
		time.Sleep(time.Hour)
		store.setAway(nil)
		if asked < 100 || asked > 150 {
			t.Errorf("asked %d times in an hour", asked)
		}
		time.Sleep(time.Minute)
		if got := store.get("a"); got.State != auth.MailSent || len(sender.tries()) != 1 {
			t.Errorf("got %+v", got)
		}
		stop()
		if away, back := strings.Count(log.String(), "does not answer"), strings.Count(log.String(), "answers again"); away != 1 || back != 1 {
			t.Errorf("log:\n%s", log)
		}
	})
}

// A mail that was taken while the store cannot record it is not sent again, even when its lease runs out and it is claimed again meanwhile.
func TestSentMailIsRecordedWhenTheStoreIsBack(t *testing.T) {
	for _, claimable := range []bool{false, true} {
		t.Run(fmt.Sprintf("claims work: %t", claimable), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, sender := newOutbox(queued("a")), &recorder{}
				store.setAway(func(claiming bool) error {
					if claiming && (claimable || store.mails["a"].Attempts == 0) {
						return nil
					}
					return auth.ErrStoreBusy
				})
				defer start(t, newWorker(store, sender, &bytes.Buffer{}))()
				time.Sleep(10 * time.Minute)
				if got := store.get("a"); got.State != auth.MailWorking || claimable == (got.Attempts == 1) {
					t.Errorf("while away: %+v", got)
				}
				store.setAway(nil)
				time.Sleep(time.Minute)
				if got := store.get("a"); got.State != auth.MailSent || got.Sealed != nil {
					t.Errorf("got %+v", got)
				}
				if tries := sender.tries(); len(tries) != 1 {
					t.Errorf("sent %v", tries)
				}
			})
		})
	}
}

func TestLostLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, log := newOutbox(queued("a")), &bytes.Buffer{}
		sender := &recorder{answer: func(context.Context, auth.MailID) error {
			store.mu.Lock()
			defer store.mu.Unlock()
			m := store.mails["a"]
			m.LeaseToken = "another worker"
			store.mails["a"] = m
			return nil
		}}
		stop := start(t, newWorker(store, sender, log))
		synctest.Wait()
		stop()
		if got := store.get("a"); got.State != auth.MailWorking || got.LeaseToken != "another worker" {
			t.Errorf("got %+v", got)
		}
		if !strings.Contains(log.String(), "another worker took it over") {
			t.Errorf("log:\n%s", log)
		}
	})
}

func TestPanicEndsOneTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, log := newOutbox(queued("a"), queued("b")), &bytes.Buffer{}
		sender := &recorder{answer: func(_ context.Context, id auth.MailID) error {
			if id == "a" {
				panic("SECRET content")
			}
			return nil
		}}
		stop := start(t, newWorker(store, sender, log))
		synctest.Wait()
		stop()
		a, b := store.get("a"), store.get("b")
		if a.State != auth.MailQueued || a.LastError == "" || b.State != auth.MailSent {
			t.Errorf("got %+v and %+v", a, b)
		}
		if strings.Contains(log.String()+a.LastError, "SECRET") || !strings.Contains(log.String(), "worker_test.go") {
			t.Errorf("log:\n%s", log)
		}
	})
}

// Many mails go out a few at a time, and slow ones leave room for the others.
func TestConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newOutbox()
		for i := range 40 {
			id := auth.MailID(fmt.Sprintf("m%02d", i))
			store.mails[id] = queued(id)
		}
		var mu sync.Mutex
		inHand, most := 0, 0
		sender := &recorder{answer: func(_ context.Context, id auth.MailID) error {
			mu.Lock()
			inHand++
			most = max(most, inHand)
			mu.Unlock()
			if pause := time.Second; id < "m03" {
				time.Sleep(30 * pause)
			} else {
				time.Sleep(pause / 10)
			}
			mu.Lock()
			inHand--
			mu.Unlock()
			return nil
		}}
		defer start(t, newWorker(store, sender, &bytes.Buffer{}))()
		time.Sleep(10 * time.Second)
		sent := 0
		for i := range 40 {
			if store.get(auth.MailID(fmt.Sprintf("m%02d", i))).State == auth.MailSent {
				sent++
			}
		}
		if sent != 37 || most != 4 {
			t.Errorf("%d sent beside the three slow ones, %d at a time", sent, most)
		}
		time.Sleep(time.Minute)
		tries := sender.tries()
		slices.Sort(tries)
		if len(tries) != 40 || len(slices.Compact(tries)) != 40 {
			t.Errorf("%d tries of 40 mails", len(tries))
		}
	})
}

// stuckUntil is a Sender as an SMTP server is that accepts connections and never speaks, up to some time.
func stuckUntil(end time.Time) *recorder {
	return &recorder{answer: func(ctx context.Context, _ auth.MailID) error {
		if !time.Now().Before(end) {
			return nil
		}
		ctx, cancel := context.WithTimeout(ctx, defaultSendTimeout)
		defer cancel()
		<-ctx.Done()
		return &SendError{silent: true, text: "no answer in time"}
	}}
}

// add queues n mails of a project, named after it and numbered.
func (o *memoryOutbox) add(p auth.ProjectID, n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range n {
		m := queued(auth.MailID(fmt.Sprintf("%s-%03d", p, i)))
		m.Project = p
		o.mails[m.ID] = m
	}
}

// TestStuckServerHoldsUpItsProjectAlone: many mails wait for servers that never speak, and another project's go out at once all the same.
func TestStuckServerHoldsUpItsProjectAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, prompt, stuck := newOutbox(), &recorder{}, stuckUntil(time.Now().Add(time.Hour))
		store.add("a-stuck", 500)
		store.add("b-stuck", 500)
		w := newWorker(store, nil, &bytes.Buffer{})
		w.PerProject = func(_ context.Context, p auth.ProjectID) (Sender, string, error) {
			if p == "prompt" {
				return prompt, "no-reply@example.com", nil
			}
			return stuck, "no-reply@example.com", nil
		}
		defer start(t, w)()
		for minute := range 10 {
			time.Sleep(time.Minute)
			store.add("prompt", 20)
			w.Wake()
			time.Sleep(time.Second)
			if n := len(prompt.tries()); n != 20*(minute+1) {
				t.Fatalf("%d of %d mails went out within a second, after %d minutes", n, 20*(minute+1), minute+1)
			}
		}
		// Four at once, and then one at a time: after 30s and a pause of 10s, 20s, 40s, 60s, 60s, and so on.
		if n := len(stuck.tries()); n < 2*9 || n > 2*14 {
			t.Errorf("%d tries with the two stuck servers in ten minutes", n)
		}
	})
}

// TestSilenceEnds: once a server speaks again, the mails of its project go out within the longest pause, several at a time.
func TestSilenceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, sender := newOutbox(), stuckUntil(time.Now().Add(10*time.Minute))
		defer start(t, newWorker(store, sender, &bytes.Buffer{}))()
		time.Sleep(5 * time.Second)
		store.add("p", 200)
		time.Sleep(10*time.Minute - 5*time.Second)
		before := len(sender.tries())
		if before > 20 {
			t.Errorf("%d tries while the server was silent", before)
		}
		time.Sleep(defaultSendTimeout + maxSilence + 2*time.Second)
		sent := 0
		for _, id := range store.ids() {
			if store.get(id).State == auth.MailSent {
				sent++
			}
		}
		if sent < 200-before {
			t.Errorf("%d mails were sent after the silence", sent)
		}
	})
}

func TestTwoWorkersShareAnOutbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, sender := newOutbox(), &recorder{}
		for i := range 100 {
			id := auth.MailID(fmt.Sprintf("m%03d", i))
			store.mails[id] = queued(id)
		}
		second := newWorker(store, sender, &bytes.Buffer{})
		second.LeaseToken = "worker-2"
		defer start(t, newWorker(store, sender, &bytes.Buffer{}))()
		defer start(t, second)()
		time.Sleep(time.Minute)
		tries := sender.tries()
		slices.Sort(tries)
		if len(tries) != 100 || len(slices.Compact(tries)) != 100 {
			t.Errorf("%d tries of 100 mails", len(tries))
		}
	})
}

func TestRunNeedsItsFields(t *testing.T) {
	if err := (&Worker{}).Run(t.Context()); err == nil {
		t.Error("an empty worker runs")
	}
}

// The worker with the SMTP sender, against a server that misbehaves.
func TestWorkerWithSMTP(t *testing.T) {
	tests := []struct {
		name    string
		replies map[string]string
		state   auth.MailState
		text    string
	}{
		{"taken", nil, auth.MailSent, ""},
		{"4xx", map[string]string{"RCPT": "450 later"}, auth.MailQueued, "later"},
		{"5xx", map[string]string{"RCPT": "550 never"}, auth.MailDead, "never"},
		{"hang", map[string]string{"DATA": "hang"}, auth.MailQueued, "no answer in time"},
		{"drop after DATA", map[string]string{".": "drop"}, auth.MailQueued, "EOF"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			p := &peer{replies: tc.replies}
			p.start(t)
			smtp := p.sender(t, "smtp://localhost:2525", func(c *Config) { c.SendTimeout = 300 * time.Millisecond })
			store := newOutbox(queued("a"))
			w := newWorker(store, smtp, &bytes.Buffer{})
			w.Poll = 10 * time.Millisecond
			stop := start(t, w)
			defer stop()
			got := waitForResult(t, store, "a", 1)
			if got.State != tc.state || !strings.Contains(got.LastError, tc.text) || (tc.text == "") != (got.LastError == "") || (got.Sealed == nil) != (tc.state == auth.MailSent) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// A mail whose acknowledgement got lost goes out a second time under the same Message-ID, so that receivers can tell.
func TestLostAcknowledgement(t *testing.T) {
	p := &peer{replies: map[string]string{".": "drop"}}
	p.start(t)
	store := newOutbox(queued("a"))
	w := newWorker(store, p.sender(t, "smtp://localhost:2525", nil), &bytes.Buffer{})
	w.Poll = 10 * time.Millisecond
	w.Jitter = func() float64 { return 5 } // no backoff at all
	stop := start(t, w)
	defer stop()
	waitForResult(t, store, "a", 2)
	stop()
	_, mails := p.got()
	if len(mails) < 2 || strings.Count(mails[0], "Message-ID: <a@example.com>") != 1 || strings.Count(mails[1], "Message-ID: <a@example.com>") != 1 {
		t.Errorf("mails %q", mails)
	}
}

func waitForResult(t *testing.T, store *memoryOutbox, id auth.MailID, attempts int) auth.OutboxMail {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		if m := store.get(id); m.Attempts >= attempts && m.State != auth.MailWorking {
			return m
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("no result: %+v", store.get(id))
	return auth.OutboxMail{}
}
