package breached

import (
	"encoding/binary"
	"fmt"
	"os"
)

// Keys are sorted into buckets by their first bits. A bucket keeps up to a block of keys in memory and the full blocks in one temporary file, so that
// memory does not grow with the list but for eight bytes a block.
const (
	bucketBits = maxShardBits
	blockKeys  = 512
)

type spill struct {
	file    *os.File
	end     int64 // of the file
	keys    uint64
	buckets [1 << bucketBits]bucket
	block   [8 * blockKeys]byte
}

type bucket struct {
	recent []uint64
	blocks []int64 // offsets in the file
}

// newSpill makes the temporary file in dir, where there is room for the filter, too.
func newSpill(dir string) (*spill, error) {
	file, err := os.CreateTemp(dir, ".breached-keys-*")
	if err != nil {
		return nil, err
	}
	return &spill{file: file}, nil
}

func (s *spill) close() {
	_ = s.file.Close()
	_ = os.Remove(s.file.Name())
}

func (s *spill) add(key uint64) error {
	b := &s.buckets[key>>(64-bucketBits)]
	if b.recent == nil {
		b.recent = make([]uint64, 0, blockKeys)
	}
	b.recent = append(b.recent, key)
	s.keys++
	if len(b.recent) < blockKeys {
		return nil
	}
	for i, key := range b.recent {
		binary.LittleEndian.PutUint64(s.block[8*i:], key)
	}
	if _, err := s.file.WriteAt(s.block[:], s.end); err != nil {
		return fmt.Errorf("temporary file: %w", err)
	}
	b.blocks, b.recent = append(b.blocks, s.end), b.recent[:0]
	s.end += int64(len(s.block))
	return nil
}

// load appends the keys of a shard to keys. A shard is a run of buckets.
func (s *spill) load(keys []uint64, shard, shardBits int) ([]uint64, error) {
	run := 1 << (bucketBits - shardBits)
	for _, b := range s.buckets[shard*run : (shard+1)*run] {
		for _, offset := range b.blocks {
			if _, err := s.file.ReadAt(s.block[:], offset); err != nil {
				return nil, fmt.Errorf("temporary file: %w", err)
			}
			for i := range blockKeys {
				keys = append(keys, binary.LittleEndian.Uint64(s.block[8*i:]))
			}
		}
		keys = append(keys, b.recent...)
	}
	return keys, nil
}

// largest is the number of keys in the fullest shard.
func (s *spill) largest(shardBits int) int {
	run := 1 << (bucketBits - shardBits)
	most := 0
	for first := 0; first < len(s.buckets); first += run {
		n := 0
		for _, b := range s.buckets[first : first+run] {
			n += len(b.blocks)*blockKeys + len(b.recent)
		}
		most = max(most, n)
	}
	return most
}
