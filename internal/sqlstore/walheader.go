package sqlstore

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// walHeader is the header of SQLite's index of its log. Each commit of any process changes it, and SQLite's own connections compare it to learn whether the pages
// that they keep are still good: with the same header, a read finds the same rows (https://www.sqlite.org/walformat.html, section 2.1).
type walHeader [walHeaderBytes]byte

const walHeaderBytes = 48

// walIndexVersion is that of all of SQLite 3 so far.
const walIndexVersion = 3007000

// lookEvery is with how many reads the file is looked at. No process can remove it while this one follows it, as long as all go through SQLite; the look is for those that
// do not, and SQLite's own connections do not notice them at all.
const lookEvery = 64

// walIndex reads the header of the index of one database, between follow and leave. The zero header is that of no state.
type walIndex struct {
	path string
	use  *fileUse

	mu     sync.RWMutex
	file   *headerFile // nil while nothing is told
	reads  atomic.Uint32
	off    bool // tells nothing any more
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
	x.closed, x.file = true, nil
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

// follow is called when a connection has the index open, which keeps SQLite from removing it, making it anew, or going on with another file. From then on its header is
// told.
func (x *walIndex) follow() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.file != nil || x.off || x.closed {
		return
	}
	filesInUse.Lock()
	defer filesInUse.Unlock()
	name := x.path + "-shm"
	info, err := os.Stat(name)
	if err != nil {
		return
	}
	for _, file := range x.use.opened {
		if file.is(info) {
			x.file = file
			return
		}
	}
	if file, err := openHeader(name); err == nil {
		x.use.opened = append(x.use.opened, file)
		x.file = file
	}
}

// leave is called before that connection is closed.
func (x *walIndex) leave() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.file = nil
}

// read gives the header as it is now. Where it cannot be told, because it is just being written or no file is followed, ok is false.
func (x *walIndex) read() (h walHeader, ok bool) {
	copies, ok := x.copies()
	if !ok {
		return h, false
	}
	h = walHeader(copies[:walHeaderBytes])
	return h, h == walHeader(copies[walHeaderBytes:]) && h.sound()
}

func (x *walIndex) copies() (copies [2 * walHeaderBytes]byte, ok bool) {
	x.mu.RLock()
	file := x.file
	if file == nil {
		x.mu.RUnlock()
		return copies, false
	}
	ok = file.start(copies[:])
	linked := x.reads.Add(1)%lookEvery != 0 || file.linked()
	x.mu.RUnlock()
	if !linked { // SQLite may go on with the file that has no name, or with one that is there now
		x.end()
	}
	return copies, ok && linked
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

// end makes the index tell nothing from now on.
func (x *walIndex) end() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.off, x.file = true, nil
}
