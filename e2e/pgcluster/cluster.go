//go:build unix

// Package pgcluster runs a real PostgreSQL primary with a synchronous standby on loopback, and does to them what happens to such a pair: the primary is killed,
// the standby promoted, the old primary comes back as if nothing had happened, and is made the new standby. Both are durable (fsync), and commits are
// acknowledged once both have them.
package pgcluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	superuser = "postgres"
	limit     = 60 * time.Second // for a server to start, to follow, or to be promoted
)

// Cluster is a pair of servers. Its methods are for one goroutine at a time.
type Cluster struct {
	dir     string
	tools   tools
	nodes   [2]*node
	primary int // the index in nodes of the one that is rightly the primary
}

// StartOne makes a primary with an empty database of the given name, and no standby.
func StartOne(dir, database string) (*Cluster, error) {
	return startWith(dir, func(c *Cluster) error { return c.startPrimary(database) })
}

// Start makes a primary with an empty database of the given name and its synchronous standby, in a temporary directory below dir ("" is the system's). It fails
// where PostgreSQL is not installed.
func Start(dir, database string) (*Cluster, error) {
	return startWith(dir, func(c *Cluster) error {
		if err := c.startPrimary(database); err != nil {
			return err
		}
		if err := c.copyPrimary(); err != nil {
			return err
		}
		return c.follow()
	})
}

func startWith(dir string, start func(*Cluster) error) (*Cluster, error) {
	tools, err := findTools()
	if err != nil {
		return nil, err
	}
	if dir, err = os.MkdirTemp(dir, "pgcluster-"); err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir, tools: tools}
	if err := start(c); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Cluster) startPrimary(database string) error {
	if err := c.tools.own(c.dir); err != nil {
		return err
	}
	for i := range c.nodes {
		var err error
		if c.nodes[i], err = newNode(c.tools, filepath.Join(c.dir, "node"+strconv.Itoa(i))); err != nil {
			return err
		}
	}
	primary := c.nodes[0]
	// Checksums (or hints in the log) are what pg_rewind needs.
	err := c.tools.run("initdb", "--pgdata="+primary.data, "--username="+superuser, "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync", "--data-checksums")
	if err != nil {
		return err
	}
	if err := primary.start(nil); err != nil {
		return err
	}
	return primary.exec("CREATE DATABASE " + pgx.Identifier{database}.Sanitize())
}

// URL names a database with both servers, the first node first, whoever is the primary; extra are more parameters of the URL.
func (c *Cluster) URL(database string, extra string) string {
	if extra != "" {
		extra = "&" + extra
	}
	return fmt.Sprintf("postgres://%s@%s,%s/%s?sslmode=disable%s", superuser, c.nodes[0].address(), c.nodes[1].address(), database, extra)
}

// PrimaryURL names a database on the server that is rightly the primary.
func (c *Cluster) PrimaryURL(database string) string { return c.nodes[c.primary].url(database) }

// OtherURL names a database on the other server: the standby, or the stale primary.
func (c *Cluster) OtherURL(database string) string { return c.nodes[1-c.primary].url(database) }

// Kill ends the primary and all its processes with SIGKILL.
func (c *Cluster) Kill() { c.nodes[c.primary].kill() }

// Promote makes the standby the primary, and returns once it takes changes. It waits for no standby, until Rebuild.
func (c *Cluster) Promote() error {
	standby := c.nodes[1-c.primary]
	if err := standby.waitForStandby(""); err != nil {
		return err
	}
	ok, err := ask[bool](standby, "SELECT pg_promote(true, 60)")
	if err != nil || !ok {
		return fmt.Errorf("promoting the standby: %v, %w", ok, err)
	}
	c.primary = 1 - c.primary
	return nil
}

// StartStale starts the former primary as it was left: it recovers by itself and takes itself for the primary still.
func (c *Cluster) StartStale() error { return c.nodes[1-c.primary].start(nil) }

// Rebuild makes the former primary, running or not, the synchronous standby of the new one: by pg_rewind, or by a new copy where that is not possible.
func (c *Cluster) Rebuild() error {
	primary, former := c.nodes[c.primary], c.nodes[1-c.primary]
	former.kill()
	// pg_rewind wants to see a checkpoint on the new timeline.
	if err := primary.exec("CHECKPOINT"); err != nil {
		return err
	}
	err := c.tools.run("pg_rewind", "--target-pgdata="+former.data, "--source-server="+primary.url("postgres"), "--no-sync")
	if err != nil {
		if err := os.RemoveAll(former.data); err != nil {
			return err
		}
		if err := c.copyPrimary(); err != nil {
			return err
		}
	}
	return c.follow()
}

// copyPrimary gives the other node a fresh copy of the primary's data.
func (c *Cluster) copyPrimary() error {
	return c.tools.run("pg_basebackup", "--dbname="+c.nodes[c.primary].url("postgres"), "--pgdata="+c.nodes[1-c.primary].data, "--checkpoint=fast", "--wal-method=stream", "--no-sync")
}

// follow starts the other node as the standby of the primary, and returns once commits wait for it.
func (c *Cluster) follow() error {
	primary, standby := c.nodes[c.primary], c.nodes[1-c.primary]
	if err := standby.start(primary); err != nil {
		return err
	}
	if err := primary.waitForStandby(standby.name()); err != nil {
		return err
	}
	return eventually("the standby follows in step", func() error {
		state, err := ask[string](primary, "SELECT coalesce(max(sync_state), 'absent') FROM pg_stat_replication WHERE state = 'streaming'")
		if err == nil && state != "sync" {
			err = errors.New(state)
		}
		return err
	})
}

// Close ends both servers and removes their data.
func (c *Cluster) Close() error {
	for _, n := range c.nodes {
		if n != nil {
			n.kill()
		}
	}
	return os.RemoveAll(c.dir)
}

// Logs gives the ends of the servers' logs, to explain a failure.
func (c *Cluster) Logs() string {
	var logs string
	for i, n := range c.nodes {
		if n != nil {
			logs += fmt.Sprintf("node %d, port %s:\n%s\n", i, n.port, n.logEnd())
		}
	}
	return logs
}

// ask reads one value on a connection of its own.
func ask[T any](n *node, statement string) (v T, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit+5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, n.url("postgres"))
	if err != nil {
		return v, err
	}
	defer conn.Close(ctx)
	return v, conn.QueryRow(ctx, statement).Scan(&v)
}

func eventually(what string, check func() error) error {
	var err error
	for range int(limit / (50 * time.Millisecond)) {
		if err = check(); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("%s: not within %s: %w", what, limit, err)
}
