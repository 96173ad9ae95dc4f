package hwtest_test

import (
	"encoding/binary"
	"net/netip"
)

// The lab's own frames: questions whose names tell them apart, and what a port
// that is not silent would answer.

var (
	labMAC    = [6]byte{2, 0, 0, 0, 0, 0x0a}
	serverMAC = [6]byte{2, 0, 0, 0, 0, 0x14}
	tapMAC    = [6]byte{0x52, 0x54, 0, 0x74, 0x61, 1} // the rig's second port
	broadcast = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	labAddr   = netip.MustParseAddr("192.0.2.10")
	dnsAddr   = netip.MustParseAddr("192.0.2.20")
)

// ethernet returns a frame, padded to the 60 bytes that Ethernet wants.
func ethernet(dst, src [6]byte, etherType uint16, payload []byte) []byte {
	f := append(append([]byte{}, dst[:]...), src[:]...)
	f = binary.BigEndian.AppendUint16(f, etherType)
	f = append(f, payload...)
	return append(f, make([]byte, max(0, 60-len(f)))...)
}

// checksum is the Internet checksum (RFC 1071) of b.
func checksum(b ...byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

func ipv4(src, dst netip.Addr, proto byte, payload []byte) []byte {
	h := make([]byte, 20, 20+len(payload))
	h[0], h[8], h[9] = 0x45, 64, proto
	binary.BigEndian.PutUint16(h[2:], uint16(20+len(payload)))
	copy(h[12:], src.AsSlice())
	copy(h[16:], dst.AsSlice())
	binary.BigEndian.PutUint16(h[10:], checksum(h...))
	return append(h, payload...)
}

// ipv6 carries ICMPv6 or, with a hop-by-hop header in payload, MLD: hop limit
// 255 is what neighbour discovery wants (RFC 4861, section 7.1.1).
func ipv6(src, dst netip.Addr, next, hops byte, payload []byte) []byte {
	h := make([]byte, 40, 40+len(payload))
	h[0], h[6], h[7] = 0x60, next, hops
	binary.BigEndian.PutUint16(h[4:], uint16(len(payload)))
	copy(h[8:], src.AsSlice())
	copy(h[24:], dst.AsSlice())
	return append(h, payload...)
}

// icmp6 fills in the checksum (RFC 8200, section 8.1).
func icmp6(src, dst netip.Addr, message []byte) []byte {
	pseudo := append(append([]byte{}, src.AsSlice()...), dst.AsSlice()...)
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(message)))
	pseudo = append(append(pseudo, 0, 0, 0, 58), message...)
	binary.BigEndian.PutUint16(message[2:], checksum(pseudo...))
	return message
}

func udp(srcPort, dstPort uint16, payload []byte) []byte {
	h := binary.BigEndian.AppendUint16(nil, srcPort)
	h = binary.BigEndian.AppendUint16(h, dstPort)
	h = binary.BigEndian.AppendUint16(h, uint16(8+len(payload)))
	return append(append(h, 0, 0), payload...) // no checksum (RFC 768)
}

// question returns a DNS question for an A record (RFC 1035, section 4.1).
func question(id uint16, labels ...string) []byte {
	m := binary.BigEndian.AppendUint16(nil, id)
	m = append(m, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0)
	for _, l := range labels {
		m = append(append(m, byte(len(l))), l...)
	}
	return append(m, 0, 0, 1, 0, 1)
}

// lookup returns the two frames of a name that was asked for and is not there.
func lookup(n int, name string) [2][]byte {
	port, id := uint16(1024+n%60000), uint16(n)
	q := question(id, name, "lab", "example")
	r := append([]byte{}, q...)
	r[2], r[3] = 0x81, 0x83 // a response: NXDOMAIN
	return [2][]byte{
		ethernet(serverMAC, labMAC, 0x0800, ipv4(labAddr, dnsAddr, 17, udp(port, 53, q))),
		ethernet(labMAC, serverMAC, 0x0800, ipv4(dnsAddr, labAddr, 17, udp(53, port, r))),
	}
}

// provocations are frames that a host on a network answers or reacts to.
func provocations() map[string][]byte {
	lab6, all6 := netip.MustParseAddr("fe80::ff:fe00:a"), netip.MustParseAddr("ff02::1")
	// The address that a port without privacy extensions would give itself
	// (RFC 4291, appendix A), and the group it would listen to.
	tap6 := netip.MustParseAddr("fe80::5054:ff:fe74:6101")
	solicited := netip.MustParseAddr("ff02::1:ff74:6101")
	all4 := netip.MustParseAddr("224.0.0.1")
	multi6 := func(a netip.Addr) [6]byte { b := a.As16(); return [6]byte{0x33, 0x33, b[12], b[13], b[14], b[15]} }
	arp := func(target netip.Addr) []byte {
		b := append([]byte{0, 1, 8, 0, 6, 4, 0, 1}, labMAC[:]...)
		b = append(append(b, labAddr.AsSlice()...), make([]byte, 6)...)
		return append(b, target.AsSlice()...)
	}
	echo := []byte{8, 0, 0, 0, 0, 1, 0, 1}
	binary.BigEndian.PutUint16(echo[2:], checksum(echo...))
	ns := append([]byte{135, 0, 0, 0, 0, 0, 0, 0}, tap6.AsSlice()...)
	ns = append(append(ns, 1, 1), labMAC[:]...)
	ra := append([]byte{134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 3, 4, 64, 0xc0, 0, 1, 0x51, 0x80, 0, 0, 0x38, 0x40, 0, 0, 0, 0},
		netip.MustParseAddr("2001:db8:1::").AsSlice()...)
	mld := append([]byte{130, 0, 0, 0, 0, 100, 0, 0}, make([]byte, 16)...)
	routerAlert := []byte{58, 0, 5, 2, 0, 0, 1, 0}
	igmp := []byte{0x11, 100, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint16(igmp[2:], checksum(igmp...))
	syn := []byte{0xc0, 0, 0, 22, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0}
	return map[string][]byte{
		"ARP for the uplink's address": ethernet(broadcast, labMAC, 0x0806, arp(netip.MustParseAddr("10.0.2.15"))),
		"ARP for 192.0.2.1":            ethernet(broadcast, labMAC, 0x0806, arp(netip.MustParseAddr("192.0.2.1"))),
		"ping to the uplink's address": ethernet(tapMAC, labMAC, 0x0800, ipv4(labAddr, netip.MustParseAddr("10.0.2.15"), 1, echo)),
		"broadcast ping":               ethernet(broadcast, labMAC, 0x0800, ipv4(labAddr, netip.MustParseAddr("255.255.255.255"), 1, echo)),
		"multicast ping":               ethernet([6]byte{1, 0, 0x5e, 0, 0, 1}, labMAC, 0x0800, ipv4(labAddr, all4, 1, echo)),
		"IGMP query":                   ethernet([6]byte{1, 0, 0x5e, 0, 0, 1}, labMAC, 0x0800, ipv4(labAddr, all4, 2, igmp)),
		"UDP to a closed port":         ethernet(tapMAC, labMAC, 0x0800, ipv4(labAddr, netip.MustParseAddr("10.0.2.15"), 17, udp(4000, 9, []byte("x")))),
		"TCP SYN":                      ethernet(tapMAC, labMAC, 0x0800, ipv4(labAddr, netip.MustParseAddr("10.0.2.15"), 6, syn)),
		"IPv6 neighbour solicitation":  ethernet(multi6(solicited), labMAC, 0x86dd, ipv6(lab6, solicited, 58, 255, icmp6(lab6, solicited, ns))),
		"IPv6 router advertisement":    ethernet(multi6(all6), labMAC, 0x86dd, ipv6(lab6, all6, 58, 255, icmp6(lab6, all6, ra))),
		"IPv6 ping to all nodes":       ethernet(multi6(all6), labMAC, 0x86dd, ipv6(lab6, all6, 58, 64, icmp6(lab6, all6, []byte{128, 0, 0, 0, 0, 1, 0, 1}))),
		"MLD query":                    ethernet(multi6(all6), labMAC, 0x86dd, ipv6(lab6, all6, 0, 1, append(routerAlert, icmp6(lab6, all6, mld)...))),
		"unknown EtherType":            ethernet(tapMAC, labMAC, 0x88b5, []byte("anybody?")),
	}
}
