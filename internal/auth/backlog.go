package auth

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// maxWaiting bounds what waits for one webhook (P54): from here on events that a receiver can do without are lost, and from twice as many on all.
const maxWaiting = 10_000

const (
	backlogTTL       = time.Second
	overflowInterval = time.Hour // between two records of one webhook's overflow
	maxBacklogs      = 10_000
)

// backlogs knows about how much waits for each webhook. It counts in the store once a second at most, and itself in between, so that a receiver that is down makes
// no sign-in slower. The bound is therefore a soft one: several processes go beyond it by what they queue in a second.
type backlogs struct {
	ceiling int
	lost    atomic.Int64 // events, since the program began

	mu    sync.Mutex
	known map[DueWebhook]backlog
}

type backlog struct {
	waiting int
	at      time.Time // of the count in the store
}

func newBacklogs(ceiling int) *backlogs {
	return &backlogs{ceiling: ceiling, known: map[DueWebhook]backlog{}}
}

// waiting tells how much waits for a webhook, if that is known at now.
func (b *backlogs) waiting(w DueWebhook, now time.Time) (int, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k, known := b.known[w]
	age := now.Sub(k.at)
	return k.waiting, known && age >= 0 && age < backlogTTL
}

func (b *backlogs) counted(w DueWebhook, n int, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.known) >= maxBacklogs {
		clear(b.known)
	}
	b.known[w] = backlog{n, now}
}

// add counts what a transaction queued, and what it lost, once it is committed.
func (b *backlogs) add(queued map[DueWebhook]int, lost int64) {
	b.lost.Add(lost)
	b.mu.Lock()
	defer b.mu.Unlock()
	for w, n := range queued {
		if k, known := b.known[w]; known {
			k.waiting += n
			b.known[w] = k
		}
	}
}

// bound is how much may wait already for an event to be queued. Whoever follows accounts must learn of their beginning and end; what else changed can be asked for.
func (b *backlogs) bound(event WebhookEvent) int {
	if event == WebhookUserUpdated || event == WebhookUserSignedIn {
		return b.ceiling
	}
	return 2 * b.ceiling
}

// placeFor tells whether an event may be queued for the webhook, and records where it may not.
func (t *watchedTx) placeFor(ctx context.Context, w Webhook, event WebhookEvent) (bool, error) {
	b, now, key := t.service.backlogs, t.service.now(), DueWebhook{w.Project, w.ID}
	waiting, known := b.waiting(key, now)
	if !known {
		n, err := t.CountWaitingDeliveries(ctx, w.Project, w.ID, 2*b.ceiling)
		if err != nil {
			return false, fmt.Errorf("count deliveries: %w", err)
		}
		waiting = n - t.places[key]
		b.counted(key, waiting, now)
	}
	if waiting+t.places[key] < b.bound(event) {
		t.places[key]++
		return true, nil
	}
	t.lost++
	return false, t.service.recordOverflow(ctx, t, w)
}

// recordOverflow writes down, once an hour, that a webhook loses events.
func (s *Service) recordOverflow(ctx context.Context, tx Tx, w Webhook) error {
	wait, err := tx.TakeLimit(ctx, w.Project, "webhook-overflow/"+string(w.ID), s.now(), overflowInterval, 1)
	if err != nil || wait > 0 {
		return err
	}
	p, err := tx.GetProject(ctx, w.Project)
	if err != nil {
		return fmt.Errorf("project: %w", err)
	}
	s.log.Warn("webhook loses events: too many wait", slog.String("project", string(w.Project)), slog.String("webhook", string(w.ID)), slog.String("host", w.host()))
	return s.audit(ctx, tx, Caller{actor: ActorSystem, Project: &p}, EventWebhookOverflow, OutcomeAllowed, "", "webhook", string(w.ID), "host", w.host())
}

// WebhookEventsLost counts the events that were queued for no webhook because too many waited, since the program began.
func (s *Service) WebhookEventsLost() int64 { return s.backlogs.lost.Load() }
