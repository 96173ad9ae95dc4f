package app_test

import (
	"testing"

	"github.com/taproot-sensor/taproot/firmware/app"
	"github.com/taproot-sensor/taproot/wire/record"
)

func icmpFrames(f *frame) bool { return f.Proto == 1 || f.Proto == 58 }

func ndpFrames(f *frame) bool { return f.Proto == 58 && app.LooksLikeNDP(f.payload()) }

func parseICMP(f *frame) (any, error) {
	var rec record.ICMP
	err := app.ParseICMP(f.Proto, f.payload(), &rec)
	return &rec, err
}

func parseNDP(f *frame) (any, error) {
	var rec record.NDP
	err := app.ParseNDP(f.payload(), &rec)
	return &rec, err
}

func parseDHCP6(f *frame) (any, error) {
	var rec record.DHCP6
	err := app.ParseDHCP6(f.payload(), &rec)
	return &rec, err
}

func parseNTP(f *frame) (any, error) {
	var rec record.NTP
	err := app.ParseNTP(f.payload(), &rec)
	return &rec, err
}

func parseMDNS(f *frame) (any, error) {
	var rec record.Names
	err := app.ParseMDNS(f.payload(), &rec)
	return &rec, err
}

func parseNBNS(f *frame) (any, error) {
	var rec record.Names
	err := app.ParseNBNS(f.payload(), &rec)
	return &rec, err
}

func parseSSDP(f *frame) (any, error) {
	var rec record.SSDP
	err := app.ParseSSDP(f.payload(), &rec)
	return &rec, err
}

func parseSNMP(f *frame) (any, error) {
	var rec record.SNMP
	err := app.ParseSNMP(f.payload(), &rec)
	return &rec, err
}

// What tshark 4.0 says of the same frames agrees.
func TestNetworkReal(t *testing.T) {
	for _, w := range []want{
		{"chrissanders/chrissanders__icmp_traceroute.pcapng", icmpFrames, parseICMP, []string{
			"proto=1 type=8 message=echo_request id=1280 seq=14336",
			"proto=1 type=11 message=time_exceeded reason=hop_limit quoted_proto=1 quoted_src_addr=192.168.100.138 quoted_dst_addr=4.2.2.1",
			"proto=1 type=8 message=echo_request id=1280 seq=14592",
			"proto=1 type=11 message=time_exceeded reason=hop_limit quoted_proto=1 quoted_src_addr=192.168.100.138 quoted_dst_addr=4.2.2.1",
		}},
		{"tcpdump/tcpdump__tests__icmp-rfc5837.pcap", icmpFrames, parseICMP, []string{
			"proto=1 type=11 message=time_exceeded reason=hop_limit quoted_proto=17 quoted_src_addr=12.4.4.4 quoted_src_port=42315 quoted_dst_addr=12.1.1.1 quoted_dst_port=33440",
		}},
		{"chrissanders/chrissanders__icmpv6_neighbor_solicitation.pcapng", ndpFrames, parseNDP, []string{
			"message=neighbor_solicitation target=2001:db8:1:2::1000 source_mac=000c292f8031",
			"message=neighbor_advertisement target=2001:db8:1:2::1000 target_mac=000c291fa755 solicited=true override=true",
		}},
		{"tcpdump/tcpdump__tests__icmpv6.pcap", ndpFrames, parseNDP, []string{
			"message=router_advertisement source_mac=b09928c8d66c hop_limit=64 lifetime=15 mtu=100 prefixes=[2222:3333:4444:5555:6600::/72] dns=[abcd::efef 1234:5678::1] search=[example.com example.org dom1.dom2.tld]",
		}},
		{"tcpdump/tcpdump__tests__icmpv6-ra-pref64.pcap", ndpFrames, parseNDP, []string{
			"message=router_advertisement source_mac=e21581b4b945 other=true hop_limit=80 lifetime=500 prefixes=[2001:db8:cc:dd::/64]",
			"message=router_advertisement source_mac=e21581b4b945 other=true hop_limit=80 lifetime=500 prefixes=[2001:db8:cc:dd::/64]",
			"message=router_advertisement source_mac=e21581b4b945 other=true hop_limit=80 lifetime=500 prefixes=[2a00:f480:cc:dd::/64]",
			"message=router_advertisement source_mac=e21581b4b945 other=true hop_limit=80 lifetime=500 prefixes=[2001:db8:cc:dd::/64]",
		}},
		{"arkime/arkime__tests__pcap__wireshark-dhcpv6.pcap", udp(547), parseDHCP6, []string{
			"message=SOLICIT xid=1050740 client_id=000100011c39cf88080027fe8f95 client_mac=080027fe8f95 iaid=670994325 params=23,24",
			"message=ADVERTISE xid=1050740 client_id=000100011c39cf88080027fe8f95 client_mac=080027fe8f95 server_id=000100011c3825e8080027d410bb iaid=670994325 prefixes=[2001:0:0:fe00::/64] lease=7200",
			"message=REQUEST xid=4790094 client_id=000100011c39cf88080027fe8f95 client_mac=080027fe8f95 server_id=000100011c3825e8080027d410bb iaid=670994325 prefixes=[2001:0:0:fe00::/64] lease=7500 params=23,24",
			"message=REPLY xid=4790094 client_id=000100011c39cf88080027fe8f95 client_mac=080027fe8f95 server_id=000100011c3825e8080027d410bb iaid=670994325 prefixes=[2001:0:0:fe00::/64] lease=7200",
		}},
		{"tcpdump/tcpdump__tests__dhcpv6-ia-na.pcap", udp(547), parseDHCP6, []string{
			"message=SOLICIT xid=9483356 client_id=00030001000102030405 client_mac=000102030405 iaid=33752069 params=23,24",
			"message=ADVERTISE xid=9483356 client_id=00030001000102030405 client_mac=000102030405 server_id=000100011846488c001122334455 iaid=33752069 addrs=[2a00:1:1:200:38e6:b22e:c440:acdf] lease=7200",
			"message=REQUEST xid=3145169 client_id=00030001000102030405 client_mac=000102030405 server_id=000100011846488c001122334455 iaid=33752069 addrs=[2a00:1:1:200:38e6:b22e:c440:acdf] lease=7500 params=23,24",
			"message=REPLY xid=3145169 client_id=00030001000102030405 client_mac=000102030405 server_id=000100011846488c001122334455 iaid=33752069 addrs=[2a00:1:1:200:38e6:b22e:c440:acdf] lease=7200",
		}},
		{"tcpdump/tcpdump__tests__dhcpv6-domain-list.pcap", udp(547), parseDHCP6, []string{
			"message=REPLY xid=11163342 client_id=0001000118f00b3f000c2938f368 client_mac=000c2938f368 server_id=0001000118ef951b000c299ba153 search=[example.com sales.example.com eng.example.com]",
		}},
		{"ipfixprobe/ipfixprobe__tests__functional__inputs__ntp.pcap", udp(123), parseNTP, []string{
			"version=4 mode=client leap=3 ref_id=INIT poll=6 precision=-24 xmit_time=1460314469121701769",
			"version=4 mode=server stratum=2 ref_id=193.190.230.66 poll=6 precision=-22 root_delay=10.604858ms root_dispersion=33.874511ms ref_time=1460313792797536035 orig_time=1460314469121701769 recv_time=1460314469135247766 xmit_time=1460314469135532906",
			"version=4 mode=client stratum=3 ref_id=37.187.104.44 poll=6 precision=-24 root_delay=44.128417ms root_dispersion=7.974609375s ref_time=1460314469155524677 xmit_time=1460314470121881754",
			"version=4 mode=server stratum=2 ref_id=116.49.102.213 poll=6 precision=-21 root_delay=4.165649ms root_dispersion=37.124633ms ref_time=1460313360939466737 orig_time=1460314470121881754 recv_time=1460314470097881750 xmit_time=1460314470097968040",
		}},
		{"tcpdump/tcpdump__tests__ntp-mode7.pcap", udp(123), parseNTP, []string{
			"version=2 mode=private opcode=28",
			"version=2 mode=private opcode=28",
			"version=2 mode=private opcode=8",
			"version=2 mode=private opcode=8",
		}},
		{"ipfixprobe/ipfixprobe__tests__functional__inputs__dnssd.pcap", udp(5353), parseMDNS, []string{
			"questions=[milan’s macbook pro (2)._companion-link._tcp.local TXT]",
			"questions=[desktop-m3jamsq.local ANY]",
			"response=true answers=[desktop-m3jamsq.local AAAA 2001:67c:1220:8b4:94:24f8:50be:212 desktop-m3jamsq.local AAAA 2001:67c:1220:8b4:ec52:6068:b200:3197 desktop-m3jamsq.local AAAA fe80::ec52:6068:b200:3197 desktop-m3jamsq.local A 147.229.180.52] ttl=60",
			"questions=[desktop-m3jamsq.local ANY]",
		}},
		{"ipfixprobe/ipfixprobe__tests__functional__inputs__netbios.pcap", udp(137), parseNBNS, []string{
			"id=17846 questions=[WORKGROUP<1d> NB]",
			"id=46329 questions=[ERUCFBGL<00> NB]",
			"id=46331 questions=[YWLDSGOQHXXTKL<00> NB]",
			"id=46330 questions=[XXFFHYWA<00> NB]",
		}},
		{"arkime/arkime__tests__pcap__nbns.pcap", udp(137), parseNBNS, []string{
			"id=4 opcode=registration questions=[MDJR98<03> NB] answers=[MDJR98<03> NB 192.168.239.129] ttl=300000",
			"id=2 opcode=registration questions=[WORKGROUP<00> NB] answers=[WORKGROUP<00> NB 192.168.239.129] ttl=300000",
			"id=8 opcode=registration questions=[MDJR98<00> NB] answers=[MDJR98<00> NB 192.168.239.129] ttl=300000",
			"id=6 opcode=registration questions=[MDJR98<20> NB] answers=[MDJR98<20> NB 192.168.239.129] ttl=300000",
		}},
		{"ipfixprobe/ipfixprobe__tests__functional__inputs__ssdp.pcap", udp(1900), parseSSDP, []string{
			"method=M-SEARCH target=upnp:rootdevice",
			"method=M-SEARCH target=upnp:rootdevice",
			"method=M-SEARCH target=upnp:rootdevice",
			"method=NOTIFY notification=ssdp:alive target=urn:schemas-upnp-org:service:ConnectionManager:1 usn=uuid:fab99147-1685-485d-bf02-33999646a5a2::urn:schemas-upnp-org:service:ConnectionManager:1 location=http://[fe80::6588:f9f8:f782:6b36]:2869/upnphost/udhisapi.dll?content=uuid:fab99147-1685-485d-bf02-33999646a5a2 server=Microsoft-Windows-NT/5.1 UPnP/1.0 UPnP-Device-Host/1.0 max_age=900",
		}},
		{"arkime/arkime__tests__pcap__SNMPv2c_get_requests.pcap", udp(161), parseSNMP, []string{
			"version=2c pdu=get_next request_id=722681733 oids=[0.1]",
			"version=2c pdu=response request_id=722681733 oids=[1.0.8802.1.1.1.1.1.1.0]",
			"version=2c pdu=get request_id=555232471 oids=[1.3.6.1.2.1.1.3.0]",
			"version=2c pdu=response request_id=555232471 oids=[1.3.6.1.2.1.1.3.0]",
		}},
		{"arkime/arkime__tests__pcap__snmpv3_synthetic.pcap", udp(161), parseSNMP, []string{
			"version=3 request_id=1 security=none error=message is cut short",
			"version=2c request_id=1 error=message is cut short",
			"version=3 request_id=2 security=none error=message is cut short",
			"version=2c request_id=1 error=noSuchName error=message is cut short",
		}},
	} {
		w.test(t)
	}
}
