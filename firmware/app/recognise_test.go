package app_test

import (
	"testing"

	"github.com/taproot-sensor/taproot/firmware/app"
)

var recognisers = map[string]func([]byte) bool{
	"kerberos": app.LooksLikeKerberos, "ldap": app.LooksLikeLDAP, "rdp": app.LooksLikeRDP, "smtp": app.LooksLikeSMTP,
	"ftp": app.LooksLikeFTP, "imap": app.LooksLikeIMAP, "pop3": app.LooksLikePOP3, "sip": app.LooksLikeSIP, "sip kept open": app.KeepsSIPOpen,
	"rtp": app.LooksLikeRTP, "radius": app.LooksLikeRADIUS, "coap": app.LooksLikeCoAP, "iec104": app.LooksLikeIEC104,
	"opc-ua": app.LooksLikeOPCUA, "wireguard": app.LooksLikeWireGuard, "openvpn": app.LooksLikeOpenVPN,
	"ipsec": app.LooksLikeIKE, "bgp": app.LooksLikeBGP, "ospf": app.LooksLikeOSPF, "stun": app.LooksLikeSTUN,
}

// TestRecogniseReal shows each recogniser the first payload of a real flow.
func TestRecogniseReal(t *testing.T) {
	ospf := func(f *frame) bool { return f.Proto == 89 }
	for _, tt := range []struct {
		name, file string
		keep       func(*frame) bool
	}{
		{"kerberos", "arkime/arkime__tests__pcap__krb5-tcp.pcap", tcp(88)},
		{"kerberos", "arkime/arkime__tests__pcap__krb5-udp.pcap", udp(88)},
		{"ldap", "arkime/arkime__tests__pcap__ldap-simpleauth.pcap", tcp(3268)},
		{"smtp", "ipfixprobe/ipfixprobe__tests__functional__inputs__smtp.pcap", tcp(25)},
		{"ftp", "arkime/arkime__tests__pcap__ftp.pcap", tcp(21)},
		{"imap", "arkime/arkime__tests__pcap__imap.pcap", tcp(143)},
		{"sip", "ipfixprobe/ipfixprobe__tests__functional__inputs__sip.pcap", udp(5060)},
		{"radius", "arkime/arkime__tests__pcap__radius.pcap", udp(1813)},
		{"iec104", "ics/ics__IEC 60870__IEC104_SQ__IEC104_SQ.pcapng", tcp(2404)},
		{"opc-ua", "arkime/arkime__tests__pcap__opcua_synthetic.pcap", tcp(4840)},
		{"wireguard", "ipfixprobe/ipfixprobe__tests__functional__inputs__wg.pcap", func(f *frame) bool { return f.Proto == 17 }},
		{"openvpn", "arkime/arkime__tests__pcap__openvpn_synthetic.pcap", udp(4444)},
		{"ipsec", "arkime/arkime__tests__pcap__IKEv1.pcap", udp(500)},
		{"ipsec", "arkime/arkime__tests__pcap__IKEv2.pcap", udp(500)},
		{"bgp", "arkime/arkime__tests__pcap__y2038-bgp.pcap", tcp(179)},
		{"ospf", "arkime/arkime__tests__pcap__ospf.pcap", ospf},
	} {
		t.Run(tt.name, func(t *testing.T) {
			frames := realFrames(t, tt.file, tt.keep)
			if len(frames) == 0 || !recognisers[tt.name](frames[0].payload()) {
				t.Errorf("%d frames, the first is not recognised", len(frames))
			}
		})
	}
}

// TestRecogniseOthers shows all of them what others begin with.
func TestRecogniseOthers(t *testing.T) {
	for _, b := range []string{
		"", "x", "GET / HTTP/1.1\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", "hello, world, this is nothing known",
		"\xc0\x00\x00\x00\x01\x08abcdefgh\x00\x00", string(make([]byte, 64)),
	} {
		for name, looks := range recognisers {
			if looks([]byte(b)) && name != "coap" { // which every second thing looks like, off its port
				t.Errorf("%s in %q", name, b)
			}
		}
	}
}

// TestRecogniseParts shows them what real clients sent, as far as it says whose
// it is.
func TestRecogniseParts(t *testing.T) {
	wrapped := append(append([]byte{10 << 3}, make([]byte, 53+305)...), 1, 51) // openvpn 2.6 with tls-crypt-v2: 54 bytes, then 307
	for _, tt := range []struct {
		name string
		data []byte
		want bool
	}{
		{"kerberos", append(unhex("0000 0c00 6c82 0bfc 3082 0bf8 a103 0201 05"), make([]byte, 1400)...), true}, // the first segment of a TGS-REQ
		{"kerberos", append(unhex("ffff 0c00 6c82 0bfc 3082 0bf8 a103 0201 05"), make([]byte, 1400)...), false},
		{"openvpn", wrapped, true},
		{"openvpn", wrapped[1:], false},
		{"openvpn", append(wrapped[:len(wrapped):len(wrapped)], 0), false},
		{"sip kept open", []byte("\r\n\r\n"), true},
		{"sip", []byte("\r\n\r\n"), false}, // anybody's, but for the port
		{"rdp", unhex("0300002f2ae00000000000436f6f6b69653a206d7374733d333634303230353336312e31353632392e303030300d0a"), true},
	} {
		if got := recognisers[tt.name](tt.data); got != tt.want {
			t.Errorf("%s: %v for %x, want %v", tt.name, got, tt.data[:min(len(tt.data), 20)], tt.want)
		}
	}
}

func FuzzRecognise(f *testing.F) {
	f.Add([]byte("220 mail ESMTP\r\n"))
	f.Add(unhex("300c 0201 01 6007 0201 03 0400 8000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, looks := range recognisers {
			looks(b)
		}
	})
}
