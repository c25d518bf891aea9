//go:build unix

package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/sqlstore"
	"github.com/doorward/doorward/internal/storetest/pgtest"
)

func openURL(t *testing.T, url string, conns int) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: url, MaxConns: conns})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func addProject(ctx context.Context, s *sqlstore.Store, id string) error {
	return s.Update(ctx, func(tx auth.Tx) error { return tx.CreateProject(ctx, auth.Project{ID: auth.ProjectID(id)}) })
}

func hasProject(t *testing.T, s *sqlstore.Store, id string) bool {
	t.Helper()
	_, err := s.GetProject(t.Context(), auth.ProjectID(id))
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		t.Fatalf("looking for %s: %v", id, err)
	}
	return err == nil
}

// heals waits until a change succeeds again.
func heals(t *testing.T, s *sqlstore.Store, within time.Duration) {
	t.Helper()
	began := time.Now()
	for i := 0; ; i++ {
		err := addProject(t.Context(), s, fmt.Sprintf("healed-%d-%d", began.UnixNano(), i))
		if err == nil {
			return
		}
		if !errors.Is(err, auth.ErrStoreBusy) && !errors.Is(err, auth.ErrOutcomeUnknown) {
			t.Fatalf("while it heals: %v", err)
		}
		if time.Since(began) > within {
			t.Fatalf("it did not heal: %v", err)
		}
	}
}

// TestServerKilledUnderLoad: what was acknowledged is there after the crash, what was refused is not, and nothing but the two answers for a store in trouble is heard.
func TestServerKilledUnderLoad(t *testing.T) {
	server := pgtest.StartServer(t)
	s := openURL(t, server.CreateDatabase("shop", server.Address()), 8)
	var mu sync.Mutex
	fates := map[string]error{}
	stop := make(chan struct{})
	var wait sync.WaitGroup
	for w := range 6 {
		wait.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprintf("p-%d-%d", w, i)
				err := addProject(t.Context(), s, id)
				mu.Lock()
				fates[id] = err
				mu.Unlock()
			}
		})
	}
	for range 2 {
		time.Sleep(300 * time.Millisecond)
		server.Kill()
		server.Start()
	}
	heals(t, s, 10*time.Second)
	close(stop)
	wait.Wait()
	kept, refused := 0, 0
	for id, err := range fates {
		switch there := hasProject(t, s, id); {
		case err == nil && !there:
			t.Errorf("%s was acknowledged and is lost", id)
		case errors.Is(err, auth.ErrStoreBusy) && there:
			t.Errorf("%s was refused and is there: %v", id, err)
		case err == nil:
			kept++
		case errors.Is(err, auth.ErrStoreBusy):
			refused++
		case !errors.Is(err, auth.ErrOutcomeUnknown):
			t.Errorf("%s: %v", id, err)
		}
	}
	if kept < 10 || refused == 0 {
		t.Errorf("%d kept, %d refused: there was no load, or no fault", kept, refused)
	}
}

// TestStopAndTerminate: connections that an administrator ends cost nobody an answer.
func TestStopAndTerminate(t *testing.T) {
	server := pgtest.StartServer(t)
	s := openURL(t, server.CreateDatabase("shop", server.Address()), 4)
	for i := range 5 {
		server.SQL("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'shop'")
		if err := addProject(t.Context(), s, fmt.Sprintf("p%d", i)); err != nil {
			t.Errorf("after the connections were ended: %v", err)
		}
		server.SQL("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'shop'")
		if _, err := s.ListProjects(t.Context(), "", 9); err != nil {
			t.Errorf("reading after the connections were ended: %v", err)
		}
	}
	server.Stop()
	if err := addProject(t.Context(), s, "away"); !errors.Is(err, auth.ErrStoreBusy) {
		t.Errorf("without a server: %v", err)
	}
	if _, err := s.ListProjects(t.Context(), "", 9); !errors.Is(err, auth.ErrStoreBusy) {
		t.Errorf("reading without a server: %v", err)
	}
	server.Start()
	heals(t, s, 5*time.Second)
}

// proxy stands between a store and its server, and can stop to forward: what a hanging network, or a frozen server, looks like from here.
type proxy struct {
	listener net.Listener
	mu       sync.Mutex
	frozen   bool
	thawed   *sync.Cond
}

func startProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l}
	p.thawed = sync.NewCond(&p.mu)
	t.Cleanup(func() { p.freeze(false); _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				p.wait()
				server, err := net.Dial("tcp", to)
				if err != nil {
					_ = client.Close()
					return
				}
				go p.forward(server, client)
				p.forward(client, server)
			}()
		}
	}()
	return p
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) freeze(on bool) {
	p.mu.Lock()
	p.frozen = on
	p.mu.Unlock()
	p.thawed.Broadcast()
}

func (p *proxy) wait() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.frozen {
		p.thawed.Wait()
	}
}

func (p *proxy) forward(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		p.wait()
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if errors.Is(err, io.EOF) || err != nil {
			return
		}
	}
}

// TestFrozenServer: where nothing comes back at all, every call ends in bounded time, says that the store is busy or, after a COMMIT, that it does not know, and the
// store heals by itself.
func TestFrozenServer(t *testing.T) {
	server := pgtest.StartServer(t)
	wall := startProxy(t, server.Address())
	s := openURL(t, server.CreateDatabase("shop", wall.address(), "statement_timeout", "1s", "connect_timeout", "1"), 3)
	const bound = 15 * time.Second // a wait for a connection, a ping of each idle one, a connect, and a statement
	check := func(what string, err error, began time.Time, allowed ...error) {
		t.Helper()
		for _, want := range allowed {
			if errors.Is(err, want) && time.Since(began) < bound {
				return
			}
		}
		t.Errorf("%s: %v after %v", what, err, time.Since(began))
	}
	inStatement, inCommit := make(chan error), make(chan error)
	began := time.Now()
	both := make(chan struct{}, 2)
	frozen := make(chan struct{})
	go func() {
		inStatement <- s.Update(t.Context(), func(tx auth.Tx) error {
			both <- struct{}{}
			<-frozen
			return tx.CreateProject(t.Context(), auth.Project{ID: "statement"})
		})
	}()
	go func() {
		inCommit <- s.Update(t.Context(), func(tx auth.Tx) error {
			err := tx.CreateProject(t.Context(), auth.Project{ID: "commit"})
			both <- struct{}{}
			<-frozen
			return err
		})
	}()
	<-both
	<-both
	wall.freeze(true)
	close(frozen)
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			check("a change", addProject(t.Context(), s, fmt.Sprintf("frozen%d", i)), time.Now(), auth.ErrStoreBusy, auth.ErrOutcomeUnknown)
		})
		wait.Go(func() {
			began := time.Now()
			_, err := s.ListProjects(t.Context(), "", 9)
			check("a read", err, began, auth.ErrStoreBusy)
		})
	}
	check("a change that was at a statement", <-inStatement, began, auth.ErrStoreBusy)
	check("a change that was at its commit", <-inCommit, began, auth.ErrOutcomeUnknown)
	wait.Wait()
	wall.freeze(false)
	heals(t, s, 10*time.Second)
	if hasProject(t, s, "statement") {
		t.Error("what was refused is there")
	}
}

// TestSnapshotOfAFrozenServer: where nothing comes back, a snapshot neither begins nor ends for ever, and does not count as whole.
func TestSnapshotOfAFrozenServer(t *testing.T) {
	server := pgtest.StartServer(t)
	wall := startProxy(t, server.Address())
	s := openURL(t, server.CreateDatabase("shop", wall.address(), "connect_timeout", "1"), 3)
	open, err := s.Snapshot(t.Context(), sqlstore.SnapshotOptions{Serializable: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open.Schema(t.Context()); err != nil {
		t.Fatal(err)
	}
	wall.freeze(true)
	for what, call := range map[string]func() error{
		"closing": open.Close,
		"beginning": func() error {
			_, err := s.Snapshot(t.Context(), sqlstore.SnapshotOptions{})
			return err
		},
	} {
		ended := make(chan error, 1)
		go func() { ended <- call() }()
		select {
		case err := <-ended:
			if !errors.Is(err, auth.ErrStoreBusy) {
				t.Errorf("%s: %v", what, err)
			}
		case <-time.After(time.Minute): // the bound is a few seconds
			t.Errorf("%s does not end", what)
		}
	}
	wall.freeze(false)
	heals(t, s, 10*time.Second)
}

// TestMissingStandby: a commit whose wait for the synchronous standby was cut short is committed here and nowhere else; PostgreSQL calls it a success with a warning
// (P48). No default of the role may hide the warning, or skip the wait.
func TestMissingStandby(t *testing.T) {
	server := pgtest.StartServer(t)
	url := server.CreateDatabase("shop", server.Address(), "statement_timeout", "1500ms")
	openURL(t, url, 1)
	for _, statement := range []string{
		"ALTER ROLE postgres SET synchronous_commit = 'local'",
		"ALTER ROLE postgres SET client_min_messages = 'error'",
	} {
		if err := server.TrySQL("postgres", statement); err != nil {
			t.Fatal(err)
		}
	}
	server.LoseStandby()
	s := openURL(t, url, 2)
	for i := range 3 {
		id := fmt.Sprintf("alone%d", i)
		ended := make(chan struct{})
		go func() {
			for server.TrySQL("postgres", "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") == nil {
				select {
				case <-ended:
					return
				case <-time.After(50 * time.Millisecond):
				}
			}
		}()
		if err := addProject(t.Context(), s, id); !errors.Is(err, auth.ErrOutcomeUnknown) || !strings.Contains(err.Error(), "synchronous replication") {
			t.Errorf("a commit without the standby: %v", err)
		}
		close(ended)
		if !hasProject(t, s, id) {
			t.Errorf("%s is not there: the test shows nothing", id)
		}
	}
	began := time.Now() // nobody cancels: the deadline here does
	if err := addProject(t.Context(), s, "nobody"); !errors.Is(err, auth.ErrOutcomeUnknown) || time.Since(began) > 10*time.Second {
		t.Errorf("a commit that waits for ever: %v after %v", err, time.Since(began))
	}
	server.SQL("postgres", "ALTER SYSTEM RESET synchronous_standby_names")
	server.SQL("postgres", "SELECT pg_reload_conf()")
	heals(t, s, 5*time.Second)
}

func TestConnectionsUsedUp(t *testing.T) {
	server := pgtest.StartServer(t, "max_connections=6", "superuser_reserved_connections=0", "max_wal_senders=0")
	url := server.CreateDatabase("shop", server.Address())
	s := openURL(t, url, 4)
	heals(t, s, time.Second)
	server.SQL("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'shop'")
	greedy := make([]net.Conn, 0, 6)
	defer func() {
		for _, c := range greedy {
			_ = c.Close()
		}
	}()
	other := openURL(t, url, 6)
	release := make(chan struct{})
	var taken, holders sync.WaitGroup
	for range 6 {
		taken.Add(1)
		holders.Go(func() {
			var once sync.Once
			err := other.Update(t.Context(), func(auth.Tx) error {
				once.Do(taken.Done)
				<-release
				return nil
			})
			if err != nil {
				once.Do(taken.Done)
			}
		})
	}
	taken.Wait()
	if err := addProject(t.Context(), s, "p"); !errors.Is(err, auth.ErrStoreBusy) {
		t.Errorf("with no connection left: %v", err)
	}
	close(release)
	holders.Wait()
	_ = other.Close()
	heals(t, s, 10*time.Second)
}

// TestServerRefuses has the server itself refuse changes, with the codes of a full disk and of memory that ran out.
func TestServerRefuses(t *testing.T) {
	server := pgtest.StartServer(t)
	s := openURL(t, server.CreateDatabase("shop", server.Address()), 2)
	for _, code := range []string{"53100", "53200"} {
		server.SQL("shop", "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '"+code+"'; END $$")
		server.SQL("shop", "CREATE TRIGGER refuse BEFORE INSERT ON projects FOR EACH ROW EXECUTE FUNCTION refuse()")
		if err := addProject(t.Context(), s, "full"); !errors.Is(err, auth.ErrStoreBusy) {
			t.Errorf("%s: %v", code, err)
		}
		server.SQL("shop", "DROP FUNCTION refuse CASCADE")
	}
	heals(t, s, time.Second)
}

// TestLeavesServerThatTakesNoWrites: of several servers the one that takes writes is used, and a server that ceases to is left at once, by all connections.
func TestLeavesServerThatTakesNoWrites(t *testing.T) {
	first, second := pgtest.StartServer(t), pgtest.StartServer(t)
	openURL(t, second.CreateDatabase("shop", second.Address()), 1)
	first.CreateDatabase("shop", first.Address())
	s := openURL(t, first.URL("shop", first.Address()+","+second.Address()), 6)
	var wait sync.WaitGroup
	for i := range 6 { // fills the pool
		wait.Go(func() {
			if err := addProject(t.Context(), s, fmt.Sprintf("before%d", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	first.SQL("postgres", "ALTER SYSTEM SET default_transaction_read_only = on")
	first.SQL("postgres", "SELECT pg_reload_conf()")
	time.Sleep(100 * time.Millisecond) // for the sessions to read it
	for i := range 6 {
		if err := addProject(t.Context(), s, fmt.Sprintf("after%d", i)); err != nil {
			t.Errorf("change %d after the first server went read-only: %v", i, err)
		}
	}
	if n := second.SQL("shop", "SELECT count(*) FROM projects WHERE id LIKE 'after%'"); n != "6" {
		t.Errorf("the second server has %s of 6 changes", n)
	}
	if n := first.Backends("shop"); n > 1 { // the probe's own may be left
		t.Errorf("%d connections stay at the first server", n)
	}
	first.Kill()
	heals(t, s, time.Second)
}

// TestTLS: a server is believed only with a certificate of the named CA for the name in the URL.
func TestTLS(t *testing.T) {
	server := pgtest.StartServer(t)
	ca, cert, key := sqlstore.Certificates(t)
	other, _, _ := sqlstore.Certificates(t)
	for setting, value := range map[string]string{"ssl_cert_file": server.WriteFile("server.pem", cert), "ssl_key_file": server.WriteFile("server.key", key), "ssl": "on"} {
		server.SQL("postgres", "ALTER SYSTEM SET "+setting+" = '"+value+"'")
	}
	server.SQL("postgres", "SELECT pg_reload_conf()")
	_, port, _ := net.SplitHostPort(server.Address())
	server.CreateDatabase("shop", server.Address())
	open := func(host string, root []byte) error {
		url := server.URL("shop", host+":"+port, "sslmode", "verify-full", "sslrootcert", sqlstore.WriteFile(t, root))
		s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: url})
		if err == nil {
			defer s.Close()
			err = addProject(t.Context(), s, "p")
		}
		return err
	}
	if err := open("localhost", ca); err != nil {
		t.Errorf("with the right CA and name: %v", err)
	}
	if n := server.SQL("shop", "SELECT count(*) FROM projects"); n != "1" {
		t.Errorf("%s projects were written", n)
	}
	if err := open("localhost", other); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("with another CA: %v", err)
	}
	if err := open("127.0.0.1", ca); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("with a name that the certificate does not have: %v", err)
	}
}
