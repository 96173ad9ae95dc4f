package record

import "net/netip"

// Layer is one header of one packet.
type Layer struct {
	Time    Nanos        `col:"ts" ecs:"@timestamp" unit:"ns" doc:"when the frame was seen"`
	Flow    uint64       `col:"flow" ecs:"event.id" doc:"number of the flow that the packet is of"`
	Depth   uint8        `col:"depth" doc:"tunnels that the packet is in"`
	Layer   string       `col:"layer" doc:"ethernet, vlan, ipv4, ipv6, tcp, udp, icmp, icmp6, sctp, … or ip_n with the IP protocol number"`
	SrcMAC  HardwareAddr `col:"src_mac" ecs:"source.mac" doc:"of ethernet"`
	DstMAC  HardwareAddr `col:"dst_mac" ecs:"destination.mac" doc:"of ethernet"`
	VLAN    uint16       `col:"vlan" ecs:"network.vlan.id" doc:"of vlan"`
	SrcAddr netip.Addr   `col:"src_addr" ecs:"source.ip" doc:"of ipv4 and ipv6"`
	DstAddr netip.Addr   `col:"dst_addr" ecs:"destination.ip" doc:"of ipv4 and ipv6"`
	Proto   uint8        `col:"proto" ecs:"network.iana_number" doc:"of ipv4 and ipv6: what follows, behind extension headers"`
	TTL     uint8        `col:"ttl" doc:"of ipv4; of ipv6 the hop limit"`
	TOS     uint8        `col:"tos" doc:"of ipv4 and ipv6: DSCP and ECN"`
	FragID  uint32       `col:"frag_id" doc:"of a fragment"`
	SrcPort uint16       `col:"src_port" ecs:"source.port" doc:"of tcp, udp and sctp; of icmp the type"`
	DstPort uint16       `col:"dst_port" ecs:"destination.port" doc:"of tcp, udp and sctp; of icmp the code"`
	Flags   uint8        `col:"flags" doc:"of tcp"`
	Seq     uint32       `col:"seq" doc:"of tcp"`
	Ack     uint32       `col:"ack" doc:"of tcp"`
	Window  uint16       `col:"window" doc:"of tcp, unscaled"`
	Length  uint32       `col:"length" unit:"bytes" doc:"of ethernet the frame on the wire, of the transport its payload"`
}

// LayerDef is the definition of kind "layer".
var LayerDef = define[Layer]("layer", "One header of one packet. Only where it is asked for: it is several records for each packet.")
