//go:build linux

package doorward_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestServiceUnit: systemd understands the unit, and finds little that it leaves open.
func TestServiceUnit(t *testing.T) {
	t.Parallel()
	unit := filepath.Join(t.TempDir(), "doorward.service")
	text := strings.ReplaceAll(readText(t, "deploy/doorward.service"), "/usr/local/bin/doorward", builtProgram(t)) // systemd looks for it
	if err := os.WriteFile(unit, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("systemd-analyze", "verify", "--man=no", unit).CombinedOutput()
	if err != nil {
		t.Fatalf("systemd-analyze verify: %v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "doorward.service") && !strings.Contains(line, "RestartSteps") && !strings.Contains(line, "RestartMaxDelaySec") { // newer than some systemd
			t.Errorf("systemd says: %s", line)
		}
	}
	out, err = exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", unit).CombinedOutput()
	if err != nil {
		t.Fatalf("systemd-analyze security: %v\n%s", err, out)
	}
	level := regexp.MustCompile(`Overall exposure level for doorward.service: ([0-9.]+)`).FindStringSubmatch(string(out))
	if level == nil {
		t.Fatalf("no level in\n%s", out)
	}
	t.Logf("exposure: %s of 10", level[1])
	if score, err := strconv.ParseFloat(level[1], 64); err != nil || score > 1.3 {
		t.Errorf("the exposure is %s\n%s", level[1], out)
	}
}

// TestServiceUnitRestartsCrashes: the unit does not start again after a wrong configuration, and does after a crash: with its environment the program ends by a signal
// then, where Go's runtime would give the same exit code as a wrong configuration.
func TestServiceUnitRestartsCrashes(t *testing.T) {
	t.Parallel()
	unit := readText(t, "deploy/doorward.service")
	for _, line := range []string{"Restart=on-failure", "RestartPreventExitStatus=2", "LimitCORE=0"} {
		if !strings.Contains(unit, "\n"+line+"\n") {
			t.Errorf("the unit has no line %s", line)
		}
	}
	var env []string
	for _, match := range regexp.MustCompile(`(?m)^Environment=(GO\S+)$`).FindAllStringSubmatch(unit, -1) {
		env = append(env, match[1])
	}
	command := func(args ...string) *exec.Cmd {
		cmd := exec.Command("sh", append([]string{"-c", `ulimit -c 0; exec "$0" "$@"`, builtProgram(t), "serve"}, args...)...)
		cmd.Env = env
		return cmd
	}
	wrong := command("--log-level", "loud")
	if err := wrong.Run(); wrong.ProcessState.ExitCode() != 2 {
		t.Errorf("a wrong configuration: %v", err)
	}

	crash := command("--data", filepath.Join(t.TempDir(), "data"), "--listen", "127.0.0.1:0", "--log-format", "json")
	log, err := crash.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := crash.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(log)
	serving := false
	for lines.Scan() {
		if strings.Contains(lines.Text(), `"msg":"serving"`) {
			serving = true
			if err := crash.Process.Signal(syscall.SIGABRT); err != nil {
				t.Fatal(err)
			}
		}
	}
	err = crash.Wait()
	if status := crash.ProcessState.Sys().(syscall.WaitStatus); !serving || !status.Signaled() || status.Signal() != syscall.SIGABRT {
		t.Errorf("serving: %t, after SIGABRT: %v", serving, err)
	}
}

// TestServiceUnitLowPorts: the page on TLS has the lines of the unit that let it take ports below 1024.
func TestServiceUnitLowPorts(t *testing.T) {
	t.Parallel()
	_, page, _ := strings.Cut(readText(t, operationsDoc), "\n## TLS\n")
	page, _, _ = strings.Cut(page, "\n## ")
	lines := regexp.MustCompile(`(?m)^#((?:CapabilityBoundingSet|AmbientCapabilities|PrivateUsers)=\S+)$`).FindAllStringSubmatch(readText(t, "deploy/doorward.service"), -1)
	if len(lines) != 3 {
		t.Fatalf("the unit has %d such lines", len(lines))
	}
	for _, line := range lines {
		if !strings.Contains(page, "`"+line[1]+"`") {
			t.Errorf("%s does not name %s", operationsDoc, line[1])
		}
	}
}

// imageFiles are the files of the image, with the binary of this source.
func imageFiles(t *testing.T) []byte {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.Command("scripts/image", "-", builtProgram(t))
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("scripts/image: %v\n%s", err, stderr.String())
	}
	return stdout.Bytes()
}

// TestImageFiles: the image holds the binary, which the server's user cannot change, and one directory of that user's.
func TestImageFiles(t *testing.T) {
	t.Parallel()
	want := map[string]string{"doorward": "-rwxr-xr-x 0:0", "var/": "drwxr-xr-x 0:0", "var/lib/": "drwxr-xr-x 0:0", "var/lib/doorward/": "drwx------ 65532:65532"}
	for archive := tar.NewReader(bytes.NewReader(imageFiles(t))); ; {
		h, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%s %d:%d", h.FileInfo().Mode(), h.Uid, h.Gid); got != want[h.Name] {
			t.Errorf("%s is %s, want %s", h.Name, got, want[h.Name])
		}
		delete(want, h.Name)
	}
	if len(want) > 0 {
		t.Errorf("not there: %v", want)
	}
	file := readText(t, "Containerfile")
	for _, line := range []string{"FROM scratch", "USER 65532:65532", "VOLUME /var/lib/doorward", "STOPSIGNAL SIGTERM", `ENTRYPOINT ["/doorward"]`, `CMD ["serve"]`} {
		if !strings.Contains(file, "\n"+line+"\n") {
			t.Errorf("the Containerfile has no line %s", line)
		}
	}
}

// TestImageRuns: the binary starts where there is nothing else, as the image's user, answers its health check, and ends on SIGTERM.
func TestImageRuns(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root may change the root directory")
	}
	root := t.TempDir()
	untar := exec.Command("tar", "--extract", "--same-owner", "--directory", root)
	untar.Stdin = bytes.NewReader(imageFiles(t))
	if out, err := untar.CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	env := []string{}
	for _, match := range regexp.MustCompile(`(?m)^ENV (\S+)$`).FindAllStringSubmatch(readText(t, "Containerfile"), -1) {
		env = append(env, match[1])
	}
	// Free ports instead of the image's own; a later value wins.
	for _, name := range []string{"DOORWARD_LISTEN", "DOORWARD_METRICS_LISTEN"} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		env = append(env, name+"="+ln.Addr().String())
		ln.Close()
	}
	var log bytes.Buffer
	run := func(args ...string) *exec.Cmd {
		cmd := exec.Command("/doorward", args...)
		cmd.Env, cmd.Dir = env, "/var/lib/doorward"
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
		return cmd
	}
	server := run("serve")
	server.Stdout, server.Stderr = &log, &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	healthy := false
	for deadline := time.Now().Add(time.Minute); !healthy && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		healthy = run("health", "--ready").Run() == nil
	}
	if out, err := run("user", "list").CombinedOutput(); err != nil {
		t.Errorf("a command beside the server: %v\n%s", err, out)
	}
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := server.Wait(); err != nil || !healthy {
		t.Errorf("healthy: %t, the end: %v\n%s", healthy, err, log.String())
	}
	if out, err := run("health").CombinedOutput(); err == nil {
		t.Errorf("without a server the health check says %s", out)
	}
	var stat syscall.Stat_t
	if err := syscall.Stat(filepath.Join(root, "var/lib/doorward/data/doorward.db"), &stat); err != nil || stat.Uid != 65532 || stat.Mode&0o777 != 0o600 {
		t.Errorf("the database: owner %d, mode %o, %v", stat.Uid, stat.Mode&0o777, err)
	}
}

// TestRelease: of one tag two clones make the same bytes, in different time zones too, the binary knows its version, and what is not exactly the tag is refused.
func TestRelease(t *testing.T) {
	t.Parallel()
	const version = "v0.0.1-test"
	target := runtime.GOOS + "/" + runtime.GOARCH
	clone := func() string {
		dir := filepath.Join(t.TempDir(), "clone")
		git(t, "", "clone", "--quiet", "--no-hardlinks", ".", dir)
		return dir
	}
	zones := map[string]string{}
	release := func(dir string) (string, error) {
		cmd := exec.Command(filepath.Join(dir, "scripts/release"), version, target, "windows/amd64") // the one a tar, the other a zip, which has local times
		cmd.Env = append(os.Environ(), "TZ="+zones[dir])
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	refused := func(dir, want string) {
		t.Helper()
		if out, err := release(dir); err == nil || !strings.Contains(out, want) {
			t.Errorf("want %q, got %v\n%s", want, err, out)
		}
	}
	one, two := clone(), clone()
	zones[one], zones[two] = "XXX-14", "YYY+11"
	refused(one, "there is no tag")
	git(t, one, "tag", version, "HEAD~1")
	refused(one, "the source is not at the tag")
	git(t, one, "tag", "--force", version)
	git(t, two, "tag", version)
	stray := filepath.Join(one, "cmd/doorward/stray.go")
	if err := os.WriteFile(stray, []byte("package main\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	refused(one, "the source has changes")
	if err := os.Remove(stray); err != nil {
		t.Fatal(err)
	}
	var sums []string
	for _, dir := range []string{one, two} {
		if out, err := release(dir); err != nil {
			t.Fatalf("release: %v\n%s", err, out)
		}
		sums = append(sums, readText(t, filepath.Join(dir, "dist", version, "SHA256SUMS")))
	}
	if sums[0] != sums[1] || strings.Count(sums[0], "\n") != 4 {
		t.Errorf("two clones give\n%s\nand\n%s", sums[0], sums[1])
	}
	dist := filepath.Join(one, "dist", version)
	name := "doorward-" + version + "-" + runtime.GOOS + "-" + runtime.GOARCH
	if out, err := exec.Command("tar", "--extract", "--gzip", "--directory", dist, "--file", filepath.Join(dist, name+".tar.gz")).CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	out, err := exec.Command(filepath.Join(dist, name, "doorward"), "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "doorward "+version+"\n") {
		t.Errorf("the released binary: %v\n%s", err, out)
	}
	parts := readText(t, filepath.Join(dist, name+".cdx.json"))
	for _, part := range []string{`"bomFormat": "CycloneDX"`, "pkg:golang/modernc.org/sqlite@", "pkg:golang/github.com/go-jose/go-jose/v4@", "pkg:golang/std@"} {
		if !strings.Contains(parts, part) {
			t.Errorf("the list of parts has no %s", part)
		}
	}
	for _, file := range []string{"LICENSE", "docs/operations.md", "deploy/doorward.service", "deploy/alerts.yml"} {
		if _, err := os.Stat(filepath.Join(dist, name, file)); err != nil {
			t.Error(err)
		}
	}
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}
