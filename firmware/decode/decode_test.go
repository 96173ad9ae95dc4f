package decode_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/taproot-sensor/taproot/firmware/decode"
	"github.com/taproot-sensor/taproot/firmware/frametest"
)

const ethernet = 1

func tcp4() frametest.Packet {
	p := frametest.Between("10.0.0.1:1025", "10.0.0.2:443", frametest.TCP)
	p.Flags, p.Seq, p.Payload = decode.SYN|decode.ACK, 0x01020304, []byte("hello")
	return p
}

func udp6() frametest.Packet {
	p := frametest.Between("[2001:db8::1]:5353", "[2001:db8::2]:53", frametest.UDP)
	p.Payload = []byte("query")
	return p
}

// link returns an IP packet behind a link header.
func link(header []byte, p frametest.Packet) []byte { return append(bytes.Clone(header), p.IP()...) }

// behind returns an Ethernet frame of the given type with bytes in front of an
// IP packet.
func behind(typ uint16, front []byte, p frametest.Packet) []byte {
	b := binary.BigEndian.AppendUint16(make([]byte, 12), typ)
	return append(append(b, front...), p.IP()...)
}

// extended returns a UDP packet over IPv6 whose headers follow first.
func extended(first uint8, headers ...byte) []byte {
	b := udp6().Ethernet()
	b[14+6] = first
	binary.BigEndian.PutUint16(b[14+4:], binary.BigEndian.Uint16(b[14+4:])+uint16(len(headers)))
	return append(append(bytes.Clone(b[:54]), headers...), b[54:]...)
}

// wifi returns a Wi-Fi header of size bytes with the LLC header behind it.
func wifi(kind, flags byte, size int) []byte {
	return append(pad(size, kind, flags), 0xaa, 0xaa, 3, 0, 0, 0, 8, 0)
}

func TestDecodeLinks(t *testing.T) {
	for _, tt := range []struct {
		name string
		link uint32
		data []byte
		vlan uint16
	}{
		{"Ethernet", ethernet, tcp4().Ethernet(), 0},
		{"VLAN", ethernet, tcp4().Ethernet(7), 7},
		{"802.1ah", ethernet, behind(0x88e7, append(make([]byte, 16), 8, 0), tcp4()), 0},
		{"VN-Tag", ethernet, behind(0x8926, []byte{0, 1, 0, 2, 8, 0}, tcp4()), 0},
		{"Ethernet over MPLS", ethernet, behind(0x8847, append([]byte{0, 1, 1, 64, 0, 0, 0, 0}, append(make([]byte, 12), 8, 0)...), tcp4()), 0},
		{"Cisco HDLC", 104, link([]byte{0x0f, 0, 8, 0}, tcp4()), 0},
		{"frame relay", 107, link([]byte{0x18, 0x41, 3, 0xcc}, tcp4()), 0},
		{"frame relay with SNAP", 107, link([]byte{0x18, 0x41, 3, 0, 0x80, 0, 0, 0, 8, 0}, tcp4()), 0},
		{"frame relay of Cisco", 107, link([]byte{0x18, 0x40, 0, 1, 8, 0}, tcp4()), 0},
		{"ATM", 100, link([]byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, tcp4()), 0},
		{"QinQ", ethernet, tcp4().Ethernet(100, 7), 100},
		{"802.1ad", ethernet, behind(0x88a8, []byte{0xe0, 9, 8, 0}, tcp4()), 9},
		{"MPLS", ethernet, behind(0x8847, []byte{0, 1, 0, 64, 0, 2, 1, 64}, tcp4()), 0},
		{"SNAP", ethernet, behind(45, []byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, tcp4()), 0},
		{"raw", 101, tcp4().IP(), 0},
		{"raw BSD", 12, tcp4().IP(), 0},
		{"raw IPv4", 228, tcp4().IP(), 0},
		{"null, little-endian", 0, link([]byte{2, 0, 0, 0}, tcp4()), 0},
		{"null, big-endian", 0, link([]byte{0, 0, 0, 2}, tcp4()), 0},
		{"loop", 108, link([]byte{0, 0, 0, 2}, tcp4()), 0},
		{"cooked", 113, link([]byte{0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0}, tcp4()), 0},
		{"cooked 2", 276, link([]byte{8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0}, tcp4()), 0},
		{"PPP", 9, link([]byte{0xff, 3, 0, 0x21}, tcp4()), 0},
		{"PPPoE", ethernet, behind(0x8864, []byte{0x11, 0, 0, 1, 0, 47, 0, 0x21}, tcp4()), 0},
		{"PPPoE without Ethernet", 51, link([]byte{0x11, 0, 0, 1, 0, 47, 0, 0x21}, tcp4()), 0},
		{"pppd", 166, link([]byte{1, 3, 0, 0x21}, tcp4()), 0},
		{"NFLOG", 239, link([]byte{2, 0, 0, 0, 5, 0, 10, 0, 0, 0, 0, 0, 4, 0, 9, 0}, tcp4()), 0},
		{"Wi-Fi", 105, link(wifi(0x08, 0x01, 24), tcp4()), 0},
		{"Wi-Fi, QoS and HT control", 105, link(wifi(0x88, 0x81, 30), tcp4()), 0},
		{"Wi-Fi, four addresses", 105, link(wifi(0x08, 0x03, 30), tcp4()), 0},
		{"RadioTap", 127, link(append([]byte{0, 0, 10, 0, 0, 0, 0, 0, 1, 2}, wifi(0x08, 0x02, 24)...), tcp4()), 0},
		{"MACsec, signed only", ethernet, behind(0x88e5, []byte{0x00, 0, 0, 0, 0, 1, 8, 0}, tcp4()), 0},
		{"MACsec with SCI", ethernet, behind(0x88e5, []byte{0x20, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0, 1, 8, 0}, tcp4()), 0},
		{"NSH", ethernet, behind(0x894f, []byte{0x0f, 0xc2, 2, 1, 0, 0, 1, 255}, tcp4()), 0},
		{"IPoIB", 242, link(append(make([]byte, 40), 8, 0, 0, 0), tcp4()), 0},
		{"PKTAP", 258, link(append([]byte{16, 0, 0, 0, 1, 0, 0, 0, 12, 0, 0, 0}, 0, 0, 0, 0), tcp4()), 0},
		{"PPP, compressed", 9, link([]byte{0x21}, tcp4()), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var m decode.Meta
			if r := decode.Decode(tt.link, tt.data, len(tt.data), &m); r != decode.OK || m.Odd != decode.OK {
				t.Fatalf("got %v, %v", r, m.Odd)
			}
			got := netip.AddrFrom16(m.Src).Unmap().String() + " " + netip.AddrFrom16(m.Dst).Unmap().String()
			if got != "10.0.0.1 10.0.0.2" || m.SrcPort != 1025 || m.DstPort != 443 || m.VLAN != tt.vlan {
				t.Errorf("got %s, %+v", got, m)
			}
			if m.Kind != decode.IP || m.Proto != frametest.TCP || m.TTL != 64 || m.Flags != decode.SYN|decode.ACK || m.Seq != 0x01020304 {
				t.Errorf("got %+v", m)
			}
			if p := string(tt.data[m.Payload:m.PayloadEnd]); p != "hello" || m.PayloadLen != 5 {
				t.Errorf("payload %q, %d bytes", p, m.PayloadLen)
			}
		})
	}
}

func TestDecodePackets(t *testing.T) {
	fragment := func(bits uint16) []byte {
		p := udp6()
		p.Src, p.Dst = netip.MustParseAddrPort("10.0.0.1:5353"), netip.MustParseAddrPort("10.0.0.2:53")
		p.ID, p.Fragment = 99, bits
		return p.Ethernet()
	}
	icmp := frametest.Between("10.0.0.1:8", "10.0.0.2:0", frametest.ICMP)
	sctp := frametest.Between("10.0.0.1:5353", "10.0.0.2:53", frametest.SCTP)
	other := frametest.Between("10.0.0.1:0", "10.0.0.2:0", 89)
	other.Payload = []byte("query")
	offloaded := udp6().Ethernet()
	copy(offloaded[14+4:], []byte{0, 0})
	for _, tt := range []struct {
		name       string
		data       []byte
		wireLen    int // 0: that of data
		src, dst   uint16
		payloadLen uint32
		place      decode.Fragment
		odd        decode.Reason
	}{
		{name: "UDP over IPv6", data: udp6().Ethernet(), src: 5353, dst: 53, payloadLen: 5},
		{name: "extension headers", data: extended(0, append(pad(16, 60, 1), pad(8, 17, 0)...)...), src: 5353, dst: 53, payloadLen: 5},
		{name: "authentication header", data: extended(51, pad(24, 17, 4)...), src: 5353, dst: 53, payloadLen: 5},
		{name: "atomic fragment", data: extended(44, 17, 0, 0, 0, 0, 0, 0, 9), src: 5353, dst: 53, payloadLen: 5},
		{name: "first IPv6 fragment", data: extended(44, 17, 0, 0, 1, 0, 0, 0, 9), src: 5353, dst: 53, payloadLen: 5, place: decode.First},
		{name: "later IPv6 fragment", data: extended(44, 17, 0, 0, 8, 0, 0, 0, 9), payloadLen: 13, place: decode.Later},
		{name: "IPv6 length left to offload", data: offloaded, src: 5353, dst: 53, payloadLen: 5},
		{name: "first fragment", data: fragment(0x2000), src: 5353, dst: 53, payloadLen: 5, place: decode.First},
		{name: "later fragment", data: fragment(0x0001), payloadLen: 5, place: decode.Later},
		{name: "ICMP", data: icmp.Ethernet(), src: 8, dst: 0},
		{name: "SCTP", data: sctp.Ethernet(), src: 5353, dst: 53},
		{name: "another protocol", data: other.Ethernet(), payloadLen: 5},
		{name: "payload not captured", data: udp6().Ethernet()[:14+40+8], wireLen: 67, src: 5353, dst: 53, payloadLen: 5},
		{name: "TCP flags not captured", data: tcp4().Ethernet()[:14+20+8], wireLen: 60, src: 1025, dst: 443, payloadLen: 5, odd: decode.TCPTruncated},
		{name: "TCP ports not captured", data: tcp4().Ethernet()[:14+20+2], wireLen: 60, payloadLen: 5, odd: decode.TCPTruncated},
		{name: "TCP data offset", data: set(tcp4().Ethernet(), 14+20+12, 0x40), src: 1025, dst: 443, odd: decode.TCPHeader},
		{name: "UDP length", data: set(udp6().Ethernet(), 14+40+5, 200), src: 5353, dst: 53, payloadLen: 5, odd: decode.UDPLength},
		{name: "UDP not captured", data: udp6().Ethernet()[:14+40+6], wireLen: 67, src: 5353, dst: 53, payloadLen: 5, odd: decode.UDPTruncated},
		{name: "ICMP not captured", data: icmp.Ethernet()[:14+20+1], wireLen: 60, odd: decode.ICMPTruncated},
		{name: "SCTP not captured", data: sctp.Ethernet()[:14+20+1], wireLen: 60, odd: decode.PortsTruncated},
		{name: "IP longer than the frame", data: set(udp6().Ethernet(), 14+5, 200), src: 5353, dst: 53, payloadLen: 5, odd: decode.IPLength},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.wireLen == 0 {
				tt.wireLen = len(tt.data)
			}
			var m decode.Meta
			if r := decode.Decode(ethernet, tt.data, tt.wireLen, &m); r != decode.OK || m.Odd != tt.odd {
				t.Fatalf("got %v, odd %v, want odd %v", r, m.Odd, tt.odd)
			}
			if m.SrcPort != tt.src || m.DstPort != tt.dst || m.PayloadLen != tt.payloadLen || m.Place != tt.place {
				t.Errorf("got %+v\nwant %+v", m, tt)
			}
			if tt.place != decode.Whole && m.FragID != 9 && m.FragID != 99 {
				t.Errorf("fragment id %d", m.FragID)
			}
		})
	}
}

// pad returns bytes with zeros behind them, n in all.
func pad(n int, bytes ...byte) []byte { return append(bytes, make([]byte, n-len(bytes))...) }

// set returns data with one byte changed.
func set(data []byte, at int, v byte) []byte {
	data[at] = v
	return data
}

func TestDecodeDrops(t *testing.T) {
	for _, tt := range []struct {
		link uint32
		data []byte
		want decode.Reason
	}{
		{147, tcp4().Ethernet(), decode.LinkType},
		{ethernet, tcp4().Ethernet()[:13], decode.LinkTruncated},
		{ethernet, tcp4().Ethernet(1)[:16], decode.LinkTruncated},
		{ethernet, behind(0x8847, []byte{0, 1, 0}, tcp4())[:17], decode.LinkTruncated},
		{113, make([]byte, 15), decode.LinkTruncated},
		{276, make([]byte, 19), decode.LinkTruncated},
		{0, make([]byte, 3), decode.LinkTruncated},
		{9, []byte{0xff, 3, 0}, decode.LinkTruncated},
		{ethernet, behind(38, []byte{0x42, 0x42, 3}, tcp4()), decode.LLC},
		{ethernet, behind(0x88cc, nil, tcp4()), decode.EtherType},
		{0, link([]byte{7, 0, 0, 0}, tcp4()), decode.EtherType},
		{9, link([]byte{0xc0, 0x21}, tcp4()), decode.PPPProtocol},
		{ethernet, behind(0x8864, []byte{0x11, 9, 0, 1, 0, 0}, tcp4()), decode.PPPoEHeader},
		{ethernet, behind(0x8864, []byte{0x11, 0}, tcp4())[:16], decode.LinkTruncated},
		{127, make([]byte, 7), decode.LinkTruncated},
		{239, make([]byte, 9), decode.LinkTruncated},
		{127, make([]byte, 40), decode.LinkTruncated},
		{105, make([]byte, 23), decode.LinkTruncated},
		{105, pad(30, 0x80), decode.WLANControl},
		{105, pad(30, 0x48), decode.WLANControl},
		{105, pad(30, 0x08, 0x40), decode.WLANProtected},
		{105, pad(30, 0x88, 0, 0, 0)[:24], decode.LinkTruncated},
		{105, set(pad(60, 0x88), 24, 0x80), decode.WLANControl},
		{ethernet, tcp4().Ethernet(1, 2, 3, 4, 5), decode.VLANDepth},
		{ethernet, behind(0x8847, make([]byte, 200), tcp4()), decode.MPLSDepth},
		{ethernet, behind(0x8847, []byte{0, 0, 1, 64, 0, 0, 0, 0}, tcp4()), decode.MPLSPayload},
		{101, []byte{0x50, 0}, decode.IPVersion},
		{101, nil, decode.IPv4Truncated},
		{101, tcp4().IP()[:19], decode.IPv4Truncated},
		{101, set(tcp4().IP(), 0, 0x44), decode.IPv4Header},
		{101, set(tcp4().IP(), 3, 19), decode.IPv4Header},
		{101, udp6().IP()[:39], decode.IPv6Truncated},
		{ethernet, extended(0, pad(8, 17)...)[:14+40+7], decode.ExtensionTruncated},
		{ethernet, extended(0, make([]byte, 100)...), decode.ExtensionDepth},
	} {
		var m decode.Meta
		got := decode.Decode(tt.link, tt.data, len(tt.data), &m)
		if got != tt.want || !got.Drops() {
			t.Errorf("link type %d, % x: got %v, want %v", tt.link, tt.data, got, tt.want)
		}
	}
}

func TestReasonNames(t *testing.T) {
	seen := make(map[string]bool)
	for r := range decode.NumReasons {
		if s := r.String(); s == "" || seen[s] {
			t.Errorf("reason %d is called %q", r, s)
		} else {
			seen[s] = true
		}
	}
	if decode.OK.Drops() || decode.IPLength.Drops() {
		t.Error("frames that are metered count as dropped")
	}
}

func TestMACs(t *testing.T) {
	src, dst := decode.MACs(ethernet, tcp4().Ethernet())
	if src != [6]byte{2, 0, 0, 0, 0, 1} || dst != [6]byte{2, 0, 0, 0, 0, 2} {
		t.Errorf("Ethernet: got %x, %x", src, dst)
	}
	src, dst = decode.MACs(113, []byte{0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0})
	if src != [6]byte{2, 0, 0, 0, 0, 1} || dst != [6]byte{} {
		t.Errorf("cooked: got %x, %x", src, dst)
	}
}

func TestDecodeAllocatesNothing(t *testing.T) {
	var m decode.Meta
	frames := [][]byte{tcp4().Ethernet(1, 2), udp6().Ethernet(), extended(0, pad(8, 17)...), nil}
	if n := testing.AllocsPerRun(100, func() {
		for _, f := range frames {
			decode.Decode(ethernet, f, len(f), &m)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(uint32(ethernet), tcp4().Ethernet(7), 60)
	f.Add(uint32(ethernet), udp6().Ethernet(), 0)
	f.Add(uint32(ethernet), extended(44, 17, 0, 0, 1, 0, 0, 0, 9), 0)
	f.Add(uint32(113), link([]byte{0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0}, tcp4()), 9000)
	f.Add(uint32(9), link([]byte{0x21}, tcp4()), 0)
	f.Add(uint32(107), link([]byte{0x18, 0x41, 3, 0, 0x80, 0, 0, 0, 8, 0}, tcp4()), 0)
	f.Add(uint32(104), link([]byte{0x0f, 0, 8, 0}, tcp4()), 0)
	f.Add(uint32(ethernet), behind(0x8847, append([]byte{0, 1, 1, 64, 0, 0, 0, 0}, append(make([]byte, 12), 8, 0)...), tcp4()), 0)
	f.Add(uint32(ethernet), behind(0x88e7, append(make([]byte, 16), 8, 0), tcp4()), 0)
	for _, tt := range tunnels() {
		f.Add(uint32(ethernet), tt.data, 0)
	}
	f.Fuzz(func(t *testing.T, linkType uint32, data []byte, wireLen int) {
		var m decode.Meta
		if r := decode.Decode(linkType, data, wireLen, &m); r != decode.OK {
			if !r.Drops() {
				t.Errorf("dropped for %v", r)
			}
			return
		}
		var inner decode.Meta
		for outer := m; outer.Tunnel != 0 && decode.Inner(data, wireLen, &outer, &inner) == decode.OK; outer = inner {
			if inner.Payload <= outer.Payload && inner.Kind == decode.IP || int(inner.PayloadEnd) > len(data) {
				t.Fatalf("in a tunnel from %d on: payload from %d to %d of %d", outer.Payload, inner.Payload, inner.PayloadEnd, len(data))
			}
		}
		if m.Payload > m.PayloadEnd || int(m.PayloadEnd) > len(data) || m.Odd.Drops() {
			t.Errorf("payload %d to %d of %d, odd %v", m.Payload, m.PayloadEnd, len(data), m.Odd)
		}
		if m.Kind == decode.IP && int(m.PayloadLen) > max(wireLen, len(data)) {
			t.Errorf("payload of %d bytes in a frame of %d", m.PayloadLen, wireLen)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	frame := tcp4().Ethernet(7)
	var m decode.Meta
	for b.Loop() {
		decode.Decode(ethernet, frame, len(frame), &m)
	}
}
