//go:build linux || darwin || freebsd

package sqlstore

import (
	"errors"
	"os"
	"runtime/debug"
	"syscall"
)

// headerFile is the file of the header, open and mapped as SQLite has it: the header is read several times with each request, and a system call for each read would
// cost more than the rest of a read from memory.
type headerFile struct {
	file   *os.File
	memory []byte
}

// openHeader opens the file for writing too, although nothing is written: file systems that are laid over others give who only reads the file below.
func openHeader(name string) (*headerFile, error) {
	file, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	memory, err := syscall.Mmap(int(file.Fd()), 0, 2*walHeaderBytes, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return &headerFile{file: file}, nil // it may not be closed, see fileUse
	}
	return &headerFile{file, memory}, nil
}

// is tells whether it is this file.
func (f *headerFile) is(info os.FileInfo) bool {
	own, err := f.file.Stat()
	return err == nil && os.SameFile(own, info)
}

// linked tells whether the file still has a name.
func (f *headerFile) linked() bool {
	var stat syscall.Stat_t
	return syscall.Fstat(int(f.file.Fd()), &stat) == nil && stat.Nlink > 0
}

// start reads the beginning of the file; ok is false where there is less than that. Memory of a file that somebody has cut off is no memory: touching it would end the
// process if Go did not make a panic of it.
func (f *headerFile) start(into []byte) (ok bool) {
	before := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(before)
		if recover() != nil {
			ok = false
		}
	}()
	return copy(into, f.memory) == len(into)
}

func (f *headerFile) close() error {
	var err error
	if f.memory != nil {
		err = syscall.Munmap(f.memory)
	}
	return errors.Join(err, f.file.Close())
}
