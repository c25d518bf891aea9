package main

import (
	"context"
	"errors"
	"path/filepath"
	"time"
)

var postgresKill = Scenario{
	Name: "postgres-kill", About: "kill -9 of the server, or of the postmaster and all its children, on PostgreSQL", Long: 200, Short: 4,
	Run: func(ctx context.Context, a *Arena, rounds int) error {
		pg, err := a.NewPostgres(ctx)
		if err != nil {
			return err
		}
		s, err := a.NewServer("server", "data", pg.URL())
		if err != nil {
			return err
		}
		if err := s.Start(); err != nil {
			return err
		}
		if err := a.Prepare(ctx, s); err != nil {
			return err
		}
		load := a.StartLoad(ctx, 12, 30, s)
		postmaster := 0
		err = a.Rounds(ctx, rounds, load, s, PostgresURL(pg.URL()), func(int) error {
			if a.Rand.IntN(2) == 0 {
				return a.KillServer(ctx, s)
			}
			postmaster++
			return a.killPostmaster(ctx, pg, s)
		})
		if err != nil {
			return err
		}
		a.Note("postmasterKills", postmaster)
		load.Stop()
		if err := a.Check(ctx, s, PostgresURL(pg.URL()), rounds > fullCheckEvery); err != nil {
			return err
		}
		return s.Stop()
	},
}

// NewPostgres makes a cluster that ends with the arena.
func (a *Arena) NewPostgres(ctx context.Context) (*Postgres, error) {
	pg, err := NewPostgres(ctx, filepath.Join(a.Dir, "postgres"))
	if err != nil {
		return nil, err
	}
	a.OnClose(pg.Stop)
	return pg, nil
}

// killPostmaster kills the database under the server, which goes on by itself once the database is back.
func (a *Arena) killPostmaster(ctx context.Context, pg *Postgres, s *Server) error {
	a.Fault()
	pg.Kill()
	began := time.Now()
	if err := pg.Start(); err != nil {
		return err
	}
	back := make(chan error, 1)
	go func() {
		err := pg.Await(ctx, "doorward")
		a.recovered(time.Since(began))
		back <- err
	}()
	return errors.Join(a.AwaitSignIn(ctx, s, began), <-back)
}
