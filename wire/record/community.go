package record

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"strings"
)

// Numbers of protocols without ports (IANA).
const (
	protoICMP   = 1
	protoICMPv6 = 58
)

// communityIDSize is the size of a Community ID: "1:" and the base64 of 20 bytes.
const communityIDSize = 2 + 28

// CommunityID returns the Community ID of a flow, version 1 with seed 0
// (https://github.com/corelight/community-id-spec). For ICMP the ports are type
// and code of what the source sent.
func CommunityID(src, dst netip.Addr, srcPort, dstPort uint16, proto uint8) string {
	return string(appendCommunityID(nil, src, dst, srcPort, dstPort, proto))
}

func appendCommunityID(out []byte, src, dst netip.Addr, srcPort, dstPort uint16, proto uint8) []byte {
	if !src.IsValid() || !dst.IsValid() {
		return out
	}
	oneWay := false
	switch proto {
	case protoICMP:
		dstPort, oneWay = counterpart(icmpPairs, srcPort, dstPort)
	case protoICMPv6:
		dstPort, oneWay = counterpart(icmp6Pairs, srcPort, dstPort)
	}
	if c := src.Compare(dst); !oneWay && (c > 0 || c == 0 && srcPort > dstPort) {
		src, dst, srcPort, dstPort = dst, src, dstPort, srcPort
	}
	var buf [40]byte
	b := appendAddr(buf[:2], src) // behind the seed
	b = appendAddr(b, dst)
	b = append(b, proto, 0)
	if proto == protoICMP || proto == protoICMPv6 || srcPort|dstPort != 0 || hasPorts(proto) {
		b = binary.BigEndian.AppendUint16(b, srcPort)
		b = binary.BigEndian.AppendUint16(b, dstPort)
	}
	sum := sha1.Sum(b)
	return base64.StdEncoding.AppendEncode(append(out, "1:"...), sum[:])
}

func appendAddr(dst []byte, a netip.Addr) []byte {
	if a.Is4() {
		raw := a.As4()
		return append(dst, raw[:]...)
	}
	raw := a.As16()
	return append(dst, raw[:]...)
}

func hasPorts(proto uint8) bool {
	switch proto {
	case 6, 17, 132: // TCP, UDP, SCTP
		return true
	}
	return false
}

// Message types that answer each other stand for the ports of one flow.
var (
	icmpPairs  = map[uint16]uint16{0: 8, 8: 0, 9: 10, 10: 9, 13: 14, 14: 13, 15: 16, 16: 15, 17: 18, 18: 17}
	icmp6Pairs = map[uint16]uint16{
		128: 129, 129: 128, 130: 131, 131: 130, 133: 134, 134: 133, 135: 136, 136: 135, 139: 140, 140: 139, 144: 145, 145: 144,
	}
)

// counterpart returns what stands for the destination port of a message, and
// whether nothing answers it.
func counterpart(pairs map[uint16]uint16, typ, code uint16) (uint16, bool) {
	if other, ok := pairs[typ]; ok {
		return other, false
	}
	return code, true
}

// AddCommunityID gives a block of flows the column that its sensor left out:
// half of a flow's bytes on the wire would be a hash that anyone can make.
func (b *Block) AddCommunityID() {
	const name = "community_id"
	if b.Kind != FlowDef.Kind || b.column(name, String) != nil {
		return
	}
	src, dst := b.column("src_addr", Addr), b.column("dst_addr", Addr)
	if src == nil || dst == nil {
		return
	}
	srcPort, dstPort, proto := b.column("src_port", Uint), b.column("dst_port", Uint), b.column("proto", Uint)
	c := Column{Name: name, Type: String, Dict: make([]string, b.Rows), Index: make([]uint32, b.Rows)}
	var all strings.Builder // one piece of memory for the words
	all.Grow(communityIDSize * b.Rows)
	for row := range b.Rows {
		var buf [communityIDSize]byte
		start := all.Len()
		all.Write(appendCommunityID(buf[:0], src.addr(row), dst.addr(row),
			uint16(srcPort.number(row)), uint16(dstPort.number(row)), uint8(proto.number(row))))
		c.Dict[row] = all.String()[start:]
		c.Index[row] = uint32(row)
	}
	b.Columns = append(b.Columns, c)
}

// column returns the column of that name and type, or nil.
func (b *Block) column(name string, typ Type) *Column {
	for i := range b.Columns {
		if c := &b.Columns[i]; c.Name == name && c.Type == typ {
			return c
		}
	}
	return nil
}

func (c *Column) addr(row int) netip.Addr {
	a, _ := netip.AddrFromSlice([]byte(c.Dict[c.Index[row]]))
	return a
}

// number returns an integer; a column that was left out is zero.
func (c *Column) number(row int) int64 {
	if c == nil {
		return 0
	}
	return c.Ints[row]
}
