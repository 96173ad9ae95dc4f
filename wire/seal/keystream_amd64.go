//go:build !purego

package seal

import (
	"encoding/binary"

	"golang.org/x/crypto/salsa20/salsa" //lint:ignore SA1019 x/crypto/nacl/secretbox is made of it
	"golang.org/x/sys/cpu"
)

// keyStreamAVX2 writes quads times four blocks of Salsa20's stream. Rows is the
// matrix of the first, in the order that keystream_amd64.s has.
//
//go:noescape
func keyStreamAVX2(dst *byte, quads int, rows *[16]uint32)

// keyStream fills stream, all zero until now, with Salsa20's from its first block.
func keyStream(stream *[maxStream]byte, quads int, nonce *[8]byte, key *[32]byte) {
	if !cpu.X86.HasAVX2 {
		keyStreamGeneric(stream, quads, nonce, key)
		return
	}
	keyStreamAVX2(&stream[0], quads, &[16]uint32{
		word(salsa.Sigma[0:]), word(salsa.Sigma[4:]), word(salsa.Sigma[8:]), word(salsa.Sigma[12:]),
		word(key[12:]), 0, word(key[28:]), word(key[8:]),
		0, word(key[24:]), word(key[4:]), word(nonce[4:]),
		word(key[20:]), word(key[0:]), word(nonce[0:]), word(key[16:]),
	})
}

func word(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
