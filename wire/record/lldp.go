package record

// LLDP is what one port says about its device, in LLDP (IEEE 802.1AB) or in
// CDP, which is Cisco’s.
type LLDP struct {
	Time         Nanos        `col:"ts" ecs:"@timestamp" unit:"ns" doc:"when the frame was seen"`
	SrcMAC       HardwareAddr `col:"src_mac" ecs:"source.mac" doc:"sender’s hardware address"`
	VLAN         uint16       `col:"vlan" ecs:"network.vlan.id" doc:"outermost IEEE 802.1Q VLAN id, 0 for none"`
	Protocol     string       `col:"protocol" ecs:"network.protocol" doc:"lldp or cdp"`
	ChassisID    string       `col:"chassis_id" doc:"chassis id; of CDP the device id"`
	PortID       string       `col:"port_id" doc:"port id"`
	TTL          uint16       `col:"ttl" unit:"s" doc:"how long this holds; 0 ends it"`
	PortDesc     string       `col:"port_desc" doc:"description of the port"`
	SysName      string       `col:"sys_name" ecs:"host.hostname" doc:"name of the device"`
	SysDesc      string       `col:"sys_desc" doc:"description of the device; of CDP its software"`
	Platform     string       `col:"platform" doc:"hardware model; of LLDP-MED manufacturer and model"`
	Serial       string       `col:"serial" doc:"serial number (LLDP-MED inventory)"`
	Capabilities []string     `col:"capabilities" doc:"what the device does: bridge, router, telephone, …"`
	Addrs        []string     `col:"addrs" ecs:"host.ip" doc:"management addresses"`
	PortVLAN     uint16       `col:"port_vlan" doc:"VLAN of untagged frames on the port"`
	VoiceVLAN    uint16       `col:"voice_vlan" doc:"VLAN for telephones"`
	VTPDomain    string       `col:"vtp_domain" doc:"VTP management domain (CDP)"`
	Duplex       string       `col:"duplex" doc:"half or full (CDP)"`
}

// LLDPDef is the definition of kind "lldp".
var LLDPDef = define[LLDP]("lldp", "What one port says about its device, in LLDP or CDP; when it is new or changed, and every ten minutes.")
