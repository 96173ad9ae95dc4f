// Package decode reads the headers of a frame, in place, into one small Meta.
//
// It walks Ethernet (with VLAN tags, MPLS and PPPoE), Wi-Fi, Linux cooked, BSD
// null, PPP and raw IP captures down to the transport header and stops there.
// If that is the header of a tunnel, Meta.Tunnel says so and Inner goes on, one
// packet at a time, so that each has a Meta and a flow of its own. Nothing is
// allocated, no state is kept and no byte is read twice. A frame that cannot be
// placed is dropped with a Reason; a frame that can be placed in a flow although
// something about it is wrong is kept, with the reason in Meta.Odd. Application
// protocols are package app's work, fragments are joined to flows by their
// ports in package flow.
package decode

import "encoding/binary"

// Kind is what a frame carries, as far as the meter is concerned.
type Kind uint8

const (
	IP      Kind = iota + 1 // an IPv4 or IPv6 packet
	ARP                     // an ARP packet: Payload is where it begins
	Control                 // neither, EtherType says what: Payload is where it begins
)

// Fragment is a packet's place in a fragmented datagram.
type Fragment uint8

const (
	Whole Fragment = iota
	First          // has the transport header
	Later          // has no ports
)

// Meta is what the headers of one packet say.
type Meta struct {
	Src, Dst [16]byte // IPv4 as ::ffff:a.b.c.d

	SrcPort   uint16 // ICMP: the type
	DstPort   uint16 // ICMP: the code
	VLAN      uint16 // id of the outermost tag, 0 for none
	InnerVLAN uint16 // of the tag behind it
	EtherType uint16 // valid iff Kind is Control; below 0x600 an 802.2 length
	Window    uint16 // of TCP, unscaled
	Kind      Kind
	Proto     uint8 // IP protocol number, after extension headers
	TTL       uint8 // or hop limit
	TOS       uint8 // DSCP and ECN (RFC 3168, section 5)
	Flags     uint8 // of TCP (RFC 9293, section 3.1)
	Odd       Reason
	Place     Fragment
	Tunnel    Tunnel // what the packet carries, if that is a packet again

	FragID uint32 // identification, valid iff Place is not Whole
	Seq    uint32 // of TCP
	Ack    uint32 // of TCP
	VNI    uint32 // virtual network that the packet is in, 0 for none

	Payload    uint32 // where the transport payload begins in the frame
	PayloadEnd uint32 // where it ends, as captured
	PayloadLen uint32 // its length on the wire

	inner     uint32 // where the packet in the tunnel begins
	innerVNI  uint32 // its virtual network
	innerType uint16 // its EtherType
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
	protoIPv4     = 4
	protoTCP      = 6
	protoUDP      = 17
	protoDCCP     = 33
	protoIPv6     = 41
	protoRouting  = 43
	protoFragment = 44
	protoGRE      = 47
	protoAH       = 51
	protoICMPv6   = 58
	protoDestOpts = 60
	protoEtherIP  = 97
	protoSCTP     = 132
	protoMobility = 135
	protoUDPLite  = 136
	protoMPLS     = 137
	protoHIP      = 139
	protoShim6    = 140
)

// A frame is what the functions below walk over.
type frame struct {
	data    []byte
	wireLen int
	*Meta
}

// set writes field by field: of a struct that is copied as a whole the reader
// would have to wait for the memory.
func (f *frame) set(data []byte, wireLen int, m *Meta) {
	f.data = data
	f.wireLen = max(wireLen, len(data))
	f.Meta = m
}

// Decode fills m from a frame that begins with a header of linkType and had
// wireLen bytes on the wire. It returns the reason for which the frame must be
// dropped, or OK.
func Decode(linkType uint32, data []byte, wireLen int, m *Meta) Reason {
	*m = Meta{}
	var f frame
	f.set(data, wireLen, m)
	return f.link(linkType)
}

// be16 reads two bytes in network order.
func (f *frame) be16(at int) uint16 { return binary.BigEndian.Uint16(f.data[at:]) }

// be32 reads four bytes in network order.
func (f *frame) be32(at int) uint32 { return binary.BigEndian.Uint32(f.data[at:]) }

// Inner fills m from the packet that the one of outer carries, in the same
// frame. It returns the reason for which it cannot be read, or OK.
func Inner(data []byte, wireLen int, outer, m *Meta) Reason {
	*m = Meta{VLAN: outer.VLAN, InnerVLAN: outer.InnerVLAN, VNI: outer.VNI}
	if outer.innerVNI != 0 {
		m.VNI = outer.innerVNI
	}
	var f frame
	f.set(data, wireLen, m)
	return f.inside(outer.innerType, int(outer.inner))
}

// MACs returns the hardware addresses of a frame that begins with a header of
// linkType. Linux cooked captures have only the source.
func MACs(linkType uint32, data []byte) (src, dst [6]byte) {
	switch {
	case linkType == linkEthernet && len(data) >= 12:
		return [6]byte(data[6:]), [6]byte(data)
	case linkType == linkWLAN || linkType == linkRadioTap:
		return wlanMACs(linkType, data)
	case linkType == linkSLL && len(data) >= sllHeader && data[5] == 6:
		src = [6]byte(data[6:])
	case linkType == linkSLL2 && len(data) >= sll2Header && data[11] == 6:
		src = [6]byte(data[12:])
	}
	return src, dst
}

// InnerMACs returns the hardware addresses of the frame that the packet of
// outer carries, if it carries one.
func InnerMACs(data []byte, outer *Meta) (src, dst [6]byte) {
	if at := int(outer.inner); outer.innerType == etherBridged && len(data) >= at {
		return MACs(linkEthernet, data[at:])
	}
	return src, dst
}
