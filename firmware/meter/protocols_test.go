package meter_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/meter"
)

// meterFile meters one of the real captures.
func meterFile(t *testing.T, name string) records {
	t.Helper()
	dir := os.Getenv("TAPROOT_PCAPS")
	if dir == "" {
		dir = "../../../shared/pcaps"
	}
	src, err := capture.OpenFile(filepath.Join(dir, name))
	if err != nil {
		t.Skipf("no real captures: set TAPROOT_PCAPS to a directory of them (%v)", err)
	}
	defer src.Close()
	var pipe bytes.Buffer
	if err := meter.Run(context.Background(), meter.Config{Source: src, Out: &pipe, FlowCapacity: 1024}); err != nil {
		t.Logf("%v", err)
	}
	out := parse(t, &pipe)
	out.check(t, src.Stats().Frames)
	return out
}

// TestProtocols follows real traffic from the frame to the record.
func TestProtocols(t *testing.T) {
	for _, tt := range []struct {
		kind, file string
		records    int
		has        string // in one of them
	}{
		{"icmp", "chrissanders/chrissanders__icmp_traceroute.pcapng", 43, `"message":"time_exceeded","reason":"hop_limit","quoted_proto":1`},
		{"ndp", "chrissanders/chrissanders__icmpv6_neighbor_solicitation.pcapng", 2, `"target_mac":"00:0c:29:1f:a7:55","solicited":true`},
		{"dhcp6", "arkime/arkime__tests__pcap__wireshark-dhcpv6.pcap", 6, `"message":"RELEASE"`},
		{"ntp", "ipfixprobe/ipfixprobe__tests__functional__inputs__ntp.pcap", 56, `"stratum":2,"ref_id":"193.190.230.66"`},
		{"names", "ipfixprobe/ipfixprobe__tests__functional__inputs__dnssd.pcap", 17, `"protocol":"mdns"`},
		{"names", "arkime/arkime__tests__pcap__nbns.pcap", 42, `"protocol":"nbns"`},
		{"ssdp", "ipfixprobe/ipfixprobe__tests__functional__inputs__ssdp.pcap", 101, `"server":"Microsoft-Windows-NT/5.1`},
		{"snmp", "arkime/arkime__tests__pcap__SNMPv2c_get_requests.pcap", 8, `"version":"2c","pdu":"get"`},
		{"lldp", "tcpdump/tcpdump__tests__LLDP_and_CDP.pcap", 6, `"protocol":"lldp","chassis_id":"00:19:2f:a7:b2:8d"`},
		{"lldp", "tcpdump/tcpdump__tests__3560_CDP.pcap", 1, `"protocol":"cdp"`},
		{"stp", "tcpdump/tcpdump__tests__rpvstp-trunk-native-vid5.pcap", 3, `"protocol":"pvst"`},
		{"stp", "tcpdump/tcpdump__tests__MSTP_Intra-Region_BPDUs.pcap", 2, `"protocol":"mstp"`},
		{"modbus", "icsnpp-modbus/icsnpp-modbus__testing__traces__modbus_example.pcap", 34, `"function":"write_single_coil"`},
		{"dnp3", "arkime/arkime__tests__pcap__dnp3_synthetic.pcap", 9, `"function":"cold_restart"`},
		{"s7", "arkime/arkime__tests__pcap__s7comm_synthetic.pcap", 25, `"function":"write"`},
		{"bacnet", "arkime/arkime__tests__pcap__bacnet-stack-services.pcap", 82, `"service":"i_am","object":"device:61","vendor":42`},
		{"mqtt", "arkime/arkime__tests__pcap__mqtt_synthetic.pcap", 7, `"client_id":"sensor-001","user":"admin","password":true`},
		{"smb", "arkime/arkime__tests__pcap__smb-smb1-ascii.pcap", 1, `"user":"Administrator","domain":"LAB"`},
		{"smb", "arkime/arkime__tests__pcap__smbtorture-ntlmssp.pcap", 1, `"shares":["\\\\192.168.114.129\\TEST"]`},
		{"asset", "tcpdump/tcpdump__tests__LLDP_and_CDP.pcap", 2, `"names":["S2","S2.cisco.com"]`},
		{"asset", "chrissanders/chrissanders__dhcp_nolease_initialization.pcapng", 1, `"params":"1,`},
		{"asset", "chrissanders/chrissanders__icmpv6_neighbor_solicitation.pcapng", 2, `"mac_vendor":"VMware"`},
		{"flow", "arkime/arkime__tests__pcap__krb5-udp.pcap", 1, `"app":"kerberos"`},
		{"flow", "ipfixprobe/ipfixprobe__tests__functional__inputs__wg.pcap", 5, `"app":"wireguard"`},
		{"flow", "arkime/arkime__tests__pcap__ospf.pcap", 34, `"app":"ospf"`},
	} {
		t.Run(tt.kind+" "+filepath.Base(tt.file), func(t *testing.T) {
			out := meterFile(t, tt.file)
			lines := out.lines[tt.kind]
			if all := strings.Join(lines, "\n"); !strings.Contains(all, tt.has) || len(lines) != tt.records {
				t.Errorf("%d records, want %d and one with %s, got\n%s", len(lines), tt.records, tt.has, all)
			}
		})
	}
}

// TestSecrets looks for what must never be in a record.
func TestSecrets(t *testing.T) {
	for _, tt := range []struct{ file, secret string }{
		{"arkime/arkime__tests__pcap__SNMPv2c_get_requests.pcap", "R0_C@cti!"},
		{"arkime/arkime__tests__pcap__mqtt_synthetic.pcap", "secret123"},
		{"arkime/arkime__tests__pcap__mqtt_synthetic.pcap", "mqtt5pass"},
		{"arkime/arkime__tests__pcap__ldap-simpleauth.pcap", "passwor8d1"},
	} {
		out := meterFile(t, tt.file)
		for kind, lines := range out.lines {
			if all := strings.Join(lines, "\n"); strings.Contains(all, tt.secret) {
				t.Errorf("%s: records of kind %s have %q", tt.file, kind, tt.secret)
			}
		}
	}
}
