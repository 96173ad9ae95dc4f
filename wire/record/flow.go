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
	State      string        `col:"state" doc:"TCP connection state in Zeek's words: S0, S1, SF, REJ, RSTO, RSTR, OTH, …"`
	End        string        `col:"end" ecs:"event.reason" doc:"why the record was written: fin, rst, idle, active, evicted, end"`
}

// FlowDef is the definition of kind "flow".
var FlowDef = define[Flow]("flow", "Both directions of one 5-tuple, from the first frame to the idle timeout.")
