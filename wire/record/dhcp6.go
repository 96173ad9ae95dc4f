package record

import "net/netip"

// DHCP6 is one DHCPv6 message (RFC 8415).
type DHCP6 struct {
	Time      Nanos        `col:"ts" ecs:"@timestamp" unit:"ns" doc:"when the message was seen"`
	Flow      uint64       `col:"flow" ecs:"event.id" doc:"number of the flow it was decoded from"`
	SrcAddr   netip.Addr   `col:"src_addr" ecs:"source.ip" doc:"sender's address"`
	DstAddr   netip.Addr   `col:"dst_addr" ecs:"destination.ip" doc:"receiver's address"`
	Message   string       `col:"message" doc:"SOLICIT, ADVERTISE, REQUEST, REPLY, …; of a relayed message the innermost"`
	XID       uint32       `col:"xid" doc:"transaction id"`
	Relays    uint8        `col:"relays" doc:"relay agents that the message passed"`
	ClientID  string       `col:"client_id" doc:"DUID of the client in hexadecimal"`
	ClientMAC HardwareAddr `col:"client_mac" ecs:"client.mac" doc:"hardware address in that DUID, or as a relay gives it (RFC 6939)"`
	ServerID  string       `col:"server_id" doc:"DUID of the server in hexadecimal"`
	IAID      uint32       `col:"iaid" doc:"id of the first identity association"`
	Addrs     []string     `col:"addrs" doc:"addresses asked for or given"`
	Prefixes  []string     `col:"prefixes" doc:"prefixes delegated or asked for"`
	Lease     uint32       `col:"lease" unit:"s" doc:"least valid lifetime of them"`
	Status    string       `col:"status" doc:"status code where it is not Success: NoAddrsAvail, NotOnLink, …"`
	FQDN      string       `col:"fqdn" ecs:"host.hostname" doc:"name of the client (option 39, RFC 4704)"`
	Vendor    string       `col:"vendor" doc:"vendor class (option 16)"`
	Params    string       `col:"params" doc:"options asked for (option 6) as decimal numbers with commas: the client’s fingerprint"`
	DNS       []string     `col:"dns" doc:"name servers given (option 23)"`
	Search    []string     `col:"search" doc:"search list given (option 24)"`
}

// DHCP6Def is the definition of kind "dhcp6".
var DHCP6Def = define[DHCP6]("dhcp6", "One DHCPv6 message.")
