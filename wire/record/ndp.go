package record

import "net/netip"

// NDP is one message of IPv6 neighbour discovery (RFC 4861).
type NDP struct {
	Time        Nanos        `col:"ts" ecs:"@timestamp" unit:"ns" doc:"when the message was seen"`
	Flow        uint64       `col:"flow" ecs:"event.id" doc:"number of the flow it was decoded from"`
	SrcAddr     netip.Addr   `col:"src_addr" ecs:"source.ip" doc:"sender's address"`
	DstAddr     netip.Addr   `col:"dst_addr" ecs:"destination.ip" doc:"receiver's address"`
	VLAN        uint16       `col:"vlan" ecs:"network.vlan.id" doc:"outermost IEEE 802.1Q VLAN id, 0 for none"`
	Message     string       `col:"message" doc:"router_solicitation, router_advertisement, neighbor_solicitation, neighbor_advertisement or redirect"`
	Target      netip.Addr   `col:"target" doc:"address that is asked for, advertised or redirected to"`
	Destination netip.Addr   `col:"destination" doc:"address that a redirect is about"`
	SourceMAC   HardwareAddr `col:"source_mac" ecs:"source.mac" doc:"source link-layer address (option 1)"`
	TargetMAC   HardwareAddr `col:"target_mac" doc:"target link-layer address (option 2)"`
	Router      bool         `col:"router" doc:"a neighbour says that it is a router"`
	Solicited   bool         `col:"solicited" doc:"a neighbour answers a solicitation"`
	Override    bool         `col:"override" doc:"a neighbour wants caches overwritten"`
	Managed     bool         `col:"managed" doc:"a router says that addresses come from DHCPv6"`
	Other       bool         `col:"other" doc:"a router says that other configuration comes from DHCPv6"`
	HopLimit    uint8        `col:"hop_limit" doc:"hop limit that a router gives"`
	Preference  string       `col:"preference" doc:"preference of a router where it is not medium: high or low (RFC 4191)"`
	Lifetime    uint16       `col:"lifetime" unit:"s" doc:"how long the router serves as default router"`
	MTU         uint32       `col:"mtu" unit:"bytes" doc:"MTU of the link (option 5)"`
	Prefixes    []string     `col:"prefixes" doc:"prefixes of the link (option 3)"`
	DNS         []string     `col:"dns" doc:"name servers (option 25, RFC 8106)"`
	Search      []string     `col:"search" doc:"search list (option 31, RFC 8106)"`
}

// NDPDef is the definition of kind "ndp".
var NDPDef = define[NDP]("ndp", "One message of IPv6 neighbour discovery.")
