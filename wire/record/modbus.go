package record

import "net/netip"

// Modbus is one Modbus/TCP message.
type Modbus struct {
	Time        Nanos      `col:"ts" ecs:"@timestamp" unit:"ns" doc:"when the message was seen"`
	Flow        uint64     `col:"flow" ecs:"event.id" doc:"number of the flow it was decoded from"`
	SrcAddr     netip.Addr `col:"src_addr" ecs:"source.ip" doc:"sender's address"`
	SrcPort     uint16     `col:"src_port" ecs:"source.port" doc:"sender's port"`
	DstAddr     netip.Addr `col:"dst_addr" ecs:"destination.ip" doc:"receiver's address"`
	DstPort     uint16     `col:"dst_port" ecs:"destination.port" doc:"receiver's port"`
	Transaction uint16     `col:"transaction" doc:"transaction id"`
	Unit        uint8      `col:"unit" doc:"unit id"`
	Function    string     `col:"function" doc:"read_holding_registers, write_single_coil, … or its number"`
	Response    bool       `col:"response" doc:"it is a response"`
	Write       bool       `col:"write" doc:"the function changes the device"`
	Address     uint16     `col:"address" doc:"first coil or register"`
	Quantity    uint16     `col:"quantity" doc:"how many"`
	Exception   string     `col:"exception" doc:"why the server refused: illegal_function, illegal_address, …"`
	Device      string     `col:"device" doc:"vendor, product and revision that the device gave (function 43)"`
	Count       uint64     `col:"count" doc:"packets of the flow from this sender until now"`
}

// ModbusDef is the definition of kind "modbus".
var ModbusDef = define[Modbus]("modbus", "One Modbus/TCP message, the first of each flow and a sample of the rest; writes and exceptions always.")
