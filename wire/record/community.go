package record

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
)

// Numbers of protocols without ports (IANA).
const (
	protoICMP   = 1
	protoICMPv6 = 58
)

// CommunityID returns the Community ID of a flow, version 1 with seed 0
// (https://github.com/corelight/community-id-spec). For ICMP the ports are type
// and code of what the source sent.
func CommunityID(src, dst netip.Addr, srcPort, dstPort uint16, proto uint8) string {
	if !src.IsValid() || !dst.IsValid() {
		return ""
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
	b := make([]byte, 2, 40) // the seed
	b = append(b, src.AsSlice()...)
	b = append(b, dst.AsSlice()...)
	b = append(b, proto, 0)
	if proto == protoICMP || proto == protoICMPv6 || srcPort|dstPort != 0 || hasPorts(proto) {
		b = binary.BigEndian.AppendUint16(b, srcPort)
		b = binary.BigEndian.AppendUint16(b, dstPort)
	}
	sum := sha1.Sum(b)
	return "1:" + base64.StdEncoding.EncodeToString(sum[:])
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
