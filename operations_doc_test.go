package doorward_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const operationsDoc, alertRules = "docs/operations.md", "deploy/alerts.yml"

// program is the static binary of this source, built once for the tests of this package.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "doorward-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "doorward")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "./cmd/doorward")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	return path, build.Run()
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := program(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

func builtProgram(t *testing.T) string {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatalf("build: %v", err)
	}
	return path
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// output runs the program with no configuration from outside.
func output(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(builtProgram(t), args...)
	cmd.Env = []string{}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("doorward %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// exposedMetrics are the names that a server with one request behind it exposes, without the suffixes of histograms.
func exposedMetrics(t *testing.T) []string {
	t.Helper()
	var addresses []string
	for range 2 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		addresses = append(addresses, ln.Addr().String())
		ln.Close()
	}
	cmd := exec.Command(builtProgram(t), "serve", "--data", filepath.Join(t.TempDir(), "data"), "--listen", addresses[0], "--metrics-listen", addresses[1], "--log-level", "error")
	cmd.Env, cmd.Stderr = []string{}, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}()
	text := ""
	for deadline := time.Now().Add(time.Minute); !strings.Contains(text, "doorward_http_requests_total{"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no metrics of a request in a minute:\n%s", text)
		}
		for _, url := range []string{"http://" + addresses[0] + "/healthz", "http://" + addresses[1] + "/metrics"} {
			if resp, err := http.Get(url); err == nil {
				body, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				text = string(body)
			}
		}
	}
	var names []string
	for _, match := range regexp.MustCompile(`(?m)^# TYPE (\S+) `).FindAllStringSubmatch(text, -1) {
		names = append(names, match[1])
	}
	return names
}

// declaredMetrics are the names in the server's source: some are exposed only with certificates or backups.
func declaredMetrics(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob("internal/server/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, match := range regexp.MustCompile(`"(doorward_[a-z_]+)"`).FindAllStringSubmatch(readText(t, file), -1) {
			names = append(names, match[1])
		}
	}
	return names
}

// TestDocumentedMetrics: each metric that the operators' page and the alert rules name is exposed, each of ours that is exposed stands on the page, and so does
// each alert.
func TestDocumentedMetrics(t *testing.T) {
	t.Parallel()
	exposed := append(exposedMetrics(t), declaredMetrics(t)...)
	page, rules := readText(t, operationsDoc), readText(t, alertRules)
	metric := regexp.MustCompile(`\b(doorward|process|go)_[a-z_]+`)
	var exprs []string
	for _, match := range regexp.MustCompile(`(?m)^\s+expr: (.+)$`).FindAllStringSubmatch(rules, -1) {
		exprs = append(exprs, match[1])
	}
	for where, text := range map[string]string{operationsDoc: page, alertRules: strings.Join(exprs, "\n")} {
		named := metric.FindAllString(text, -1)
		if len(named) < 10 {
			t.Errorf("%s names only %v", where, named)
		}
		for _, name := range named {
			plain := name
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				plain = strings.TrimSuffix(plain, suffix)
			}
			if !slices.Contains(exposed, name) && !slices.Contains(exposed, plain) {
				t.Errorf("%s names the metric %s, which no server exposes", where, name)
			}
		}
	}
	for _, name := range exposed {
		if strings.HasPrefix(name, "doorward_") && !strings.Contains(page, "`"+name+"`") {
			t.Errorf("%s does not tell of the metric %s", operationsDoc, name)
		}
	}
	alerts := regexp.MustCompile(`(?m)- alert: (\w+)\n\s+expr: .+\n(?:\s+for: \w+\n)?\s+labels: \{severity: (page|ticket)\}\n\s+annotations: \{summary: ".+"\}$`).FindAllStringSubmatch(rules, -1)
	if len(alerts) != strings.Count(rules, "- alert:") || len(alerts) < 10 {
		t.Errorf("%d of %d alerts have the usual form", len(alerts), strings.Count(rules, "- alert:"))
	}
	for _, alert := range alerts {
		if !strings.Contains(page, "| `"+alert[1]+"` ("+alert[2]+") | ") {
			t.Errorf("%s lacks the alert %s (%s)", operationsDoc, alert[1], alert[2])
		}
	}
	for _, match := range regexp.MustCompile("(?m)^\\| `(Doorward[A-Za-z]+)`").FindAllStringSubmatch(page, -1) {
		if !strings.Contains(rules, "alert: "+match[1]+"\n") {
			t.Errorf("%s explains the alert %s, which is not in %s", operationsDoc, match[1], alertRules)
		}
	}
}

// TestDocumentedCommands: the commands, flags and variables on the operators' page exist.
func TestDocumentedCommands(t *testing.T) {
	t.Parallel()
	page := readText(t, operationsDoc)
	commands := regexp.MustCompile("(?:[\\s`(/]|^)doorward((?: [a-z][a-z0-9-]*)+)").FindAllStringSubmatch(onlyCode(page), -1)
	if len(commands) < 20 {
		t.Errorf("only %d commands", len(commands))
	}
	flags := output(t, "completion", "bash")
	seen := map[string]bool{}
	for _, match := range commands {
		line := strings.TrimPrefix(match[1], " doorward") // after sudo -u doorward
		if !seen[line] && !isCommand(t, strings.Fields(line)) {
			t.Errorf("there is no command doorward%s", line)
		}
		seen[line] = true
	}
	for _, match := range regexp.MustCompile("`(--[a-z][a-z-]+)[ `=]").FindAllStringSubmatch(page, -1) {
		if !regexp.MustCompile(regexp.QuoteMeta(match[1]) + `(?:[^a-z-]|$)`).MatchString(flags) {
			t.Errorf("there is no flag %s", match[1])
		}
	}
	var report struct{ Values []struct{ Key string } }
	if err := json.Unmarshal([]byte(output(t, "config", "check", "--json")), &report); err != nil {
		t.Fatal(err)
	}
	known := []string{"DOORWARD_TOKEN", "DOORWARD_TOKEN_FILE", "DOORWARD_SERVER", "DOORWARD_CONFIG"}
	for _, v := range report.Values {
		known = append(known, "DOORWARD_"+strings.ToUpper(strings.ReplaceAll(v.Key, "-", "_")))
	}
	texts := page + readText(t, "deploy/doorward.service") + readText(t, "Containerfile")
	for _, name := range regexp.MustCompile(`DOORWARD_[A-Z_]*[A-Z]\b`).FindAllString(texts, -1) {
		if !slices.Contains(known, name) && !slices.Contains(known, strings.TrimSuffix(name, "_FILE")) {
			t.Errorf("there is no variable %s", name)
		}
	}
}

// onlyCode leaves the code of a page: spans and indented lines.
func onlyCode(page string) string {
	var b strings.Builder
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "    ") {
			b.WriteString(line)
		}
	}
	for _, span := range codeSpan.FindAllString(page, -1) {
		b.WriteString(span + "\n")
	}
	return b.String()
}

// isCommand tells whether words begin with a command; what follows a whole command are its arguments.
func isCommand(t *testing.T, words []string) bool {
	t.Helper()
	for n := min(3, len(words)); n > 0; n-- {
		out, err := exec.Command(builtProgram(t), append([]string{"help"}, words[:n]...)...).CombinedOutput()
		if err == nil {
			group := strings.Contains(string(out), " <command> ")
			return !group || n == len(words)
		}
	}
	return false
}

// TestDocumentedConfiguration: the examples of the configuration file are taken as they stand.
func TestDocumentedConfiguration(t *testing.T) {
	t.Parallel()
	examples := regexp.MustCompile(`(?m)(?:^    [a-z_]+ = .+\n)+`).FindAllString(readText(t, operationsDoc), -1)
	if len(examples) == 0 {
		t.Fatal("there is no example")
	}
	for _, example := range examples {
		dir := t.TempDir()
		for _, name := range regexp.MustCompile(`/etc/doorward/(\w+)\.key`).FindAllStringSubmatch(example, -1) {
			writeCertificate(t, filepath.Join(dir, name[1]+".pem"), filepath.Join(dir, name[1]+".key"))
			example = strings.NewReplacer("/etc/doorward/"+name[1]+".pem", filepath.Join(dir, name[1]+".pem"), name[0], filepath.Join(dir, name[1]+".key")).Replace(example)
		}
		if authority := "/etc/doorward/db-ca.pem"; strings.Contains(example, authority) {
			writeCertificate(t, filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.key"))
			example = strings.ReplaceAll(example, authority, filepath.Join(dir, "ca.pem"))
		}
		path := filepath.Join(dir, "doorward.toml")
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(example, "\n    ", "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
		output(t, "config", "check", "--config", path)
	}
}

func writeCertificate(t *testing.T, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"auth.example.com"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDocumentedFiles: files of this repository that the operators' page names are there, and its links lead somewhere.
func TestDocumentedFiles(t *testing.T) {
	t.Parallel()
	page := readText(t, operationsDoc)
	paths := regexp.MustCompile(`\b(?:deploy|scripts)/[A-Za-z0-9._-]*[A-Za-z0-9]`).FindAllString(page, -1)
	for _, match := range regexp.MustCompile(`\]\(([^)#:]+)[)#]`).FindAllStringSubmatch(page, -1) {
		paths = append(paths, filepath.Join("docs", match[1]))
	}
	if len(paths) < 8 {
		t.Errorf("only %v", paths)
	}
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	for _, match := range regexp.MustCompile(`\]\(#([^)]+)\)`).FindAllStringSubmatch(page, -1) {
		if !strings.Contains(strings.ToLower(page), "\n## "+strings.ReplaceAll(match[1], "-", " ")+"\n") {
			t.Errorf("there is no section %s", match[1])
		}
	}
}
