package breached

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/FastFilter/xorfilter"
)

// List is a list of passwords to build a filter from.
type List struct {
	Name   string // for errors
	Reader io.Reader
	Format Format
}

// Report says what was built.
type Report struct {
	Lines     uint64 // of all lists, empty ones too
	Passwords uint64 // different ones
	Bytes     int64  // size of the file
}

// shardKeys bounds the keys of a shard, and with them the memory of a build, about 40 bytes each. More than 2,048 times as many make larger shards.
const shardKeys = 1 << 20

// Build writes the filter of all lists to path, at once: whoever opens path gets the old file or the whole new one. Temporary files lie beside it and need
// eight bytes for each line. It fails where a list or the file cannot be read or written, a line is not of its list's format, or all lists are empty.
func Build(ctx context.Context, path string, lists ...List) (Report, error) {
	return build(ctx, path, shardKeys, lists)
}

func build(ctx context.Context, path string, perShard uint64, lists []List) (report Report, err error) {
	keys, err := newSpill(filepath.Dir(path))
	if err != nil {
		return Report{}, err
	}
	defer keys.close()
	for _, list := range lists {
		lines, err := readList(contextReader{ctx, list.Reader}, list.Format, keys.add)
		if err != nil {
			return Report{}, fmt.Errorf("%s: %w", list.Name, err)
		}
		report.Lines += lines
	}
	if keys.keys == 0 {
		return Report{}, errors.New("there is no password in the lists")
	}
	report.Passwords, report.Bytes, err = writeAtomically(path, func(file *os.File) (uint64, error) { return writeFilter(ctx, file, keys, perShard) })
	return report, err
}

// writeAtomically gives write a new file that takes path's place once it is on the disk.
func writeAtomically(path string, write func(*os.File) (uint64, error)) (passwords uint64, size int64, err error) {
	file, err := os.CreateTemp(filepath.Dir(path), ".breached-filter-*")
	if err != nil {
		return 0, 0, err
	}
	defer func() {
		if err != nil {
			_ = file.Close()
			_ = os.Remove(file.Name())
		}
	}()
	if passwords, err = write(file); err != nil {
		return 0, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return 0, 0, err
	}
	// A list of what leaked is no secret, and the server may run as another user than the one who built the filter.
	if err = errors.Join(file.Chmod(0o644), file.Sync(), file.Close()); err != nil {
		return 0, 0, err
	}
	if err = os.Rename(file.Name(), path); err != nil {
		return 0, 0, err
	}
	return passwords, info.Size(), syncDir(filepath.Dir(path))
}

// syncDir makes a rename last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// writeFilter writes shard by shard behind room for the head, then the head, then the checksum.
func writeFilter(ctx context.Context, file *os.File, keys *spill, perShard uint64) (passwords uint64, err error) {
	bits := 0
	for bits < maxShardBits && keys.keys>>bits > perShard {
		bits++
	}
	h := head{shardBits: uint32(bits)}
	if _, err := file.Seek(int64(headSize(h.shardBits)), io.SeekStart); err != nil {
		return 0, err
	}
	out := bufio.NewWriterSize(file, 1<<16)
	largest := keys.largest(bits)
	buffer, builder := make([]uint64, 0, largest), xorfilter.MakeBinaryFuseBuilder[uint16](largest)
	for i := range 1 << bits {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		shardKeys, err := keys.load(buffer, i, bits)
		if err != nil {
			return 0, err
		}
		slices.Sort(shardKeys)
		shardKeys = slices.Compact(shardKeys)
		s, err := writeShard(out, &builder, shardKeys)
		if err != nil {
			return 0, err
		}
		h.shards = append(h.shards, s)
		h.passwords += uint64(len(shardKeys))
	}
	if err := out.Flush(); err != nil {
		return 0, err
	}
	if _, err := file.WriteAt(h.encode(), 0); err != nil {
		return 0, err
	}
	return h.passwords, appendSum(ctx, file)
}

// writeShard builds the filter of keys, without repetitions, and makes sure that each is found in it.
func writeShard(out *bufio.Writer, builder *xorfilter.BinaryFuseBuilder, keys []uint64) (shard, error) {
	if len(keys) == 0 {
		return shard{}, nil
	}
	filter, err := xorfilter.BuildBinaryFuse[uint16](builder, keys)
	if err != nil {
		return shard{}, fmt.Errorf("filter: %w", err)
	}
	s := shard{filter.Seed, filter.SegmentLength, filter.SegmentCountLength}
	if !s.sound() || s.slots() != int64(len(filter.Fingerprints)) {
		return shard{}, errors.New("filter: its measures do not fit together")
	}
	for _, key := range keys {
		slots, want := s.places(key)
		if filter.Fingerprints[slots[0]]^filter.Fingerprints[slots[1]]^filter.Fingerprints[slots[2]] != want {
			return shard{}, errors.New("filter: a password is not found")
		}
	}
	var b [2]byte
	for _, fingerprint := range filter.Fingerprints {
		binary.LittleEndian.PutUint16(b[:], fingerprint)
		if _, err := out.Write(b[:]); err != nil {
			return shard{}, err
		}
	}
	return s, nil
}

// appendSum puts the checksum of all that stands in the file behind it.
func appendSum(ctx context.Context, file *os.File) error {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, contextReader{ctx, bufio.NewReaderSize(file, 1<<20)}); err != nil {
		return err
	}
	_, err := file.Write(sum.Sum(nil))
	return err
}
