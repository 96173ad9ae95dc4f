package app_test

import (
	"testing"

	"github.com/taproot-sensor/taproot/firmware/app"
	"github.com/taproot-sensor/taproot/wire/record"
)

func parseModbus(f *frame) (any, error) {
	var rec record.Modbus
	_, err := app.ParseModbus(f.payload(), f.SrcPort == 502, &rec)
	return &rec, err
}

func parseDNP3(f *frame) (any, error) {
	var rec record.DNP3
	_, err := app.ParseDNP3(f.payload(), &rec)
	return &rec, err
}

func parseS7(f *frame) (any, error) {
	var rec record.S7
	_, err := app.ParseS7(f.payload(), &rec)
	return &rec, err
}

func parseENIP(f *frame) (any, error) {
	var rec record.ENIP
	_, err := app.ParseENIP(f.payload(), &rec, true)
	return &rec, err
}

func parseBACnet(f *frame) (any, error) {
	var rec record.BACnet
	err := app.ParseBACnet(f.payload(), &rec)
	return &rec, err
}

func parseMQTT(f *frame) (any, error) {
	var rec record.MQTT
	_, _, err := app.ParseMQTT(f.payload(), &rec)
	return &rec, err
}

func parseSMB(f *frame) (any, error) {
	var rec record.SMB
	_, _, err := app.ParseSMB(f.payload(), &rec)
	return &rec, err
}

func smbFrames(f *frame) bool { return tcp(445)(f) || tcp(139)(f) }

// What tshark 4.0 says of the same frames agrees.
func TestIndustrialReal(t *testing.T) {
	for _, w := range []want{
		{"icsnpp-modbus/icsnpp-modbus__testing__traces__modbus_example.pcap", tcp(502), parseModbus, []string{
			"transaction=1 unit=4 function=read_coils address=1 quantity=1",
			"transaction=1 unit=4 function=read_coils response=true",
			"transaction=2 unit=5 function=read_coils address=1 quantity=8",
			"transaction=2 unit=5 function=read_coils response=true",
		}},
		{"arkime/arkime__tests__pcap__modbus.pcap", tcp(502), parseModbus, []string{
			"unit=10 function=diagnostics",
			"unit=10 function=diagnostics response=true exception=gateway_target",
			"unit=10 function=diagnostics",
			"unit=10 function=diagnostics response=true exception=gateway_target",
		}},
		{"arkime/arkime__tests__pcap__dnp3_synthetic.pcap", tcp(20000), parseDNP3, []string{
			"source=2 destination=1 master=true function=read seq=1 objects=[60.2]",
			"source=1 destination=2 function=response seq=1",
			" error=message is cut short",
			" error=message is of another protocol",
		}},
		{"arkime/arkime__tests__pcap__s7comm_synthetic.pcap", tcp(102), parseS7, []string{
			"protocol=cotp message=connect_request slot=2",
			"protocol=cotp message=connect_confirm slot=2",
			"protocol=s7comm message=job function=setup reference=1",
			"protocol=s7comm message=ack_data function=setup reference=1",
		}},
		{"gopacket-fork/gopacket-fork__layers__testdata__cip.pcap", tcp(44818), parseENIP, []string{
			"command=send_rr_data session=2290832708 service=execute_pccc path=class/103 instance/1",
			"command=send_rr_data session=2290832708 service=execute_pccc path=class/103 instance/1",
			"command=send_rr_data session=2290832708 response=true service=execute_pccc",
			"command=send_rr_data session=2290832708 response=true service=execute_pccc",
		}},
		{"arkime/arkime__tests__pcap__bacnet-stack-services.pcap", udp(47808), parseBACnet, []string{
			" error=message is of another protocol",
			"pdu=unconfirmed_request service=who_has dst_net=65535",
			"pdu=unconfirmed_request service=i_have object=device:61 src_net=13",
			"pdu=unconfirmed_request service=who_has dst_net=65535",
		}},
		{"ics/ics__BACNET__BACnetL_SchedRPM__BACnetL_SchedRPM.pcapng", udp(47808), parseBACnet, []string{
			"pdu=confirmed_request service=read_property_multiple invoke_id=8 object=schedule:88",
			"pdu=complex_ack service=read_property_multiple invoke_id=8 object=schedule:88",
		}},
		{"arkime/arkime__tests__pcap__mqtt_synthetic.pcap", tcp(1883), parseMQTT, []string{
			"version=3.1.1 client_id=sensor-001 user=admin password=true keep_alive=60 clean=true",
			"subscribed=[sensors/# commands/+]",
			"published=[sensors/temperature]",
			"published=[sensors/humidity]",
		}},
		{"arkime/arkime__tests__pcap__smb-smb1-ascii.pcap", smbFrames, parseSMB, []string{
			"version=1",
			"version=1 dialect=NT LM 0.12 signing=true",
			"version=1 client_os=Windows 2000 2195 auth=ntlm",
			"version=1 server_name=DC3 server_domain=LAB server_dns=dc3.lab.domain.ex server_forest=domain.ex server_os=Windows Server 2008 R2 Standard 7601 Service Pack 1",
		}},
		{"arkime/arkime__tests__pcap__wireshark-smb-on-windows10.pcap", smbFrames, parseSMB, []string{
			"",
			"",
			"version=1",
			"version=2",
		}},
		{"arkime/arkime__tests__pcap__smbtorture-ntlmssp.pcap", smbFrames, parseSMB, []string{
			"version=1",
			"version=1 dialect=NT LM 0.12",
			"version=1 client_os=Unix auth=ntlm",
			`version=1 server_name=VISTA2 server_domain=VISTA2 server_dns=vista2 server_os=Windows (TM) Code Name "Longhorn" Ultimate 5231`,
		}},
	} {
		w.test(t)
	}
}

func TestParseENIPIdentity(t *testing.T) {
	var rec record.ENIP
	n, err := app.ParseENIP(append(enipIdentity, 0x65), &rec, true)
	want := "command=list_identity vendor=1 device_type=14 product=Logix-5561  revision=20.1 serial=1009457706"
	if got := brief(&rec); err != nil || n != len(enipIdentity) || got != want {
		t.Errorf("%d bytes, %v\n got %s\nwant %s", n, err, got, want)
	}
}
