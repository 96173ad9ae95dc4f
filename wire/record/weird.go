package record

import "net/netip"

// Weird is a violation of a protocol.
type Weird struct {
	Time    Nanos      `col:"ts" ecs:"@timestamp" unit:"ns" doc:"when it was seen, the first time since the last record of the same"`
	Flow    uint64     `col:"flow" ecs:"event.id" doc:"number of the flow it was seen in"`
	SrcAddr netip.Addr `col:"src_addr" ecs:"source.ip" doc:"address of the sender"`
	SrcPort uint16     `col:"src_port" ecs:"source.port" doc:"port of the sender"`
	DstAddr netip.Addr `col:"dst_addr" ecs:"destination.ip" doc:"address of the receiver"`
	DstPort uint16     `col:"dst_port" ecs:"destination.port" doc:"port of the receiver"`
	Proto   uint8      `col:"proto" ecs:"network.iana_number" doc:"IP protocol number"`
	Name    string     `col:"name" ecs:"event.action" doc:"what is wrong: malformed, ip_length, tcp_header, udp_length, tunnel_header, syn_fin, null_flags, xmas_flags, same_ends, group_source, …"`
	Detail  string     `col:"detail" doc:"of malformed the protocol"`
	Count   uint64     `col:"count" doc:"how often, between these two addresses, since the last record of the same"`
}

// WeirdDef is the definition of kind "weird".
var WeirdDef = define[Weird]("weird", "A violation of a protocol: the first between two addresses, then at most one a minute with how often.")
