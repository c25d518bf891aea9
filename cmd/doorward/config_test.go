package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// writeFile puts a file into a directory of the test and gives its path.
func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestConfigPrecedence(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "doorward.toml", "listen = \":1111\"\nhash_workers = 3\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]\n")
	tests := []struct {
		name         string
		flags, env   map[string]string
		key          string
		text, source string
	}{
		{"default", nil, nil, "listen", "127.0.0.1:8080", "default"},
		{"file", map[string]string{"config": file}, nil, "listen", ":1111", "file " + file},
		{"file named by variable", nil, map[string]string{"DOORWARD_CONFIG": file}, "listen", ":1111", "file " + file},
		{"variable over file", map[string]string{"config": file}, map[string]string{"DOORWARD_LISTEN": ":2222"}, "listen", ":2222", "env DOORWARD_LISTEN"},
		{"flag over both", map[string]string{"config": file, "listen": ":3333"}, map[string]string{"DOORWARD_LISTEN": ":2222"}, "listen", ":3333", "flag --listen"},
		{"number of the file", map[string]string{"config": file}, nil, "hash-workers", "3", "file " + file},
		{"default from another value", map[string]string{"config": file}, nil, "hash-queue", "108", "default"},
		{"list of the file", map[string]string{"config": file}, nil, "trusted-proxies", "10.0.0.0/8,::1", "file " + file},
		{"empty variable counts", nil, map[string]string{"DOORWARD_MAIL_FROM_NAME": ""}, "mail-from-name", "", "env DOORWARD_MAIL_FROM_NAME"},
		{"public URL from port", map[string]string{"listen": "0.0.0.0:9000"}, nil, "public-url", "http://localhost:9000", "default"},
		{"domain from public URL", map[string]string{"public-url": "https://auth.example.com:444/"}, nil, "domain", "api.auth.example.com", "default"},
		{"sender from public URL", map[string]string{"public-url": "https://auth.example.com"}, nil, "mail-from", "noreply@auth.example.com", "default"},
		{"database from data", map[string]string{"data": "/var/d"}, nil, "database", "sqlite:/var/d/doorward.db", "default"},
		{"OpenTelemetry's own variable", nil, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, "otlp-endpoint", "http://c:4318", "env OTEL_EXPORTER_OTLP_ENDPOINT"},
		{"ours before it", nil, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "DOORWARD_OTLP_ENDPOINT": "http://d:4318"}, "otlp-endpoint", "http://d:4318", "env DOORWARD_OTLP_ENDPOINT"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := loadConfig(test.flags, test.env)
			if len(c.problems) > 0 {
				t.Fatalf("problems: %v", c.problems)
			}
			if got := c.values[test.key]; got.text != test.text || got.source != test.source {
				t.Errorf("%s is %q from %q, want %q from %q", test.key, got.text, got.source, test.text, test.source)
			}
		})
	}
}

func TestConfigSecretFiles(t *testing.T) {
	t.Parallel()
	token := writeFile(t, "token", "0123456789abcdef0123\n")
	smtp := writeFile(t, "smtp", "smtps://user:hunter2@mail.example.com\r\n")
	config := writeFile(t, "doorward.toml", "smtp_file = '"+smtp+"'\n")
	c := loadConfig(map[string]string{"config": config}, map[string]string{"DOORWARD_ADMIN_TOKEN_FILE": token})
	if err := c.err(); err != nil {
		t.Fatal(err)
	}
	if c.server.AdminToken != "0123456789abcdef0123" {
		t.Errorf("admin token is %q", c.server.AdminToken)
	}
	if c.server.SMTP == nil || c.server.SMTP.Password != "hunter2" {
		t.Errorf("SMTP is %v", c.server.SMTP)
	}
	if got, want := c.values["smtp"].source, "file "+config+", smtp_file "+smtp; got != want {
		t.Errorf("source is %q, want %q", got, want)
	}
}

func TestConfigProblems(t *testing.T) {
	t.Parallel()
	secretFile := writeFile(t, "secret", "0123456789abcdef0123")
	tests := []struct {
		name       string
		flags, env map[string]string
		file       string
		want       string
	}{
		{"unknown variable", nil, map[string]string{"DOORWARD_LISTN": ":1"}, "", `env DOORWARD_LISTN: there is no such variable; did you mean "DOORWARD_LISTEN"?`},
		{"file of a key that is no secret", nil, map[string]string{"DOORWARD_LISTEN_FILE": "x"}, "", "only secrets may come from files; set DOORWARD_LISTEN"},
		{"unknown key", nil, nil, "lisen = ':1'", `unknown key "lisen"; did you mean "listen"?`},
		{"key as a flag", nil, nil, "public-url = 'https://a.example.com'", `unknown key "public-url"; did you mean "public_url"?`},
		{"table", nil, nil, "[smtp]\nhost = 'x'", "smtp (file "},
		{"not TOML", nil, nil, "listen = \n", "line 1, column"},
		{"both", nil, map[string]string{"DOORWARD_ADMIN_TOKEN": "0123456789abcdef", "DOORWARD_ADMIN_TOKEN_FILE": secretFile}, "", "unset one"},
		{"secret file missing", nil, map[string]string{"DOORWARD_SMTP_FILE": "/nonexistent/smtp"}, "", "smtp (env DOORWARD_SMTP_FILE): open /nonexistent/smtp"},
		{"config file missing", map[string]string{"config": "/nonexistent/c.toml"}, nil, "", "file /nonexistent/c.toml: open"},
		{"listen", map[string]string{"listen": "8080"}, nil, "", "listen (flag --listen): it is not HOST:PORT"},
		{"port", map[string]string{"listen": ":99999"}, nil, "", "its port is not a number"},
		{"public URL", map[string]string{"public-url": "auth.example.com"}, nil, "", "it is not a URL as https://auth.example.com"},
		{"public URL with path", map[string]string{"public-url": "https://a.example.com/x"}, nil, "", "more than a scheme, a host and a port"},
		{"domain", map[string]string{"domain": "https://a.example.com"}, nil, "", "it is not a host name"},
		{"smtp", map[string]string{"smtp": "ftp://mail.example.com"}, nil, "", "begins with neither smtp:// nor smtps://"},
		{"smtp in clear text", map[string]string{"smtp": "smtp://mail.example.com?tls=none"}, nil, "", "only over TLS"},
		{"smtp CA file", map[string]string{"smtp": "smtps://mail.example.com?ca=/nonexistent"}, nil, "", "read the CA file"},
		{"database", map[string]string{"database": "mysql://x"}, nil, "", "neither sqlite:FILE nor postgres://"},
		{"mail from", map[string]string{"mail-from": "Ada"}, nil, "", "it is not an email address"},
		{"proxies", map[string]string{"trusted-proxies": "10.0.0.0/8,nonsense"}, nil, "", `trusted proxy "nonsense"`},
		{"leaked passwords missing", map[string]string{"breached-passwords": "/nonexistent/b"}, nil, "", "breached-passwords (flag --breached-passwords): open /nonexistent/b"},
		{"leaked passwords of another kind", map[string]string{"breached-passwords": secretFile}, nil, "", "no filter of breached passwords, or it is damaged"},
		{"workers", map[string]string{"hash-workers": "0"}, nil, "", "not a whole number from 1"},
		{"grace", map[string]string{"shutdown-grace": "20"}, nil, "", "it is not a duration"},
		{"log level", map[string]string{"log-level": "loud"}, nil, "", "none of debug, info, warn and error"},
		{"log format", map[string]string{"log-format": "xml"}, nil, "", "neither json nor text"},
		{"short token", map[string]string{"admin-token": "short"}, nil, "", "fewer than 16 characters"},
		{"collector", map[string]string{"otlp-endpoint": "localhost:4318"}, nil, "", "it is not a URL as http://localhost:4318"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			flags := map[string]string{}
			for name, v := range test.flags {
				flags[name] = v
			}
			if test.file != "" {
				flags["config"] = writeFile(t, "c.toml", test.file)
			}
			c := loadConfig(flags, test.env)
			if len(c.problems) != 1 || !strings.Contains(c.problems[0].String(), test.want) {
				t.Errorf("problems are %q, want one with %q", c.problems, test.want)
			}
			if exitCode(c.err()) != exitUsage {
				t.Errorf("err gives exit code %d", exitCode(c.err()))
			}
		})
	}
}

// TestFlagsMatchOptions: each option is a flag of serve, and nothing else is but --config.
func TestFlagsMatchOptions(t *testing.T) {
	t.Parallel()
	var flags struct{ serverFlags }
	parser, err := kong.New(&flags, optionHelp(), kong.NoDefaultHelp())
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, flag := range parser.Model.Flags {
		got = append(got, flag.Name)
	}
	want = append(want, "config")
	for _, o := range options {
		want = append(want, o.key)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("flags are\n%v, options are\n%v", got, want)
	}
}

func TestConfigCheck(t *testing.T) {
	t.Parallel()
	var stdout, stderr lockedBuffer
	env := []string{"DOORWARD_SMTP=smtps://user:hunter2@mail.example.com", "DOORWARD_DATABASE=postgres://doorward:tiger@db/doorward", "DOORWARD_ADMIN_TOKEN=0123456789abcdef", "DOORWARD_LOG_LEVEL=loud", "PATH=/bin"}
	code := run(context.Background(), []string{"config", "check", "--json", "--listen", ":80"}, env, strings.NewReader(""), &stdout, &stderr)
	if code != exitUsage {
		t.Errorf("exit code is %d", code)
	}
	var report configReport
	if err := json.Unmarshal([]byte(stdout.String()), &report); err != nil {
		t.Fatal(err)
	}
	values := map[string]configValue{}
	for _, v := range report.Values {
		values[v.Key] = v
	}
	for _, want := range []configValue{
		{"listen", ":80", "flag --listen"},
		{"public-url", "http://localhost", "default"},
		{"smtp", "mail.example.com:465 (tls implicit)", "env DOORWARD_SMTP"},
		{"database", "postgres://doorward:xxxxx@db/doorward", "env DOORWARD_DATABASE"},
		{"admin-token", "(set)", "env DOORWARD_ADMIN_TOKEN"},
		{"log-level", "loud", "env DOORWARD_LOG_LEVEL"},
	} {
		if values[want.Key] != want {
			t.Errorf("got %+v, want %+v", values[want.Key], want)
		}
	}
	if len(report.Problems) != 1 || report.Problems[0].Key != "log-level" || len(report.Values) != len(options) {
		t.Errorf("problems are %v, values %d", report.Problems, len(report.Values))
	}
	if len(report.Notes) != 1 || report.Notes[0].Key != "public-url" {
		t.Errorf("notes are %v", report.Notes)
	}
	for _, secret := range []string{"hunter2", "tiger", "0123456789abcdef"} {
		if strings.Contains(stdout.String()+stderr.String(), secret) {
			t.Errorf("%q was printed", secret)
		}
	}
}

func TestConfigCheckForPeople(t *testing.T) {
	t.Parallel()
	var stdout, stderr lockedBuffer
	if code := run(context.Background(), []string{"config", "check"}, nil, strings.NewReader(""), &stdout, &stderr); code != exitDone {
		t.Errorf("exit code is %d: %s", code, stderr.String())
	}
	for _, want := range []string{"listen              127.0.0.1:8080", "NOTE  smtp (default): no mail leaves"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("no %q in\n%s", want, stdout.String())
		}
	}
}
