package record

import "net/netip"

// ENIP is one EtherNet/IP encapsulation message, with the CIP in it (ODVA).
type ENIP struct {
	Time       Nanos      `col:"ts" ecs:"@timestamp" unit:"ns" doc:"when the message was seen"`
	Flow       uint64     `col:"flow" ecs:"event.id" doc:"number of the flow it was decoded from"`
	SrcAddr    netip.Addr `col:"src_addr" ecs:"source.ip" doc:"sender's address"`
	SrcPort    uint16     `col:"src_port" ecs:"source.port" doc:"sender's port"`
	DstAddr    netip.Addr `col:"dst_addr" ecs:"destination.ip" doc:"receiver's address"`
	DstPort    uint16     `col:"dst_port" ecs:"destination.port" doc:"receiver's port"`
	Command    string     `col:"command" doc:"list_identity, register_session, send_rr_data, send_unit_data, …"`
	Session    uint32     `col:"session" doc:"session handle"`
	Status     uint32     `col:"status" doc:"encapsulation status where it is not success"`
	Response   bool       `col:"response" doc:"it is a response (CIP)"`
	Service    string     `col:"service" doc:"CIP service: get_attribute_all, forward_open, read_tag, reset, …"`
	Path       string     `col:"path" doc:"CIP path: class, instance, attribute or tag"`
	CIPStatus  uint8      `col:"cip_status" doc:"general status of a response"`
	Vendor     uint16     `col:"vendor" doc:"vendor id of an identity"`
	DeviceType uint16     `col:"device_type" doc:"device type of an identity"`
	Product    string     `col:"product" doc:"product name of an identity"`
	Revision   string     `col:"revision" doc:"revision of an identity"`
	Serial     uint32     `col:"serial" doc:"serial number of an identity"`
	Count      uint64     `col:"count" doc:"packets of the flow from this sender until now"`
}

// ENIPDef is the definition of kind "enip".
var ENIPDef = define[ENIP]("enip", "One EtherNet/IP message, the first of each flow and a sample of the rest; services that change a device always.")
