package main

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"time"

	"github.com/doorward/doorward/e2e/pgcluster"
)

var failover = Scenario{
	Name: "failover", About: "kill -9 of the PostgreSQL primary, promotion of its synchronous standby, return of the old primary", Long: 20, Short: 1,
	Run: func(ctx context.Context, a *Arena, rounds int) error {
		c, err := pgcluster.Start(a.Dir, "doorward")
		if err != nil {
			return err
		}
		a.OnClose(c.Close)
		url := c.URL("doorward", "target_session_attrs=read-write")
		steady, err := a.NewServer("steady", "data", url)
		if err != nil {
			return err
		}
		fresh, err := a.NewServer("fresh", "data", url)
		if err != nil {
			return err
		}
		if err := steady.Start(); err != nil {
			return err
		}
		if err := a.Prepare(ctx, steady); err != nil {
			return err
		}
		if err := fresh.Start(); err != nil {
			return err
		}
		if err := a.awaitReady(ctx, fresh); err != nil {
			return err
		}
		f := &failoverRounds{arena: a, cluster: c, steady: steady, fresh: fresh, judged: rounds >= 10}
		a.Watch(f.saw)
		load := a.StartLoad(ctx, 6, 30, steady, fresh)
		if err := a.Rounds(ctx, rounds, load, steady, PostgresURL(url), func(round int) error { return f.strike(ctx, round) }); err != nil {
			return fmt.Errorf("%w\n%s", err, c.Logs())
		}
		a.Note("recovered", sumUp(f.recovered))
		load.Stop()
		if err := a.Check(ctx, steady, PostgresURL(url), rounds >= 10); err != nil {
			return err
		}
		for _, s := range []*Server{steady, fresh} {
			if err := s.Stop(); err != nil {
				return err
			}
		}
		return nil
	},
}

// recoveryLimit is within what 99 % of the requests succeed again after the promotion.
const recoveryLimit = 5 * time.Second

// failoverRounds fails a cluster over, again and again.
type failoverRounds struct {
	arena         *Arena
	cluster       *pgcluster.Cluster
	steady, fresh *Server // one that lives through all, and one that starts while the former primary is back
	judged        bool    // whether the time counts; in the short form, others use the machine, too
	recovered     []time.Duration

	mu      sync.Mutex
	answers []outcome // of the steady server since the last promotion
}

// outcome is that a request was answered.
type outcome struct {
	at   time.Time
	good bool
}

func (f *failoverRounds) saw(server string, _ Call, a Answer) {
	if server != f.steady.Name {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers = append(f.answers, outcome{time.Now(), a.Phase == Done || a.Phase == Refused})
}

// strike kills the primary, promotes the standby, has the former primary come back as it was, with a new process beside, and makes it the standby.
func (f *failoverRounds) strike(ctx context.Context, round int) error {
	a := f.arena
	a.Fault()
	f.cluster.Kill()
	killed := time.Now()
	if err := f.cluster.Promote(); err != nil {
		return err
	}
	promoted := time.Now()
	f.mu.Lock()
	f.answers = nil
	f.mu.Unlock()
	if err := a.AwaitSignIn(ctx, f.steady, promoted); err != nil {
		return err
	}
	if err := f.cluster.StartStale(); err != nil {
		return err
	}
	a.Fault()
	f.fresh.Kill()
	if err := f.fresh.Start(); err != nil {
		return err
	}
	if err := a.awaitReady(ctx, f.fresh); err != nil {
		return err
	}
	watched := 2 * time.Second
	if f.judged {
		watched = recoveryLimit + time.Second
	}
	sleep(ctx, time.Until(promoted.Add(watched)))
	f.judge(round, promoted)
	if err := f.checkFormer(ctx, round, killed); err != nil {
		return err
	}
	return f.cluster.Rebuild()
}

// judge finds out from when on 99 % of the requests succeeded.
func (f *failoverRounds) judge(round int, promoted time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	took, ok := recovery(f.answers, promoted)
	f.recovered = append(f.recovered, took)
	if f.judged && (!ok || took > recoveryLimit) {
		f.arena.Outside("round %d: 99 %% of %d requests succeeded only from %v after the promotion on (%v)", round, len(f.answers), took.Round(time.Millisecond), ok)
	}
}

// recovery gives the time after the promotion from which on 99 % of the answers are good; not ok where there is none.
func recovery(answers []outcome, promoted time.Time) (took time.Duration, ok bool) {
	bad := 0
	for i := len(answers) - 1; i >= 0; i-- {
		if !answers[i].good {
			bad++
		}
		if n := len(answers) - i; n >= 20 && bad*100 <= n {
			took, ok = answers[i].at.Sub(promoted), true
		}
	}
	return took, ok
}

// checkFormer sees that the former primary, while it ran beside the new one, took nothing.
func (f *failoverRounds) checkFormer(ctx context.Context, round int, killed time.Time) error {
	db, err := sql.Open("pgx", f.cluster.OtherURL("doorward"))
	if err != nil {
		return err
	}
	defer db.Close()
	var records, sessions int
	err = db.QueryRowContext(ctx, `SELECT count(*) FROM audit WHERE occurred_at > $1`, killed.UnixMilli()).Scan(&records)
	if err != nil {
		return fmt.Errorf("asking the former primary: %w", err)
	}
	// Those of the watch that every process keeps are idle, and never in a transaction.
	err = db.QueryRowContext(ctx, `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'doorward' AND xact_start IS NOT NULL`).Scan(&sessions)
	if err != nil {
		return fmt.Errorf("asking the former primary: %w", err)
	}
	if records+sessions > 0 {
		f.arena.Outside("round %d: the former primary took %d records and has %d transactions", round, records, sessions)
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
