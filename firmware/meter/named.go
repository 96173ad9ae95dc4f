package meter

import "github.com/taproot-sensor/taproot/firmware/app"

// namedParsers are the protocols that flows are named for, and no more.
func namedParsers() []parser {
	const protoESP, protoOSPF = 50, 89
	return []parser{
		{name: "kerberos", over: udpTCP, ports: []uint16{88}, check: app.LooksLikeKerberos},
		{name: "ldap", over: udpTCP, ports: []uint16{389, 3268}, check: app.LooksLikeLDAP},
		{name: "rdp", over: tcp, ports: []uint16{3389}, anywhere: true, check: app.LooksLikeRDP},
		{name: "smtp", over: tcp, ports: []uint16{25, 587}, anywhere: true, check: app.LooksLikeSMTP},
		{name: "ftp", over: tcp, ports: []uint16{21}, check: app.LooksLikeFTP},
		{name: "imap", over: tcp, ports: []uint16{143}, anywhere: true, check: app.LooksLikeIMAP},
		{name: "pop3", over: tcp, ports: []uint16{110}, check: app.LooksLikePOP3},
		{name: "sip", over: udpTCP, ports: []uint16{5060}, anywhere: true, check: app.LooksLikeSIP},
		{name: "sip", over: udpTCP, ports: []uint16{5060}, check: app.KeepsSIPOpen},
		{name: "radius", over: udp, ports: []uint16{1812, 1813, 1645, 1646, 3799, 1700}, check: app.LooksLikeRADIUS},
		{name: "coap", over: udp, ports: []uint16{5683}, check: app.LooksLikeCoAP},
		{name: "iec104", over: tcp, ports: []uint16{2404}, check: app.LooksLikeIEC104},
		{name: "opc-ua", over: tcp, ports: []uint16{4840}, anywhere: true, check: app.LooksLikeOPCUA},
		{name: "wireguard", over: udp, ports: []uint16{51820}, anywhere: true, check: app.LooksLikeWireGuard},
		{name: "openvpn", over: udpTCP, ports: []uint16{1194}, anywhere: true, check: app.LooksLikeOpenVPN},
		{name: "ipsec", over: udp, ports: []uint16{500, 4500}, check: app.LooksLikeIKE},
		{name: "ipsec", over: []uint8{protoESP}},
		{name: "stun", over: udpTCP, check: app.LooksLikeSTUN, message: (*apps).stun},
		{name: "dns", over: udp, check: app.LooksLikeDNS, message: (*apps).dnsMessage},
		{name: "bgp", over: tcp, ports: []uint16{179}, anywhere: true, check: app.LooksLikeBGP},
		{name: "ospf", over: []uint8{protoOSPF}, check: app.LooksLikeOSPF},
		{name: "rtp", over: udp, check: app.LooksLikeRTP},
	}
}
