package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCapsule: a project moves to another server, of another engine too, while both serve; what its users hold goes on working there.
func TestCapsule(t *testing.T) {
	t.Parallel()
	old := ownServer(t, serverOptions{})
	p := old.newProject(t, "documented", append([]string{"refreshTokenRotation=true"}, mailURLs...)...)
	a, b := p.signUp(t), p.signUp(t)
	old.cli(t, "role", "create", "editor", "--project", p.id)
	old.cli(t, "role", "assign", "editor", b.uid, "--project", p.id)
	disabled := p.signUp(t)
	old.cli(t, "user", "disable", disabled.uid, "--project", p.id)

	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file, key := filepath.Join(dir, "moved.capsule"), filepath.Join(dir, "key")
	pair := runBinary(t, "backup", "keygen", "--out", key, "--json")
	recipient := text(t, parseJSON(t, "backup keygen", []byte(pair.stdout)), "recipient")
	runBinary(t, "backup", "keygen", "--out", key+"2")
	old.cli(t, "project", "export", p.id, "--to", file, "--recipient", recipient)
	content, err := os.ReadFile(file)
	if err != nil || strings.Contains(string(content), a.email) {
		t.Fatalf("the file: %v, or it shows an address", err)
	}
	for name, args := range map[string][]string{
		"a file that is there": {"project", "export", p.id, "--to", file, "--recipient", recipient},
		"not sealed":           {"project", "export", p.id, "--to", file + "2"},
		"a short passphrase":   {"project", "export", p.id, "--to", file + "2", "--passphrase-file", write("short", "short")},
		"an unknown project":   {"project", "export", "nosuchproject", "--to", file + "2", "--recipient", recipient},
		"the id is taken":      {"project", "import", file, "--key", key},
		"another key":          {"project", "import", file, "--key", key + "2"},
	} {
		t.Run(name, func(t *testing.T) { wantRefusal(t, old, args) })
	}

	to := ownServer(t, serverOptions{})
	wantRefusal(t, to, []string{"project", "import", write("half", string(content[:len(content)/2])), "--key", key})
	to.cli(t, "project", "import", file, "--key", key)
	moved := p
	moved.srv = to
	if got := moved.user(t, b.uid); !strings.Contains(compact(got), "editor") && len(texts(got["roles"])) == 0 {
		t.Errorf("the user's roles did not come along: %s", compact(got))
	}
	r := moved.client().bearer(a.idToken).get(t, users+"/"+a.uid)
	if r.status != http.StatusOK {
		t.Errorf("an id token of the old server: %d", r.status)
	}
	moved.refresh(t, a.uid, a.refreshToken)
	moved.signIn(t, b.email, b.password)
	if r := moved.client().post(t, signin, disabled.credentials()); r.status == http.StatusOK {
		t.Error("a disabled user signs in")
	}
	wantRefusal(t, to, []string{"project", "import", file, "--key", key})
}
