package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/outbox"
)

// Defaults of a Worker.
const (
	defaultPoll  = time.Second
	defaultLease = 30 * time.Second
	defaultGrace = 10 * time.Second
)

// How many deliveries are in hand at a time: a receiver that hangs holds up its own, at most, and never those of other projects.
const (
	maxInHand     = 64
	maxPerProject = 8
	maxPerWebhook = 4
)

// backoffs are the pauses after each failed attempt but the last, which makes a delivery dead: three days and some hours in all.
var backoffs = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

// Outbox is what the worker needs of an auth.Store.
type Outbox interface {
	DueWebhooks(ctx context.Context, now time.Time) ([]auth.DueWebhook, error)
	Update(ctx context.Context, f func(auth.Tx) error) error
}

// Events is what the worker needs of the domain.
type Events interface {
	// DeliveryCall gives the request that a delivery stands for.
	DeliveryCall(ctx context.Context, d auth.WebhookDelivery) (auth.WebhookCall, error)
	// WebhookGone disables a webhook whose receiver answered 410.
	WebhookGone(ctx context.Context, d auth.WebhookDelivery) error
}

// Worker empties the outbox of events. Its fields are set before Run and not changed afterwards; any number of workers may share a store.
//
// A delivery is leased, sent, and its result recorded. Answers of 2xx end it. Where the program or the connection dies between the receiver's answer and its record, it
// is sent again, under the same webhook-id. A failed one is tried again after each of backoffs, shortened by up to a fifth at random so that they do not come in herds
// (P51), and later where the receiver asks for that. Then it is dead, and can be retried by hand.
type Worker struct {
	Store      Outbox
	Events     Events
	Client     auth.WebhookClient
	Clock      func() time.Time
	Jitter     func() float64 // random, in [0, 1)
	LeaseToken string         // names this worker; random, different at each start
	Log        *slog.Logger

	Poll  time.Duration // how often to look for due deliveries when nobody calls Wake; 0 is 1s
	Lease time.Duration // after which another worker may take a delivery over; 0 is 30s, and it must be well over the client's timeout
	Grace time.Duration // how long the deliveries in hand may take once Run is told to end; 0 is 10s

	wakeOnce sync.Once
	wake     chan struct{}

	delivered, failed atomic.Int64

	watch *outbox.Watch
}

// Wake makes Run look for due deliveries at once. It never blocks, and may be called at any time from anywhere.
func (w *Worker) Wake() {
	select {
	case w.wakeups() <- struct{}{}:
	default: // a wake-up is waiting already
	}
}

func (w *Worker) wakeups() chan struct{} {
	w.wakeOnce.Do(func() { w.wake = make(chan struct{}, 1) })
	return w.wake
}

// Attempts tells how many attempts ended in which way, since the program began.
func (w *Worker) Attempts() (delivered, failed int64) { return w.delivered.Load(), w.failed.Load() }

// Run works until ctx ends, and then until the deliveries in hand are done, which takes no longer than Grace and a moment to record them. It fails only at once, where a
// field is missing.
func (w *Worker) Run(ctx context.Context) error {
	if w.Store == nil || w.Events == nil || w.Client == nil || w.Clock == nil || w.Jitter == nil || w.LeaseToken == "" || w.Log == nil {
		return errors.New("webhook worker: a field is not set")
	}
	w.watch = outbox.NewWatch("webhook worker", w.Log, w.Clock)
	working, drop := outbox.Linger(ctx, positiveOr(w.Grace, defaultGrace))
	defer drop()
	hand := newHand()
	done := make(chan auth.WebhookDelivery, maxInHand)
	look := true  // whether there may be due deliveries that there is room for
	more := false // whether there may be due ones that there was no room for
	for ctx.Err() == nil {
		if look {
			var claimed []auth.WebhookDelivery
			var err error
			claimed, more, err = w.claim(ctx, hand)
			w.watch.Note(ctx, err)
			look = false
			for _, d := range claimed {
				if !hand.take(d) {
					continue // its lease ran out while its result waits for the store; whoever has it records it
				}
				go func() {
					defer func() { done <- d }()
					w.handle(working, d)
				}()
			}
		}
		pause := time.NewTimer(w.watch.Pause(positiveOr(w.Poll, defaultPoll)))
		select {
		case <-ctx.Done():
		case d := <-done:
			hand.leave(d)
			look = more
		case <-w.wakeups():
			look = true
		case <-pause.C:
			look = true
		}
		pause.Stop()
	}
	for hand.size > 0 {
		hand.leave(<-done)
	}
	return nil
}

// claim leases what is due, as far as there is room, and tells whether there may be more. First it looks for webhooks that have something due, which costs the store's
// writer nothing.
func (w *Worker) claim(ctx context.Context, hand *hand) (claimed []auth.WebhookDelivery, more bool, err error) {
	due, err := w.Store.DueWebhooks(ctx, w.Clock())
	if err != nil {
		return nil, false, fmt.Errorf("look for deliveries: %w", err)
	}
	w.shuffle(due)
	shares := hand.share(due)
	if len(shares) == 0 {
		return nil, len(due) > 0, nil
	}
	lease := positiveOr(w.Lease, defaultLease)
	takeOver := w.watch.MayTakeOver(lease)
	err = w.Store.Update(ctx, func(tx auth.Tx) error {
		claimed, more = nil, len(shares) < len(due)
		now := w.Clock()
		for _, s := range shares {
			some, err := tx.ClaimWebhookDeliveries(ctx, s.of.Project, s.of.Webhook, w.LeaseToken, now, now.Add(lease), s.n, takeOver)
			if err != nil {
				return err
			}
			claimed, more = append(claimed, some...), more || len(some) == s.n
		}
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("claim deliveries: %w", err)
	}
	return claimed, more, nil
}

// shuffle gives every webhook the same chance of what room is left.
func (w *Worker) shuffle(due []auth.DueWebhook) {
	for i := len(due) - 1; i > 0; i-- {
		j := int(w.Jitter() * float64(i+1))
		due[i], due[j] = due[j], due[i]
	}
}

// handle tries one delivery, and records what came of it.
func (w *Worker) handle(ctx context.Context, d auth.WebhookDelivery) {
	within := outbox.TimeToSend(d.LeaseUntil, positiveOr(w.Lease, defaultLease), w.Clock())
	if within <= 0 {
		w.Log.Warn("a delivery came too late from the store to be sent within its lease; it is sent after that", attrs(d))
		return
	}
	answer, err := w.send(ctx, d, within)
	now := w.Clock()
	d.LastStatus, d.LastError, d.LeaseToken, d.FinishedAt = answer.Status, "", w.LeaseToken, now
	switch {
	case err == nil && answer.Status >= 200 && answer.Status <= 299:
		d.State, d.Payload = auth.DeliveryDelivered, ""
		w.delivered.Add(1)
	default:
		if err == nil {
			err = refusal(answer.Status)
		}
		w.failed.Add(1)
		d.LastError = err.Error()
		w.plan(&d, answer, now)
		w.Log.Warn("webhook not delivered", attrs(d), slog.String("state", string(d.State)), slog.Int("attempts", d.Attempts), slog.String("error", d.LastError))
	}
	if answer.Status == 410 {
		if err := w.Events.WebhookGone(ctx, d); err != nil {
			w.Log.Error("a webhook that is gone was not disabled", attrs(d), slog.Any("error", err))
		}
	}
	w.record(ctx, d)
}

func refusal(status int) error {
	switch {
	case status == 410:
		return errors.New("the receiver says that it is gone (410); the webhook is disabled")
	case status >= 300 && status <= 399:
		return fmt.Errorf("the receiver answered with a redirect (%d), which is not followed", status)
	}
	return fmt.Errorf("the receiver answered with status %d", status)
}

// plan decides when a failed delivery is tried again, if at all.
func (w *Worker) plan(d *auth.WebhookDelivery, answer auth.WebhookAnswer, now time.Time) {
	if answer.Status == 410 || d.Attempts > len(backoffs) {
		d.State = auth.DeliveryDead
		return
	}
	wait := backoffs[max(d.Attempts, 1)-1]
	wait -= time.Duration(w.Jitter() * float64(wait) / 5)
	d.State, d.FinishedAt, d.NextAttemptAt = auth.DeliveryQueued, time.Time{}, now.Add(max(wait, min(answer.RetryAfter, maxRetryAfter)))
}

// send makes one attempt. A panic costs this one attempt (P46).
func (w *Worker) send(ctx context.Context, d auth.WebhookDelivery, within time.Duration) (answer auth.WebhookAnswer, err error) {
	defer func() {
		if v := recover(); v != nil {
			// Only the type of the value: the value itself may quote the event (P44).
			w.Log.Error("panic while delivering", attrs(d), slog.String("panic", fmt.Sprintf("%T", v)), slog.String("stack", string(debug.Stack())))
			answer, err = auth.WebhookAnswer{}, errors.New("the program failed while it sent this; its log says where")
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	call, err := w.Events.DeliveryCall(ctx, d)
	if err != nil {
		w.Log.Error("webhook not ready", attrs(d), slog.Any("error", err))
		return auth.WebhookAnswer{}, errors.New("the webhook could not be read; the log says why")
	}
	return w.Client.Send(ctx, call)
}

// record writes a result until it is written, until someone else has the delivery, or until the program ends.
func (w *Worker) record(ctx context.Context, d auth.WebhookDelivery) {
	err := w.watch.Record(ctx, positiveOr(w.Poll, defaultPoll), auth.ErrNotFound, func(ctx context.Context) error {
		return w.Store.Update(ctx, func(tx auth.Tx) error { return tx.FinishWebhookDelivery(ctx, d) })
	})
	switch {
	case errors.Is(err, auth.ErrNotFound):
		w.Log.Warn("the result of a delivery was not recorded: it is deleted, or another worker took it over", attrs(d), slog.String("state", string(d.State)))
	case err != nil:
		w.Log.Error("the program ends before the result of a delivery was recorded; it may be sent again", attrs(d), slog.String("state", string(d.State)))
	}
}

func attrs(d auth.WebhookDelivery) slog.Attr {
	return slog.Group("delivery", slog.String("project", string(d.Project)), slog.String("webhook", string(d.Webhook)), slog.String("id", string(d.ID)),
		slog.String("event", string(d.Event)))
}
