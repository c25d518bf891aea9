package secret

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// Errors of Keyring.Remove.
var (
	ErrUnknownKey = errors.New("the key file has no such key")
	ErrNewestKey  = errors.New("the newest key seals and cannot be removed")
)

// Keyring holds the master keys of one key file. It is safe for concurrent use, by
// several processes on the same file too.
type Keyring struct {
	path string
	keys atomic.Pointer[keySet]

	reloading sync.Mutex // one re-read at a time, so that an older one never wins

	randMu sync.Mutex
	rand   io.Reader
}

// OpenKeyring reads the key file at path, or creates it with one new key, and tells
// whether it did. Processes that start at the same instant agree on one file. A file
// that others than its owner may access is refused, with an error that says what to
// do. rand makes keys and nonces; it must be crypto/rand.Reader outside tests, as a
// nonce that repeats gives plaintexts away.
func OpenKeyring(path string, rand io.Reader) (k *Keyring, created bool, err error) {
	// Absolute, because the file is read again later and the working directory may
	// change.
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, false, fmt.Errorf("key file: %w", err)
	}
	k = &Keyring{path: path, rand: rand}
	_, err = k.reload()
	if errors.Is(err, fs.ErrNotExist) {
		created, err = k.create()
	}
	if err != nil {
		return nil, false, err
	}
	return k, created, nil
}

// create writes a first key unless another process did so before it had the lock.
func (k *Keyring) create() (created bool, err error) {
	err = k.locked(func() error {
		if _, err := k.reload(); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		line, _, err := newLine(nil, k.rand)
		if err != nil {
			return err
		}
		created = true
		return k.write(append([]byte(fileComment), line...))
	})
	return created, err
}

// Current gives the id of the newest key known to this process, as hex.
func (k *Keyring) Current() string {
	return k.keys.Load().newest().id.String()
}

// Newest gives the id of the newest key that the file has now, as hex.
func (k *Keyring) Newest() (string, error) {
	keys, err := k.fresh()
	if err != nil {
		return "", err
	}
	return keys.newest().id.String(), nil
}

// Stage makes a key that opens and does not seal yet, or gives the one that is staged
// already. Once all machines have the file, Add makes it the newest, and none of them
// meets a value that it cannot open.
func (k *Keyring) Stage(rand io.Reader) (id string, err error) {
	err = k.locked(func() error {
		keys, err := k.reload()
		if err != nil {
			return err
		}
		if keys.next != nil {
			id = keys.next.id.String()
			return nil
		}
		line, newID, err := newLine(keys, rand)
		if err != nil {
			return err
		}
		id = newID.String()
		return k.write(stageLine(keys, line, newID))
	})
	if err != nil {
		return "", fmt.Errorf("stage key: %w", err)
	}
	return id, nil
}

// Staged gives the id of the key that is to become the newest; "" where there is none.
func (k *Keyring) Staged() string {
	if next := k.keys.Load().next; next != nil {
		return next.id.String()
	}
	return ""
}

// Add makes the staged key the newest, or a new one where none is staged. It is on
// stable storage when Add returns. Other processes that share the file take it up at
// their next Seal, or at an Open that needs it.
func (k *Keyring) Add(rand io.Reader) (id string, err error) {
	err = k.locked(func() error {
		keys, err := k.reload()
		if err != nil {
			return err
		}
		if keys.next != nil {
			id = keys.next.id.String()
			return k.write(promote(keys))
		}
		line, newID, err := newLine(keys, rand)
		if err != nil {
			return err
		}
		id = newID.String()
		return k.write(appendLine(keys.text, line))
	})
	if err != nil {
		return "", fmt.Errorf("add key: %w", err)
	}
	return id, nil
}

// Remove takes the key with this id, as hex, out of the file. What is still sealed
// by it can be opened no more, so the caller seals everything anew first, and leaves
// other processes time to finish what they began to seal with it. It refuses the
// newest key (ErrNewestKey) and one that is not there (ErrUnknownKey).
func (k *Keyring) Remove(id string) error {
	err := k.locked(func() error {
		keys, err := k.reload()
		if err != nil {
			return err
		}
		key := keys.find(parseKeyID(id))
		switch {
		case key == nil:
			return ErrUnknownKey
		case key == keys.newest():
			return ErrNewestKey
		}
		return k.write(removeLine(keys.text, key.line))
	})
	if err != nil {
		return fmt.Errorf("remove key: %w", err)
	}
	return nil
}

// fresh gives the keys of the file as it is now, and reads it only when its inode,
// size or time of change differ from those of the last read.
func (k *Keyring) fresh() (*keySet, error) {
	keys := k.keys.Load()
	info, err := os.Stat(k.path)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	if sameVersion(info, keys.info) {
		return keys, nil
	}
	return k.reload()
}

func sameVersion(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// reload reads the key file and makes its keys the current ones.
func (k *Keyring) reload() (*keySet, error) {
	k.reloading.Lock()
	defer k.reloading.Unlock()
	keys, err := readKeyFile(k.path)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	k.keys.Store(keys)
	return keys, nil
}

// write replaces the key file and takes up its new keys. The caller has the lock.
func (k *Keyring) write(text []byte) error {
	target, err := resolve(k.path)
	if err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	if err := replaceFile(target, text); err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	_, err = k.reload()
	return err
}

// locked runs f while no other process changes the key file.
func (k *Keyring) locked(f func() error) error {
	target, err := resolve(k.path)
	if err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	unlock, err := lockFor(target)
	if err != nil {
		return fmt.Errorf("lock key file: %w", err)
	}
	defer unlock()
	return f()
}

// read fills b from the keyring's randomness, one caller at a time.
func (k *Keyring) read(b []byte) error {
	k.randMu.Lock()
	defer k.randMu.Unlock()
	if _, err := io.ReadFull(k.rand, b); err != nil {
		return fmt.Errorf("read randomness: %w", err)
	}
	return nil
}

// Format writes the newest key's id for every verb, so that no log line or error can
// print a key (P44).
func (k *Keyring) Format(f fmt.State, _ rune) {
	if k == nil || k.keys.Load() == nil {
		io.WriteString(f, "keyring <nil>")
		return
	}
	io.WriteString(f, "keyring "+k.Current())
}

// keyID names a key in the file and in what it sealed.
type keyID [idBytes]byte

func (id keyID) String() string { return hex.EncodeToString(id[:]) }

// IDs lists the ids of all keys as the file has them now, oldest first.
func (k *Keyring) IDs() []string {
	keys := k.keys.Load()
	ids := make([]string, len(keys.keys))
	for i, key := range keys.keys {
		ids[i] = key.id.String()
	}
	return ids
}
