package flow

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"net/netip"
)

// A Key is a 5-tuple with its lower end first, so that both directions of a
// flow have the same: two words of address per end, and in the last the ports,
// the virtual network and the protocol.
type Key [5]uint64

// SetVNI says which virtual network, of 24 bits, the flow is in: others may
// have the same addresses.
func (k *Key) SetVNI(vni uint32) { k[4] |= uint64(vni&0xffffff) << 8 }

// VNI returns the virtual network, 0 for none.
func (k *Key) VNI() uint32 { return uint32(k[4]>>8) & 0xffffff }

// Set makes k the key of a packet, in which ICMP's types make no difference. It
// returns whether the packet came from the lower end (0) or the higher (1): its
// index in Record.Sides.
func (k *Key) Set(src, dst *[16]byte, srcPort, dstPort uint16, proto uint8) (from uint8) {
	if proto == protoICMP || proto == protoICMPv6 {
		srcPort, dstPort = 0, 0
	}
	s0, s1 := binary.BigEndian.Uint64(src[:]), binary.BigEndian.Uint64(src[8:])
	d0, d1 := binary.BigEndian.Uint64(dst[:]), binary.BigEndian.Uint64(dst[8:])
	if s0 < d0 || s0 == d0 && (s1 < d1 || s1 == d1 && srcPort <= dstPort) {
		k[0], k[1], k[2], k[3], k[4] = s0, s1, d0, d1, ports(srcPort, dstPort, proto)
		return 0
	}
	k[0], k[1], k[2], k[3], k[4] = d0, d1, s0, s1, ports(dstPort, srcPort, proto)
	return 1
}

func ports(low, high uint16, proto uint8) uint64 {
	return uint64(low)<<48 | uint64(high)<<32 | uint64(proto)
}

// is compares word by word: == would call memequal.
func (k *Key) is(o *Key) bool {
	return k[4] == o[4] && k[3] == o[3] && k[1] == o[1] && k[2] == o[2] && k[0] == o[0]
}

// Addr returns the address of end 0 or 1.
func (k *Key) Addr(end uint8) netip.Addr {
	high, low := k[end*2], k[end*2+1]
	if high == 0 && low>>32 == 0xffff {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(low))
		return netip.AddrFrom4(b)
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], high)
	binary.BigEndian.PutUint64(b[8:], low)
	return netip.AddrFrom16(b)
}

// Port returns the port of end 0 or 1.
func (k *Key) Port(end uint8) uint16 { return uint16(k[4] >> (48 - 16*end)) }

// Proto returns the IP protocol number.
func (k *Key) Proto() uint8 { return uint8(k[4]) }

// A Hasher hashes keys with a secret, so that nobody who sends packets can
// choose which flows collide. It is wyhash's folded multiplication over five
// words: 4 ns where hash/maphash takes 15.
type Hasher [4]uint64

// NewHasher returns a Hasher with a fresh secret.
func NewHasher() Hasher {
	return Hasher{rand.Uint64(), rand.Uint64(), rand.Uint64(), rand.Uint64()}
}

// Hash returns the hash of k.
func (h *Hasher) Hash(k *Key) uint64 {
	low := fold(k[0]^h[0], k[1]^h[1])
	high := fold(k[2]^h[2], k[3]^h[3])
	return fold(low^h[1]^k[4], high^h[2])
}

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
