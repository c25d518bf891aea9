package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestAdminTokenFromFile: DOORWARD_ADMIN_TOKEN_FILE sets the default project's admin token.
func TestAdminTokenFromFile(t *testing.T) {
	t.Parallel()
	token := randomSecret("admin")
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := ownServer(t, serverOptions{env: []string{"DOORWARD_ADMIN_TOKEN_FILE=" + file}})
	s.bareHost().admin(token).get(t, rolesPath).wantData(t, L{})
	s.bareHost().admin(token+"x").get(t, rolesPath).wantError(t, 403, isText)
}

// TestAdminTokenPrintedOnce: with no token given, the first start prints one that works, and the second
// start does not print it again.
func TestAdminTokenPrintedOnce(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	first := ownServer(t, serverOptions{data: data})
	token := ""
	for _, candidate := range regexp.MustCompile(`[A-Za-z0-9_.-]{20,}`).FindAllString(first.output.String(), -1) {
		if r := first.bareHost().admin(candidate).get(t, rolesPath); r.status == 200 {
			token = candidate
		}
	}
	if token == "" {
		t.Fatalf("no word of the first start's output is the admin token:\n%s", first.output)
	}
	if n := strings.Count(first.output.String(), token); n != 1 {
		t.Errorf("the first start printed the admin token %d times", n)
	}
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	second := ownServer(t, serverOptions{data: data})
	second.bareHost().admin(token).get(t, rolesPath).wantData(t, L{})
	if strings.Contains(second.output.String(), token) {
		t.Error("the second start printed the admin token again")
	}
}

// TestRestartKeepsEverything: users, sessions, keys and projects outlive a restart; the admin token is set
// at creation only.
func TestRestartKeepsEverything(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	adminToken := randomSecret("admin")
	first := ownServer(t, serverOptions{data: data, adminToken: adminToken, publicURL: "https://auth.example.test"})
	p := first.newProject(t, "documented", append(mailURLs, "errorEnvelope=nested")...)
	a := p.signUp(t)
	keys := p.keys(t)
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	second := ownServer(t, serverOptions{data: data, adminToken: randomSecret("admin"), publicURL: "https://auth.example.test"})
	p.srv = second
	p.client().bearer(a.idToken).get(t, users+"/"+a.uid).wantData(t, profile(a))
	p.refresh(t, a.uid, a.refreshToken)
	p.signIn(t, a.email, a.password)
	p.client().post(t, signin, M{}).wantError(t, 422, needEmailAndPassword) // in the nested envelope still
	if compact(p.keys(t)) != compact(keys) {
		t.Error("the restart changed the signing keys")
	}
	second.bareHost().admin(adminToken).get(t, rolesPath).wantData(t, L{})
}

// TestDataIsPrivate: nobody but the owner can read what the server stores (P47).
func TestDataIsPrivate(t *testing.T) {
	t.Parallel()
	s := ownServer(t, serverOptions{adminToken: randomSecret("admin")})
	s.newProject(t, "documented")
	err := filepath.Walk(s.opts.data, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", filepath.Base(path), info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestRefusesToStart: a wrong setting is an error that is told, not a server that ignores it.
func TestRefusesToStart(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "doorward.toml")
	if err := os.WriteFile(config, []byte("nosuchkey = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &server{opts: serverOptions{data: filepath.Join(t.TempDir(), "data")}}
	for name, args := range map[string][]string{
		"unknown flag":        {"serve", "--listen", "127.0.0.1:0", "--nosuchflag"},
		"unknown config key":  {"serve", "--listen", "127.0.0.1:0", "--config", config},
		"missing config file": {"serve", "--listen", "127.0.0.1:0", "--config", config + ".missing"},
		"bad listen address":  {"serve", "--listen", "nonsense"},
		"bad public URL":      {"serve", "--listen", "127.0.0.1:0", "--public-url", "ftp://x"},
		"bad SMTP URL":        {"serve", "--listen", "127.0.0.1:0", "--smtp", "http://127.0.0.1"},
		"bad database URL":    {"serve", "--listen", "127.0.0.1:0", "--database", "cow://127.0.0.1/x"},
		"unknown verb":        {"nosuchverb"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantRefusal(t, s, args)
		})
	}
}

// wantRefusal checks that a run of the binary fails and says why.
func wantRefusal(t *testing.T, s *server, args []string) {
	t.Helper()
	result, err := s.tryCLI(args...)
	switch {
	case err != nil:
		t.Error(err)
	case result.code == 0:
		t.Errorf("exit code 0:\n%s", result.stdout)
	case strings.TrimSpace(result.stderr) == "":
		t.Error("nothing on standard error")
	case strings.Contains(result.stderr, "goroutine "):
		t.Errorf("a panic:\n%s", result.stderr)
	}
}
