package record

import (
	"net/netip"
	"time"
)

// Flow is both directions of one 5-tuple, from its first frame to its end.
// Source is the side that opened it, destination the side that answered.
type Flow struct {
	Start      Nanos         `col:"ts" ecs:"event.start" unit:"ns" doc:"when the first frame was seen"`
	Duration   time.Duration `col:"duration" ecs:"event.duration" unit:"ns" doc:"from the first frame to the last"`
	ID         uint64        `col:"flow" ecs:"event.id" doc:"number of the flow; records decoded from it carry the same"`
	SrcAddr    netip.Addr    `col:"src_addr" ecs:"source.ip" doc:"address of the side that opened the flow"`
	SrcPort    uint16        `col:"src_port" ecs:"source.port" doc:"its port; for ICMP the type"`
	DstAddr    netip.Addr    `col:"dst_addr" ecs:"destination.ip" doc:"address of the other side"`
	DstPort    uint16        `col:"dst_port" ecs:"destination.port" doc:"its port; for ICMP the code"`
	Proto      uint8         `col:"proto" ecs:"network.iana_number" doc:"IP protocol number (IANA): 1 ICMP, 6 TCP, 17 UDP, 58 ICMPv6"`
	App        string        `col:"app" ecs:"network.protocol" doc:"application protocol that was recognised: dns, tls, dhcp, …"`
	VLAN       uint16        `col:"vlan" ecs:"network.vlan.id" doc:"outermost IEEE 802.1Q VLAN id, 0 for none"`
	InnerVLAN  uint16        `col:"inner_vlan" ecs:"network.inner.vlan.id" doc:"VLAN id of the tag behind it, 0 for none"`
	Tunnel     uint64        `col:"tunnel" doc:"number of the flow that carries this one, 0 for none"`
	TunnelType string        `col:"tunnel_type" doc:"how it carries it: ipip, 6in4, gre, erspan, etherip, mpls, vxlan, geneve, gtp-u, teredo"`
	VNI        uint32        `col:"vni" doc:"virtual network in the tunnel (VXLAN, Geneve), 0 for none"`
	SrcMAC     HardwareAddr  `col:"src_mac" ecs:"source.mac" doc:"source hardware address of the first frame"`
	DstMAC     HardwareAddr  `col:"dst_mac" ecs:"destination.mac" doc:"destination hardware address of the first frame"`
	SrcPackets uint64        `col:"src_packets" ecs:"source.packets" unit:"packets" doc:"packets from the source"`
	DstPackets uint64        `col:"dst_packets" ecs:"destination.packets" unit:"packets" doc:"packets from the destination"`
	SrcBytes   uint64        `col:"src_bytes" ecs:"source.bytes" unit:"bytes" doc:"bytes of its frames as they were on the wire, whatever the snap length"`
	DstBytes   uint64        `col:"dst_bytes" ecs:"destination.bytes" unit:"bytes" doc:"bytes of the other side's frames on the wire"`
	SrcPayload uint64        `col:"src_payload" unit:"bytes" doc:"bytes above the transport header, from the source"`
	DstPayload uint64        `col:"dst_payload" unit:"bytes" doc:"bytes above the transport header, from the destination"`
	SrcFlags   uint8         `col:"src_flags" doc:"all TCP flags seen from the source, or-ed (RFC 9293, section 3.1)"`
	DstFlags   uint8         `col:"dst_flags" doc:"all TCP flags seen from the destination, or-ed"`
	SrcTTL     uint8         `col:"src_ttl" doc:"IPv4 TTL or IPv6 hop limit of the first packet from the source"`
	DstTTL     uint8         `col:"dst_ttl" doc:"the same from the destination"`
	SrcDSCP    uint8         `col:"src_dscp" doc:"differentiated services code point of the first packet from the source (RFC 2474)"`
	DstDSCP    uint8         `col:"dst_dscp" doc:"the same from the destination"`
	SrcECN     uint8         `col:"src_ecn" doc:"ECN bits of all packets from the source, or-ed (RFC 3168): 1 ECT(1), 2 ECT(0), 3 congestion or both"`
	DstECN     uint8         `col:"dst_ecn" doc:"the same from the destination"`

	SrcMissed      uint32 `col:"src_missed" unit:"bytes" doc:"TCP bytes from the source that were acknowledged and never seen"`
	DstMissed      uint32 `col:"dst_missed" unit:"bytes" doc:"the same from the destination"`
	SrcRepeated    uint32 `col:"src_repeated" unit:"bytes" doc:"of src_payload what was seen before, or came with RST: src_payload - src_repeated + src_missed is the length of the TCP stream"`
	DstRepeated    uint32 `col:"dst_repeated" unit:"bytes" doc:"the same from the destination"`
	SrcRetransmits uint16 `col:"src_retransmits" unit:"segments" doc:"TCP segments from the source that were seen before"`
	DstRetransmits uint16 `col:"dst_retransmits" unit:"segments" doc:"the same from the destination"`
	SrcOutOfOrder  uint16 `col:"src_out_of_order" unit:"segments" doc:"TCP segments from the source that came behind a later one"`
	DstOutOfOrder  uint16 `col:"dst_out_of_order" unit:"segments" doc:"the same from the destination"`

	RTT       time.Duration `col:"rtt" unit:"ns" doc:"of the TCP handshake: from the SYN to the ACK that ended it; 0 if either was not seen or sent twice"`
	History   string        `col:"history" doc:"what happened, in the letters of Zeek's conn.log, each once: S SYN, H SYN with ACK, A bare ACK, D payload, F FIN, R RST, T payload again, G gap, W zero window, Q a SYN with FIN or RST, I a FIN with RST, ^ began with the answer; the source's large, the destination's small"`
	State     string        `col:"state" doc:"TCP connection state in Zeek's words: S0, S1, SF, REJ, RSTO, RSTR, OTH, …"`
	Community string        `col:"community_id" ecs:"network.community_id" doc:"Community ID version 1 with seed 0; made of the columns above where the record is read, if the sensor left it out"`
	End       string        `col:"end" ecs:"event.reason" doc:"why the record was written: fin, rst, idle, active, evicted, end"`
}

// FlowDef is the definition of kind "flow".
var FlowDef = define[Flow]("flow", "Both directions of one 5-tuple, from the first frame to the idle timeout.")
