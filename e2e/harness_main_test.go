package e2e

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// suite is what all tests share: one binary and one running server.
// Tests keep apart from each other by project, by email address and by source address.
var suite struct {
	dir    string
	binary string
	shared *server
}

func TestMain(m *testing.M) {
	flag.Parse()
	raiseParallelism()
	os.Exit(run(m))
}

// raiseParallelism lets tests that only wait for an expiry overlap, unless -parallel was given.
func raiseParallelism() {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", "6")
	}
}

func run(m *testing.M) (code int) {
	dir, err := os.MkdirTemp("", "doorward-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	suite.dir = dir
	defer func() {
		if code == 0 {
			_ = os.RemoveAll(dir)
			return
		}
		fmt.Fprintln(os.Stderr, "e2e: server logs and data are kept in", dir)
	}()
	defer stopPostgres()
	if err := startSuite(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	code = m.Run()
	stopSharedDex()
	stopBrowser()
	for _, problem := range finishSuite() {
		fmt.Fprintln(os.Stderr, "e2e: FAIL:", problem)
		code = 1
	}
	return code
}

func startSuite() (err error) {
	if suite.binary, err = buildBinary(suite.dir); err != nil {
		return err
	}
	if err = startPostgres(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	suite.shared, err = startServer(serverOptions{data: filepath.Join(suite.dir, "shared"), adminToken: randomSecret("admin")})
	return err
}

// finishSuite stops the shared server and makes the checks that need the whole run behind them.
func finishSuite() (problems []string) {
	if whole() {
		problems = append(problems, uncoveredOperations()...)
	}
	if err := suite.shared.stop(); err != nil {
		problems = append(problems, "shared server: "+err.Error())
	}
	problems = append(problems, raceReports()...)
	problems = append(problems, leakedSecrets()...)
	return problems
}

// whole tells whether this run holds every test, so that coverage may be judged.
func whole() bool {
	for _, name := range []string{"test.run", "test.skip", "test.list"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" {
			return false
		}
	}
	return true
}

// buildBinary builds ../cmd/doorward into dir, with the race detector where a C compiler is there.
// DOORWARD_E2E_BINARY names a ready binary to test instead.
func buildBinary(dir string) (string, error) {
	if ready := os.Getenv("DOORWARD_E2E_BINARY"); ready != "" {
		return filepath.Abs(ready)
	}
	out := filepath.Join(dir, "doorward")
	args := []string{"build", "-o", out}
	env := append(os.Environ(), "CGO_ENABLED=0")
	if _, err := exec.LookPath("gcc"); err == nil {
		unwatched, err := os.ReadFile(filepath.Join("..", "scripts", "unwatched"))
		if err != nil {
			return "", err
		}
		args = append(args, "-race", "-pgo=off") // the profile would only make it longer
		for _, name := range strings.Fields(string(unwatched)) {
			args = append(args, "-gcflags="+name+"=-race=false")
		}
		env = append(os.Environ(), "CGO_ENABLED=1")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	build := exec.CommandContext(ctx, "go", append(args, "./cmd/doorward")...)
	build.Dir = ".."
	build.Env = env
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the binary: %w\n%s", err, output)
	}
	return out, nil
}

// raceReports returns what the race detector wrote in any process of this run.
func raceReports() (problems []string) {
	files, _ := filepath.Glob(filepath.Join(suite.dir, "race.*"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			problems = append(problems, err.Error())
		} else if len(bytes.TrimSpace(text)) > 0 {
			problems = append(problems, "data race:\n"+strings.TrimSpace(string(text)))
		}
	}
	return problems
}
