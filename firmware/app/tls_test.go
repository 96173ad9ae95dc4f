package app_test

import (
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/taproot-sensor/taproot/firmware/app"
	"github.com/taproot-sensor/taproot/wire/record"
)

// handshakeRecords makes a handshake message and puts it into records of at
// most size bytes.
func handshakeRecords(typ byte, body []byte, size int) []byte {
	msg := append([]byte{typ, 0, byte(len(body) >> 8), byte(len(body))}, body...)
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
	return handshakeRecords(1, body, size)
}

func serverHello() []byte {
	body := append(unhex("0303"), make([]byte, 32)...)
	body = append(body, unhex("00 1302 00")...)
	body = append(body, extensions("002b 0002 0304", "0010 0005 0003 02 6832", "0033 0004 001d 0000")...)
	return handshakeRecords(2, body, 1000)
}

// feed gives a side to h bit by bit.
func feed(h *app.Handshake, end uint8, b []byte, size int) error {
	var wait []byte
	for len(b) > 0 {
		n := min(size, len(b))
		wait = append(wait, b[:n]...)
		b = b[n:]
		used, err := h.Read(end, wait)
		if err != nil {
			return err
		}
		wait = wait[used:]
	}
	return nil
}

func TestHandshake(t *testing.T) {
	for _, size := range []int{1000, 50, 1} {
		h := new(app.Handshake)
		if err := feed(h, 1, clientHello(size), size); err != nil {
			t.Fatal(err)
		}
		rec := &h.TLS
		if rec.SNI != "example.org" || !reflect.DeepEqual(rec.ALPN, []string{"h2", "http/1"}) || rec.Version != "1.3" || rec.Accepted || h.Client != 1 {
			t.Errorf("client: got %+v", rec)
		}
		if err := feed(h, 0, serverHello(), size); err != nil || !h.Done() {
			t.Fatal(err, h.Done())
		}
		if !rec.Accepted || rec.Version != "1.3" || rec.Cipher != "TLS_AES_256_GCM_SHA384" || rec.NextProto != "h2" || rec.Curve != "x25519" || rec.SNI == "" {
			t.Errorf("server: got %+v", rec)
		}
	}
	old := handshakeRecords(2, append(append(unhex("0301"), make([]byte, 32)...), unhex("00 fefe 00")...), 1000)
	h := new(app.Handshake)
	if err := feed(h, 0, old, 7); err != nil || h.TLS.Version != "1.0" || h.TLS.Cipher != "0xFEFE" || h.Client != 1 {
		t.Errorf("old server: got %+v, %v", h, err)
	}
	if err := feed(h, 0, unhex("15 0301 0002 0228"), 1); err != nil || h.TLS.Alert != "handshake_failure" || !h.Done() {
		t.Errorf("alert: got %+v, %v", h, err)
	}
}

func TestHandshakeRefuses(t *testing.T) {
	broken := clientHello(1000)
	broken[5+4+2+32] = 255 // session id
	for name, b := range map[string][]byte{
		"alert":       unhex("15 0301 0002 0228"),
		"too large":   unhex("16 0301 ffff 01"),
		"certificate": handshakeRecords(11, make([]byte, 10), 100),
		"lengths":     broken,
		"text":        []byte("GET / HTTP/1.1"),
	} {
		if err := feed(new(app.Handshake), 0, b, 100); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if app.LooksLikeTLS([]byte("GET / HTTP/1.1")) || app.LooksLikeTLS(nil) || app.LooksLikeTLS(unhex("16 03 05")) {
		t.Error("something else looks like TLS")
	}
	for n := range clientHello(1000) {
		if n > 0 && !app.LooksLikeTLS(clientHello(1000)[:n]) {
			t.Fatalf("%d bytes do not look like TLS", n)
		}
	}
}

// TestFingerprints has the hello that the JA4 document takes as its example.
func TestFingerprints(t *testing.T) {
	hello := "0303" + strings.Repeat("00", 32) + "00" +
		"0020 9a9a 1301 1302 1303 c02b c02f c02c c030 cca9 cca8 c013 c014 009c 009d 002f 0035 0100"
	body := append(unhex(hello), extensions("3a3a 0000", "001b 0003 02 0002", "0000 0006 0004 00 0001 61", "0033 0000", "0010 0005 0003 02 6832",
		"4469 0000", "0017 0000", "002d 0000", "000d 0012 0010 0403 0804 0401 0503 0805 0501 0806 0601", "0005 0000", "0023 0000",
		"0012 0000", "002b 0003 02 0304", "ff01 0000", "000b 0002 01 00", "000a 0006 0004 2a2a 001d", "0015 0000")...)
	h, err := app.ParseClientHello(body, 't')
	if err != nil {
		t.Fatal(err)
	}
	if want := "t13d1516h2_8daaf6152771_e5627efa2ab1"; h.JA4 != want {
		t.Errorf("JA4 %s, want %s", h.JA4, want)
	}
}

func TestParseCertificateRefuses(t *testing.T) {
	var rec record.X509
	if err := app.ParseCertificate([]byte("no certificate"), &rec); err == nil || rec.SHA256 == "" || rec.Bytes != 14 {
		t.Errorf("got %+v, %v", rec, err)
	}
}

// TestParseCertificateManyNames: the first of a thousand names are read, whether
// the rest of the certificate can be or not.
func TestParseCertificateManyNames(t *testing.T) {
	der := func(tag byte, parts ...string) string {
		b := strings.Join(parts, "")
		if len(b) < 0x80 {
			return string([]byte{tag, byte(len(b))}) + b
		}
		return string([]byte{tag, 0x82, byte(len(b) >> 8), byte(len(b))}) + b
	}
	const ed25519 = "\x30\x05\x06\x03\x2b\x65\x70"
	names := der(0x30, strings.Repeat("\x31\x0b\x30\x09\x06\x03\x55\x04\x0b\x13\x02aa", 1000))
	for _, serial := range []string{"\x01", "\xff"} {
		tbs := der(0x30, "\xa0\x03\x02\x01\x02", der(2, serial), ed25519, der(0x30),
			der(0x30, der(0x17, "260101000000Z"), der(0x17, "270101000000Z")), names,
			der(0x30, ed25519, der(3, strings.Repeat("\x00", 33))))
		var rec record.X509
		err := app.ParseCertificate([]byte(der(0x30, tbs, ed25519, der(3, strings.Repeat("\x00", 65)))), &rec)
		if (err != nil) != (serial == "\xff") || strings.Count(rec.Subject, "OU=aa")+strings.Count(rec.Subject, "+OU=") < 64 || len(rec.Subject) > record.MaxText+4 {
			t.Errorf("serial %x: %q, %v", serial, rec.Subject, err)
		}
	}
}

// TestHandshakeHeld: a server that shows ever more certificates.
func TestHandshakeHeld(t *testing.T) {
	h := new(app.Handshake)
	feed(h, 1, append([]byte{22, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3}, make([]byte, 36)...), 1460) // TLS 1.2
	body := append([]byte{0, 0x20, 3, 0, 0x20, 0}, make([]byte, 0x2000)...)
	body[2] = 3
	message := append([]byte{22, 3, 3, 0x20, 10, 11, 0, 0x20, 6}, body...)
	for range 8 {
		feed(h, 1, message, 1460)
	}
	if n := h.Held(); n < 8<<10 || n > 3*app.MaxStream {
		t.Errorf("%d bytes held, of %d certificates", n, len(h.Certs[1]))
	}
}

func FuzzHandshake(f *testing.F) {
	f.Add(clientHello(1000), serverHello())
	f.Add(clientHello(7), []byte{})
	f.Fuzz(func(t *testing.T, client, server []byte) {
		h := new(app.Handshake)
		err := errors.Join(feed(h, 0, client, 100), feed(h, 1, server, 1000))
		if n := len(h.TLS.SNI) + len(strings.Join(h.TLS.ALPN, "")); n > len(client)+len(server) {
			t.Errorf("%d bytes of text, %v", n, err)
		}
		for _, chain := range h.Certs {
			for _, der := range chain {
				app.ParseCertificate(der, new(record.X509))
			}
		}
	})
}

func BenchmarkClientHello(b *testing.B) {
	hello := clientHello(1000)
	b.ReportAllocs()
	for b.Loop() {
		new(app.Handshake).Read(0, hello)
	}
}
