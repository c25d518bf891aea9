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

// walIndex reads the header of the index of one database. The zero header is that of no state.
type walIndex struct {
	path string
	use  *fileUse

	mu   sync.RWMutex
	file *headerFile

	closed bool // guarded by filesInUse
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
	filesInUse.Lock()
	defer filesInUse.Unlock()
	if x.closed { // as SQLite's own pool, a store may be closed twice
		return nil
	}
	x.closed = true
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
	file := x.file
	x.mu.RUnlock()
	if file == nil || !file.linked() { // SQLite makes the file anew when it opened the database anew
		if file = x.reopen(file); file == nil {
			return h, false
		}
	}
	var copies [2 * walHeaderBytes]byte
	if !file.start(copies[:]) {
		return h, false
	}
	h = walHeader(copies[:walHeaderBytes])
	return h, h == walHeader(copies[walHeaderBytes:]) && h.sound()
}

// sound tells whether the header is whole: it has been set up, and its checksum is right.
func (h walHeader) sound() bool {
	if h[12] == 0 { // isInit
		return false
	}
	var s0, s1 uint32
	for at := 0; at < 40; at += 8 {
		s0 += binary.NativeEndian.Uint32(h[at:]) + s1
		s1 += binary.NativeEndian.Uint32(h[at+4:]) + s0
	}
	return s0 == binary.NativeEndian.Uint32(h[40:]) && s1 == binary.NativeEndian.Uint32(h[44:])
}

// reopen opens the file that is there now in place of one that is gone; nil where there is none.
func (x *walIndex) reopen(gone *headerFile) *headerFile {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.file != gone {
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
