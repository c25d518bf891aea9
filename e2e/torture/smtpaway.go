package main

import (
	"context"
	"path/filepath"
	"time"

	"github.com/doorward/doorward/e2e/faultysmtp"
)

var smtpAway = Scenario{
	Name: "smtp-away", About: "the SMTP server refuses, answers 4xx, hangs, and drops after DATA, and servers are killed meanwhile", Long: 4, Short: 1,
	Run: func(ctx context.Context, a *Arena, rounds int) error {
		faulty, err := a.faultyMail()
		if err != nil {
			return err
		}
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
		load := a.StartLoad(ctx, 8, 20, s)
		// A killed server's mails are held by its lease for two minutes more: the short form has no time for that.
		long := rounds > 1
		err = a.Rounds(ctx, rounds, load, s, db, func(int) error { return a.misbehave(ctx, faulty, s, long) })
		if err != nil {
			return err
		}
		load.Stop()
		if err := a.Check(ctx, s, db, true); err != nil {
			return err
		}
		return s.Stop()
	},
}

// faultyMail puts a server that misbehaves before the arena's mail sink. Call it before NewServer.
func (a *Arena) faultyMail() (*faultysmtp.Server, error) {
	faulty, err := faultysmtp.Start(func(d faultysmtp.Delivery) {
		kept, err := readMail(d.Data)
		if err != nil {
			a.Findings.Add(Finding{Corrupt, "", d.To, "a mail cannot be read: " + err.Error()})
			return
		}
		kept.To, kept.Unacknowledged = d.To, !d.Acknowledged
		a.Mail.Keep(kept)
	})
	if err != nil {
		return nil, err
	}
	a.Mail.Address = faulty.Addr()
	a.OnClose(faulty.Close)
	return faulty, nil
}

// misbehave goes through all faults of the SMTP server in an order that the seed decides. Password sign-in goes on meanwhile (P51). In the long form each lasts for a
// quarter of a minute, and one of them sees the server killed.
func (a *Arena) misbehave(ctx context.Context, faulty *faultysmtp.Server, s *Server, long bool) error {
	lasts := 1200 * time.Millisecond
	if long {
		lasts = 15 * time.Second
	}
	order := a.Rand.Perm(len(faultysmtp.Faults))
	chosen := a.Rand.IntN(len(order))
	for i, n := range order {
		mode := faultysmtp.Faults[n]
		if err := faulty.Set(mode); err != nil {
			return err
		}
		sleep(ctx, lasts/2)
		switch {
		case i != chosen:
		case long:
			if err := a.KillServer(ctx, s); err != nil {
				return err
			}
		default:
			if err := a.AwaitSignIn(ctx, s, time.Now()); err != nil {
				return err
			}
		}
		sleep(ctx, lasts/2)
		a.Logf("the SMTP server was %s", mode)
	}
	return faulty.Set(faultysmtp.Working)
}
