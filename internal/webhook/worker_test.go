package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/authtest"
	"github.com/doorward/doorward/internal/storetest"
)

// courierRig is a worker over a real store and real connections.
type courierRig struct {
	t     *testing.T
	store auth.Store
	clock *authtest.Clock
	w     *Worker
	log   *lockedBuffer
	gone  []auth.DeliveryID
	urls  map[auth.DueWebhook]string
	mu    sync.Mutex
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (r *courierRig) DeliveryCall(_ context.Context, d auth.WebhookDelivery) (auth.WebhookCall, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	call := allowed(r.urls[dueOf(d)], d.Payload)
	call.ID, call.Webhook.Project, call.Webhook.ID = string(d.ID), d.Project, d.Webhook
	return call, nil
}

func (r *courierRig) WebhookGone(_ context.Context, d auth.WebhookDelivery) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone = append(r.gone, d.ID)
	return nil
}

func newCourierRig(t *testing.T) *courierRig {
	t.Helper()
	r := &courierRig{t: t, store: storetest.Open(t), clock: authtest.NewClock(testNow), log: &lockedBuffer{}, urls: map[auth.DueWebhook]string{}}
	r.w = &Worker{
		Store: r.store, Events: r, Client: NewClient(r.clock.Now, Options{SendTimeout: 5 * time.Second}), Clock: r.clock.Now, Jitter: func() float64 { return 0 }, LeaseToken: "worker",
		Log: slog.New(slog.NewTextHandler(r.log, nil)), Poll: 10 * time.Millisecond, Grace: time.Second,
	}
	return r
}

// hook adds a webhook with n deliveries, msg_1 and so on.
func (r *courierRig) hook(p auth.ProjectID, id auth.WebhookID, target string, n int) {
	r.t.Helper()
	r.mu.Lock()
	r.urls[auth.DueWebhook{Project: p, Webhook: id}] = target
	r.mu.Unlock()
	r.update(func(tx auth.Tx) error {
		if _, err := tx.GetProject(r.t.Context(), p); errors.Is(err, auth.ErrNotFound) {
			if err := tx.CreateProject(r.t.Context(), auth.Project{ID: p}); err != nil {
				return err
			}
		}
		if err := tx.CreateWebhook(r.t.Context(), auth.Webhook{Project: p, ID: id, Enabled: true}); err != nil {
			return err
		}
		for i := range n {
			d := auth.WebhookDelivery{
				Project: p, ID: auth.DeliveryID(fmt.Sprintf("msg_%s_%d", id, i+1)), Webhook: id, Event: auth.WebhookUserCreated, State: auth.DeliveryQueued,
				Payload: fmt.Sprintf(`{"n":%d}`, i+1), CreatedAt: r.clock.Now(), NextAttemptAt: r.clock.Now(),
			}
			if err := tx.CreateWebhookDelivery(r.t.Context(), d); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *courierRig) update(f func(auth.Tx) error) {
	r.t.Helper()
	if err := r.store.Update(r.t.Context(), f); err != nil {
		r.t.Fatal(err)
	}
}

// run lets the worker work until the test ends.
func (r *courierRig) run() (stop func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.w.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				r.t.Error(err)
			}
		})
	}
	r.t.Cleanup(stop)
	return stop
}

// wait gives a delivery once it is as wished.
func (r *courierRig) wait(p auth.ProjectID, id auth.DeliveryID, wish func(auth.WebhookDelivery) bool) auth.WebhookDelivery {
	r.t.Helper()
	var last auth.WebhookDelivery
	for range 500 {
		list, err := r.store.ListWebhookDeliveries(context.Background(), p, auth.DeliveryFilter{Limit: 1000})
		if err != nil {
			r.t.Fatal(err)
		}
		for _, d := range list {
			if d.ID == id {
				if last = d; wish(d) {
					return d
				}
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.t.Fatalf("%s stays %+v", id, last)
	return last
}

func is(s auth.DeliveryState) func(auth.WebhookDelivery) bool {
	return func(d auth.WebhookDelivery) bool { return d.State == s }
}

func tried(n int) func(auth.WebhookDelivery) bool {
	return func(d auth.WebhookDelivery) bool { return d.Attempts == n && d.State != auth.DeliveryWorking }
}

// TestWorkerRetries: after a 500 it waits as it should, sends the same under the same id, and drops the content once it is taken.
func TestWorkerRetries(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var ids []string
	status := []int{500, 503, 204}
	s := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if len(ids) == 1 {
			w.Header().Set("Retry-After", "3600")
		}
		w.WriteHeader(status[len(ids)])
		ids = append(ids, r.Header.Get("webhook-id")+" "+r.Header.Get("webhook-timestamp"))
	})
	r := newCourierRig(t)
	r.hook("shop", "a", s.URL, 1)
	r.run()
	d := r.wait("shop", "msg_a_1", tried(1))
	if d.State != auth.DeliveryQueued || !d.NextAttemptAt.Equal(testNow.Add(5*time.Second)) || d.LastStatus != 500 || d.LastError != "the receiver answered with status 500" || d.Payload == "" {
		t.Errorf("after a failure: %+v", d)
	}
	r.clock.Advance(4 * time.Second)
	time.Sleep(50 * time.Millisecond)
	r.clock.Advance(time.Second)
	d = r.wait("shop", "msg_a_1", tried(2))
	if want := r.clock.Now().Add(time.Hour); !d.NextAttemptAt.Equal(want) { // longer than the backoff, as the receiver asked
		t.Errorf("next attempt at %v, want %v", d.NextAttemptAt, want)
	}
	r.clock.Advance(time.Hour)
	r.w.Wake()
	d = r.wait("shop", "msg_a_1", is(auth.DeliveryDelivered))
	if d.Payload != "" || d.LastStatus != 204 || d.LastError != "" || d.Attempts != 3 {
		t.Errorf("delivered: %+v", d)
	}
	mu.Lock()
	defer mu.Unlock()
	at := testNow.Unix()
	if want := fmt.Sprintf("msg_a_1 %d,msg_a_1 %d,msg_a_1 %d", at, at+5, at+3605); strings.Join(ids, ",") != want {
		t.Errorf("received %v, want %s", ids, want)
	}
	if delivered, failed := r.w.Attempts(); delivered != 1 || failed != 2 {
		t.Errorf("counted %d and %d", delivered, failed)
	}
}

func TestWorkerGivesUp(t *testing.T) {
	t.Parallel()
	r := newCourierRig(t)
	r.hook("shop", "a", closedURL(t), 1)
	r.run()
	for n := 1; n <= len(backoffs); n++ {
		d := r.wait("shop", "msg_a_1", tried(n))
		if want := r.clock.Now().Add(backoffs[n-1]); d.State != auth.DeliveryQueued || !d.NextAttemptAt.Equal(want) {
			t.Fatalf("attempt %d: %+v, want the next at %v", n, d, want)
		}
		r.clock.Advance(backoffs[n-1])
	}
	d := r.wait("shop", "msg_a_1", is(auth.DeliveryDead))
	if d.Attempts != len(backoffs)+1 || d.Payload == "" || !strings.Contains(d.LastError, "nothing accepts connections") || d.FinishedAt.IsZero() {
		t.Errorf("dead: %+v", d)
	}
	r.update(func(tx auth.Tx) error { return tx.RequeueWebhookDelivery(t.Context(), "shop", d.ID, r.clock.Now()) })
	r.wait("shop", "msg_a_1", tried(1))
}

func TestBackoffHasJitter(t *testing.T) {
	t.Parallel()
	w := &Worker{Jitter: func() float64 { return 0.5 }}
	d := auth.WebhookDelivery{Attempts: 2}
	if w.plan(&d, auth.WebhookAnswer{Status: 500}, testNow); !d.NextAttemptAt.Equal(testNow.Add(4*time.Minute + 30*time.Second)) {
		t.Errorf("next at %v", d.NextAttemptAt)
	}
}

// TestWorkerHears410: the webhook is disabled, and the delivery dead.
func TestWorkerHears410(t *testing.T) {
	t.Parallel()
	s := receiver(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) })
	r := newCourierRig(t)
	r.hook("shop", "a", s.URL, 1)
	stop := r.run()
	d := r.wait("shop", "msg_a_1", is(auth.DeliveryDead))
	stop()
	if d.LastStatus != 410 || len(r.gone) != 1 {
		t.Errorf("%+v, gone %v", d, r.gone)
	}
}

func TestWorkerFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	s := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			t.Error("the redirect was followed")
		}
		http.Redirect(w, r, "/elsewhere", http.StatusPermanentRedirect)
	})
	r := newCourierRig(t)
	r.hook("shop", "a", s.URL, 1)
	r.run()
	if d := r.wait("shop", "msg_a_1", tried(1)); d.LastStatus != 308 || !strings.Contains(d.LastError, "redirect") {
		t.Errorf("%+v", d)
	}
}

// TestDeadReceiverDelaysNobody: a receiver that hangs, with much to tell it, holds up its own share; other webhooks and projects get theirs meanwhile.
func TestDeadReceiverDelaysNobody(t *testing.T) {
	t.Parallel()
	end := make(chan struct{})
	var mu sync.Mutex
	hung, most := 0, 0
	hanging := receiver(t, func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		hung++
		most = max(most, hung)
		mu.Unlock()
		<-end
		mu.Lock()
		hung--
		mu.Unlock()
	})
	quick := receiver(t, func(http.ResponseWriter, *http.Request) {})
	r := newCourierRig(t)
	r.hook("shop", "dead", hanging.URL, 100)
	r.run()
	for range 200 {
		time.Sleep(5 * time.Millisecond)
		mu.Lock()
		n := hung
		mu.Unlock()
		if n == maxPerWebhook {
			break
		}
	}
	r.hook("shop", "b", quick.URL, 10)
	r.hook("other", "c", quick.URL, 10)
	for i := range 10 {
		r.wait("shop", auth.DeliveryID(fmt.Sprintf("msg_b_%d", i+1)), is(auth.DeliveryDelivered))
		r.wait("other", auth.DeliveryID(fmt.Sprintf("msg_c_%d", i+1)), is(auth.DeliveryDelivered))
	}
	close(end)
	r.wait("shop", "msg_dead_100", is(auth.DeliveryDelivered))
	mu.Lock()
	defer mu.Unlock()
	if most > maxPerWebhook {
		t.Errorf("%d at a time", most)
	}
}

// TestShareOfProject: many webhooks of one project together get the project's share.
func TestShareOfProject(t *testing.T) {
	t.Parallel()
	var due []auth.DueWebhook
	for i := range 10 {
		due = append(due, auth.DueWebhook{Project: "shop", Webhook: auth.WebhookID(fmt.Sprint(i))})
	}
	due = append(due, auth.DueWebhook{Project: "other", Webhook: "1"})
	h := newHand()
	total := map[auth.ProjectID]int{}
	for _, s := range h.share(due) {
		total[s.of.Project] += s.n
		if s.n > maxPerWebhook {
			t.Errorf("%+v", s)
		}
		for i := range s.n {
			if d := (auth.WebhookDelivery{Project: s.of.Project, Webhook: s.of.Webhook, ID: auth.DeliveryID(fmt.Sprint(s.of.Webhook, i))}); !h.take(d) || h.take(d) {
				t.Errorf("%+v is not taken once", d)
			}
		}
	}
	if total["shop"] != maxPerProject || total["other"] != maxPerWebhook {
		t.Errorf("shares %v", total)
	}
	if more := h.share(due[:10]); len(more) != 0 {
		t.Errorf("more %+v", more)
	}
	h.leave(auth.WebhookDelivery{Project: "shop", Webhook: "0", ID: "0 0"})
	if more := h.share(due[:10]); len(more) != 1 || more[0].n != 1 {
		t.Errorf("after one left %+v", more)
	}
}

// brokenOutbox fails to record for a while.
type brokenOutbox struct {
	Outbox
	mu       sync.Mutex
	failures int
}

func (b *brokenOutbox) Update(ctx context.Context, f func(auth.Tx) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures > 0 {
		b.failures--
		return auth.ErrStoreBusy
	}
	return b.Outbox.Update(ctx, f)
}

// TestWorkerKeepsResults while the store is away, and sends nothing twice because of that.
func TestWorkerKeepsResults(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	requests := 0
	r := newCourierRig(t)
	broken := &brokenOutbox{Outbox: r.store}
	s := receiver(t, func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		requests++
		broken.mu.Lock()
		broken.failures = 2
		broken.mu.Unlock()
	})
	r.w.Store = broken
	r.hook("shop", "a", s.URL, 1)
	r.run()
	r.wait("shop", "msg_a_1", is(auth.DeliveryDelivered))
	mu.Lock()
	defer mu.Unlock()
	if requests != 1 {
		t.Errorf("%d requests", requests)
	}
}

func TestWorkerNeedsItsFields(t *testing.T) {
	t.Parallel()
	if err := (&Worker{}).Run(t.Context()); err == nil {
		t.Error("a worker without anything runs")
	}
}

// TestWorkerEndsInTime: what hangs is dropped after the grace, and is due again.
func TestWorkerEndsInTime(t *testing.T) {
	t.Parallel()
	arrived, end := make(chan struct{}, 1), make(chan struct{})
	s := receiver(t, func(http.ResponseWriter, *http.Request) { arrived <- struct{}{}; <-end })
	defer close(end)
	r := newCourierRig(t)
	r.w.Grace = 50 * time.Millisecond
	r.hook("shop", "a", s.URL, 1)
	stop := r.run()
	<-arrived
	began := time.Now()
	if stop(); time.Since(began) > 3*time.Second {
		t.Errorf("it took %v", time.Since(began))
	}
	if d := r.wait("shop", "msg_a_1", tried(1)); d.State != auth.DeliveryQueued || !strings.Contains(d.LastError, "given up") {
		t.Errorf("%+v", d)
	}
}

func TestNothingOfTheEventIsLogged(t *testing.T) {
	t.Parallel()
	s := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(500)
		fmt.Fprint(w, "inside-of-the-answer")
	})
	r := newCourierRig(t)
	r.hook("shop", "a", s.URL+"/the-receivers-own-key", 1)
	stop := r.run()
	d := r.wait("shop", "msg_a_1", tried(1))
	stop()
	for _, secret := range []string{secretA[6:], `"n":1`, "inside-of-the-answer", "the-receivers-own-key"} {
		if strings.Contains(r.log.b.String(), secret) || strings.Contains(d.LastError, secret) {
			t.Errorf("%q is in the log or the error:\n%s", secret, r.log.b.String())
		}
	}
	if r.log.b.Len() == 0 {
		t.Error("the failure is not logged")
	}
}
