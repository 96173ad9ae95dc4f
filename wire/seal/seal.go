// Package seal seals and opens the datagrams of a session.
//
// A datagram is a header in the clear and a NaCl box (X25519, XSalsa20,
// Poly1305) behind it. Both ends of a session hold the same precomputed key,
// of the sensor's boot key and the collector's epoch key; the nonce is the
// session's salt and the packet number, whose top bit is the direction. The
// header carries a keyed tag of 8 bytes, so that a forged datagram is dropped
// for the price of a short hash, before anything is allocated or opened.
//
// docs/format/wire.md has the bytes. The package keeps no window: that a
// packet number comes once is the caller's to see (session.Window).
package seal

import (
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"

	"golang.org/x/crypto/nacl/box"
	"golang.org/x/crypto/salsa20/salsa" //lint:ignore SA1019 x/crypto/nacl/secretbox is made of it
)

// Sizes of a sealed datagram's parts, in bytes.
const (
	HeaderSize  = 24                        // magic 2, version 1, type 1, session 4, packet number 8, tag 8
	Overhead    = HeaderSize + box.Overhead // what sealing adds to a plaintext
	MaxDatagram = 1200                      // fits the least MTU of IPv6, 1280, with room for tunnels
	MaxPlain    = MaxDatagram - Overhead
)

const (
	tagged = 16 // bytes of header that the tag covers
	// fromCollector is the top bit of the packet number in the nonces of
	// what a collector seals: both directions share key and salt.
	fromCollector = 1 << 63
)

// Reasons for which a datagram is dropped.
var (
	ErrShort  = errors.New("datagram is cut short")
	ErrTag    = errors.New("header tag is wrong")
	ErrForged = errors.New("box does not open")
)

// Salt is the part of the nonce that a session keeps for its life.
type Salt [16]byte

// A Role says which end of a session seals.
type Role bool

// The two ends.
const (
	Sensor    Role = false
	Collector Role = true
)

// A Link is one end of a session. It is safe for concurrent use.
type Link struct {
	key  [32]byte // of the boxes: HSalsa20 of the shared one and the salt
	tag  sipKey
	role Role
}

// NewLink returns the end that role plays of the session that shared (as
// box.Precompute makes it) and salt are for.
func NewLink(shared *[32]byte, salt Salt, role Role) *Link {
	tag, err := hkdf.Expand(sha256.New, shared[:], "taproot v1 header tag"+string(salt[:]), 16)
	if err != nil { // 16 bytes are within what HKDF gives
		panic(err)
	}
	l := &Link{tag: newSipKey(tag), role: role}
	salsa.HSalsa20(&l.key, (*[16]byte)(&salt), shared, &salsa.Sigma)
	return l
}

// headerTag returns the tag of the header before it and of the box's Poly1305
// tag, so that neither can be swapped.
func (l *Link) headerTag(datagram []byte) [8]byte {
	return l.tag.sum(datagram[:tagged], datagram[HeaderSize:HeaderSize+box.Overhead])
}

// nonce returns what a box's nonce has behind the salt.
func nonce(number uint64, sealer Role) (n [8]byte) {
	if sealer == Collector {
		number |= fromCollector
	}
	binary.BigEndian.PutUint64(n[:], number)
	return n
}

// Seal appends the datagram whose header begins with head (magic, version,
// type, session) and whose box holds plain, at most MaxPlain bytes that dst's
// array does not have. A packet number is never used twice with one Link, nor
// by a sensor twice with one boot key.
func (l *Link) Seal(dst []byte, head [8]byte, number uint64, plain []byte) []byte {
	start := len(dst)
	dst = append(dst, head[:]...)
	dst = binary.BigEndian.AppendUint64(dst, number)
	dst = append(dst, make([]byte, HeaderSize-tagged)...)
	n := nonce(number, l.role)
	dst = sealBox(dst, plain, &n, &l.key)
	tag := l.headerTag(dst[start:])
	copy(dst[start+tagged:], tag[:])
	return dst
}

// Check reports whether datagram has the right header tag, and its packet
// number. It allocates nothing.
func (l *Link) Check(datagram []byte) (number uint64, err error) {
	if len(datagram) < Overhead {
		return 0, ErrShort
	}
	tag := l.headerTag(datagram)
	if subtle.ConstantTimeCompare(tag[:], datagram[tagged:HeaderSize]) == 0 {
		return 0, ErrTag
	}
	number = binary.BigEndian.Uint64(datagram[8:])
	if number >= fromCollector {
		return 0, ErrForged
	}
	return number, nil
}

// Open appends the plaintext of a datagram that Check has passed.
func (l *Link) Open(dst, datagram []byte) ([]byte, error) {
	number := binary.BigEndian.Uint64(datagram[8:])
	if len(datagram) > MaxDatagram {
		return nil, ErrForged
	}
	n := nonce(number, !l.role)
	plain, ok := openBox(dst, datagram[HeaderSize:], &n, &l.key)
	if !ok {
		return nil, ErrForged
	}
	return plain, nil
}
