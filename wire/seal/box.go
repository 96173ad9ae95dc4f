package seal

import (
	"crypto/subtle"
	"slices"

	"golang.org/x/crypto/nacl/box"
	"golang.org/x/crypto/poly1305"      //lint:ignore SA1019 x/crypto/nacl/secretbox is made of it
	"golang.org/x/crypto/salsa20/salsa" //lint:ignore SA1019 x/crypto/nacl/secretbox is made of it
)

// A NaCl box after its key agreement is XSalsa20 and Poly1305
// (crypto_secretbox): HSalsa20 makes a key of the shared one and of 16 bytes of
// the nonce; of Salsa20's stream under it and the other 8, the first 32 bytes
// are the Poly1305 key, and what follows is XORed with the plaintext. Those 16
// bytes are a session's salt, so its key is made once, which with a stream of
// AVX2 takes a third off the price of a box (docs/adr/0100). FuzzBox holds all of
// it against x/crypto/nacl/box.
const (
	quad      = 256                                           // bytes that the stream is made by: four blocks
	polyKey   = 32                                            // bytes of the stream before the plaintext's
	maxStream = (polyKey + MaxPlain + quad - 1) / quad * quad // bytes for the largest datagram
)

// quads returns how much of the stream n bytes of plaintext need. No datagram
// has more than MaxPlain.
func quads(n int) int {
	if n > MaxPlain {
		panic("seal: plaintext is larger than a datagram")
	}
	return (polyKey + n + quad - 1) / quad
}

// keyStreamGeneric does by x/crypto, on whatever machine, what keyStream does.
func keyStreamGeneric(stream *[maxStream]byte, quads int, nonce *[8]byte, key *[32]byte) {
	var counter [16]byte
	copy(counter[:], nonce[:])
	salsa.XORKeyStream(stream[:quads*quad], stream[:quads*quad], &counter, key)
}

// sealBox appends a box of plain.
func sealBox(dst, plain []byte, nonce *[8]byte, key *[32]byte) []byte {
	var stream [maxStream]byte
	keyStream(&stream, quads(len(plain)), nonce, key)
	start := len(dst)
	dst = slices.Grow(dst, box.Overhead+len(plain))[:start+box.Overhead+len(plain)]
	sealed := dst[start+box.Overhead:]
	subtle.XORBytes(sealed, plain, stream[polyKey:]) // panics if they overlap
	poly1305.Sum((*[box.Overhead]byte)(dst[start:]), sealed, (*[polyKey]byte)(stream[:]))
	return dst
}

// openBox appends the plaintext of a box, if it is genuine.
func openBox(dst, sealed []byte, nonce *[8]byte, key *[32]byte) ([]byte, bool) {
	var stream [maxStream]byte
	tag, sealed := (*[box.Overhead]byte)(sealed), sealed[box.Overhead:]
	keyStream(&stream, quads(len(sealed)), nonce, key)
	if !poly1305.Verify(tag, sealed, (*[polyKey]byte)(stream[:])) {
		return nil, false
	}
	start := len(dst)
	dst = slices.Grow(dst, len(sealed))[:start+len(sealed)]
	subtle.XORBytes(dst[start:], sealed, stream[polyKey:])
	return dst, true
}
