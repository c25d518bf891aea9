//go:build unix && !solaris && !illumos && !aix

package secret

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPermissions(t *testing.T) {
	k := openNew(t)
	for mode, ok := range map[os.FileMode]bool{
		0o600: true, 0o400: true,
		0o640: false, 0o604: false, 0o620: false, 0o602: false, 0o610: false, 0o644: false, 0o666: false,
	} {
		if err := os.Chmod(k.path, mode); err != nil {
			t.Fatal(err)
		}
		_, _, err := OpenKeyring(k.path, rand.Reader)
		if ok && err != nil {
			t.Errorf("mode %o: %v", mode, err)
		}
		if !ok && (err == nil || !strings.Contains(err.Error(), "chmod 600 "+k.path)) {
			t.Errorf("mode %o: error is %v, want one that says what to do", mode, err)
		}
	}
}

// The lock keeps others out until it is let go.
func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.keys")
	unlock, err := lockFor(path)
	if err != nil {
		t.Fatal(err)
	}
	if lock, err := tryLock(path+".lock", path); err != nil || lock != nil {
		t.Fatalf("locked twice: %v, %v", lock, err)
	}
	unlock()
	lock, err := tryLock(path+".lock", path)
	if err != nil || lock == nil {
		t.Fatalf("not free after unlock: %v, %v", lock, err)
	}
	lock.Close()
}
