package record

import "net/netip"

// S7 is one S7comm or S7comm-plus message of a Siemens controller, or the COTP
// connection before it.
type S7 struct {
	Time      Nanos      `col:"ts" ecs:"@timestamp" unit:"ns" doc:"when the message was seen"`
	Flow      uint64     `col:"flow" ecs:"event.id" doc:"number of the flow it was decoded from"`
	SrcAddr   netip.Addr `col:"src_addr" ecs:"source.ip" doc:"sender's address"`
	SrcPort   uint16     `col:"src_port" ecs:"source.port" doc:"sender's port"`
	DstAddr   netip.Addr `col:"dst_addr" ecs:"destination.ip" doc:"receiver's address"`
	DstPort   uint16     `col:"dst_port" ecs:"destination.port" doc:"receiver's port"`
	Protocol  string     `col:"protocol" doc:"cotp, s7comm or s7comm-plus"`
	Message   string     `col:"message" doc:"connect_request, connect_confirm, job, ack, ack_data, userdata, …"`
	Function  string     `col:"function" doc:"setup, read, write, start_upload, plc_stop, plc_control, …"`
	Reference uint16     `col:"reference" doc:"PDU reference"`
	Rack      uint8      `col:"rack" doc:"rack of the controller (COTP)"`
	Slot      uint8      `col:"slot" doc:"slot of the controller (COTP)"`
	Items     []string   `col:"items" doc:"variables read or written: DB1.DBX0.0 WORD 4, …"`
	PDUSize   uint16     `col:"pdu_size" unit:"bytes" doc:"PDU length agreed on"`
	Error     uint16     `col:"error" doc:"error class and code"`
	Count     uint64     `col:"count" doc:"packets of the flow from this sender until now"`
}

// S7Def is the definition of kind "s7".
var S7Def = define[S7]("s7", "One S7comm message, the first of each flow and a sample of the rest; writes and controls always.")
