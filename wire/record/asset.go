package record

// Asset is what is known of one device: everything it said of itself, and
// what others said to it, as far as this network hears that.
type Asset struct {
	Time      Nanos        `col:"ts" ecs:"@timestamp" unit:"ns" doc:"when this was written"`
	MAC       HardwareAddr `col:"mac" ecs:"host.mac" doc:"hardware address, which is what makes it a device"`
	MACVendor string       `col:"mac_vendor" doc:"who was assigned the prefix of that address (IEEE)"`
	VLAN      uint16       `col:"vlan" ecs:"network.vlan.id" doc:"VLAN where it was first seen, 0 for none"`
	First     Nanos        `col:"first_seen" ecs:"event.start" unit:"ns" doc:"when it was first seen"`
	Last      Nanos        `col:"last_seen" ecs:"event.end" unit:"ns" doc:"when it last said something by its hardware address"`
	Addrs     []string     `col:"addrs" ecs:"host.ip" doc:"addresses that it uses, the newest last"`
	Names     []string     `col:"names" ecs:"host.hostname" doc:"names that it goes by"`
	Roles     []string     `col:"roles" doc:"what it does for others: router, dhcp_server, bridge, telephone, …"`
	Vendor    string       `col:"vendor" doc:"vendor that it names: DHCP vendor class, CDP platform, LLDP or CIP product"`
	Params    string       `col:"params" doc:"options that it asks for in DHCP: a fingerprint of its operating system"`
	System    []string     `col:"system" ecs:"host.os.full" doc:"what it says of its system and software: SSDP, LLDP, SMB, CIP, banners of SSH, Server and User-Agent of HTTP"`
	Services  []string     `col:"services" doc:"services that it announces (DNS-SD, UPnP, NetBIOS), and those it was seen to give: ssh 22/tcp, tls 443/tcp, …"`
	Clients   []string     `col:"clients" doc:"JA4 fingerprints of the TLS and QUIC clients on it: what software it runs"`
}

// AssetDef is the definition of kind "asset".
var AssetDef = define[Asset]("asset", "What is known of one device on the link; written when it changes, and hourly while it is there.")
