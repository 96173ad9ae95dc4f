package record

import "net/netip"

// DHCP is one DHCPv4 message (RFC 2131).
type DHCP struct {
	Time      Nanos        `col:"ts" ecs:"@timestamp" unit:"ns" doc:"when the message was seen"`
	Flow      uint64       `col:"flow" ecs:"event.id" doc:"number of the flow it was decoded from"`
	SrcAddr   netip.Addr   `col:"src_addr" ecs:"source.ip" doc:"sender's address"`
	DstAddr   netip.Addr   `col:"dst_addr" ecs:"destination.ip" doc:"receiver's address"`
	Message   string       `col:"message" doc:"DISCOVER, OFFER, REQUEST, ACK, NAK, DECLINE, RELEASE or INFORM"`
	XID       uint32       `col:"xid" doc:"transaction id"`
	ClientMAC HardwareAddr `col:"client_mac" ecs:"client.mac" doc:"client hardware address (chaddr)"`
	Client    netip.Addr   `col:"client_addr" doc:"address that the client has already (ciaddr)"`
	Requested netip.Addr   `col:"requested" doc:"address that the client asked for (option 50)"`
	Assigned  netip.Addr   `col:"assigned" ecs:"client.ip" doc:"address given to the client (yiaddr)"`
	Server    netip.Addr   `col:"server" ecs:"server.ip" doc:"server identifier (option 54)"`
	Next      netip.Addr   `col:"next_server" doc:"server to start from (siaddr)"`
	Relay     netip.Addr   `col:"relay" doc:"relay agent that passed the message on (giaddr)"`
	Hostname  string       `col:"hostname" ecs:"host.hostname" doc:"client's host name (option 12)"`
	FQDN      string       `col:"fqdn" doc:"client's full name (option 81)"`
	Domain    string       `col:"domain" doc:"domain name given (option 15)"`
	Vendor    string       `col:"vendor" doc:"vendor class (option 60)"`
	Params    string       `col:"params" doc:"options asked for (option 55) as decimal numbers with commas: the client's fingerprint"`
	Lease     uint32       `col:"lease" unit:"s" doc:"lease time (option 51)"`
	Routers   []string     `col:"routers" doc:"routers given (option 3)"`
	Text      string       `col:"text" doc:"why an address was refused or declined, in words (option 56)"`
	DNS       []string     `col:"dns" doc:"name servers given (option 6)"`
}

// DHCPDef is the definition of kind "dhcp".
var DHCPDef = define[DHCP]("dhcp", "One DHCPv4 message.")
