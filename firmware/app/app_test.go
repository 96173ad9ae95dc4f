package app_test

import (
	"encoding/binary"
	"encoding/hex"
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

// hello makes a handshake message of extensions and puts it into records of at
// most size bytes.
func hello(typ app.Hello, body []byte, size int) []byte {
	msg := append([]byte{byte(typ), 0, byte(len(body) >> 8), byte(len(body))}, body...)
	var b []byte
	for len(msg) > 0 {
		n := min(size, len(msg))
		b = append(b, 22, 3, 1, byte(n>>8), byte(n))
		b = append(b, msg[:n]...)
		msg = msg[n:]
	}
	return b
}

func extensions(list ...string) []byte {
	var b []byte
	for _, e := range list {
		b = append(b, unhex(e)...)
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
}

func clientHello(size int) []byte {
	body := append(unhex("0303"), make([]byte, 32)...)
	body = append(body, unhex("00 0004 1301 1302 01 00")...)
	body = append(body, extensions(
		"0000 0010 000e 00 000b 6578616d706c652e6f7267",   // example.org
		"0010 000f 000d 02 0a0a 02 6832 06 6874 74702f31", // GREASE, h2, http/1
		"002b 0007 06 1a1a 0304 0303",
	)...)
	return hello(app.ClientHello, body, size)
}

func serverHello() []byte {
	body := append(unhex("0303"), make([]byte, 32)...)
	body = append(body, unhex("00 1302 00")...)
	body = append(body, extensions("002b 0002 0304", "0010 0005 0003 02 6832")...)
	return hello(app.ServerHello, body, 1000)
}

func TestParseTLSHello(t *testing.T) {
	for _, size := range []int{1000, 50, 1} {
		var rec record.TLS
		b := clientHello(size)
		for n := range b {
			if _, err := app.ParseTLSHello(b[:n], new(record.TLS)); !app.IsShort(err) {
				t.Fatalf("%d of %d bytes: %v", n, len(b), err)
			}
			if !app.LooksLikeTLS(b[:max(n, 1)]) {
				t.Fatalf("%d bytes do not look like TLS", n)
			}
		}
		if who, err := app.ParseTLSHello(append(b, 22, 3, 3), &rec); err != nil || who != app.ClientHello {
			t.Fatal(who, err)
		}
		if rec.SNI != "example.org" || !reflect.DeepEqual(rec.ALPN, []string{"h2", "http/1"}) || rec.Version != "1.3" || rec.Accepted {
			t.Errorf("client: got %+v", rec)
		}
		if who, err := app.ParseTLSHello(serverHello(), &rec); err != nil || who != app.ServerHello {
			t.Fatal(who, err)
		}
		if !rec.Accepted || rec.Version != "1.3" || rec.Cipher != "TLS_AES_256_GCM_SHA384" || rec.NextProto != "h2" || rec.SNI == "" {
			t.Errorf("server: got %+v", rec)
		}
	}
	old := hello(app.ServerHello, append(append(unhex("0301"), make([]byte, 32)...), unhex("00 fefe 00")...), 1000)
	var rec record.TLS
	if _, err := app.ParseTLSHello(old, &rec); err != nil || rec.Version != "1.0" || rec.Cipher != "0xFEFE" {
		t.Errorf("old server: got %+v, %v", rec, err)
	}
}

func TestParseTLSHelloErrors(t *testing.T) {
	broken := clientHello(1000)
	broken[5+4+2+32] = 255 // session id
	for name, b := range map[string][]byte{
		"alert":        unhex("15 0301 0002 0228"),
		"other record": append(hello(app.ClientHello, make([]byte, 100), 50)[:55], unhex("17 0301 0001 00")...),
		"too large":    unhex("16 0301 ffff 01"),
		"certificate":  hello(11, make([]byte, 10), 100),
		"lengths":      broken,
	} {
		if _, err := app.ParseTLSHello(b, new(record.TLS)); err == nil || app.IsShort(err) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if app.LooksLikeTLS([]byte("GET / HTTP/1.1")) || app.LooksLikeTLS(nil) || app.LooksLikeTLS(unhex("16 03 05")) {
		t.Error("something else looks like TLS")
	}
}

func TestStream(t *testing.T) {
	var s app.Stream
	for _, tt := range []struct {
		seq  uint32
		data string
		want string
	}{
		{0xfffffffe, "abcd", "abcd"}, // the sequence number wraps
		{9, "late", "abcd"},          // early: not taken
		{0, "cdef", "abcdef"},        // overlaps
		{0xfffffffe, "abcd", "abcdef"},
		{4, "gh", "abcdefgh"},
	} {
		if got, ok := s.Add(tt.seq, []byte(tt.data)); string(got) != tt.want || !ok {
			t.Errorf("after %q: got %q, %v, want %q", tt.data, got, ok, tt.want)
		}
		if s.Waits() != (tt.data == "late") {
			t.Errorf("after %q: waits %v", tt.data, s.Waits())
		}
	}
	s.Consume(6)
	if got, ok := s.Add(6, []byte("i")); string(got) != "ghi" || !ok {
		t.Errorf("got %q, %v", got, ok)
	}
	if got, ok := s.Add(7, make([]byte, app.MaxStream)); !strings.HasPrefix(string(got), "ghi\x00") || len(got) != app.MaxStream || ok {
		t.Errorf("too much: got %d bytes, %v", len(got), ok)
	}
	s.Reset()
	if got, _ := s.Add(99, []byte("new")); string(got) != "new" {
		t.Errorf("after Reset: got %q", got)
	}
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

func FuzzParseTLSHello(f *testing.F) {
	f.Add(clientHello(1000))
	f.Add(clientHello(7))
	f.Add(serverHello())
	f.Fuzz(func(t *testing.T, b []byte) {
		var rec record.TLS
		app.ParseTLSHello(b, &rec)
		if n := len(rec.SNI) + len(strings.Join(rec.ALPN, "")); n > len(b) {
			t.Errorf("%d bytes of text from %d", n, len(b))
		}
	})
}
