package record

import "net/netip"

// ICMP is one ICMP or ICMPv6 message (RFC 792, RFC 4443) other than neighbour
// discovery.
type ICMP struct {
	Time          Nanos      `col:"ts" ecs:"@timestamp" unit:"ns" doc:"when the message was seen"`
	Flow          uint64     `col:"flow" ecs:"event.id" doc:"number of the flow it was decoded from"`
	SrcAddr       netip.Addr `col:"src_addr" ecs:"source.ip" doc:"sender's address"`
	DstAddr       netip.Addr `col:"dst_addr" ecs:"destination.ip" doc:"receiver's address"`
	Proto         uint8      `col:"proto" ecs:"network.iana_number" doc:"IP protocol number: 1 ICMP, 58 ICMPv6"`
	Type          uint8      `col:"type" doc:"message type (IANA)"`
	Code          uint8      `col:"code" doc:"its code"`
	Message       string     `col:"message" doc:"name of the type: echo_request, unreachable, time_exceeded, …"`
	Reason        string     `col:"reason" doc:"what the code of an error means: port, host, admin_prohibited, …"`
	ID            uint16     `col:"id" doc:"identifier of an echo"`
	Seq           uint16     `col:"seq" doc:"sequence number of an echo"`
	MTU           uint32     `col:"mtu" unit:"bytes" doc:"MTU of the next hop, where a packet was too big"`
	Gateway       netip.Addr `col:"gateway" doc:"better next hop, in a redirect"`
	QuotedProto   uint8      `col:"quoted_proto" doc:"IP protocol number of the packet that an error quotes"`
	QuotedSrcAddr netip.Addr `col:"quoted_src_addr" doc:"its source address"`
	QuotedSrcPort uint16     `col:"quoted_src_port" doc:"its source port"`
	QuotedDstAddr netip.Addr `col:"quoted_dst_addr" doc:"its destination address"`
	QuotedDstPort uint16     `col:"quoted_dst_port" doc:"its destination port"`
	Count         uint64     `col:"count" doc:"packets of the flow from this sender until now"`
}

// ICMPDef is the definition of kind "icmp".
var ICMPDef = define[ICMP]("icmp", "One ICMP or ICMPv6 message other than neighbour discovery, the first of each flow and a sample of the rest.")
