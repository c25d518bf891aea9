package mail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/outbox"
)

// Defaults of a Worker.
const (
	defaultConcurrency = 32
	defaultShare       = 4
	defaultPoll        = time.Second
	defaultLease       = 2 * time.Minute
	defaultGrace       = 10 * time.Second
)

// When a mail is tried again, and when it is given up: only after both, so that neither a short outage of the SMTP server nor a long one of this program
// kills it.
const (
	firstBackoff = 10 * time.Second
	maxBackoff   = time.Hour
	minAttempts  = 12
	minAge       = 24 * time.Hour
)

// How long a project's mails wait after its SMTP server gave no answer in time. It doubles with each such mail in a row, and any other end of one resets it.
const (
	firstSilence = 10 * time.Second
	maxSilence   = time.Minute
)

// maxLastError is in characters.
const maxLastError = 500

// Sender brings one mail out. It returns nil once the mail is taken; Permanent tells which errors end all tries, and Silent those of a server that gave no
// answer in time. It returns soon after ctx ends. *SMTP is one.
type Sender interface {
	Send(ctx context.Context, from string, m auth.Message, id auth.MailID) error
}

// Outbox is what the worker needs of an auth.Store.
type Outbox interface {
	DueMail(ctx context.Context, now time.Time) ([]auth.ProjectID, error)
	Update(ctx context.Context, f func(auth.Tx) error) error
}

// Worker empties the outbox (P43). Its fields are set before Run and not changed afterwards; any number of workers may share a store.
//
// A mail is leased, sent, and its result recorded. A mail that is taken by the SMTP server is not sent again, with one exception that no outbox can avoid: if
// the program or the connection dies between the server's acknowledgement and its record, the mail is sent a second time, under the same Message-ID. Where
// only the store is away at that moment, the worker keeps the result and records it when the store is back; others take nothing over until the store has
// answered them for as long as a lease. The clocks of the machines may differ by a quarter of the lease.
//
// A failed mail is tried again after 10s, 20s, 40s and so on, up to an hour, each shortened by up to a fifth at random so that mails do not come in herds
// (P51). It is dead when it was refused for good, or after at least 12 attempts and 24 hours. Dead mails keep their content, for a retry by hand.
//
// No project holds up another: each has at most Share mails in hand, and one alone, after a pause, while its SMTP server gives no answer.
//
// The mails of a project without an SMTP server become kept, with their content, for the developer to read.
type Worker struct {
	Store Outbox
	// Open unseals the content of a mail.
	Open func(auth.OutboxMail) (auth.Message, error)
	// PerProject gives the sender for a project's mails and their From; a nil Sender where no SMTP server is set. Its errors count as temporary.
	PerProject func(context.Context, auth.ProjectID) (s Sender, from string, err error)
	Clock      func() time.Time
	Jitter     func() float64 // random, in [0, 1)
	LeaseToken string         // names this worker; random, different at each start
	Log        *slog.Logger

	Concurrency int           // mails in hand at a time; 0 is 32
	Share       int           // and of one project; 0 is 4
	Poll        time.Duration // how often to look for due mails when nobody calls Wake; 0 is 1s
	Lease       time.Duration // after which another worker may take a mail over; a send is cut off at three quarters of it; 0 is 2m
	Grace       time.Duration // how long the mails in hand may take once Run is told to end; 0 is 10s

	wakeOnce sync.Once
	wake     chan struct{}

	watch *outbox.Watch
}

// Wake makes Run look for due mails at once. It never blocks, and may be called at any time from anywhere.
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

// Run works until ctx ends, and then until the mails in hand are done, which takes no longer than Grace and a moment to record them. It fails only at once,
// where a field is missing.
func (w *Worker) Run(ctx context.Context) error {
	if w.Store == nil || w.Open == nil || w.PerProject == nil || w.Clock == nil || w.Jitter == nil || w.LeaseToken == "" || w.Log == nil {
		return errors.New("mail worker: a field is not set")
	}
	w.watch = outbox.NewWatch("mail worker", w.Log, w.Clock)
	hands, drop := outbox.Linger(ctx, positiveOr(w.Grace, defaultGrace))
	defer drop()
	hand := newHand(positiveOr(w.Concurrency, defaultConcurrency), positiveOr(w.Share, defaultShare))
	done := make(chan result)
	look := true  // whether there may be due mails that there is room for
	more := false // whether there may be due ones that there was no room for

	for ctx.Err() == nil {
		if look {
			var mails []auth.OutboxMail
			var err error
			mails, more, err = w.claim(ctx, hand)
			w.watch.Note(ctx, err)
			look = false
			for _, m := range mails {
				if !hand.take(m) {
					continue // its lease ran out while its result waits for the store; whoever has it records it
				}
				go func() { done <- result{m, w.handle(hands, m)} }()
			}
		}
		pause := time.NewTimer(w.watch.Pause(positiveOr(w.Poll, defaultPoll)))
		select {
		case <-ctx.Done():
		case r := <-done:
			hand.leave(r, w.Clock())
			look = more
		case <-w.wakeups():
			look = true
		case <-pause.C:
			look = true
		}
		pause.Stop()
	}
	for hand.size > 0 {
		hand.leave(<-done, w.Clock())
	}
	return nil
}

// claim leases what is due, as far as there is room, and tells whether there may be more. First it looks for projects that have something due, which costs the
// store's writer nothing.
func (w *Worker) claim(ctx context.Context, hand *hand) (claimed []auth.OutboxMail, more bool, err error) {
	due, err := w.Store.DueMail(ctx, w.Clock())
	if err != nil {
		return nil, false, fmt.Errorf("look for mail: %w", err)
	}
	w.shuffle(due)
	shares := hand.divide(due, w.Clock())
	if len(shares) == 0 {
		return nil, len(due) > 0, nil
	}
	lease := positiveOr(w.Lease, defaultLease)
	takeOver := w.watch.MayTakeOver(lease)
	err = w.Store.Update(ctx, func(tx auth.Tx) error {
		claimed, more = nil, len(shares) < len(due)
		now := w.Clock()
		for _, s := range shares {
			some, err := tx.ClaimMail(ctx, s.project, w.LeaseToken, now, now.Add(lease), s.n, takeOver)
			if err != nil {
				return err
			}
			claimed, more = append(claimed, some...), more || len(some) == s.n
		}
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("claim mail: %w", err)
	}
	return claimed, more, nil
}

// shuffle gives every project the same chance of what room is left.
func (w *Worker) shuffle(due []auth.ProjectID) {
	for i := len(due) - 1; i > 0; i-- {
		j := min(int(w.Jitter()*float64(i+1)), i)
		due[i], due[j] = due[j], due[i]
	}
}

// handle brings one mail as far as it gets, and records that. It tells whether the SMTP server gave no answer in time.
func (w *Worker) handle(ctx context.Context, m auth.OutboxMail) (silent bool) {
	within := outbox.TimeToSend(m.LeaseUntil, positiveOr(w.Lease, defaultLease), w.Clock())
	if within <= 0 {
		w.Log.Warn("a mail came too late from the store to be sent within its lease; it is sent after that", mailAttr(m))
		return false
	}
	sending, said := withDialogue(ctx)
	state, err := w.deliver(sending, m, within)
	now := w.Clock()
	m.Transcript = said.String()
	m.State, m.FinishedAt, m.LastError, m.LeaseToken = state, now, "", w.LeaseToken
	switch {
	case err == nil && state == auth.MailSent:
		m.Sealed = nil
	case err != nil:
		m.LastError = clip(clean(err.Error()), maxLastError)
		if m.State = w.stateAfter(m, err, now); m.State == auth.MailQueued {
			m.FinishedAt, m.NextAttemptAt = time.Time{}, now.Add(w.backoff(m.Attempts))
		}
		w.Log.Warn("mail not sent", mailAttr(m), slog.String("state", string(m.State)), slog.Int("attempts", m.Attempts), slog.String("error", m.LastError),
			slog.String("detail", clip(clean(detail(err)), maxLastError)))
	}
	w.record(ctx, m)
	return Silent(err)
}

// deliver sends a mail, or finds that there is nowhere to send it to. A panic costs this one try (P46).
func (w *Worker) deliver(ctx context.Context, m auth.OutboxMail, within time.Duration) (state auth.MailState, err error) {
	defer func() {
		if v := recover(); v != nil {
			// Only the type of the value: the value itself may quote the mail (P44).
			w.Log.Error("panic while sending mail", mailAttr(m), slog.String("panic", fmt.Sprintf("%T", v)), slog.String("stack", string(debug.Stack())))
			state, err = auth.MailQueued, errors.New("the program failed while it sent this mail; its log says where")
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	sender, from, err := w.PerProject(ctx, m.Project)
	if err != nil {
		return auth.MailQueued, fmt.Errorf("find the SMTP server: %w", err)
	}
	if sender == nil {
		return auth.MailKept, nil
	}
	msg, err := w.Open(m)
	if err != nil {
		return auth.MailQueued, fmt.Errorf("open the sealed mail: %w", err)
	}
	if err := sender.Send(ctx, from, msg, m.ID); err != nil {
		return auth.MailQueued, err
	}
	return auth.MailSent, nil
}

func (w *Worker) stateAfter(m auth.OutboxMail, err error, now time.Time) auth.MailState {
	if Permanent(err) || (m.Attempts >= minAttempts && now.Sub(m.CreatedAt) >= minAge) {
		return auth.MailDead
	}
	return auth.MailQueued
}

// backoff is how long to wait after the given number of attempts.
func (w *Worker) backoff(attempts int) time.Duration {
	d := maxBackoff
	if doublings := max(attempts-1, 0); doublings < 9 { // 10s·2⁹ is over an hour
		d = min(firstBackoff<<doublings, maxBackoff)
	}
	return d - time.Duration(w.Jitter()*float64(d)/5)
}

// record writes a result until it is written, until someone else has the mail, or until the program ends.
func (w *Worker) record(ctx context.Context, m auth.OutboxMail) {
	err := w.watch.Record(ctx, positiveOr(w.Poll, defaultPoll), auth.ErrNotFound, func(ctx context.Context) error {
		return w.Store.Update(ctx, func(tx auth.Tx) error { return tx.FinishMail(ctx, m) })
	})
	switch {
	case errors.Is(err, auth.ErrNotFound):
		w.Log.Warn("the result of a mail was not recorded: it is deleted, or another worker took it over", mailAttr(m), slog.String("state", string(m.State)))
	case err != nil:
		w.Log.Error("the program ends before the result of a mail was recorded; a mail that was sent may be sent again", mailAttr(m), slog.String("state", string(m.State)))
	}
}

func mailAttr(m auth.OutboxMail) slog.Attr {
	return slog.Group("mail", slog.String("project", string(m.Project)), slog.String("id", string(m.ID)), slog.String("kind", string(m.Kind)))
}

func positiveOr[T int | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}
