// Package frametest makes frames and captures for the tests of the firmware.
package frametest

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// IP protocol numbers.
const (
	ICMP   = 1
	TCP    = 6
	UDP    = 17
	ICMPv6 = 58
	SCTP   = 132
)

// A Packet is an IP packet to be made. Addresses of either family will do.
type Packet struct {
	Src, Dst netip.AddrPort // for ICMP the ports are type and code
	Proto    uint8
	Flags    uint8 // of TCP
	Seq      uint32
	TTL      uint8
	ID       uint16 // of the IPv4 datagram
	Fragment uint16 // flags and offset of the IPv4 header
	Payload  []byte
}

// Between returns a packet between two addresses with ports, as
// netip.ParseAddrPort reads them.
func Between(src, dst string, proto uint8) Packet {
	return Packet{Src: netip.MustParseAddrPort(src), Dst: netip.MustParseAddrPort(dst), Proto: proto, TTL: 64}
}

// IP returns the packet from its IP header on.
func (p Packet) IP() []byte {
	body := p.transport()
	if p.Src.Addr().Is4() {
		b := make([]byte, 20, 20+len(body))
		b[0] = 0x45
		binary.BigEndian.PutUint16(b[2:], uint16(20+len(body)))
		binary.BigEndian.PutUint16(b[4:], p.ID)
		binary.BigEndian.PutUint16(b[6:], p.Fragment)
		b[8], b[9] = p.TTL, p.Proto
		copy(b[12:], p.Src.Addr().AsSlice())
		copy(b[16:], p.Dst.Addr().AsSlice())
		return append(b, body...)
	}
	b := make([]byte, 40, 40+len(body))
	b[0] = 0x60
	binary.BigEndian.PutUint16(b[4:], uint16(len(body)))
	b[6], b[7] = p.Proto, p.TTL
	copy(b[8:], p.Src.Addr().AsSlice())
	copy(b[24:], p.Dst.Addr().AsSlice())
	return append(b, body...)
}

// transport returns the transport header and the payload. A later fragment
// has no header.
func (p Packet) transport() []byte {
	if p.Fragment&0x1fff != 0 {
		return p.Payload
	}
	var b []byte
	switch p.Proto {
	case TCP:
		b = make([]byte, 20)
		binary.BigEndian.PutUint32(b[4:], p.Seq)
		b[12], b[13] = 5<<4, p.Flags
		b[14], b[15] = 0xff, 0xff // the window
	case UDP:
		b = make([]byte, 8)
		binary.BigEndian.PutUint16(b[4:], uint16(8+len(p.Payload)))
	case SCTP:
		b = make([]byte, 12)
	case ICMP, ICMPv6:
		b = make([]byte, 8)
		b[0], b[1] = byte(p.Src.Port()), byte(p.Dst.Port())
		return append(b, p.Payload...)
	default:
		return p.Payload
	}
	binary.BigEndian.PutUint16(b, p.Src.Port())
	binary.BigEndian.PutUint16(b[2:], p.Dst.Port())
	return append(b, p.Payload...)
}

// Ethernet returns the packet as an Ethernet frame, behind VLAN tags if ids
// are given. Frames are padded to 60 bytes, as on the wire.
func (p Packet) Ethernet(vlans ...uint16) []byte {
	b := []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1}
	for _, id := range vlans {
		b = append(b, 0x81, 0, byte(id>>8), byte(id))
	}
	typ := uint16(0x0800)
	if p.Src.Addr().Is6() {
		typ = 0x86dd
	}
	b = binary.BigEndian.AppendUint16(b, typ)
	b = append(b, p.IP()...)
	return append(b, make([]byte, max(0, 60-len(b)))...)
}

// A Frame is one record of a capture to be made.
type Frame struct {
	Time time.Time
	Data []byte
}

// Pcap returns a capture of frames in classic format with nanoseconds.
func Pcap(linkType uint32, frames ...Frame) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0xa1b23c4d)
	b = append(b, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0)
	b = binary.LittleEndian.AppendUint32(b, linkType)
	for _, f := range frames {
		b = binary.LittleEndian.AppendUint32(b, uint32(f.Time.Unix()))
		b = binary.LittleEndian.AppendUint32(b, uint32(f.Time.Nanosecond()))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(f.Data)))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(f.Data)))
		b = append(b, f.Data...)
	}
	return b
}
