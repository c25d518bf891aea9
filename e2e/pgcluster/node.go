//go:build unix

package pgcluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/doorward/doorward/e2e/bound"
	"github.com/jackc/pgx/v5"
)

// node is one server: a data directory and, while it runs, a process.
type node struct {
	tools  tools
	data   string
	port   string
	server *process // nil while it does not run
}

// newNode finds a port below the range from which the system takes those of outgoing connections, so that it stays free while the server is down.
func newNode(tools tools, data string) (*node, error) {
	for range 100 {
		n := &node{tools: tools, data: data, port: strconv.Itoa(15000 + rand.N(15000))}
		if listener, err := net.Listen("tcp", n.address()); err == nil {
			return n, listener.Close()
		}
	}
	return nil, errors.New("no free port was found")
}

func (n *node) name() string    { return filepath.Base(n.data) }
func (n *node) address() string { return "127.0.0.1:" + n.port }
func (n *node) url(database string) string {
	return fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", superuser, n.address(), database)
}

// start starts the server, as the standby of another or, with nil, as a primary, and returns once it answers.
func (n *node) start(follow *node) error {
	args := []string{"-D", n.data, "-p", n.port, "-k", "", "-c", "listen_addresses=127.0.0.1", "-c", "cluster_name=" + n.name(),
		"-c", "max_connections=120", "-c", "shared_buffers=32MB", "-c", "wal_keep_size=512MB", "-c", "wal_receiver_timeout=5s", "-c", "wal_sender_timeout=5s",
		"-c", "wal_retrieve_retry_interval=200ms", "-c", "max_prepared_transactions=0"}
	standby := filepath.Join(n.data, "standby.signal")
	if follow == nil {
		if err := os.RemoveAll(standby); err != nil {
			return err
		}
	} else {
		if err := os.WriteFile(standby, nil, 0o600); err != nil {
			return err
		}
		if err := n.tools.own(standby); err != nil {
			return err
		}
		args = append(args, "-c", fmt.Sprintf("primary_conninfo=host=127.0.0.1 port=%s user=%s application_name=%s", follow.port, superuser, n.name()))
	}
	log, err := os.OpenFile(n.data+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	command := n.tools.command("postgres", args...)
	command.Stdout, command.Stderr = log, log
	if n.server, err = startProcess(command); err != nil {
		return err
	}
	return eventually("PostgreSQL answers", func() error {
		if n.server.ended() {
			return fmt.Errorf("it ended: %s", n.logEnd())
		}
		_, err := ask[int](n, "SELECT 1")
		return err
	})
}

// exec runs a statement on a connection of its own.
func (n *node) exec(statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	conn, err := pgx.Connect(ctx, n.url("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

// waitForStandby has commits wait for the standby of that name; "" is none.
func (n *node) waitForStandby(name string) error {
	if err := n.exec("ALTER SYSTEM SET synchronous_standby_names = '" + name + "'"); err != nil {
		return err
	}
	if err := n.exec("SELECT pg_reload_conf()"); err != nil {
		return err
	}
	return eventually("the server has read its settings", func() error {
		set, err := ask[string](n, "SHOW synchronous_standby_names")
		if err == nil && set != name {
			err = fmt.Errorf("%q", set)
		}
		return err
	})
}

// kill ends the server and its children with SIGKILL. A stopped parent makes no new ones meanwhile.
func (n *node) kill() {
	if n.server == nil {
		return
	}
	pid := n.server.pid()
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	children := bound.ChildrenOf(pid)
	_ = syscall.Kill(pid, syscall.SIGKILL)
	for _, child := range children {
		_ = syscall.Kill(child, syscall.SIGKILL)
	}
	n.server.wait()
	for _, child := range children { // a child that lives keeps the data directory's shared memory, and no server starts
		for range 200 {
			if !bound.Alive(child) {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	n.server = nil
}

func (n *node) logEnd() string {
	text, err := os.ReadFile(n.data + ".log")
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}
