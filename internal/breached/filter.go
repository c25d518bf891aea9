package breached

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// Filter is an open file that [Build] wrote. Its methods are safe for concurrent use.
type Filter struct {
	file    *os.File
	size    int64
	head    head
	offsets []int64 // of each shard's fingerprints
}

// Open opens a filter and checks its head, which says where to look: damage there would let every password pass. It fails with an error of the
// operating system or one that wraps [ErrDamaged]. The caller closes the filter.
func Open(path string) (*Filter, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	f := &Filter{file: file}
	if err := f.readHead(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), file.Close())
	}
	return f, nil
}

func (f *Filter) readHead() error {
	info, err := f.file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("it is no file: %w", ErrDamaged)
	}
	f.size = info.Size()
	fixed := make([]byte, fixedHeadSize)
	if err := f.readAt(fixed, 0); err != nil {
		return err
	}
	if f.head, err = decodeFixed(fixed); err != nil {
		return err
	}
	whole := make([]byte, headSize(f.head.shardBits))
	if err := f.readAt(whole, 0); err != nil {
		return err
	}
	if err := f.head.decodeTable(whole); err != nil {
		return err
	}
	end := int64(len(whole))
	for _, s := range f.head.shards {
		f.offsets = append(f.offsets, end)
		end += 2 * s.slots()
	}
	if f.size != end+sumSize {
		return ErrDamaged
	}
	return nil
}

func (f *Filter) readAt(b []byte, offset int64) error {
	_, err := f.file.ReadAt(b, offset)
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the file is too short: %w", ErrDamaged)
	}
	return err
}

// Verify reads the whole file and compares its checksum. It fails as Open does, or with the error of ctx.
func (f *Filter) Verify(ctx context.Context) error {
	sum := sha256.New()
	content := bufio.NewReaderSize(io.NewSectionReader(f.file, 0, f.size-sumSize), 1<<20)
	if _, err := io.Copy(sum, contextReader{ctx, content}); err != nil {
		return fmt.Errorf("%s: %w", f.file.Name(), err)
	}
	stored := make([]byte, sumSize)
	if err := f.readAt(stored, f.size-sumSize); err != nil {
		return fmt.Errorf("%s: %w", f.file.Name(), err)
	}
	if !bytes.Equal(stored, sum.Sum(nil)) {
		return fmt.Errorf("%s: the checksum is wrong: %w", f.file.Name(), ErrDamaged)
	}
	return nil
}

// Contains tells whether the password is on the list. It always finds one that is, and takes about one in 65,000 others for listed. It reads three times
// two bytes, however long the list. It fails where the file cannot be read.
func (f *Filter) Contains(password string) (bool, error) { return f.containsKey(keyOf(password)) }

func (f *Filter) containsKey(key uint64) (bool, error) {
	i := shardOf(key, f.head.shardBits)
	s := f.head.shards[i]
	if s.segment == 0 {
		return false, nil
	}
	slots, fingerprint := s.places(key)
	var b [2]byte
	for _, slot := range slots {
		if err := f.readAt(b[:], f.offsets[i]+2*int64(slot)); err != nil {
			return false, err
		}
		fingerprint ^= binary.LittleEndian.Uint16(b[:])
	}
	return fingerprint == 0, nil
}

// Passwords is how many different passwords are on the list.
func (f *Filter) Passwords() uint64 { return f.head.passwords }

// Size is that of the file, in bytes.
func (f *Filter) Size() int64 { return f.size }

// Close closes the file.
func (f *Filter) Close() error { return f.file.Close() }

// contextReader ends with its context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r contextReader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(b)
}
