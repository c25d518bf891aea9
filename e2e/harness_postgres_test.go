package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/doorward/doorward/e2e/bound"
)

// postgres is the PostgreSQL of a run with DOORWARD_E2E_DATABASE=postgres: one cluster, in which each data directory of the suite has a database of its own. It listens on
// a unix socket, and is not durable: no test kills it.
var postgres struct {
	dir      string // "": the run is on SQLite
	binaries string
	as       *syscall.Credential // nil: the suite's own user
	server   *exec.Cmd
	exited   chan struct{}

	mu        sync.Mutex
	databases map[string]string // of data directories
}

// startPostgres starts the cluster, where the run asks for one.
func startPostgres() error {
	switch kind := os.Getenv("DOORWARD_E2E_DATABASE"); kind {
	case "", "sqlite":
		return nil
	case "postgres":
	default:
		return fmt.Errorf("DOORWARD_E2E_DATABASE is %q; it may be sqlite or postgres", kind)
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) > 0 {
		postgres.binaries = filepath.Dir(found[len(found)-1])
	} else if _, err := exec.LookPath("initdb"); err != nil {
		return errors.New(`PostgreSQL was not found in PATH nor in /usr/lib/postgresql/*/bin; "apt-get install postgresql" installs it on Debian`)
	}
	dir, err := os.MkdirTemp("", "doorward-e2e-pg-")
	if err != nil {
		return err
	}
	postgres.dir, postgres.databases = dir, map[string]string{}
	if os.Geteuid() == 0 { // PostgreSQL refuses to run as root
		owner, err := user.Lookup("postgres")
		if err != nil {
			return err
		}
		uid, _ := strconv.Atoi(owner.Uid) // numbers on every system with user ids
		gid, _ := strconv.Atoi(owner.Gid)
		if err := os.Chown(dir, uid, gid); err != nil {
			return err
		}
		postgres.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	if _, err := runPostgres("initdb", "--pgdata="+filepath.Join(dir, "data"), "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"); err != nil {
		return err
	}
	server := postgresCommand("postgres", "-D", filepath.Join(dir, "data"), "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "full_page_writes=off",
		"-c", "max_connections=500", "-c", "shared_buffers=64MB")
	exited := make(chan struct{})
	if err := bound.Start(server, syscall.SIGQUIT, func(error) { close(exited) }); err != nil {
		return err
	}
	postgres.server, postgres.exited = server, exited
	for range 200 {
		if _, err = runPostgres("psql", "--host="+dir, "--username=postgres", "--command=SELECT 1"); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

func stopPostgres() {
	if postgres.server != nil {
		_ = postgres.server.Process.Signal(syscall.SIGQUIT) // at once; the data is thrown away
		<-postgres.exited
	}
	if postgres.dir != "" {
		_ = os.RemoveAll(postgres.dir)
	}
}

func postgresCommand(name string, args ...string) *exec.Cmd {
	if postgres.binaries != "" {
		name = filepath.Join(postgres.binaries, name)
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = postgres.dir
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "PG") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	if postgres.as != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: postgres.as}
	}
	return cmd
}

func runPostgres(name string, args ...string) ([]byte, error) {
	cmd := postgresCommand(name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return output, nil
}

// databaseEnv names the database that belongs to a data directory, and makes it at its first use. On SQLite it is empty.
func databaseEnv(data string) ([]string, error) {
	if postgres.dir == "" || data == "" {
		return nil, nil
	}
	postgres.mu.Lock()
	defer postgres.mu.Unlock()
	name, ok := postgres.databases[data]
	if !ok {
		name = fmt.Sprintf("e2e_%d", len(postgres.databases))
		if _, err := runPostgres("createdb", "--host="+postgres.dir, "--username=postgres", name); err != nil {
			return nil, err
		}
		postgres.databases[data] = name
	}
	return []string{"DOORWARD_DATABASE=postgres:///" + name + "?" + url.Values{"host": {postgres.dir}, "user": {"postgres"}}.Encode()}, nil
}

// dataOf gives the data directory that a command line names.
func dataOf(args []string) string {
	for i, arg := range args {
		if arg == "--data" && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

// dumpPostgres gives the content of a data directory's database as text; nothing on SQLite.
func dumpPostgres(data string) ([]byte, error) {
	if postgres.dir == "" {
		return nil, nil
	}
	return runPostgres("pg_dump", "--host="+postgres.dir, "--username=postgres", "--data-only", postgres.databases[data])
}
