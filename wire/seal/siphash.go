package seal

import (
	"encoding/binary"
	"math/bits"
)

// sipKey is a key of SipHash-2-4 (Aumasson and Bernstein, 2012), a keyed hash
// of short inputs with a tag of 64 bits. It needs no AES instructions, which
// 32-bit ARM boards lack, and unlike crypto/aes its input stays on the stack.
type sipKey struct{ k0, k1 uint64 }

func newSipKey(key []byte) sipKey {
	return sipKey{binary.LittleEndian.Uint64(key), binary.LittleEndian.Uint64(key[8:])}
}

// sum returns the tag of a and b, 16 bytes each.
func (k sipKey) sum(a, b []byte) [8]byte {
	v0, v1 := k.k0^0x736f6d6570736575, k.k1^0x646f72616e646f6d
	v2, v3 := k.k0^0x6c7967656e657261, k.k1^0x7465646279746573
	round := func() {
		v0 += v1
		v1 = bits.RotateLeft64(v1, 13) ^ v0
		v0 = bits.RotateLeft64(v0, 32)
		v2 += v3
		v3 = bits.RotateLeft64(v3, 16) ^ v2
		v0 += v3
		v3 = bits.RotateLeft64(v3, 21) ^ v0
		v2 += v1
		v1 = bits.RotateLeft64(v1, 17) ^ v2
		v2 = bits.RotateLeft64(v2, 32)
	}
	for _, m := range [...]uint64{
		binary.LittleEndian.Uint64(a), binary.LittleEndian.Uint64(a[8:]),
		binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]),
		32 << 56, // the length in the last byte
	} {
		v3 ^= m
		round()
		round()
		v0 ^= m
	}
	v2 ^= 0xff
	for range 4 {
		round()
	}
	var tag [8]byte
	binary.LittleEndian.PutUint64(tag[:], v0^v1^v2^v3)
	return tag
}
