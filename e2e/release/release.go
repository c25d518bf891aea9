// Package release builds the server as a release is built and runs it, for the programs here that are no tests: bench and torture.
package release

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// Build makes the binary of a repository. Tags are those of the go command.
func Build(ctx context.Context, repository, to string, tags ...string) error {
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-tags="+strings.Join(tags, ","), "-o", to, "./cmd/doorward")
	build.Dir, build.Env = repository, append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the server: %w\n%s", err, output)
	}
	return nil
}

// Run runs a verb with an environment that says nothing to it, and gives what it prints. The error has what it complained about.
func Run(ctx context.Context, binary string, in io.Reader, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env, cmd.Stdin = CleanEnv(), in
	output, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, fmt.Errorf("doorward %s: %w: %s", args[0], err, exit.Stderr)
	}
	return output, err
}

// CleanEnv is the environment without what configures a server or PostgreSQL's clients.
func CleanEnv() (env []string) {
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "DOORWARD_") && !strings.HasPrefix(kv, "PG") {
			env = append(env, kv)
		}
	}
	return env
}

// FreeAddress finds a loopback address below the range from which the system takes the ports of outgoing connections, so that it is still free after a kill.
func FreeAddress() (string, error) {
	for range 200 {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(15000+rand.N(15000)))
		listener, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		return address, listener.Close()
	}
	return "", errors.New("no free port was found")
}
