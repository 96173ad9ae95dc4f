package app_test

import (
	"reflect"
	"testing"

	"github.com/taproot-sensor/taproot/firmware/app"
	"github.com/taproot-sensor/taproot/wire/record"
)

// bounded fails if a record has more text than a message of n bytes explains:
// compressed names and escapes make some more of it.
func bounded(t *testing.T, rec any, n int) {
	t.Helper()
	total := 0
	v := reflect.ValueOf(rec).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i).Interface().(type) {
		case string:
			total += len(f)
		case []string:
			for _, s := range f {
				total += len(s)
			}
		}
	}
	if total > 64*n+16<<10 {
		t.Errorf("%d bytes of text from %d", total, n)
	}
}

func FuzzParseICMP(f *testing.F) {
	fuzzReal(f, icmpFrames, "chrissanders/chrissanders__icmp_traceroute.pcapng", "tcpdump/tcpdump__tests__icmpv6.pcap", "tcpdump/tcpdump__tests__icmp-rfc5837.pcap")
	f.Add(unhex("0303 0000 0000 0000 4500 0020 0000 0000 4011 0000 0a000001 0a000002 0035 1234 0000 0000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, proto := range []uint8{1, 58} {
			var rec record.ICMP
			app.ParseICMP(proto, b, &rec)
			bounded(t, &rec, len(b))
		}
		var rec record.NDP
		if app.ParseNDP(b, &rec) == nil && rec.Message == "" {
			t.Error("a message without a name")
		}
		bounded(t, &rec, len(b))
	})
}

func FuzzParseDHCP6(f *testing.F) {
	fuzzReal(f, udp(547), "arkime/arkime__tests__pcap__wireshark-dhcpv6.pcap", "tcpdump/tcpdump__tests__dhcpv4v6-rfc5970-rfc8572.pcap")
	f.Add(unhex("01 100874 0001 000a 0003 0001 000102030405"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var rec record.DHCP6
		app.ParseDHCP6(b, &rec)
		bounded(t, &rec, len(b))
	})
}

func FuzzParseNTP(f *testing.F) {
	fuzzReal(f, udp(123), "tcpdump/tcpdump__tests__ntp.pcap", "tcpdump/tcpdump__tests__ntp-mode7.pcap")
	f.Add(unhex("1c 01 00 e9"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var rec record.NTP
		if err := app.ParseNTP(b, &rec); err == nil && rec.Mode == "" {
			t.Error("a message without mode")
		}
	})
}

func FuzzParseNames(f *testing.F) {
	fuzzReal(f, udp(5353), "ipfixprobe/ipfixprobe__tests__functional__inputs__dnssd.pcap")
	fuzzReal(f, udp(137), "arkime/arkime__tests__pcap__nbns.pcap", "tcpdump/tcpdump__tests__nbns-valgrind.pcap")
	f.Add(unhex("0000 0000 0001 0000 0000 0000 01 61 05 6c6f63616c 00 00ff 0001"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var rec record.Names
		app.ParseMDNS(b, &rec)
		bounded(t, &rec, len(b))
		rec = record.Names{}
		app.ParseNBNS(b, &rec)
		bounded(t, &rec, len(b))
	})
}

func FuzzParseSSDP(f *testing.F) {
	fuzzReal(f, udp(1900), "ipfixprobe/ipfixprobe__tests__functional__inputs__ssdp.pcap")
	f.Add([]byte("NOTIFY * HTTP/1.1\r\nNT: a\r\nCACHE-CONTROL: max-age=5\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var rec record.SSDP
		app.ParseSSDP(b, &rec)
		bounded(t, &rec, len(b))
	})
}

func FuzzParseSNMP(f *testing.F) {
	fuzzReal(f, udp(161), "arkime/arkime__tests__pcap__snmpv3_synthetic.pcap", "arkime/arkime__tests__pcap__SNMPv2c_get_requests.pcap")
	f.Add(unhex("302902010104067075626c6963a01c02042b13103f020100020100300e300c06082b060102010101000500"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var rec record.SNMP
		app.ParseSNMP(b, &rec)
		bounded(t, &rec, len(b))
	})
}

func FuzzParseLink(f *testing.F) {
	f.Add(unhex("0207 04 020000000001 0403 05 3161 0602 0078 0a03 707177 0000"))
	f.Add(unhex("02b4 0000 0001 0006 6161 0003 0006 4661 0004 0008 00000001"))
	f.Add(unhex("0000 02 02 3c 8000020000000001 00000000 8000020000000001 8001 0000 1400 0200 0f00 00 0000 0000 0002 0005"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, parse := range []func([]byte, *record.LLDP) error{app.ParseLLDP, app.ParseCDP} {
			var rec record.LLDP
			parse(b, &rec)
			bounded(t, &rec, len(b))
		}
		var rec record.STP
		app.ParseSTP(b, len(b)&1 != 0, &rec)
		bounded(t, &rec, len(b))
	})
}

func FuzzParseIndustrial(f *testing.F) {
	fuzzReal(f, tcp(502), "icsnpp-modbus/icsnpp-modbus__testing__traces__modbus_example.pcap")
	fuzzReal(f, tcp(20000), "arkime/arkime__tests__pcap__dnp3_synthetic.pcap")
	fuzzReal(f, tcp(102), "arkime/arkime__tests__pcap__s7comm_synthetic.pcap")
	fuzzReal(f, udp(47808), "arkime/arkime__tests__pcap__bacnet-stack-services.pcap")
	f.Add(enipIdentity)
	f.Add(unhex("0001 0000 0006 01 03 0010 0002"))
	f.Fuzz(func(t *testing.T, b []byte) {
		size := func(n int, err error) {
			if n < 0 || n > len(b) || err == nil && n == 0 {
				t.Errorf("%d of %d bytes used, %v", n, len(b), err)
			}
		}
		var modbus record.Modbus
		size(app.ParseModbus(b, len(b)&1 != 0, &modbus))
		bounded(t, &modbus, len(b))
		var dnp3 record.DNP3
		size(app.ParseDNP3(b, &dnp3))
		bounded(t, &dnp3, len(b))
		var s7 record.S7
		size(app.ParseS7(b, &s7))
		bounded(t, &s7, len(b))
		var enip record.ENIP
		size(app.ParseENIP(b, &enip, true))
		bounded(t, &enip, len(b))
		var bacnet record.BACnet
		app.ParseBACnet(b, &bacnet)
		bounded(t, &bacnet, len(b))
	})
}

func FuzzParseSession(f *testing.F) {
	fuzzReal(f, tcp(1883), "arkime/arkime__tests__pcap__mqtt_synthetic.pcap")
	fuzzReal(f, smbFrames, "arkime/arkime__tests__pcap__smb-smb1-ascii.pcap", "arkime/arkime__tests__pcap__wireshark-smb-on-windows10.pcap")
	f.Add(unhex("10 0f 0004 4d515454 04 c2 003c 0003 616263"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var mqtt record.MQTT
		if n, _, err := app.ParseMQTT(b, &mqtt); n < 0 || err == nil && n == 0 {
			t.Errorf("%d of %d bytes used", n, len(b))
		}
		bounded(t, &mqtt, len(b))
		var smb record.SMB
		if n, _, err := app.ParseSMB(b, &smb); n < 0 || err == nil && n == 0 {
			t.Errorf("%d of %d bytes used", n, len(b))
		}
		bounded(t, &smb, len(b))
		app.LooksLikeMQTT(b)
		app.LooksLikeSMB(b)
	})
}

// enipIdentity answers a ListIdentity; made by hand.
var enipIdentity = unhex(`6300 3300 00000000 00000000 0000000000000000 00000000
	0100 0c00 2d00 0100 0002 af12 c0a80001 0000000000000000 0100 0e00 3600 1401 3000 2a1a2b3c 0b 4c6f6769782d3535363120 03`)
