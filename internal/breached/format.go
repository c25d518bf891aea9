// Package breached answers whether a password is on a list of leaked ones. The list is a file that stays on the disk: a look-up reads six bytes of it.
package breached

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/bits"
)

// A file holds one binary fuse filter with 16-bit fingerprints per shard, where the first bits of a key name its shard:
//
//	magic · version · shard bits · number of passwords · table of shards · SHA-256 of all this
//	fingerprints of each shard, two bytes each, little endian
//	SHA-256 of everything before it
//
// Numbers are little endian. A shard's place follows from the sizes of those before it.
const (
	magic         = "DWBREACH"
	version       = 1
	maxShardBits  = 11
	fixedHeadSize = len(magic) + 4 + 4 + 8
	shardSize     = 8 + 4 + 4
	sumSize       = sha256.Size
)

// ErrDamaged is what every error of Open and Verify wraps that is about the contents of the file.
var ErrDamaged = errors.New("it is no filter of breached passwords, or it is damaged; build it anew")

// shard describes one filter: the array has two segments more than firstSlots. All zero is a shard without passwords.
type shard struct {
	seed       uint64
	segment    uint32 // slots in a segment, a power of two
	firstSlots uint32 // slots where the first of the three may be
}

func (s shard) slots() int64 { return int64(s.firstSlots) + 2*int64(s.segment) }

func (s shard) sound() bool {
	if s.segment == 0 {
		return s == shard{}
	}
	return bits.OnesCount32(s.segment) == 1 && s.firstSlots > 0 && s.firstSlots%s.segment == 0 && s.slots() < 1<<32
}

// places gives the slots of a key and what their fingerprints come to, XORed, if the key is in the filter. It is the addressing of the library that
// builds the filter, which itself reads only filters in memory; TestPlacesAreTheLibrarys compares the two.
func (s shard) places(key uint64) (slots [3]uint32, want uint16) {
	h := mix(key + s.seed)
	first, _ := bits.Mul64(h, uint64(s.firstSlots))
	slots[0] = uint32(first)
	slots[1] = (slots[0] + s.segment) ^ (uint32(h>>18) & (s.segment - 1))
	slots[2] = (slots[0] + 2*s.segment) ^ (uint32(h) & (s.segment - 1))
	return slots, uint16(h ^ h>>32)
}

// mix is the finalizer of MurmurHash3: every bit of h decides about every bit of the result.
func mix(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// keyOf is the first half of the password's SHA-1, so that lists of passwords and of their SHA-1 give the same keys. docs/decisions/0010 says why SHA-1 is enough.
func keyOf(password string) uint64 {
	sum := sha1.Sum([]byte(password))
	return binary.BigEndian.Uint64(sum[:])
}

// shardOf names a key's shard.
func shardOf(key uint64, shardBits uint32) uint64 { return key >> (64 - shardBits) } // a shift by 64 gives 0

// head is what stands before the fingerprints.
type head struct {
	passwords uint64
	shardBits uint32
	shards    []shard
}

func headSize(shardBits uint32) int { return fixedHeadSize + shardSize<<shardBits + sumSize }

func (h head) encode() []byte {
	b := append(make([]byte, 0, headSize(h.shardBits)), magic...)
	b = binary.LittleEndian.AppendUint32(b, version)
	b = binary.LittleEndian.AppendUint32(b, h.shardBits)
	b = binary.LittleEndian.AppendUint64(b, h.passwords)
	for _, s := range h.shards {
		b = binary.LittleEndian.AppendUint64(b, s.seed)
		b = binary.LittleEndian.AppendUint32(b, s.segment)
		b = binary.LittleEndian.AppendUint32(b, s.firstSlots)
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

// decodeFixed reads the part of the head that tells its size.
func decodeFixed(b []byte) (head, error) {
	h := head{shardBits: binary.LittleEndian.Uint32(b[12:]), passwords: binary.LittleEndian.Uint64(b[16:])}
	if string(b[:len(magic)]) != magic || binary.LittleEndian.Uint32(b[len(magic):]) != version || h.shardBits > maxShardBits {
		return head{}, ErrDamaged
	}
	return h, nil
}

// decodeTable reads the rest of the head into h; b is all of it.
func (h *head) decodeTable(b []byte) error {
	table, sum := b[fixedHeadSize:len(b)-sumSize], sha256.Sum256(b[:len(b)-sumSize])
	if string(sum[:]) != string(b[len(b)-sumSize:]) {
		return ErrDamaged
	}
	for ; len(table) > 0; table = table[shardSize:] {
		s := shard{binary.LittleEndian.Uint64(table), binary.LittleEndian.Uint32(table[8:]), binary.LittleEndian.Uint32(table[12:])}
		if !s.sound() {
			return ErrDamaged
		}
		h.shards = append(h.shards, s)
	}
	return nil
}
