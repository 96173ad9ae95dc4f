// Package decode reads the headers of a frame, in place, into one small Meta.
//
// It walks Ethernet (with VLAN tags and MPLS), Linux cooked, BSD null, PPP and
// raw IP captures down to the transport header and stops there. It allocates
// nothing, keeps no state and reads no byte twice. A frame it cannot place is
// dropped with a Reason; a frame it can place in a flow although something
// about it is wrong is kept, with the reason in Meta.Odd. Application
// protocols are package app's work, fragments are joined to flows by their
// ports in package flow.
package decode

import "encoding/binary"

// Kind is what a frame carries, as far as the meter is concerned.
type Kind uint8

const (
	IP  Kind = iota + 1 // an IPv4 or IPv6 packet
	ARP                 // an ARP packet: Payload is where it begins
)

// Fragment is a packet's place in a fragmented datagram.
type Fragment uint8

const (
	Whole Fragment = iota
	First          // has the transport header
	Later          // has no ports
)

// Meta is what the headers of one frame say.
type Meta struct {
	Src, Dst [16]byte // IPv4 as ::ffff:a.b.c.d

	SrcPort uint16 // ICMP: the type
	DstPort uint16 // ICMP: the code
	VLAN    uint16 // id of the outermost tag, 0 for none
	Kind    Kind
	Proto   uint8 // IP protocol number, after extension headers
	TTL     uint8 // or hop limit
	Flags   uint8 // of TCP (RFC 9293, section 3.1)
	Odd     Reason
	Place   Fragment

	FragID uint32 // identification, valid iff Place is not Whole
	Seq    uint32 // of TCP

	Payload    uint32 // where the transport payload begins in the frame
	PayloadEnd uint32 // where it ends, as captured
	PayloadLen uint32 // its length on the wire
}

// TCP flags.
const (
	FIN = 0x01
	SYN = 0x02
	RST = 0x04
	PSH = 0x08
	ACK = 0x10
)

// IP protocol numbers (IANA).
const (
	protoHopByHop = 0
	protoICMP     = 1
	protoTCP      = 6
	protoUDP      = 17
	protoDCCP     = 33
	protoRouting  = 43
	protoFragment = 44
	protoAH       = 51
	protoICMPv6   = 58
	protoDestOpts = 60
	protoSCTP     = 132
	protoMobility = 135
	protoUDPLite  = 136
	protoHIP      = 139
	protoShim6    = 140
)

// A frame is what the functions below walk over.
type frame struct {
	data    []byte
	wireLen int
	*Meta
}

// Decode fills m from a frame that begins with a header of linkType and had
// wireLen bytes on the wire. It returns the reason for which the frame must be
// dropped, or OK.
func Decode(linkType uint32, data []byte, wireLen int, m *Meta) Reason {
	*m = Meta{}
	f := frame{data, max(wireLen, len(data)), m}
	return f.link(linkType)
}

// be16 reads two bytes in network order.
func (f *frame) be16(at int) uint16 { return binary.BigEndian.Uint16(f.data[at:]) }

// be32 reads four bytes in network order.
func (f *frame) be32(at int) uint32 { return binary.BigEndian.Uint32(f.data[at:]) }

// MACs returns the hardware addresses of a frame that begins with a header of
// linkType. Linux cooked captures have only the source.
func MACs(linkType uint32, data []byte) (src, dst [6]byte) {
	switch {
	case linkType == linkEthernet && len(data) >= 12:
		return [6]byte(data[6:]), [6]byte(data)
	case linkType == linkSLL && len(data) >= sllHeader && data[5] == 6:
		src = [6]byte(data[6:])
	case linkType == linkSLL2 && len(data) >= sll2Header && data[11] == 6:
		src = [6]byte(data[12:])
	}
	return src, dst
}
