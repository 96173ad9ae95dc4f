package app_test

import (
	"encoding/hex"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/taproot-sensor/taproot/firmware/app"
	"github.com/taproot-sensor/taproot/wire/record"
)

// unhex decodes hexadecimal with blanks.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

const arpRequest = `0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002`

func TestParseARP(t *testing.T) {
	var rec record.ARP
	if err := app.ParseARP(unhex(arpRequest+"00000000"), &rec); err != nil {
		t.Fatal(err)
	}
	if rec.Op != "request" || rec.SenderAddr.String() != "10.0.0.1" || rec.TargetAddr.String() != "10.0.0.2" ||
		rec.SenderMAC != (record.HardwareAddr{2, 0, 0, 0, 0, 1}) || rec.TargetMAC != (record.HardwareAddr{}) {
		t.Errorf("got %+v", rec)
	}
	for _, bad := range [][]byte{nil, unhex(arpRequest)[:27], unhex("0006" + arpRequest[4:])} {
		if app.ParseARP(bad, &rec) == nil {
			t.Errorf("%x: no error", bad)
		}
	}
}

// dhcp makes a message with options.
func dhcp(options string) []byte {
	b := make([]byte, 236)
	copy(b, unhex("02 01 06 00 12345678"))
	copy(b[16:], unhex("0a000063"))
	copy(b[28:], unhex("020000000001"))
	return append(append(b, unhex("63825363")...), unhex(options)...)
}

const dhcpAck = `350105 36040a000001 00 33 04 00000e10 03 08 0a000001 0a000002 06 04 0a000035
	0c 04 70726e00 0f 03 6c616e 3c 03 4d5346 37 03 01030f 32 04 0a000063 ff 350101`

func TestParseDHCP(t *testing.T) {
	var rec record.DHCP
	if err := app.ParseDHCP(dhcp(dhcpAck), &rec); err != nil {
		t.Fatal(err)
	}
	rec.Time = 0
	got := []string{rec.Message, rec.Assigned.String(), rec.Server.String(), rec.Requested.String(), rec.Hostname, rec.Domain, rec.Vendor, rec.Params}
	want := []string{"ACK", "10.0.0.99", "10.0.0.1", "10.0.0.99", "prn", "lan", "MSF", "1,3,15"}
	if !reflect.DeepEqual(got, want) || rec.XID != 0x12345678 || rec.Lease != 3600 || rec.ClientMAC != (record.HardwareAddr{2, 0, 0, 0, 0, 1}) {
		t.Errorf("got  %q %+v\nwant %q", got, rec, want)
	}
	if !reflect.DeepEqual(rec.Routers, []string{"10.0.0.1", "10.0.0.2"}) || !reflect.DeepEqual(rec.DNS, []string{"10.0.0.53"}) {
		t.Errorf("routers %q, name servers %q", rec.Routers, rec.DNS)
	}
	for name, bad := range map[string][]byte{
		"short":      dhcp("")[:239],
		"BOOTP":      dhcp("ff"),
		"no cookie":  make([]byte, 300),
		"cut option": dhcp("350105 0c 09 70"),
	} {
		if app.ParseDHCP(bad, new(record.DHCP)) == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestParseDHCPRelayed reads what a relay passes on, and the client's full name
// in both forms.
func TestParseDHCPRelayed(t *testing.T) {
	b := dhcp("350104 38 05 696e757365 51 0e 040000 03706331 036c616e 00ff ff")
	copy(b[12:], unhex("0a000005 00000000 0a000009 0a0000fe")) // ciaddr, yiaddr, siaddr, giaddr
	for _, tt := range []struct {
		b    []byte
		fqdn string
	}{
		{b, "pc1.lan"},
		{dhcp("350103 51 0a 000000 7063312e6c616e ff"), "pc1.lan"},
		{dhcp("350103 51 03 000000 ff"), ""},
		{dhcp("350103 51 06 040000 c01200 ff"), ""}, // no label
	} {
		var rec record.DHCP
		if err := app.ParseDHCP(tt.b, &rec); err != nil || rec.FQDN != tt.fqdn {
			t.Errorf("%x: got %q, %v, want %q", tt.b[240:], rec.FQDN, err, tt.fqdn)
		}
		if got := fmt.Sprint(rec.Message, rec.Client, rec.Next, rec.Relay, rec.Text); &tt.b[0] == &b[0] && got != "DECLINE10.0.0.5 10.0.0.9 10.0.0.254inuse" {
			t.Errorf("got %s", got)
		}
	}
}

// TestParseSNMPCut reads a message whose end is missing.
func TestParseSNMPCut(t *testing.T) {
	get := unhex("3029 020101 0406 7075626c6963 a01c 020401020304 020100 020100 300e 300c 06082b06010201010500 0500")
	for n := 12; n < len(get); n++ {
		var rec record.SNMP
		if err := app.ParseSNMP(get[:n], &rec); !app.IsShort(err) || rec.Version != "2c" {
			t.Fatalf("%d bytes: got version %q, %v", n, rec.Version, err)
		}
	}
}

func TestStream(t *testing.T) {
	var s app.Stream
	for _, tt := range []struct {
		seq   uint32
		data  string
		want  string
		waits bool
	}{
		{0xfffffffe, "abcd", "abcd", false}, // the sequence number wraps
		{4, "gh", "abcd", true},             // early
		{5, "hi", "abcd", true},             // and what follows it
		{9, "lm", "abcd", true},
		{0, "cdef", "abcdefghi", true}, // overlaps
		{0xfffffffe, "abcd", "abcdefghi", true},
		{7, "jk", "abcdefghijklm", false},
	} {
		if got, ok := s.Add(tt.seq, []byte(tt.data)); string(got) != tt.want || !ok {
			t.Errorf("after %q: got %q, %v, want %q", tt.data, got, ok, tt.want)
		}
		if s.Waits() != tt.waits {
			t.Errorf("after %q: waits %v", tt.data, s.Waits())
		}
	}
	s.Add(14, []byte("wait"))
	s.Consume(11)
	if got, ok := s.Add(11, []byte("nop")); string(got) != "lmnopwait" || !ok {
		t.Errorf("got %q, %v", got, ok)
	}
	if got, ok := s.Add(18, make([]byte, app.MaxStream)); !strings.HasPrefix(string(got), "lmnopwait\x00") || len(got) != app.MaxStream || ok {
		t.Errorf("too much: got %d bytes, %v", len(got), ok)
	}
	s.Reset()
	if got, _ := s.Add(99, []byte("new")); string(got) != "new" {
		t.Errorf("after Reset: got %q", got)
	}
	for i := range uint32(10) { // more holes than are kept
		s.Add(110+10*i, []byte("x"))
	}
	if got, _ := s.Add(102, make([]byte, 120)); len(got) != 123 || s.Waits() {
		t.Errorf("filled: got %d bytes, waits %v", len(got), s.Waits())
	}
}

// FuzzStream cuts a known text into segments and has them come in any order:
// what comes out is always its front.
func FuzzStream(f *testing.F) {
	f.Add([]byte{0, 10, 20, 10, 10, 10, 5, 90})
	f.Fuzz(func(t *testing.T, cuts []byte) {
		text := make([]byte, 600)
		for i := range text {
			text[i] = byte(i * 7)
		}
		var s app.Stream
		s.Add(1000, text[:1])
		for ; len(cuts) >= 2; cuts = cuts[2:] {
			from := int(cuts[0]) * 2
			got, ok := s.Add(uint32(1000+from), text[from:min(from+int(cuts[1]), len(text))])
			if !ok || string(got) != string(text[:len(got)]) {
				t.Fatalf("got %x", got)
			}
		}
	})
}

func FuzzParseARP(f *testing.F) {
	f.Add(unhex(arpRequest))
	f.Fuzz(func(t *testing.T, b []byte) { app.ParseARP(b, new(record.ARP)) })
}

func FuzzParseDHCP(f *testing.F) {
	f.Add(dhcp(dhcpAck))
	f.Fuzz(func(t *testing.T, b []byte) {
		var rec record.DHCP
		if err := app.ParseDHCP(b, &rec); err == nil && rec.Message == "" {
			t.Error("a message without type")
		}
	})
}
