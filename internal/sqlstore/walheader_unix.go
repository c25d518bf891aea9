//go:build linux || darwin || freebsd

package sqlstore

import (
	"os"
	"syscall"
)

// headerFile is the file of the header, open. Reads go to its descriptor itself, since they come several times with each request.
type headerFile struct {
	file       *os.File
	descriptor int
}

func openHeader(name string) (*headerFile, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	return &headerFile{file, int(file.Fd())}, nil
}

// linked tells whether the file still has a name.
func (f *headerFile) linked() bool {
	var stat syscall.Stat_t
	return syscall.Fstat(f.descriptor, &stat) == nil && stat.Nlink > 0
}

// start reads the beginning of the file; ok is false where there is less than that.
func (f *headerFile) start(into []byte) (ok bool) {
	n, err := syscall.Pread(f.descriptor, into, 0)
	return err == nil && n == len(into)
}

func (f *headerFile) close() error { return f.file.Close() }

// coherent tells whether reads of a file in a directory see at once what another program writes through memory, as SQLite writes the header. They do on the local file
// systems of these systems; some that another machine serves keep the two apart.
func coherent(directory string) bool {
	file, err := os.CreateTemp(directory, ".mapped-*")
	if err != nil {
		return false
	}
	defer file.Close()
	if os.Remove(file.Name()) != nil {
		return false
	}
	if _, err := file.Write(make([]byte, os.Getpagesize())); err != nil { // takes room on the disk: a page that found none when it is touched would end the process
		return false
	}
	memory, err := syscall.Mmap(int(file.Fd()), 0, os.Getpagesize(), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return false
	}
	defer func() { _ = syscall.Munmap(memory) }()
	for _, written := range []byte{1, 2} {
		memory[0] = written
		var read [1]byte
		if n, err := file.ReadAt(read[:], 0); n != 1 || err != nil || read[0] != written {
			return false
		}
	}
	return true
}
