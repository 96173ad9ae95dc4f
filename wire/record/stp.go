package record

// STP is what one port says in the spanning tree protocols (IEEE 802.1D,
// 802.1w, 802.1s; Cisco’s PVST+).
type STP struct {
	Time           Nanos        `col:"ts" ecs:"@timestamp" unit:"ns" doc:"when the frame was seen"`
	SrcMAC         HardwareAddr `col:"src_mac" ecs:"source.mac" doc:"sender’s hardware address"`
	VLAN           uint16       `col:"vlan" ecs:"network.vlan.id" doc:"outermost IEEE 802.1Q VLAN id, 0 for none"`
	Protocol       string       `col:"protocol" ecs:"network.protocol" doc:"stp, rstp, mstp or pvst"`
	Message        string       `col:"message" doc:"configuration or topology_change"`
	TopologyChange bool         `col:"topology_change" doc:"the topology changes"`
	Proposal       bool         `col:"proposal" doc:"the port wants to become designated (RSTP)"`
	Role           string       `col:"role" doc:"role of the port: alternate, root, designated (RSTP)"`
	Learning       bool         `col:"learning" doc:"the port learns (RSTP)"`
	Forwarding     bool         `col:"forwarding" doc:"the port forwards (RSTP)"`
	RootPriority   uint16       `col:"root_priority" doc:"priority of the root bridge, with the VLAN or instance in its low 12 bits"`
	RootMAC        HardwareAddr `col:"root_mac" doc:"address of the root bridge"`
	RootCost       uint32       `col:"root_cost" doc:"cost of the path to the root"`
	BridgePriority uint16       `col:"bridge_priority" doc:"priority of the sender"`
	BridgeMAC      HardwareAddr `col:"bridge_mac" doc:"address of the sender"`
	Port           uint16       `col:"port" doc:"port priority and number"`
	Hello          uint16       `col:"hello" unit:"s" doc:"hello time"`
	MaxAge         uint16       `col:"max_age" unit:"s" doc:"maximum age"`
	Region         string       `col:"region" doc:"name of the MST region"`
	PVID           uint16       `col:"pvid" doc:"VLAN that a PVST+ message is about"`
}

// STPDef is the definition of kind "stp".
var STPDef = define[STP]("stp", "What one bridge port says in a spanning tree protocol; when it is new or changed, and every ten minutes.")
