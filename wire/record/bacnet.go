package record

import "net/netip"

// BACnet is one BACnet/IP message (ASHRAE 135, annex J).
type BACnet struct {
	Time     Nanos      `col:"ts" ecs:"@timestamp" unit:"ns" doc:"when the message was seen"`
	Flow     uint64     `col:"flow" ecs:"event.id" doc:"number of the flow it was decoded from"`
	SrcAddr  netip.Addr `col:"src_addr" ecs:"source.ip" doc:"sender's address"`
	SrcPort  uint16     `col:"src_port" ecs:"source.port" doc:"sender's port"`
	DstAddr  netip.Addr `col:"dst_addr" ecs:"destination.ip" doc:"receiver's address"`
	DstPort  uint16     `col:"dst_port" ecs:"destination.port" doc:"receiver's port"`
	PDU      string     `col:"pdu" doc:"confirmed_request, unconfirmed_request, simple_ack, complex_ack, error, reject, abort, segment_ack, or network for a message between routers"`
	Service  string     `col:"service" doc:"who_is, i_am, read_property, write_property, …"`
	InvokeID uint8      `col:"invoke_id" doc:"id of a confirmed request"`
	Object   string     `col:"object" doc:"object that the service is about: device:1234, analog_input:3, …"`
	Property uint32     `col:"property" doc:"property number"`
	Vendor   uint16     `col:"vendor" doc:"vendor number in an I-Am"`
	Reason   string     `col:"reason" doc:"of an error, class and code; of a reject or an abort its number"`
	DstNet   uint16     `col:"dst_net" doc:"destination network number, where it is routed"`
	SrcNet   uint16     `col:"src_net" doc:"source network number, where it was routed"`
	Count    uint64     `col:"count" doc:"packets of the flow from this sender until now"`
}

// BACnetDef is the definition of kind "bacnet".
var BACnetDef = define[BACnet]("bacnet", "One BACnet/IP message, the first of each flow and a sample of the rest; writes always.")
