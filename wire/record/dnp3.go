package record

import "net/netip"

// DNP3 is one DNP3 message (IEEE 1815).
type DNP3 struct {
	Time        Nanos      `col:"ts" ecs:"@timestamp" unit:"ns" doc:"when the message was seen"`
	Flow        uint64     `col:"flow" ecs:"event.id" doc:"number of the flow it was decoded from"`
	SrcAddr     netip.Addr `col:"src_addr" ecs:"source.ip" doc:"sender's address"`
	SrcPort     uint16     `col:"src_port" ecs:"source.port" doc:"sender's port"`
	DstAddr     netip.Addr `col:"dst_addr" ecs:"destination.ip" doc:"receiver's address"`
	DstPort     uint16     `col:"dst_port" ecs:"destination.port" doc:"receiver's port"`
	Source      uint16     `col:"source" doc:"data link address of the sender"`
	Destination uint16     `col:"destination" doc:"data link address of the receiver"`
	Master      bool       `col:"master" doc:"the sender is the master"`
	Link        string     `col:"link" doc:"data link function where there is no application message: reset_link, test_link, request_status, ack, …"`
	Function    string     `col:"function" doc:"read, write, select, operate, response, …"`
	Seq         uint8      `col:"seq" doc:"application sequence number"`
	IIN         []string   `col:"iin" doc:"internal indications of a response: restart, trouble, need_time, …"`
	Objects     []string   `col:"objects" doc:"object headers, as group.variation"`
	Count       uint64     `col:"count" doc:"packets of the flow from this sender until now"`
}

// DNP3Def is the definition of kind "dnp3".
var DNP3Def = define[DNP3]("dnp3", "One DNP3 message, the first of each flow and a sample of the rest; controls, writes and restarts always.")
