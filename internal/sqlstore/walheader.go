package sqlstore

import (
	"encoding/binary"
	"errors"
	"path/filepath"
	"sync"
)

// walHeader is the header of SQLite's index of its log. Each commit of any process changes it, and SQLite's own connections compare it to learn whether the pages
// that they keep are still good: with the same header, a read finds the same rows (https://www.sqlite.org/walformat.html, section 2.1).
type walHeader [walHeaderBytes]byte

const walHeaderBytes = 48

// walIndexVersion is that of all of SQLite 3 so far.
const walIndexVersion = 3007000

// walIndex reads the header of the index of one database. The zero header is that of no state.
type walIndex struct {
	path string
	use  *fileUse

	mu   sync.RWMutex
	file *headerFile
	off  bool // tells nothing any more

	closed bool
}

// fileUse counts the stores of this process that use a database. A file that this process closes loses the locks that SQLite holds on it (POSIX, fcntl), so none is
// closed while any store uses the database.
type fileUse struct {
	stores int
	opened []*headerFile
}

var filesInUse = struct {
	sync.Mutex
	byPath map[string]*fileUse
}{byPath: map[string]*fileUse{}}

// useWALIndex is called before SQLite opens the database.
func useWALIndex(database string) *walIndex {
	if absolute, err := filepath.Abs(database); err == nil {
		database = absolute
	}
	if real, err := filepath.EvalSymlinks(database); err == nil {
		database = real
	}
	filesInUse.Lock()
	defer filesInUse.Unlock()
	use := filesInUse.byPath[database]
	if use == nil {
		use = &fileUse{}
		filesInUse.byPath[database] = use
	}
	use.stores++
	return &walIndex{path: database, use: use}
}

// close is called after SQLite closed the database.
func (x *walIndex) close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	filesInUse.Lock()
	defer filesInUse.Unlock()
	if x.closed { // as SQLite's own pool, a store may be closed twice
		return nil
	}
	x.closed, x.off, x.file = true, true, nil
	x.use.stores--
	if x.use.stores > 0 {
		return nil
	}
	delete(filesInUse.byPath, x.path)
	var err error
	for _, file := range x.use.opened {
		err = errors.Join(err, file.close())
	}
	return err
}

// read gives the header as it is now. Where it cannot be told, because it is just being written or the file is not there, ok is false.
func (x *walIndex) read() (h walHeader, ok bool) {
	x.mu.RLock()
	file, off := x.file, x.off
	x.mu.RUnlock()
	if off {
		return h, false
	}
	if file == nil {
		if file = x.open(); file == nil {
			return h, false
		}
	}
	if !file.linked() { // somebody removed it: SQLite may go on with the file that has no name, or with one that is there now
		x.end()
		return h, false
	}
	var copies [2 * walHeaderBytes]byte
	if !file.start(copies[:]) {
		return h, false
	}
	h = walHeader(copies[:walHeaderBytes])
	return h, h == walHeader(copies[walHeaderBytes:]) && h.sound()
}

// sound tells whether the header is whole: it has been set up, is of the version that is known, and its checksum is right. That of a log without a commit is the same
// whatever was in logs before, so that it tells nothing.
func (h walHeader) sound() bool {
	field := func(at int) uint32 { return binary.NativeEndian.Uint32(h[at:]) }
	version, initialized, lastFrame, salt := field(0), h[12] != 0, field(16), field(32)|field(36)
	if version != walIndexVersion || !initialized || lastFrame == 0 && salt == 0 {
		return false
	}
	var s0, s1 uint32
	for at := 0; at < 40; at += 8 {
		s0 += binary.NativeEndian.Uint32(h[at:]) + s1
		s1 += binary.NativeEndian.Uint32(h[at+4:]) + s0
	}
	return s0 == binary.NativeEndian.Uint32(h[40:]) && s1 == binary.NativeEndian.Uint32(h[44:])
}

// open opens the file; nil where there is none yet.
func (x *walIndex) open() *headerFile {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.file != nil || x.off {
		return x.file // another goroutine was faster
	}
	file, err := openHeader(x.path + "-shm")
	if err != nil {
		return nil
	}
	filesInUse.Lock()
	x.use.opened = append(x.use.opened, file)
	filesInUse.Unlock()
	x.file = file
	return file
}

// end makes the index tell nothing from now on.
func (x *walIndex) end() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.off = true
}
