package sqlstore

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	fenceEvery = time.Second     // how often each server is asked for its timeline
	fenceFirst = 2 * time.Second // how long the start waits for servers that do not answer
)

// timelineKey is where a connection keeps the timeline of its server.
const timelineKey = "doorward.timeline"

// fence keeps a former primary out. After a failover the old primary may come back and take itself for the primary still: it accepts connections and answers
// reads, with what was revoked since alive again. Or it never went away: its commits wait for the standby that it lost. Each promotion begins a new timeline of
// PostgreSQL, with a higher number, so the server with the highest is the right one: a connection to one with a lower is refused, and one that is open is cut,
// whatever waits on it.
//
// Where several servers are named, each is asked once a second, so that a process that has no connection to the new primary yet learns of it. Engines
// without timelines are not fenced: their replication has no such state.
type fence struct {
	newest atomic.Uint32 // the highest timeline that any server told; 0 where none has told one
	end    context.CancelFunc
	ended  sync.WaitGroup

	mu   sync.Mutex
	open map[*fencedConn]uint32 // the timeline of each connection's server
}

// fencedConn is the way to a server.
type fencedConn struct {
	net.Conn
	fence *fence
	gone  atomic.Bool // cut by the fence: whoever closes it once more has nothing to complain of
}

// Close closes it.
func (c *fencedConn) Close() error {
	c.fence.forget(c)
	if c.gone.Load() {
		return nil
	}
	return c.Conn.Close()
}

// startFence has every connection to the hosts pass the fence. It returns once each of them has answered or failed, or after a moment.
func startFence(ctx context.Context, hosts []pgx.ConnConfig) *fence {
	watching, end := context.WithCancel(context.WithoutCancel(ctx))
	f := &fence{end: end, open: map[*fencedConn]uint32{}}
	if len(hosts) > 1 {
		f.watchAll(watching, hosts)
	}
	for i := range hosts {
		dial, validate := hosts[i].DialFunc, hosts[i].ValidateConnect
		hosts[i].DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &fencedConn{Conn: conn, fence: f}, nil
		}
		hosts[i].ValidateConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
			if validate != nil {
				if err := validate(ctx, conn); err != nil {
					return err
				}
			}
			return f.admit(ctx, conn)
		}
	}
	return f
}

// option has the pool drop connections to a former primary, which are cut, before they are tried.
func (f *fence) option() stdlib.OptionOpenDB {
	return stdlib.OptionResetSession(func(_ context.Context, conn *pgx.Conn) error {
		if timeline, _ := conn.PgConn().CustomData()[timelineKey].(uint32); timeline < f.newest.Load() {
			return driver.ErrBadConn
		}
		return nil
	})
}

// close ends the watching of the servers.
func (f *fence) close() {
	f.end()
	f.ended.Wait()
}

// admit reads the timeline of a new connection's server, and refuses one that another has overtaken.
func (f *fence) admit(ctx context.Context, conn *pgconn.PgConn) error {
	timeline, err := readTimeline(ctx, conn)
	if err != nil {
		return err
	}
	f.remember(conn.Conn(), timeline) // before the comparison: whoever raises the timeline from now on cuts it
	f.raise(timeline)
	if newest := f.newest.Load(); timeline < newest {
		return fmt.Errorf("this server is on timeline %d and another one was promoted to %d: it is a former primary, or no primary at all", timeline, newest)
	}
	conn.CustomData()[timelineKey] = timeline
	return nil
}

func (f *fence) remember(conn net.Conn, timeline uint32) {
	if secure, ok := conn.(interface{ NetConn() net.Conn }); ok { // TLS
		conn = secure.NetConn()
	}
	if c, ok := conn.(*fencedConn); ok {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.open[c] = timeline
	}
}

func (f *fence) forget(c *fencedConn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.open, c)
}

// raise takes in what timeline a server is on. Where that is a new one, the connections to all others are cut.
func (f *fence) raise(timeline uint32) {
	for {
		newest := f.newest.Load()
		if timeline <= newest {
			return
		}
		if f.newest.CompareAndSwap(newest, timeline) {
			f.cut(timeline)
			return
		}
	}
}

// cut closes the connections to servers of earlier timelines under whoever waits on them: a commit there waits in vain.
func (f *fence) cut(newest uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c, timeline := range f.open {
		if timeline < newest {
			c.gone.Store(true)
			_ = c.Conn.Close()
			delete(f.open, c)
		}
	}
}

// watchAll asks each server from now on, and waits for the first round.
func (f *fence) watchAll(ctx context.Context, hosts []pgx.ConnConfig) {
	var first sync.WaitGroup
	first.Add(len(hosts))
	for i := range hosts {
		host := hosts[i].Copy()
		host.ValidateConnect = nil // a standby is to answer, too: it may be promoted
		f.ended.Go(func() { f.watch(ctx, host, sync.OnceFunc(first.Done)) })
	}
	asked := make(chan struct{})
	go func() { first.Wait(); close(asked) }()
	wait := time.NewTimer(fenceFirst)
	defer wait.Stop()
	select {
	case <-asked:
	case <-wait.C:
	case <-ctx.Done():
	}
}

// watch asks one server again and again, on a connection of its own. It calls asked after each time.
func (f *fence) watch(ctx context.Context, host *pgx.ConnConfig, asked func()) {
	defer asked()
	var conn *pgconn.PgConn
	for ctx.Err() == nil {
		conn = f.look(ctx, host, conn)
		asked()
		_ = pause(ctx, fenceEvery)
	}
	if conn != nil {
		_ = conn.Close(ctx)
	}
}

// look asks one server once, over conn or a new connection. It gives the connection for the next time; nil where it broke or none could be made.
func (f *fence) look(ctx context.Context, host *pgx.ConnConfig, conn *pgconn.PgConn) *pgconn.PgConn {
	ctx, cancel := context.WithTimeout(ctx, host.ConnectTimeout)
	defer cancel()
	var err error
	if conn == nil {
		if conn, err = pgconn.ConnectConfig(ctx, &host.Config); err != nil {
			return nil // who needs a connection tells why there is none
		}
	}
	timeline, err := readTimeline(ctx, conn)
	if err != nil {
		_ = conn.Close(ctx)
		return nil
	}
	f.raise(timeline)
	return conn
}

// The name of a file of the write-ahead log begins with the timeline, eight hexadecimal digits. A standby has none of its own.
const timelineStatement = `SELECT CASE WHEN pg_is_in_recovery() THEN '' ELSE pg_walfile_name(pg_current_wal_lsn()) END`

// readTimeline gives the timeline that a server writes; 0 for a standby, and for an engine that has no timelines or does not tell.
func readTimeline(ctx context.Context, conn *pgconn.PgConn) (uint32, error) {
	results, err := conn.Exec(ctx, timelineStatement).ReadAll()
	var refused *pgconn.PgError
	if errors.As(err, &refused) && cmp.Or(refused.SeverityUnlocalized, refused.Severity) == "ERROR" {
		return 0, nil // no such function, or not for this role
	}
	if err != nil {
		return 0, err
	}
	if len(results) != 1 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) != 1 || len(results[0].Rows[0][0]) < 8 {
		return 0, nil
	}
	timeline, err := strconv.ParseUint(string(results[0].Rows[0][0][:8]), 16, 32)
	if err != nil {
		return 0, nil //nolint:nilerr // an engine with other names
	}
	return uint32(timeline), nil
}
