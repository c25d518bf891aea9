package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Load is workers that call servers until they are stopped. Every account belongs to one worker, so what must be true of it is known exactly.
type Load struct {
	gate    sync.RWMutex // a pause holds it
	workers []*worker
	stop    context.CancelFunc
	done    sync.WaitGroup
}

// Pause waits for the calls under way, and lets no more begin.
func (l *Load) Pause() { l.gate.Lock() }

// Resume ends a pause.
func (l *Load) Resume() { l.gate.Unlock() }

// Stop ends the load, once the calls under way are answered.
func (l *Load) Stop() {
	l.stop()
	l.done.Wait()
}

// worker makes one call after the other, for accounts of its own, at one server.
type worker struct {
	*actor
	name     string
	rng      *rand.Rand
	model    *Model
	mail     *MailSink
	accounts []*Account
	next     map[string]int // per project: the number in the next address
	target   int            // living accounts to have

	away    bool       // the last call got no answer
	touched []*Account // since the last time that the server was away
	due     []*Account // to be looked at, because the server was away since they were touched
}

// recheck is how many of the accounts that a worker touched last are looked at after a fault. More would leave the time between faults to looking; the full checks see all.
const recheck = 1

func (w *worker) run(ctx context.Context, l *Load) {
	for ctx.Err() == nil {
		l.gate.RLock()
		w.step(context.WithoutCancel(ctx))
		l.gate.RUnlock()
		if w.away {
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// saw notes whether the server answers.
func (w *worker) saw(_ Call, a Answer) {
	if w.away = a.Status == 0 || a.Status >= 500; w.away && len(w.touched) > 0 {
		w.due, w.touched = w.touched, nil
	}
}

func (w *worker) touch(a *Account) {
	w.touched = slices.DeleteFunc(w.touched, func(t *Account) bool { return t == a })
	w.touched = lastOf(append(w.touched, a), recheck)
}

// step resolves what is unknown first, looks at what is due, and else does something.
func (w *worker) step(ctx context.Context) {
	w.accounts = slices.DeleteFunc(w.accounts, func(a *Account) bool { return a.Broken || a.Life == Deleted })
	for _, a := range w.accounts {
		if a.Pending != nil {
			w.settle(ctx, a)
			return
		}
	}
	if len(w.due) > 0 {
		c := checker{actor: w.actor, rng: w.rng}
		if a := w.due[0]; a.Broken || c.check(ctx, a) {
			w.due = w.due[1:]
		}
		return
	}
	a := w.pick()
	w.touch(a)
	w.work(ctx, a)
}

// pick gives one of the worker's accounts, or a new one.
func (w *worker) pick() *Account {
	chance := 0.02
	if len(w.accounts) < w.target {
		chance = 0.35
	}
	if len(w.accounts) > 0 && w.rng.Float64() > chance {
		return w.accounts[w.rng.IntN(len(w.accounts))]
	}
	project := w.projects[w.rng.IntN(len(w.projects))]
	w.next[project]++
	// The same address in every project, so that a mix-up of projects shows.
	a := w.model.Account(project, fmt.Sprintf("%s-%d@torture.test", w.name, w.next[project]))
	w.accounts = append(w.accounts, a)
	return a
}

// password makes one that every policy accepts.
func (w *worker) password() string {
	b := make([]byte, 12)
	for i := range b {
		b[i] = byte(w.rng.Uint32())
	}
	return "pw-" + hex.EncodeToString(b)
}

// mailWait is how long a worker waits for a code. One that comes later is not used.
const mailWait = 1500 * time.Millisecond

// work does something that the account is ready for.
func (w *worker) work(ctx context.Context, a *Account) {
	switch {
	case a.Life == Absent && w.rng.IntN(4) == 0:
		if w.invite(ctx, a) && w.rng.IntN(4) > 0 {
			w.accept(ctx, a)
		}
	case a.Life == Absent:
		w.signUp(ctx, a, w.password())
	case a.Life == Invited:
		w.workInvited(ctx, a)
	case a.Disabled:
		w.workDisabled(ctx, a)
	default:
		w.workActive(ctx, a)
	}
}

func (w *worker) workInvited(ctx context.Context, a *Account) {
	if w.rng.IntN(3) == 0 {
		w.byAdmin(ctx, a, AdminDelete, "DELETE", "")
		return
	}
	w.accept(ctx, a)
}

func (w *worker) accept(ctx context.Context, a *Account) {
	waiting, cancel := context.WithTimeout(ctx, mailWait)
	defer cancel()
	if d, ok := w.mail.Await(waiting, a, "invite", time.Time{}); ok && a.Pending == nil {
		w.acceptInvite(ctx, a, d.Code, w.password())
	}
}

func (w *worker) workDisabled(ctx context.Context, a *Account) {
	switch w.rng.IntN(5) {
	case 0:
		w.signIn(ctx, a, a.Password) // which must be refused
	case 1:
		w.byAdmin(ctx, a, AdminDelete, "DELETE", "")
	default:
		w.byAdmin(ctx, a, Enable, "POST", "/enable")
	}
}

func (w *worker) workActive(ctx context.Context, a *Account) {
	living := a.Living()
	if len(living) == 0 {
		w.signIn(ctx, a, a.Password)
		return
	}
	s := living[w.rng.IntN(len(living))]
	if len(living) > maxSessions {
		w.signOut(ctx, a, s)
		return
	}
	switch dice := w.rng.IntN(100); {
	case dice < 14:
		w.signIn(ctx, a, a.Password)
	case dice < 36:
		w.refreshOrReuse(ctx, a, s)
	case dice < 54:
		w.changePassword(ctx, a, s, w.password())
	case dice < 68:
		w.reset(ctx, a)
	case dice < 75:
		w.signOut(ctx, a, s)
	case dice < 79:
		w.signOutAll(ctx, a, s)
	case dice < 83:
		w.byAdmin(ctx, a, RevokeAll, "DELETE", "/sessions")
	case dice < 90:
		w.byAdmin(ctx, a, Disable, "POST", "/disable")
	case dice < 93:
		w.deleteOwn(ctx, a, s)
	case dice < 95:
		w.byAdmin(ctx, a, AdminDelete, "DELETE", "")
	default:
		if former := lastOf(a.Former, 1); len(former) > 0 && former[0] != "" {
			w.signIn(ctx, a, former[0]) // which must be refused
		}
	}
}

func (w *worker) refreshOrReuse(ctx context.Context, a *Account, s *Session) {
	if len(s.Before) >= 2 && w.rng.IntN(8) == 0 {
		w.reuseToken(ctx, a, s)
		return
	}
	w.refresh(ctx, a, s)
}

func (w *worker) reset(ctx context.Context, a *Account) {
	since := time.Now()
	if !w.requestReset(ctx, a) {
		return
	}
	waiting, cancel := context.WithTimeout(ctx, mailWait)
	defer cancel()
	if d, ok := w.mail.Await(waiting, a, "reset", since); ok {
		w.resetPassword(ctx, a, d.Code, w.password())
	}
}
