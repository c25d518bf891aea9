//go:build unix

package pgcluster

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// tools are PostgreSQL's programs, and who runs them: PostgreSQL refuses root.
type tools struct {
	dir     string // "" for PATH
	account *syscall.Credential
}

// findTools prefers PATH, then the newest version where Debian puts them.
func findTools() (tools, error) {
	var t tools
	if _, err := exec.LookPath("pg_rewind"); err != nil {
		found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pg_rewind")
		if len(found) == 0 {
			return t, errors.New("PostgreSQL is needed for this test and was found neither in PATH nor in /usr/lib/postgresql/*/bin; on Debian: apt-get install postgresql")
		}
		t.dir = filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) }))
	}
	if os.Geteuid() != 0 {
		return t, nil
	}
	owner, err := user.Lookup(superuser)
	if err != nil {
		return t, fmt.Errorf("PostgreSQL does not run as root, and there is no user %s to run it: %w", superuser, err)
	}
	uid, errUID := strconv.ParseUint(owner.Uid, 10, 32)
	gid, errGID := strconv.ParseUint(owner.Gid, 10, 32)
	t.account = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return t, errors.Join(errUID, errGID)
}

func version(tool string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(tool))))
	return n
}

func (t tools) command(name string, args ...string) *exec.Cmd {
	if t.dir != "" {
		name = filepath.Join(t.dir, name)
	}
	command := exec.Command(name, args...)
	command.Dir = "/"
	command.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "PG") || strings.HasPrefix(v, "LC_") || strings.HasPrefix(v, "LANG")
	})
	command.SysProcAttr = &syscall.SysProcAttr{Credential: t.account}
	return command
}

func (t tools) run(name string, args ...string) error {
	output, err := t.command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(output))
	}
	return nil
}

// own gives a file to who runs the servers.
func (t tools) own(path string) error {
	if t.account == nil {
		return nil
	}
	return os.Chown(path, int(t.account.Uid), int(t.account.Gid))
}
