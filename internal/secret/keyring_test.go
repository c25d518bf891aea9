package secret

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func mustOpen(t testing.TB, path string) *Keyring {
	t.Helper()
	k, created, err := OpenKeyring(path, rand.Reader)
	if err != nil || created {
		t.Fatalf("OpenKeyring: created %v, %v", created, err)
	}
	return k
}

func mustAdd(t testing.TB, k *Keyring) string {
	t.Helper()
	id, err := k.Add(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func checkOpens(t *testing.T, k *Keyring, sealed []byte, want string) {
	t.Helper()
	got, err := k.Open(sealed, place)
	if err != nil || string(got) != want {
		t.Errorf("opened to %q, %v, want %q", got, err, want)
	}
}

// keyIDs gives the ids in the file, in order.
func keyIDs(t testing.TB, path string) []string {
	t.Helper()
	keys, err := readKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, key := range keys.keys {
		ids = append(ids, key.id.String())
	}
	return ids
}

func TestCreate(t *testing.T) {
	k := openNew(t)
	info, err := os.Stat(k.path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	want := regexp.MustCompile(`^(#.*\n)+v1 [0-9a-f]{16} [A-Za-z0-9+/]{43}=\n$`)
	if text := readFile(t, k.path); !want.MatchString(text) {
		t.Error("key file is not in its form")
	}
	entries, err := filepath.Glob(k.path + ".tmp")
	if err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	sealed := mustSeal(t, k, "client secret")
	again := mustOpen(t, k.path)
	if again.Current() != k.Current() {
		t.Errorf("opened again with newest key %s, want %s", again.Current(), k.Current())
	}
	checkOpens(t, again, sealed, "client secret")
}

func TestCreateFails(t *testing.T) {
	broken := errors.New("no randomness")
	path := filepath.Join(t.TempDir(), "master.keys")
	if _, _, err := OpenKeyring(path, iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("error is %v, want %v", err, broken)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a key file was left: %v", err)
	}
	if _, _, err := OpenKeyring(filepath.Join(t.TempDir(), "no", "such"), rand.Reader); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}

// What a crash left under the temporary name does not stop a start, nor live on.
func TestCreateAfterCrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.keys")
	writeFile(t, path+".tmp", "half a li")
	k, created, err := OpenKeyring(path, rand.Reader)
	if err != nil || !created {
		t.Fatalf("created %v, %v", created, err)
	}
	checkOpens(t, k, mustSeal(t, k, "x"), "x")
	if _, err := os.Stat(path + ".tmp"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("temporary file: %v", err)
	}
}

func TestKeyFileForm(t *testing.T) {
	key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	short := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 31))
	for _, c := range []struct {
		name, text string
		newest     string // "" means that the file is refused
	}{
		{"one", "v1 0000000000000001 " + key + "\n", "0000000000000001"},
		{"the last is the newest", "v1 0000000000000002 " + key + "\nv1 0000000000000001 " + key, "0000000000000001"},
		{"comments and blanks", "# a\n\n  # b\r\n \tv1  00000000000000ff\t" + key + " \r\n\n", "00000000000000ff"},
		{"empty", "", ""},
		{"comments only", "# a\n", ""},
		{"another version", "v2 0000000000000001 " + key, ""},
		{"no key", "v1 0000000000000001", ""},
		{"comment behind a key", "v1 0000000000000001 " + key + " # a", ""},
		{"short id", "v1 01 " + key, ""},
		{"long id", "v1 000000000000000001 " + key, ""},
		{"id no hex", "v1 000000000000000g " + key, ""},
		{"id in capitals", "v1 00000000000000FF " + key, ""},
		{"id zero", "v1 0000000000000000 " + key, ""},
		{"id twice", "v1 0000000000000001 " + key + "\nv1 0000000000000001 " + key, ""},
		{"short key", "v1 0000000000000001 " + short, ""},
		{"key without padding", "v1 0000000000000001 " + strings.TrimSuffix(key, "="), ""},
		{"key no base64", "v1 0000000000000001 " + strings.Repeat("!", 44), ""},
		{"a good line and a bad one", "v1 0000000000000001 " + key + "\nv1 0000000000000002", ""},
		{"too large", "v1 0000000000000001 " + key + "\n" + strings.Repeat("#\n", 1<<19), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "master.keys")
			writeFile(t, path, c.text)
			k, created, err := OpenKeyring(path, rand.Reader)
			if created || readFile(t, path) != c.text {
				t.Error("the file was written anew")
			}
			if c.newest == "" {
				if err == nil {
					t.Error("the file was taken")
				} else if strings.Contains(err.Error(), key[:8]) {
					t.Errorf("the error shows a key: %v", err)
				}
				return
			}
			if err != nil || k.Current() != c.newest {
				t.Errorf("newest key %v, %v, want %s", k, err, c.newest)
			}
		})
	}
	if _, _, err := OpenKeyring(t.TempDir(), rand.Reader); err == nil {
		t.Error("a directory was taken")
	}
}

func TestRotationSeenByAnother(t *testing.T) {
	a := openNew(t)
	b := mustOpen(t, a.path)
	first := a.Current()
	old := mustSeal(t, a, "old")

	second := mustAdd(t, a)
	if second == first || a.Current() != second {
		t.Fatalf("newest key %s after %s was added to %s", a.Current(), second, first)
	}
	// b has not looked at the file since. Opening makes it look.
	checkOpens(t, b, mustSeal(t, a, "new"), "new")
	checkOpens(t, b, old, "old")

	// Sealing makes it look too.
	third := mustAdd(t, a)
	if id, err := KeyID(mustSeal(t, b, "x")); err != nil || id != third {
		t.Errorf("b sealed by %s, %v, want %s", id, err, third)
	}
	if b.Current() != third {
		t.Errorf("b's newest key is %s, want %s", b.Current(), third)
	}

	if err := a.Remove(first); err != nil {
		t.Fatal(err)
	}
	mustSeal(t, b, "x")
	for name, k := range map[string]*Keyring{"a": a, "b": b} {
		if _, err := k.Open(old, place); !errors.Is(err, ErrSealed) {
			t.Errorf("%s: sealed by a removed key: %v", name, err)
		}
	}
	if got, want := keyIDs(t, a.path), []string{second, third}; !slices.Equal(got, want) {
		t.Errorf("file has %v, want %v", got, want)
	}
}

func TestAddAndRemoveKeepTheRest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.keys")
	key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	const head = "# mine\n\n"
	line := "v1 0000000000000001 " + key
	writeFile(t, path, head+line) // no line end
	k := mustOpen(t, path)
	id := mustAdd(t, k)
	if text := readFile(t, path); !strings.HasPrefix(text, head+line+"\nv1 "+id+" ") {
		t.Error("adding a key changed what was there")
	}
	if err := k.Remove("0000000000000001"); err != nil {
		t.Fatal(err)
	}
	if text := readFile(t, path); !strings.HasPrefix(text, head+"v1 "+id+" ") {
		t.Error("removing a key changed the rest")
	}
}

func TestRemoveRefuses(t *testing.T) {
	k := openNew(t)
	first := k.Current()
	// The other keyring does not know yet that first is the newest no more.
	stale := mustOpen(t, k.path)
	second := mustAdd(t, k)
	for id, want := range map[string]error{
		second:                  ErrNewestKey,
		"":                      ErrUnknownKey,
		"0000000000000000":      ErrUnknownKey,
		"ffffffffffffffff":      ErrUnknownKey,
		"no hex":                ErrUnknownKey,
		first + "00":            ErrUnknownKey,
		" " + first:             ErrUnknownKey,
		first[:len(first)-2]:    ErrUnknownKey,
		"../../../../etc/shado": ErrUnknownKey,
	} {
		if err := stale.Remove(id); !errors.Is(err, want) {
			t.Errorf("Remove(%q) = %v, want %v", id, err, want)
		}
	}
	if got, want := keyIDs(t, k.path), []string{first, second}; !slices.Equal(got, want) {
		t.Errorf("file has %v, want %v", got, want)
	}
	if err := stale.Remove(first); err != nil {
		t.Errorf("Remove of the older key: %v", err)
	}
}

func TestAddFails(t *testing.T) {
	k := openNew(t)
	before := readFile(t, k.path)
	broken := errors.New("no randomness")
	if _, err := k.Add(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("error is %v, want %v", err, broken)
	}
	if readFile(t, k.path) != before {
		t.Error("the file changed")
	}
	// An id that is taken, or all zero, is drawn again.
	taken, zero, free := k.keys.Load().newest().id, make([]byte, idBytes), bytes.Repeat([]byte{9}, idBytes)
	id, err := k.Add(io.MultiReader(bytes.NewReader(taken[:]), bytes.NewReader(zero), bytes.NewReader(free), rand.Reader))
	if err != nil || id != "0909090909090909" {
		t.Errorf("added %q, %v", id, err)
	}
}

// A link to the key file is followed, and is still a link after a rotation.
func TestSymbolicLink(t *testing.T) {
	k := openNew(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(k.path, link); err != nil {
		t.Fatal(err)
	}
	id := mustAdd(t, mustOpen(t, link))
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("link is now %v, %v", info.Mode(), err)
	}
	if got := keyIDs(t, k.path); len(got) != 2 || got[1] != id {
		t.Errorf("file has %v, want %s last", got, id)
	}
}

func TestConcurrentCreate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.keys")
	const n = 16
	keyrings, created := make([]*Keyring, n), make([]bool, n)
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() {
			var err error
			if keyrings[i], created[i], err = OpenKeyring(path, rand.Reader); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if t.Failed() {
		return
	}
	creators := 0
	for i := range n {
		if created[i] {
			creators++
		}
		if keyrings[i].Current() != keyrings[0].Current() {
			t.Errorf("keyring %d has key %s, keyring 0 has %s", i, keyrings[i].Current(), keyrings[0].Current())
		}
	}
	if creators != 1 {
		t.Errorf("%d of %d created the file", creators, n)
	}
}

// Two machines with a copy of the key file each rotate without a moment in which one meets what it cannot open.
func TestStagedKey(t *testing.T) {
	here := openNew(t)
	text, err := os.ReadFile(here.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(here.path, append([]byte("# kept by ops\n"), text...), 0o600); err != nil {
		t.Fatal(err)
	}
	there := filepath.Join(t.TempDir(), "master.keys")
	carry := func() {
		t.Helper()
		text, err := os.ReadFile(here.path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(there+".new", text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(there+".new", there); err != nil {
			t.Fatal(err)
		}
	}
	carry()
	other, _, err := OpenKeyring(there, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	seal := func(k *Keyring, by string) []byte {
		t.Helper()
		sealed, err := k.Seal([]byte("x"), place)
		if err != nil {
			t.Fatal(err)
		}
		if id, err := KeyID(sealed); err != nil || id != by {
			t.Errorf("sealed by %s, %v, want %s", id, err, by)
		}
		return sealed
	}
	old := here.Current()
	staged, err := here.Stage(rand.Reader)
	if err != nil || staged == old || here.Staged() != staged {
		t.Fatalf("staged %s beside %s: %v, %s", staged, old, err, here.Staged())
	}
	if again, err := here.Stage(rand.Reader); err != nil || again != staged {
		t.Errorf("staged again: %s, %v", again, err)
	}
	checkOpens(t, other, seal(here, old), "x")
	carry()
	checkOpens(t, here, seal(other, old), "x")

	if id := mustAdd(t, here); id != staged || here.Staged() != "" {
		t.Fatalf("rotated to %s, staged is %q", id, here.Staged())
	}
	checkOpens(t, other, seal(here, staged), "x")
	checkOpens(t, here, seal(other, old), "x")
	carry()
	checkOpens(t, here, seal(other, staged), "x")
	if got := keyIDs(t, here.path); !slices.Equal(got, []string{old, staged}) {
		t.Errorf("the file has %v", got)
	}
	if text, err := os.ReadFile(here.path); err != nil || !strings.HasPrefix(string(text), "# kept by ops\n") || strings.Contains(string(text), nextMark) {
		t.Errorf("the file is now:\n%.60s", text)
	}
	if id := mustAdd(t, here); id == staged {
		t.Error("the next rotation takes the same key")
	}
}

// Keys added and values sealed at once, by keyrings that share nothing but the file.
func TestConcurrentUse(t *testing.T) {
	first := openNew(t)
	const n = 8
	added := make([]string, n)
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() {
			k, _, err := OpenKeyring(first.path, rand.Reader)
			if err != nil {
				t.Error(err)
				return
			}
			if added[i], err = k.Add(rand.Reader); err != nil {
				t.Error(err)
			}
			for range 20 {
				sealed, err := k.Seal([]byte("x"), place)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := first.Open(sealed, place); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	ids := keyIDs(t, first.path)
	if len(ids) != n+1 {
		t.Errorf("file has %d keys, want %d", len(ids), n+1)
	}
	for _, id := range added {
		if !slices.Contains(ids, id) {
			t.Errorf("key %s was lost", id)
		}
	}
}

const processEnv = "DOORWARD_SECRET_TEST_KEYFILE"

// TestMain lets the test binary play another process: it opens the key file, adds a
// key, and prints both newest keys.
func TestMain(m *testing.M) {
	path := os.Getenv(processEnv)
	if path == "" {
		os.Exit(m.Run())
	}
	k, created, err := OpenKeyring(path, rand.Reader)
	if err == nil {
		var id string
		if id, err = k.Add(rand.Reader); err == nil {
			fmt.Println(created, id)
			return
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func TestConcurrentProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.keys")
	const n = 6
	out := make([]string, n)
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() {
			command := exec.Command(os.Args[0])
			command.Env = append(os.Environ(), processEnv+"="+path)
			text, err := command.CombinedOutput()
			if err != nil {
				t.Errorf("%v: %s", err, text)
			}
			out[i] = strings.TrimSpace(string(text))
		})
	}
	wait.Wait()
	ids := keyIDs(t, path)
	if len(ids) != n+1 {
		t.Errorf("file has %d keys, want %d", len(ids), n+1)
	}
	creators := 0
	for _, line := range out {
		created, id, _ := strings.Cut(line, " ")
		if created == "true" {
			creators++
		}
		if !slices.Contains(ids, id) {
			t.Errorf("key %q was lost", id)
		}
	}
	if creators != 1 {
		t.Errorf("%d processes created the file", creators)
	}
}

// A keyring must not be printable by any verb (P44).
func TestKeyringDoesNotPrint(t *testing.T) {
	k := openNew(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if got, want := fmt.Sprintf(verb, k), "keyring "+k.Current(); got != want {
			t.Errorf("%s prints %q, want %q", verb, got, want)
		}
	}
}
