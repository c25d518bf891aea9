package secret

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrOtherKeyFile means that there is a key file already, and it has other keys.
var ErrOtherKeyFile = errors.New("there is another key file")

// Text gives the key file as it is now, for an encrypted backup (P44).
func (k *Keyring) Text() ([]byte, error) {
	keys, err := k.fresh()
	if err != nil {
		return nil, err
	}
	return bytes.Clone(keys.text), nil
}

// PutKeyFile makes the key file at path of a text that [Keyring.Text] gave. Where there is one with the same keys it does nothing, and with other ones it fails
// with ErrOtherKeyFile.
func PutKeyFile(path string, text []byte) error {
	keys, err := parseKeys(text)
	if err != nil {
		return err
	}
	there, err := readKeyFile(path)
	if err == nil {
		for _, key := range keys {
			if there.find(key.id) == nil {
				return fmt.Errorf("%w: %s lacks key %s", ErrOtherKeyFile, path, key.id)
			}
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("key file: %w", err)
	}
	unlock, err := lockFor(path)
	if err != nil {
		return fmt.Errorf("lock key file: %w", err)
	}
	defer unlock()
	return replaceFile(path, text)
}

// OpenKeyFile is [OpenKeyring] for a file that is there; it makes none, and fails with fs.ErrNotExist.
func OpenKeyFile(path string, rand io.Reader) (*Keyring, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	k := &Keyring{path: path, rand: rand}
	_, err = k.reload()
	return k, err
}
