package record

import "net/netip"

// Names is one message of link-local name resolution: mDNS (RFC 6762), LLMNR
// (RFC 4795) or the NetBIOS name service (RFC 1002).
type Names struct {
	Time      Nanos      `col:"ts" ecs:"@timestamp" unit:"ns" doc:"when the message was seen"`
	Flow      uint64     `col:"flow" ecs:"event.id" doc:"number of the flow it was decoded from"`
	SrcAddr   netip.Addr `col:"src_addr" ecs:"source.ip" doc:"sender's address"`
	SrcPort   uint16     `col:"src_port" ecs:"source.port" doc:"sender's port"`
	DstAddr   netip.Addr `col:"dst_addr" ecs:"destination.ip" doc:"receiver's address"`
	DstPort   uint16     `col:"dst_port" ecs:"destination.port" doc:"receiver's port"`
	Protocol  string     `col:"protocol" ecs:"network.protocol" doc:"mdns, llmnr or nbns"`
	ID        uint16     `col:"id" ecs:"dns.id" doc:"transaction id"`
	OpCode    string     `col:"opcode" ecs:"dns.op_code" doc:"operation where it is not a query: registration, release, refresh, …"`
	Response  bool       `col:"response" doc:"it is a response"`
	RCode     string     `col:"rcode" ecs:"dns.response_code" doc:"response code where it is not NOERROR"`
	Questions []string   `col:"questions" doc:"names asked for, each with its type"`
	Answers   []string   `col:"answers" doc:"records given: name, type, data; of mDNS additional records too"`
	TTL       uint32     `col:"ttl" ecs:"dns.answers.ttl" unit:"s" doc:"least TTL of the answers"`
	Count     uint64     `col:"count" doc:"packets of the flow from this sender until now"`
}

// NamesDef is the definition of kind "names".
var NamesDef = define[Names]("names", "One message of link-local name resolution: mDNS, LLMNR or NetBIOS.")
