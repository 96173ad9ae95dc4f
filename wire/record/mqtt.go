package record

import "net/netip"

// MQTT is one MQTT session (OASIS, 3.1 to 5), without its password and without
// what is published.
type MQTT struct {
	Time       Nanos      `col:"ts" ecs:"@timestamp" unit:"ns" doc:"when the first message was seen"`
	Flow       uint64     `col:"flow" ecs:"event.id" doc:"number of the flow it was decoded from"`
	SrcAddr    netip.Addr `col:"src_addr" ecs:"source.ip" doc:"address of the client"`
	SrcPort    uint16     `col:"src_port" ecs:"source.port" doc:"port of the client"`
	DstAddr    netip.Addr `col:"dst_addr" ecs:"destination.ip" doc:"address of the server"`
	DstPort    uint16     `col:"dst_port" ecs:"destination.port" doc:"port of the server"`
	Version    string     `col:"version" doc:"3.1, 3.1.1 or 5"`
	ClientID   string     `col:"client_id" doc:"client identifier"`
	User       string     `col:"user" ecs:"user.name" doc:"user name"`
	Password   bool       `col:"password" doc:"the client gave a password, which is not recorded"`
	KeepAlive  uint16     `col:"keep_alive" unit:"s" doc:"longest silence of the client"`
	Clean      bool       `col:"clean" doc:"the client began a new session"`
	WillTopic  string     `col:"will_topic" doc:"where the broker is to say that the client has gone"`
	ReturnCode string     `col:"return_code" doc:"answer of the broker: accepted, or why not"`
	Subscribed []string   `col:"subscribed" doc:"topic filters that the client subscribed to, the first sixteen"`
	Published  []string   `col:"published" doc:"topics that either side published to, the first sixteen"`
}

// MQTTDef is the definition of kind "mqtt".
var MQTTDef = define[MQTT]("mqtt", "One MQTT session. Never the password, never what is published.")
