package secret

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestKeyFileTravels: what one key file sealed opens with the file that was made of its text, and no file is ever replaced by another one's keys.
func TestKeyFileTravels(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k, _, err := OpenKeyring(filepath.Join(dir, "a"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := k.Seal([]byte("secret"), AD{Row: "1"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := k.Text()
	if err != nil {
		t.Fatal(err)
	}
	moved := filepath.Join(dir, "b")
	if _, err := OpenKeyFile(moved, rand.Reader); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opened what is not there: %v", err)
	}
	for range 2 { // the second time it is there
		if err := PutKeyFile(moved, text); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(moved); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
	again, err := OpenKeyFile(moved, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := again.Open(sealed, AD{Row: "1"}); err != nil || string(plain) != "secret" {
		t.Errorf("opened %q, %v", plain, err)
	}
	other, _, err := OpenKeyring(filepath.Join(dir, "c"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if err := PutKeyFile(filepath.Join(dir, "c"), text); !errors.Is(err, ErrOtherKeyFile) {
		t.Errorf("over another one: %v", err)
	}
	if _, err := other.Seal(nil, AD{}); err != nil {
		t.Errorf("the other one: %v", err)
	}
	if err := PutKeyFile(filepath.Join(dir, "d"), []byte("nonsense")); err == nil {
		t.Error("made a key file of nonsense")
	}
}
