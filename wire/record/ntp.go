package record

import (
	"net/netip"
	"time"
)

// NTP is one NTP message (RFC 5905).
type NTP struct {
	Time           Nanos         `col:"ts" ecs:"@timestamp" unit:"ns" doc:"when the message was seen"`
	Flow           uint64        `col:"flow" ecs:"event.id" doc:"number of the flow it was decoded from"`
	SrcAddr        netip.Addr    `col:"src_addr" ecs:"source.ip" doc:"sender's address"`
	SrcPort        uint16        `col:"src_port" ecs:"source.port" doc:"sender's port"`
	DstAddr        netip.Addr    `col:"dst_addr" ecs:"destination.ip" doc:"receiver's address"`
	DstPort        uint16        `col:"dst_port" ecs:"destination.port" doc:"receiver's port"`
	Version        uint8         `col:"version" doc:"protocol version"`
	Mode           string        `col:"mode" doc:"client, server, symmetric_active, symmetric_passive, broadcast, control or private"`
	Leap           uint8         `col:"leap" doc:"leap indicator; 3 means that the clock is not set"`
	Stratum        uint8         `col:"stratum" doc:"hops from a reference clock; 0 is a kiss-o’-death"`
	RefID          string        `col:"ref_id" doc:"reference: address of the server above, name of the clock, or the kiss code"`
	Poll           int8          `col:"poll" unit:"s" doc:"longest interval between messages, as power of two"`
	Precision      int8          `col:"precision" unit:"s" doc:"precision of the clock, as power of two"`
	RootDelay      time.Duration `col:"root_delay" unit:"ns" doc:"round trip to the reference clock"`
	RootDispersion time.Duration `col:"root_dispersion" unit:"ns" doc:"error bound to the reference clock"`
	Reference      Nanos         `col:"ref_time" unit:"ns" doc:"when the clock was last set"`
	Origin         Nanos         `col:"orig_time" unit:"ns" doc:"client’s time of request, as the server repeats it"`
	Receive        Nanos         `col:"recv_time" unit:"ns" doc:"server’s time of receipt"`
	Transmit       Nanos         `col:"xmit_time" unit:"ns" doc:"sender’s time of sending"`
	OpCode         uint8         `col:"opcode" doc:"operation of a control message, or request code of a private one (7 42 is monlist)"`
	Count          uint64        `col:"count" doc:"packets of the flow from this sender until now"`
}

// NTPDef is the definition of kind "ntp".
var NTPDef = define[NTP]("ntp", "One NTP message, the first of each flow and a sample of the rest.")
