//go:build unix

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
