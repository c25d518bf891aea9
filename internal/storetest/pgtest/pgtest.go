//go:build unix

// Package pgtest runs a private PostgreSQL for tests: one cluster for each test binary, one database for each test. The cluster listens on a unix socket in a
// directory of its own, and is not durable.
package pgtest

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/sqlstore"
)

const (
	superuser = "postgres"
	template  = "doorward_template"
	missing   = `PostgreSQL is needed for this test and was not found in PATH nor in /usr/lib/postgresql/*/bin.
Install its server: "apt-get install postgresql" on Debian, "dnf install postgresql-server" on Fedora, "brew install postgresql" on macOS`
)

// cluster is the running server.
type cluster struct {
	binaries string // directory; "" for PATH
	dir      string // holds the data and the socket
	account  *account
	server   *process
}

// account is who the server runs as, where that is not the test's own user: PostgreSQL refuses to run as root.
type account struct{ uid, gid int }

var (
	start     sync.Once
	running   *cluster
	errStart  error
	databases atomic.Int64
)

// Main runs the tests and stops the cluster, if one was started. It is the body of a TestMain: os.Exit(pgtest.Main(m)).
func Main(m *testing.M) int {
	code := m.Run()
	if running != nil {
		running.stop()
	}
	return code
}

// URL gives a database with the newest schema for one test. It fails the test where PostgreSQL is not installed. The package needs a TestMain that calls [Main].
func URL(t testing.TB) string {
	t.Helper()
	return create(t, "--template="+template)
}

// EmptyURL gives a database without a schema.
func EmptyURL(t testing.TB) string {
	t.Helper()
	return create(t)
}

func create(t testing.TB, options ...string) string {
	t.Helper()
	start.Do(func() { running, errStart = startCluster() })
	if errStart != nil {
		t.Fatal(errStart)
	}
	name := "test_" + strconv.FormatInt(databases.Add(1), 10)
	if err := running.run("createdb", append(options, "--host="+running.dir, "--username="+superuser, name)...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := running.run("dropdb", "--force", "--host="+running.dir, "--username="+superuser, name); err != nil {
			t.Error(err)
		}
	})
	return running.url(name)
}

func (c *cluster) url(database string) string {
	query := url.Values{"host": {c.dir}, "user": {superuser}}
	return "postgres:///" + database + "?" + query.Encode()
}

// initCluster makes the files of a cluster.
func initCluster() (*cluster, error) {
	c := &cluster{}
	var err error
	if c.binaries, err = findBinaries(); err != nil {
		return nil, err
	}
	if c.account, err = serverAccount(); err != nil {
		return nil, err
	}
	if c.dir, err = os.MkdirTemp("", "pgtest"); err != nil {
		return nil, err
	}
	if c.account != nil {
		if err := os.Chown(c.dir, c.account.uid, c.account.gid); err != nil {
			return nil, c.abandon(err)
		}
	}
	data := filepath.Join(c.dir, "data")
	err = c.run("initdb", "--pgdata="+data, "--username="+superuser, "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync")
	if err != nil {
		return nil, c.abandon(err)
	}
	return c, nil
}

func startCluster() (*cluster, error) {
	c, err := initCluster()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(c.dir, "data")
	c.server, err = startProcess(c.command("postgres", "-D", data, "-k", c.dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "synchronous_commit=off",
		"-c", "full_page_writes=off", "-c", "max_connections=200", "-c", "shared_buffers=32MB"))
	if err != nil {
		return nil, c.abandon(err)
	}
	if err := c.prepare(); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

// prepare waits for the server and makes the template that databases are copied from.
func (c *cluster) prepare() error {
	var err error
	for range 200 {
		if err = c.run("createdb", "--host="+c.dir, "--username="+superuser, template); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err != nil {
		return err
	}
	store, err := sqlstore.Open(context.Background(), sqlstore.Options{URL: c.url(template)})
	if err != nil {
		return fmt.Errorf("the template database: %w", err)
	}
	return store.Close()
}

func (c *cluster) abandon(err error) error {
	_ = os.RemoveAll(c.dir)
	return fmt.Errorf("starting PostgreSQL: %w", err)
}

func (c *cluster) stop() {
	c.server.stop()
	_ = os.RemoveAll(c.dir)
}

func (c *cluster) command(name string, args ...string) *exec.Cmd {
	if c.binaries != "" {
		name = filepath.Join(c.binaries, name)
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = c.dir
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "PG") })
	runAs(cmd, c.account)
	return cmd
}

func (c *cluster) run(name string, args ...string) error {
	output, err := c.command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(output))
	}
	return nil
}

// findBinaries prefers PATH, then the newest version where Debian puts them.
func findBinaries() (string, error) {
	if _, err := exec.LookPath("initdb"); err == nil {
		if _, err := exec.LookPath("postgres"); err == nil {
			return "", nil
		}
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("%s", missing)
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(newest), nil
}

func version(initdb string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(initdb))))
	return n
}

func serverAccount() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	owner, err := user.Lookup(superuser)
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root, and there is no user %s to run it: %w", superuser, err)
	}
	uid, err := strconv.Atoi(owner.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(owner.Gid)
	if err != nil {
		return nil, err
	}
	return &account{uid, gid}, nil
}
