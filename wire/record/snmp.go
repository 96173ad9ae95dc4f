package record

import "net/netip"

// SNMP is one SNMP message (RFC 1157, RFC 3416, RFC 3412), without its
// community, which is a password, and without values.
type SNMP struct {
	Time       Nanos      `col:"ts" ecs:"@timestamp" unit:"ns" doc:"when the message was seen"`
	Flow       uint64     `col:"flow" ecs:"event.id" doc:"number of the flow it was decoded from"`
	SrcAddr    netip.Addr `col:"src_addr" ecs:"source.ip" doc:"sender's address"`
	SrcPort    uint16     `col:"src_port" ecs:"source.port" doc:"sender's port"`
	DstAddr    netip.Addr `col:"dst_addr" ecs:"destination.ip" doc:"receiver's address"`
	DstPort    uint16     `col:"dst_port" ecs:"destination.port" doc:"receiver's port"`
	Version    string     `col:"version" doc:"1, 2c or 3"`
	PDU        string     `col:"pdu" doc:"get, get_next, get_bulk, set, response, trap, inform or report; empty where it is encrypted"`
	RequestID  int32      `col:"request_id" doc:"id of the request"`
	Error      string     `col:"error" doc:"error status where it is not noError"`
	OIDs       []string   `col:"oids" doc:"objects, the first sixteen"`
	Enterprise string     `col:"enterprise" doc:"object that a version 1 trap is about"`
	AgentAddr  netip.Addr `col:"agent_addr" doc:"address in a version 1 trap"`
	User       string     `col:"user" ecs:"user.name" doc:"user name of version 3"`
	EngineID   string     `col:"engine_id" doc:"authoritative engine of version 3, in hexadecimal"`
	Security   string     `col:"security" doc:"of version 3: none, auth or auth+priv"`
	Count      uint64     `col:"count" doc:"packets of the flow from this sender until now"`
}

// SNMPDef is the definition of kind "snmp".
var SNMPDef = define[SNMP]("snmp", "One SNMP message, the first of each flow and a sample of the rest. Never the community, never values.")
