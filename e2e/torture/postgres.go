package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/doorward/doorward/e2e/bound"
	"github.com/doorward/doorward/e2e/release"
	"github.com/jackc/pgx/v5"
)

// Postgres is a cluster of its own with one database, as durable as PostgreSQL is by default.
type Postgres struct {
	dir      string
	binaries string // directory; "" for PATH
	account  *syscall.Credential
	port     string

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{}
}

const postgresUser = "postgres"

// NewPostgres makes and starts a cluster in a new directory.
func NewPostgres(ctx context.Context, dir string) (*Postgres, error) {
	p := &Postgres{dir: dir}
	var err error
	if p.binaries, err = postgresBinaries(); err != nil {
		return nil, err
	}
	if p.account, err = postgresAccount(); err != nil {
		return nil, err
	}
	address, err := release.FreeAddress()
	if err != nil {
		return nil, err
	}
	_, p.port, _ = net.SplitHostPort(address)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	if p.account != nil {
		if err := os.Chown(dir, int(p.account.Uid), int(p.account.Gid)); err != nil {
			return nil, err
		}
	}
	if err := p.run("initdb", "--pgdata="+p.data(), "--username="+postgresUser, "--auth=trust", "--encoding=UTF8", "--no-locale"); err != nil {
		return nil, err
	}
	if err := p.Start(); err != nil {
		return nil, err
	}
	if err := p.Await(ctx, "postgres"); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	if err := p.run("createdb", "--host=127.0.0.1", "--port="+p.port, "--username="+postgresUser, "doorward"); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}

func (p *Postgres) data() string { return filepath.Join(p.dir, "data") }

// URL is the database's.
func (p *Postgres) URL() string { return p.url("doorward") }

func (p *Postgres) url(database string) string {
	return "postgres://" + postgresUser + "@127.0.0.1:" + p.port + "/" + database + "?sslmode=disable"
}

// Start starts the postmaster, and does not wait until it answers.
func (p *Postgres) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	log, err := os.OpenFile(filepath.Join(p.dir, "postgres.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	p.cmd = p.command("postgres", "-D", p.data(), "-p", p.port, "-k", p.dir, "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=150", "-c", "shared_buffers=64MB",
		"-c", "restart_after_crash=on")
	p.cmd.Stdout, p.cmd.Stderr = log, log
	exited := make(chan struct{})
	p.exited = exited
	return bound.Start(p.cmd, syscall.SIGKILL, func(error) { close(exited) })
}

// Await waits until the database answers.
func (p *Postgres) Await(ctx context.Context, database string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, p.url(database))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL does not answer: %w", err)
		}
	}
}

// Kill ends the postmaster and all its children with SIGKILL, and waits until they are gone.
func (p *Postgres) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil || p.cmd.Process == nil {
		return
	}
	postmaster := p.cmd.Process.Pid
	_ = syscall.Kill(postmaster, syscall.SIGSTOP) // so that it starts no more
	children := bound.ChildrenOf(postmaster)
	_ = syscall.Kill(postmaster, syscall.SIGKILL)
	for _, child := range children {
		_ = syscall.Kill(child, syscall.SIGKILL)
	}
	<-p.exited
	for _, child := range children {
		for range 500 { // an orphan is gone once the system's first process has buried it
			if !bound.Alive(child) {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// Exited tells whether the postmaster has ended.
func (p *Postgres) Exited() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// Stop ends the cluster; its data is thrown away.
func (p *Postgres) Stop() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		return nil // it has ended
	}
	<-p.exited
	return nil
}

func (p *Postgres) command(name string, args ...string) *exec.Cmd {
	if p.binaries != "" {
		name = filepath.Join(p.binaries, name)
	}
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = p.dir, release.CleanEnv()
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.account}
	return cmd
}

func (p *Postgres) run(name string, args ...string) error {
	output, err := p.command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(output))
	}
	return nil
}

// postgresBinaries prefers PATH, then the newest version where Debian puts them.
func postgresBinaries() (string, error) {
	if _, err := exec.LookPath("initdb"); err == nil {
		if _, err := exec.LookPath("postgres"); err == nil {
			return "", nil
		}
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errors.New("PostgreSQL is needed and was not found; scripts/setup installs it")
	}
	newest, highest := "", -1
	for _, initdb := range found {
		bin := filepath.Dir(initdb)
		if version, err := strconv.Atoi(filepath.Base(filepath.Dir(bin))); err == nil && version > highest {
			newest, highest = bin, version
		}
	}
	return newest, nil
}

// postgresAccount is who PostgreSQL runs as, where that is not the harness's own user: it refuses to run as root.
func postgresAccount() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	owner, err := user.Lookup(postgresUser)
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root, and there is no user %s to run it: %w", postgresUser, err)
	}
	uid, err := strconv.ParseUint(owner.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(owner.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}
