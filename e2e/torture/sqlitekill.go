package main

import (
	"context"
	"path/filepath"
	"time"
)

// fullCheckEvery is after how many rounds everything is checked; in between, workers look at what they touched last.
const fullCheckEvery = 50

// progressEvery is after how many rounds a line is printed.
const progressEvery = 25

var sqliteKill = Scenario{
	Name: "sqlite-kill", About: "kill -9 of the server on SQLite", Long: 500, Short: 6,
	Run: func(ctx context.Context, a *Arena, rounds int) error {
		s, err := a.NewServer("server", "data", "")
		if err != nil {
			return err
		}
		if err := s.Start(); err != nil {
			return err
		}
		if err := a.Prepare(ctx, s); err != nil {
			return err
		}
		db := SQLiteFile(filepath.Join(a.Dir, "data", "doorward.db"))
		load := a.StartLoad(ctx, 12, 30, s)
		err = a.Rounds(ctx, rounds, load, s, db, func(int) error { return a.KillServer(ctx, s) })
		if err != nil {
			return err
		}
		load.Stop()
		if err := a.Check(ctx, s, db, rounds > fullCheckEvery); err != nil {
			return err
		}
		return s.Stop()
	},
}

// KillServer kills a server, starts it at once on the same data, and waits for the first good sign-in.
func (a *Arena) KillServer(ctx context.Context, s *Server) error {
	a.Fault()
	s.Kill()
	began := time.Now()
	if err := s.Start(); err != nil {
		return err
	}
	return a.AwaitSignIn(ctx, s, began)
}

// Rounds lets the load run for a moment, strikes, and so on; every fullCheckEvery rounds everything is checked at s. It ends early where something was found.
func (a *Arena) Rounds(ctx context.Context, rounds int, load *Load, s *Server, db Database, strike func(round int) error) error {
	for round := 1; round <= rounds; round++ {
		a.LetRun(ctx)
		if err := strike(round); err != nil {
			return err
		}
		if a.Findings.Total() > 0 {
			break
		}
		if round%progressEvery == 0 {
			a.Logf("round %d: %d calls acknowledged", round, a.Tally.done())
		}
		if round%fullCheckEvery == 0 && round < rounds {
			load.Pause()
			err := a.Check(ctx, s, db, false)
			load.Resume()
			if err != nil {
				return err
			}
		}
	}
	a.LetRun(ctx) // the load after the last fault
	return ctx.Err()
}

// LetRun leaves the load alone for a moment, of a length that the seed decides.
func (a *Arena) LetRun(ctx context.Context) {
	select {
	case <-time.After(600*time.Millisecond + time.Duration(a.Rand.IntN(900))*time.Millisecond):
	case <-ctx.Done():
	}
}
