package record

import "net/netip"

// SSDP is one SSDP message (UPnP Device Architecture 2.0, section 1).
type SSDP struct {
	Time         Nanos      `col:"ts" ecs:"@timestamp" unit:"ns" doc:"when the message was seen"`
	Flow         uint64     `col:"flow" ecs:"event.id" doc:"number of the flow it was decoded from"`
	SrcAddr      netip.Addr `col:"src_addr" ecs:"source.ip" doc:"sender's address"`
	SrcPort      uint16     `col:"src_port" ecs:"source.port" doc:"sender's port"`
	DstAddr      netip.Addr `col:"dst_addr" ecs:"destination.ip" doc:"receiver's address"`
	DstPort      uint16     `col:"dst_port" ecs:"destination.port" doc:"receiver's port"`
	Method       string     `col:"method" doc:"M-SEARCH, NOTIFY or RESPONSE"`
	Notification string     `col:"notification" doc:"what a NOTIFY says (NTS): ssdp:alive, ssdp:byebye, ssdp:update"`
	Target       string     `col:"target" doc:"what is searched for or announced (ST or NT)"`
	USN          string     `col:"usn" doc:"unique service name"`
	Location     string     `col:"location" ecs:"url.full" doc:"URL of the description"`
	Server       string     `col:"server" doc:"operating system, UPnP version and product of the device"`
	UserAgent    string     `col:"user_agent" ecs:"user_agent.original" doc:"the same of a control point"`
	MaxAge       uint32     `col:"max_age" unit:"s" doc:"validity of an announcement"`
	Count        uint64     `col:"count" doc:"packets of the flow from this sender until now"`
}

// SSDPDef is the definition of kind "ssdp".
var SSDPDef = define[SSDP]("ssdp", "One SSDP message (UPnP discovery), the first of each flow and a sample of the rest.")
