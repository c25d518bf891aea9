package main

import (
	"context"
	"fmt"
	"sync/atomic"
)

var threeProcesses = Scenario{
	Name: "three-processes", About: "three processes on one PostgreSQL, killed in turn", Long: 30, Short: 3,
	Run: func(ctx context.Context, a *Arena, rounds int) error {
		pg, err := a.NewPostgres(ctx)
		if err != nil {
			return err
		}
		var servers []*Server
		for i := range 3 {
			s, err := a.NewServer(fmt.Sprintf("server-%d", i+1), "data", pg.URL())
			if err != nil {
				return err
			}
			if err := s.Start(); err != nil {
				return err
			}
			servers = append(servers, s)
		}
		if err := a.Prepare(ctx, servers[0]); err != nil {
			return err
		}
		var victim atomic.Pointer[Server]
		a.Watch(func(server string, c Call, answer Answer) {
			if v := victim.Load(); answer.Phase != Done && answer.Phase != Refused && (v == nil || v.Name != server) {
				a.Outside("%s: %s %s: %d %s", server, c.Method, c.Path, answer.Status, answer.Detail)
			}
		})
		for _, s := range servers {
			if err := a.awaitReady(ctx, s); err != nil {
				return err
			}
		}
		load := a.StartLoad(ctx, 4, 30, servers...)
		db := PostgresURL(pg.URL())
		err = a.Rounds(ctx, rounds, load, servers[0], db, func(round int) error {
			s := servers[round%len(servers)]
			victim.Store(s)
			err := a.KillServer(ctx, s)
			return err
		})
		if err != nil {
			return err
		}
		load.Stop()
		if err := a.Check(ctx, servers[rounds%len(servers)], db, rounds >= 30); err != nil {
			return err
		}
		for _, s := range servers {
			if err := s.Stop(); err != nil {
				return err
			}
		}
		return nil
	},
}
