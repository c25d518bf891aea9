package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBreachedPasswords: a list that the binary packed is refused by hardened projects of a server that knows it, on each way to a password, and by no others.
func TestBreachedPasswords(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	leaked, fine := newPassword(), newPassword()
	list, filter := filepath.Join(dir, "list"), filepath.Join(dir, "breached")
	if err := os.WriteFile(list, []byte("hunter2\n"+leaked+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	packed := runBinary(t, "breached", "build", "--out", filter, list)
	if packed.code != 0 || !strings.Contains(packed.stdout, "2 passwords") {
		t.Fatalf("breached build: exit code %d\n%s%s", packed.code, packed.stdout, packed.stderr)
	}
	s := ownServer(t, serverOptions{args: []string{"--breached-passwords", filter}})
	hardened := s.newProject(t, "hardened", "signUpByMail=false")
	documented := s.newProject(t, "documented")

	const leak = "WEAK_PASSWORD : Password is known from a data leak"
	email := newEmail()
	hardened.client().post(t, signup, M{"email": email, "password": leaked}).wantError(t, 400, leak)
	hardened.client().post(t, signup, M{"email": email, "password": fine}).wantStatus(t, 200)
	a := hardened.signIn(t, email, fine)
	hardened.client().bearer(a.idToken).post(t, updatePass, M{"oldPassword": fine, "newPassword": leaked}).wantError(t, 400, leak)
	hardened.signIn(t, email, fine)
	documented.client().post(t, signup, M{"email": newEmail(), "password": leaked}).wantStatus(t, 200)

	hardened.set(t, "passwordRefuseBreached=false")
	hardened.client().post(t, signup, M{"email": newEmail(), "password": leaked}).wantStatus(t, 200)
}

// TestBreachedPasswordsDamaged: a server does not start with a list that it cannot trust.
func TestBreachedPasswordsDamaged(t *testing.T) {
	t.Parallel()
	filter := filepath.Join(t.TempDir(), "breached")
	if err := os.WriteFile(filter, []byte(strings.Repeat("no filter ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{filter: "damaged", filter + ".missing": "no such file"} {
		r := runBinary(t, "serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(t.TempDir(), "data"), "--breached-passwords", path)
		if r.code != 2 || !strings.Contains(r.stderr, want) {
			t.Errorf("%s: exit code %d\n%s%s", path, r.code, r.stdout, r.stderr)
		}
	}
}
