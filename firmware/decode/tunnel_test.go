package decode_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/taproot-sensor/taproot/firmware/decode"
	"github.com/taproot-sensor/taproot/firmware/frametest"
)

type tunnelled struct {
	name   string
	data   []byte
	tunnel decode.Tunnel
	vni    uint32
	vlan   uint16
}

// over returns a UDP packet to port with the given bytes.
func over(port string, parts ...[]byte) []byte {
	p := frametest.Between("192.0.2.1:50000", "192.0.2.2:"+port, frametest.UDP)
	for _, b := range parts {
		p.Payload = append(p.Payload, b...)
	}
	return p.Ethernet()
}

// within returns an IP packet of protocol proto with the given bytes.
func within(proto uint8, parts ...[]byte) []byte {
	p := frametest.Between("192.0.2.1:0", "192.0.2.2:0", proto)
	for _, b := range parts {
		p.Payload = append(p.Payload, b...)
	}
	return p.Ethernet()
}

func tunnels() []tunnelled {
	in, eth, vlan := tcp4().IP(), tcp4().Ethernet(), tcp4().Ethernet(9)
	return []tunnelled{
		{"IP in IP", within(4, in), decode.IPIP, 0, 0},
		{"GRE", within(47, []byte{0, 0, 8, 0}, in), decode.GRE, 0, 0},
		{"GRE with everything", within(47, []byte{0xb0, 0, 8, 0}, make([]byte, 12), in), decode.GRE, 0, 0},
		{"GRE with Ethernet", within(47, []byte{0, 0, 0x65, 0x58}, eth), decode.GRE, 0, 0},
		{"GRE of WCCP", within(47, []byte{0, 0, 0x88, 0x3e}, in), decode.GRE, 0, 0},
		{"GRE of WCCP 2", within(47, []byte{0, 0, 0x88, 0x3e}, []byte{0, 1, 2, 3}, in), decode.GRE, 0, 0},
		{"PPTP", within(47, []byte{0x30, 0x81, 0x88, 0x0b}, make([]byte, 12), []byte{0xff, 3, 0, 0x21}, in), decode.GRE, 0, 0},
		{"ERSPAN I", within(47, []byte{0, 0, 0x88, 0xbe}, eth), decode.ERSPAN, 0, 0},
		{"ERSPAN II", within(47, []byte{0x10, 0, 0x88, 0xbe}, make([]byte, 12), eth), decode.ERSPAN, 0, 0},
		{"ERSPAN III", within(47, []byte{0x10, 0, 0x22, 0xeb}, make([]byte, 16), eth), decode.ERSPAN, 0, 0},
		{"ERSPAN III, platform", within(47, []byte{0x10, 0, 0x22, 0xeb}, pad(15), []byte{1}, pad(8), eth), decode.ERSPAN, 0, 0},
		{"EtherIP", within(97, []byte{0x30, 0}, eth), decode.EtherIP, 0, 0},
		{"MPLS in IP", within(137, []byte{0, 1, 1, 64}, in), decode.MPLSInIP, 0, 0},
		{"MPLS in UDP", over("6635", []byte{0, 1, 1, 64}, in), decode.MPLSInIP, 0, 0},
		{"VXLAN", over("4789", []byte{8, 0, 0, 0, 0, 0, 42, 0}, eth), decode.VXLAN, 42, 0},
		{"VXLAN with VLAN", over("8472", []byte{8, 0, 0, 0, 0, 0, 42, 0}, vlan), decode.VXLAN, 42, 9},
		{"VXLAN-GPE", over("4790", []byte{0x0c, 0, 0, 1, 0, 0, 42, 0}, in), decode.VXLAN, 42, 0},
		{"VXLAN-GPE with Ethernet", over("4790", []byte{0x0c, 0, 0, 3, 0, 0, 42, 0}, eth), decode.VXLAN, 42, 0},
		{"Geneve", over("6081", []byte{1, 0, 0x65, 0x58, 0, 1, 0, 0, 1, 2, 3, 4}, eth), decode.Geneve, 256, 0},
		{"GTP-U", over("2152", []byte{0x30, 0xff, 0, 0, 0, 0, 0, 1}, in), decode.GTPU, 0, 0},
		{"GTP-U with extensions", over("2152", []byte{0x34, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0, 0, 0}, in), decode.GTPU, 0, 0},
	}
}

func TestTunnels(t *testing.T) {
	for _, tt := range tunnels() {
		t.Run(tt.name, func(t *testing.T) {
			var outer, m decode.Meta
			if r := decode.Decode(ethernet, tt.data, 0, &outer); r != decode.OK || outer.Odd != decode.OK || outer.Tunnel != tt.tunnel {
				t.Fatalf("got %v, odd %v, tunnel %v", r, outer.Odd, outer.Tunnel)
			}
			if r := decode.Inner(tt.data, 0, &outer, &m); r != decode.OK || m.Odd != decode.OK {
				t.Fatalf("inside: got %v, odd %v", r, m.Odd)
			}
			if netip.AddrFrom16(m.Src).Unmap().String() != "10.0.0.1" || m.SrcPort != 1025 || m.VNI != tt.vni || m.VLAN != tt.vlan || m.Tunnel != 0 {
				t.Errorf("inside: got %+v", m)
			}
			if p := string(tt.data[m.Payload:m.PayloadEnd]); p != "hello" {
				t.Errorf("payload %q", p)
			}
			if src, _ := decode.InnerMACs(tt.data, &outer); src != [6]byte{} && src != [6]byte{2, 0, 0, 0, 0, 1} {
				t.Errorf("hardware address %x", src)
			}
		})
	}
}

func TestTunnelsOfIPv6(t *testing.T) {
	in := udp6().IP()
	six := frametest.Between("[2001:db8::1]:0", "[2001:db8::2]:0", 41)
	six.Payload = in
	for _, tt := range []tunnelled{
		{"6in4", within(41, in), decode.SixInFour, 0, 0},
		{"IPv6 in IPv6", six.Ethernet(), decode.IPIP, 0, 0},
		{"Teredo", over("3544", in), decode.Teredo, 0, 0},
		{"Teredo with indications", over("3544", pad(15, 0, 1, 1, 1), pad(8), in), decode.Teredo, 0, 0},
	} {
		var outer, m decode.Meta
		decode.Decode(ethernet, tt.data, 0, &outer)
		if outer.Tunnel != tt.tunnel {
			t.Errorf("%s: tunnel %v", tt.name, outer.Tunnel)
		} else if r := decode.Inner(tt.data, 0, &outer, &m); r != decode.OK || m.SrcPort != 5353 {
			t.Errorf("%s: inside: got %v, %+v", tt.name, r, m)
		}
	}
}

// TestNoTunnels has packets that are where tunnels are looked for.
func TestNoTunnels(t *testing.T) {
	for name, data := range map[string][]byte{
		"VXLAN flag":     over("4789", make([]byte, 80)),
		"Geneve version": over("6081", []byte{0x40}, make([]byte, 80)),
		"GTP-C":          over("2152", []byte{0x48, 0xff}, make([]byte, 80)),
		"GTP echo":       over("2152", []byte{0x32, 1}, make([]byte, 80)),
		"GTP extensions": over("2152", []byte{0x34, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x85}, make([]byte, 80)),
		"Teredo bubble":  over("3544", []byte("hello")),
		"GRE routing":    within(47, []byte{0x40, 0, 8, 0}, make([]byte, 80)),
		"GRE cut":        within(47, []byte{0, 0, 8, 0})[:14+20+3],
		"VXLAN cut":      over("4789", []byte{8, 0, 0, 0, 0, 0, 42, 0})[:14+20+8+8],
	} {
		var m decode.Meta
		if r := decode.Decode(ethernet, data, 0, &m); r != decode.OK || m.Tunnel != decode.NoTunnel {
			t.Errorf("%s: got %v, tunnel %v", name, r, m.Tunnel)
		}
	}
}

func TestControlFrames(t *testing.T) {
	var m decode.Meta
	lldp := binary.BigEndian.AppendUint16(make([]byte, 12), 0x88cc)
	lldp = append(lldp, 2, 7, 4)
	if r := decode.Decode(ethernet, lldp, 0, &m); r != decode.EtherType || m.Kind != decode.Control || m.EtherType != 0x88cc || m.Payload != 14 {
		t.Errorf("LLDP: got %v, %+v", r, m)
	}
	if r := decode.Decode(ethernet, behind(38, []byte{0x42, 0x42, 3}, tcp4()), 0, &m); r != decode.LLC || m.Kind != decode.Control || m.EtherType != 38 || m.Payload != 14 {
		t.Errorf("STP: got %v, %+v", r, m)
	}
}

func TestWLANMACs(t *testing.T) {
	frame := wifi(0x08, 0, 30)
	for i := range 3 {
		frame[4+6*i] = byte(i + 1)
	}
	frame[24] = 4
	for flags, want := range [][2]byte{{2, 1}, {2, 3}, {3, 1}, {4, 3}} {
		frame[1] = byte(flags)
		if src, dst := decode.MACs(105, frame); src[0] != want[0] || dst[0] != want[1] {
			t.Errorf("flags %d: got %x, %x", flags, src, dst)
		}
	}
}

func TestInnerAllocatesNothing(t *testing.T) {
	all := tunnels()
	var outer, m decode.Meta
	if n := testing.AllocsPerRun(100, func() {
		for i := range all {
			decode.Decode(ethernet, all[i].data, 0, &outer)
			decode.Inner(all[i].data, 0, &outer, &m)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
