//go:build unix

package pgtest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Server is a PostgreSQL of one test, for what disturbs others: it can be killed and started again. It writes durably, and listens on loopback as well.
type Server struct {
	t       testing.TB
	cluster *cluster
	port    string
	args    []string
}

// StartServer starts a server with the given settings, as "max_connections=9". The test's end stops it.
func StartServer(t testing.TB, settings ...string) *Server {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, port: port}
	if s.cluster, err = initCluster(); err != nil {
		t.Fatal(err)
	}
	s.args = []string{"-D", s.Data(), "-k", s.cluster.dir, "-c", "listen_addresses=127.0.0.1", "-c", "port=" + port, "-c", "shared_buffers=32MB"}
	for _, setting := range settings {
		s.args = append(s.args, "-c", setting)
	}
	t.Cleanup(func() {
		if s.cluster.server != nil {
			s.cluster.server.stop()
		}
		_ = os.RemoveAll(s.cluster.dir)
	})
	s.Start()
	return s
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// Start starts the server again after Kill, and waits until it answers.
func (s *Server) Start() {
	s.t.Helper()
	var err error
	for range 100 { // the processes of a killed server may need a moment to end
		if s.cluster.server, err = startProcess(s.cluster.command("postgres", s.args...)); err != nil {
			s.t.Fatal(err)
		}
		if err = s.answers(); err == nil {
			return
		}
		s.cluster.server.stop()
		time.Sleep(100 * time.Millisecond)
	}
	s.t.Fatalf("the server does not start: %v", err)
}

func (s *Server) answers() (err error) {
	for range 100 {
		if err = s.TrySQL("postgres", "SELECT 1"); err == nil {
			return nil
		}
		select {
		case <-s.cluster.server.exited:
			return errors.New("it ended")
		case <-time.After(50 * time.Millisecond):
		}
	}
	return err
}

// Kill ends the postmaster with SIGKILL; the other processes of the server follow it.
func (s *Server) Kill() {
	s.t.Helper()
	if err := s.cluster.server.cmd.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	<-s.cluster.server.exited
}

// Stop ends the server as an administrator does who does not wait for clients.
func (s *Server) Stop() { s.cluster.server.interrupt() }

// Data is the directory of the data.
func (s *Server) Data() string { return filepath.Join(s.cluster.dir, "data") }

// Address is HOST:PORT.
func (s *Server) Address() string { return net.JoinHostPort("127.0.0.1", s.port) }

// CreateDatabase makes an empty database and gives its URL, at an address of Address or of something in front of it.
func (s *Server) CreateDatabase(name, address string, parameters ...string) string {
	s.t.Helper()
	s.SQL("postgres", "CREATE DATABASE "+name)
	return s.URL(name, address, parameters...)
}

// URL is that of a database. parameters alternate names and values.
func (s *Server) URL(database, address string, parameters ...string) string {
	query := url.Values{}
	for i := 0; i+1 < len(parameters); i += 2 {
		query.Set(parameters[i], parameters[i+1])
	}
	return "postgres://" + superuser + "@" + address + "/" + database + "?" + query.Encode()
}

// SQL runs a statement as superuser, over the socket, and gives its output.
func (s *Server) SQL(database, statement string) string {
	s.t.Helper()
	output, err := s.psql(database, statement)
	if err != nil {
		s.t.Fatal(err)
	}
	return output
}

// TrySQL runs a statement that may fail.
func (s *Server) TrySQL(database, statement string) error {
	_, err := s.psql(database, statement)
	return err
}

func (s *Server) psql(database, statement string) (string, error) {
	cmd := s.cluster.command("psql", "--no-psqlrc", "--tuples-only", "--no-align", "--quiet", "--host="+s.cluster.dir, "--port="+s.port, "--username="+superuser,
		"--dbname="+database, "--command="+statement)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", statement, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return strings.TrimSpace(stdout.String()), nil
}

// LoseStandby has every commit wait for a standby that is not there, and returns when they do: the server reads its settings some time after it was told to.
func (s *Server) LoseStandby() {
	s.t.Helper()
	s.SQL("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
	s.SQL("postgres", "SELECT pg_reload_conf()")
	for {
		committed := make(chan error, 1)
		go func() {
			committed <- s.TrySQL("postgres", "SET LOCAL synchronous_commit = on; CREATE TABLE probe (); DROP TABLE probe")
		}()
		for len(committed) == 0 {
			if s.SQL("postgres", "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") != "0" {
				<-committed
				return
			}
		}
		if err := <-committed; err != nil {
			s.t.Fatal(err)
		}
	}
}

// WriteFile writes a file that the server alone may read, as a key, and gives its path.
func (s *Server) WriteFile(name string, content []byte) string {
	s.t.Helper()
	path := filepath.Join(s.cluster.dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		s.t.Fatal(err)
	}
	if s.cluster.account != nil {
		if err := os.Chown(path, s.cluster.account.uid, s.cluster.account.gid); err != nil {
			s.t.Fatal(err)
		}
	}
	return path
}

// Backends counts the connections of clients to a database.
func (s *Server) Backends(database string) int {
	s.t.Helper()
	n, err := strconv.Atoi(s.SQL("postgres", "SELECT count(*) FROM pg_stat_activity WHERE datname = '"+database+"'"))
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}
