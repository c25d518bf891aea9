package secret

import (
	"bytes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/doorward/doorward/internal/fileowner"
)

// The key file is text. Empty lines and lines that start with '#' are skipped; each
// other line is "v1", the key id (16 lower-case hex digits) and the key (32 bytes in
// padded base64), between blanks. The last key is the newest. A line "# next" with the
// id of an older key says that it is to become the newest; releases that do not know
// staged keys skip it.
const (
	lineVersion     = "v1"
	nextMark        = "# next "
	maxKeyFileBytes = 1 << 20

	fileComment = `# Doorward master keys, the newest last. Keep a copy apart from the database's backups:
# without these keys, no signing key and no provider or mail credential can be read.
`
)

type masterKey struct {
	id   keyID
	aead cipher.AEAD
	line int // index among the lines of the file
}

// keySet is one reading of the key file. It does not change.
type keySet struct {
	keys []*masterKey // never empty, the newest last
	next *masterKey   // staged; nil where none is
	text []byte
	info os.FileInfo
}

func (s *keySet) newest() *masterKey { return s.keys[len(s.keys)-1] }

// find gives nil when there is no such key, or no set.
func (s *keySet) find(id keyID) *masterKey {
	if s == nil {
		return nil
	}
	i := slices.IndexFunc(s.keys, func(key *masterKey) bool { return key.id == id })
	if i < 0 {
		return nil
	}
	return s.keys[i]
}

func readKeyFile(path string) (*keySet, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	// The open file is asked, not the path: it cannot be swapped in between.
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if err := checkPrivate(path, info); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFileBytes+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxKeyFileBytes {
		return nil, fmt.Errorf("%s is too large to be a key file", path)
	}
	keys, err := parseKeys(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	set := &keySet{keys: keys, text: text, info: info}
	set.next = set.find(stagedID(text))
	if set.next == set.newest() {
		set.next = nil
	}
	return set, nil
}

// stagedID gives the id that the file says is next, and the all-zero one where it says none.
func stagedID(text []byte) keyID {
	for line := range strings.SplitSeq(string(text), "\n") {
		if id, staged := strings.CutPrefix(line, nextMark); staged {
			return parseKeyID(strings.TrimSpace(id))
		}
	}
	return keyID{}
}

// checkPrivate refuses a file that others may access (P47). On Windows the mode bits
// say nothing of that; there the directory's access list guards the file.
func checkPrivate(path string, info os.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", path)
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return fmt.Errorf("%s has mode %04o, so others than its owner may access it: run chmod 600 %s", path, mode, path)
	}
	return nil
}

// parseKeys reads the lines of a key file. Its errors name lines and never quote
// them.
func parseKeys(text []byte) ([]*masterKey, error) {
	var keys []*masterKey
	seen := map[keyID]bool{}
	for i, line := range strings.Split(string(text), "\n") {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		key, err := parseKey(fields)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		if seen[key.id] {
			return nil, fmt.Errorf("line %d: key id %s is there twice", i+1, key.id)
		}
		seen[key.id] = true
		key.line = i
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		// An empty file is no reason to make a new key: what the lost one sealed
		// would be lost without a word.
		return nil, errors.New("no key in it: put the file back from its copy")
	}
	return keys, nil
}

func parseKey(fields []string) (*masterKey, error) {
	if len(fields) != 3 || fields[0] != lineVersion {
		return nil, errors.New(`not "v1", a key id and a key`)
	}
	id := parseKeyID(fields[1])
	if id == (keyID{}) {
		return nil, errors.New("key id is not 16 lower-case hex digits, or all zero")
	}
	master, err := base64.StdEncoding.Strict().DecodeString(fields[2])
	if err != nil || len(master) != keyBytes {
		return nil, fmt.Errorf("key is not %d bytes in base64", keyBytes)
	}
	aead, err := newAEAD(master)
	if err != nil {
		return nil, err
	}
	return &masterKey{id: id, aead: aead}, nil
}

// parseKeyID gives the all-zero id, which no key has, for text that is no key id.
func parseKeyID(s string) keyID {
	var id keyID
	data, err := hex.DecodeString(s)
	if err != nil || len(data) != idBytes || s != strings.ToLower(s) {
		return keyID{}
	}
	copy(id[:], data)
	return id
}

// newLine makes a key whose id is not among keys, and gives its line and id.
func newLine(keys *keySet, rand io.Reader) ([]byte, keyID, error) {
	var id keyID
	for id == (keyID{}) || keys.find(id) != nil {
		if _, err := io.ReadFull(rand, id[:]); err != nil {
			return nil, id, fmt.Errorf("read randomness: %w", err)
		}
	}
	master := make([]byte, keyBytes)
	if _, err := io.ReadFull(rand, master); err != nil {
		return nil, id, fmt.Errorf("read randomness: %w", err)
	}
	line := fmt.Sprintf("%s %s %s\n", lineVersion, id, base64.StdEncoding.EncodeToString(master))
	return []byte(line), id, nil
}

// appendLine keeps what an operator wrote into the file.
func appendLine(text, line []byte) []byte {
	out := bytes.Clone(text)
	if !bytes.HasSuffix(out, []byte("\n")) {
		out = append(out, '\n')
	}
	return append(out, line...)
}

// stageLine puts a key before the newest, and says that it is next.
func stageLine(keys *keySet, line []byte, id keyID) []byte {
	lines := strings.Split(string(unmarked(keys.text)), "\n")
	newest := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, keys.newest().id.String()) })
	return []byte(strings.Join(slices.Insert(lines, newest, nextMark+id.String(), strings.TrimSuffix(string(line), "\n")), "\n"))
}

// unmarked is the text without a mark of what is next.
func unmarked(text []byte) []byte {
	lines := strings.Split(string(text), "\n")
	return []byte(strings.Join(slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, nextMark) }), "\n"))
}

// promote makes a staged key the newest.
func promote(keys *keySet) []byte {
	lines := strings.Split(string(keys.text), "\n")
	line := lines[keys.next.line]
	return appendLine(unmarked(removeLine(keys.text, keys.next.line)), []byte(line+"\n"))
}

func removeLine(text []byte, index int) []byte {
	lines := strings.Split(string(text), "\n")
	return []byte(strings.Join(slices.Delete(lines, index, index+1), "\n"))
}

// resolve follows symbolic links, so that the file a link points to is replaced and
// not the link. A path that does not exist yet is its own target.
func resolve(path string) (string, error) {
	target, err := filepath.EvalSymlinks(path)
	if errors.Is(err, os.ErrNotExist) {
		return path, nil
	}
	return target, err
}

// replaceFile puts text at path at once and for good: a reader or a crash meets the
// old file or the new one, never a part (P48, P49). The caller has the lock, so the
// temporary name is its own, and one that is there was left by a crash.
func replaceFile(path string, text []byte) error {
	temporary := path + ".tmp"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := fillFile(file, path, text); err != nil {
		os.Remove(temporary)
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		os.Remove(temporary)
		return err
	}
	return syncDir(filepath.Dir(path))
}

// fillFile writes, syncs and closes file, which is to replace the one at path.
func fillFile(file *os.File, path string, text []byte) error {
	_, err := file.Write(text)
	if err == nil {
		err = fileowner.Keep(file, path)
	}
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}
