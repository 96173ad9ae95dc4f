package record

import "net/netip"

// ARP is one ARP packet for IPv4 over Ethernet (RFC 826).
type ARP struct {
	Time       Nanos        `col:"ts" ecs:"@timestamp" unit:"ns" doc:"when the packet was seen"`
	Op         string       `col:"op" doc:"request or reply, or the operation's number"`
	SenderMAC  HardwareAddr `col:"sender_mac" ecs:"source.mac" doc:"hardware address of the sender, as it claims"`
	SenderAddr netip.Addr   `col:"sender_addr" ecs:"source.ip" doc:"protocol address of the sender, as it claims"`
	TargetMAC  HardwareAddr `col:"target_mac" doc:"hardware address of the target, as the sender wrote it"`
	TargetAddr netip.Addr   `col:"target_addr" ecs:"destination.ip" doc:"protocol address of the target"`
	VLAN       uint16       `col:"vlan" ecs:"network.vlan.id" doc:"outermost IEEE 802.1Q VLAN id, 0 for none"`
}

// ARPDef is the definition of kind "arp".
var ARPDef = define[ARP]("arp", "One ARP packet for IPv4 over Ethernet.")
