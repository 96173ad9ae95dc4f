package meter

import (
	"net/netip"
	"strconv"

	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/decode"
	"github.com/taproot-sensor/taproot/wire/record"
)

// layerNames are what transports are called, by IP protocol number.
var layerNames = func() (names [256]string) {
	for proto := range names {
		names[proto] = "ip_" + strconv.Itoa(proto)
	}
	for proto, name := range map[int]string{
		protoICMP: "icmp", protoTCP: "tcp", protoUDP: "udp", protoICMPv6: "icmp6", 2: "igmp", 4: "ipip", 33: "dccp",
		41: "ip6ip", 47: "gre", 50: "esp", 89: "ospf", 103: "pim", 112: "vrrp", 132: "sctp", 136: "udplite",
	} {
		names[proto] = name
	}
	return names
}()

// layers writes one record for each header of a packet, from the outside in.
func (m *meter) layers(f *capture.Frame, of *packetOf, flow uint64) {
	meta := &of.meta
	if of.depth == 0 {
		if src, dst := decode.MACs(f.LinkType, f.Data); src != ([6]byte{}) {
			m.header(f, of, flow, record.Layer{Layer: "ethernet", SrcMAC: src, DstMAC: dst, Length: f.WireLen})
		}
		for _, id := range [...]uint16{meta.VLAN, meta.InnerVLAN} {
			if id != 0 {
				m.header(f, of, flow, record.Layer{Layer: "vlan", VLAN: id})
			}
		}
	}
	src, dst := netip.AddrFrom16(meta.Src).Unmap(), netip.AddrFrom16(meta.Dst).Unmap()
	ip := record.Layer{Layer: "ipv4", SrcAddr: src, DstAddr: dst, Proto: meta.Proto, TTL: meta.TTL, TOS: meta.TOS}
	if src.Is6() {
		ip.Layer = "ipv6"
	}
	if meta.Place != decode.Whole {
		ip.FragID = meta.FragID
	}
	m.header(f, of, flow, ip)
	if meta.Place == decode.Later {
		return
	}
	transport := record.Layer{Layer: layerNames[meta.Proto], SrcPort: meta.SrcPort, DstPort: meta.DstPort, Length: meta.PayloadLen}
	if meta.Proto == protoTCP {
		transport.Flags, transport.Seq, transport.Ack, transport.Window = meta.Flags, meta.Seq, meta.Ack, meta.Window
	}
	m.header(f, of, flow, transport)
}

// header writes one header of a packet.
func (m *meter) header(f *capture.Frame, of *packetOf, flow uint64, rec record.Layer) {
	rec.Time, rec.Flow, rec.Depth = record.Nanos(f.Time), flow, of.depth
	add(m.out, record.LayerDef, &rec)
}
