package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/doorward/doorward/e2e/smalldisk"
)

var sqliteDiskFull = Scenario{
	Name: "sqlite-disk-full", About: "the disk under SQLite fills up, and is freed", Long: 30, Short: 3, Mount: true,
	Run: func(ctx context.Context, a *Arena, rounds int) error {
		disk, err := a.mount(48 << 20)
		if err != nil {
			return err
		}
		data := filepath.Join(filepath.Base(disk.Dir), "data")
		s, err := a.NewServer("server", data, "")
		if err != nil {
			return err
		}
		return a.fillRounds(ctx, rounds, disk, s, SQLiteFile(filepath.Join(a.Dir, data, "doorward.db")), nothing, nothing)
	},
}

var postgresDiskFull = Scenario{
	Name: "postgres-disk-full", About: "the disk under PostgreSQL fills up, and is freed", Long: 20, Short: 2, Mount: true,
	Run: func(ctx context.Context, a *Arena, rounds int) error {
		disk, err := a.mount(256 << 20)
		if err != nil {
			return err
		}
		pg, err := NewPostgres(ctx, filepath.Join(disk.Dir, "postgres"))
		if err != nil {
			return err
		}
		a.OnClose(pg.Stop)
		s, err := a.NewServer("server", "data", pg.URL())
		if err != nil {
			return err
		}
		ended := 0
		err = a.fillRounds(ctx, rounds, disk, s, PostgresURL(pg.URL()), exhaustLog(pg), func() error {
			// A PostgreSQL that cannot write its log ends, and cannot recover before there is room. What keeps it running starts it again.
			sleep(ctx, 200*time.Millisecond)
			if pg.Exited() {
				ended++
				if err := pg.Start(); err != nil {
					return err
				}
			}
			return pg.Await(ctx, "doorward") // what its recovery takes is not the server's time
		})
		a.Note("postmasterEnded", ended)
		return err
	},
}

func nothing() error { return nil }

// exhaustLog has PostgreSQL use up what room its log has, every second time: it does not get on without. Else its tables feel the full disk first.
func exhaustLog(pg *Postgres) func() error {
	times := 0
	return func() error {
		if times++; times%2 == 1 {
			return nil
		}
		db, err := sql.Open("pgx", pg.URL())
		if err != nil {
			return err
		}
		defer db.Close()
		for range 200 {
			if _, err := db.Exec(`SELECT pg_logical_emit_message(false, 'torture', repeat('x', 4000000))`); err != nil {
				return nil
			}
		}
		return errors.New("PostgreSQL's log has room for 800 MB on the full disk")
	}
}

// mount makes a small file system that goes with the arena.
func (a *Arena) mount(bytes int64) (*smalldisk.Disk, error) {
	disk, err := smalldisk.Mount(filepath.Join(a.Dir, "disk"), bytes)
	if err == nil {
		a.OnClose(disk.Unmount)
	}
	return disk, err
}

// fillRounds keeps load on a server whose database is on the disk, and fills and frees that. felt makes the full disk felt, and freed brings back what does not come back by itself.
func (a *Arena) fillRounds(ctx context.Context, rounds int, disk *smalldisk.Disk, s *Server, db Database, felt, freed func() error) error {
	if err := s.Start(); err != nil {
		return err
	}
	if err := a.Prepare(ctx, s); err != nil {
		return err
	}
	var full atomic.Bool
	var good, refused atomic.Int64 // while the disk is full
	a.Watch(func(_ string, _ Call, answer Answer) {
		switch {
		case full.Load() && answer.Phase == Done:
			good.Add(1)
		case full.Load() && (answer.Phase == Failed || answer.Phase == Unknown):
			refused.Add(1)
		}
	})
	load := a.StartLoad(ctx, 12, 20, s)
	err := a.Rounds(ctx, rounds, load, s, db, func(round int) error {
		full.Store(true)
		before := refused.Load()
		if err := errors.Join(disk.Fill(), felt()); err != nil {
			return err
		}
		err := a.keepFull(ctx, disk, func() bool { return refused.Load() >= before+20 })
		full.Store(false)
		if err != nil {
			return err
		}
		if err := errors.Join(disk.Free(), freed()); err != nil {
			return err
		}
		if refused.Load() == before {
			return fmt.Errorf("round %d: nothing was refused while the disk was full", round)
		}
		return a.AwaitSignIn(ctx, s, time.Now())
	})
	a.Note("doneWhileFull", good.Load())
	a.Note("refusedWhileFull", refused.Load())
	if err != nil {
		return err
	}
	load.Stop()
	if err := a.Check(ctx, s, db, rounds >= 10); err != nil {
		return err
	}
	return s.Stop()
}

// keepFull takes all room on the disk, again and again, until it is felt, and then for a moment more. What is free inside of the database's own files lets some
// changes go on for a while.
func (a *Arena) keepFull(ctx context.Context, disk *smalldisk.Disk, felt func() bool) error {
	more := time.Duration(500+a.Rand.IntN(1500)) * time.Millisecond
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline) && ctx.Err() == nil; sleep(ctx, 20*time.Millisecond) {
		if err := disk.Fill(); err != nil {
			return err
		}
		if felt() && time.Until(deadline) > more {
			deadline = time.Now().Add(more)
			felt = func() bool { return false }
		}
	}
	return nil
}
