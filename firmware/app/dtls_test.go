package app_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/taproot-sensor/taproot/firmware/app"
	"github.com/taproot-sensor/taproot/wire/record"
)

// datagrams puts a handshake message of DTLS into records with at most size
// bytes of it each.
func datagrams(typ byte, number uint16, body []byte, size int) (out [][]byte) {
	for at := 0; at < len(body) || at == 0; at += size {
		piece := body[at:min(at+size, len(body))]
		msg := []byte{typ, 0, byte(len(body) >> 8), byte(len(body)), byte(number >> 8), byte(number), 0, byte(at >> 8), byte(at), 0, byte(len(piece) >> 8), byte(len(piece))}
		msg = append(msg, piece...)
		b := append(unhex("16 fefd 0000 000000000000"), byte(len(msg)>>8), byte(len(msg)))
		out = append(out, append(b, msg...))
	}
	return out
}

// cookieHello is the body of a hello with a cookie; it offers DTLS 1.2 and the
// versions.
func cookieHello(cookie, versions string) []byte {
	body := append(unhex("fefd"), make([]byte, 32)...)
	body = append(body, unhex("00"+cookie+"0002 c02b 01 00")...)
	return append(body, extensions("0000 0010 000e 00 000b 6578616d706c652e6f7267", "002b"+versions)...)
}

func serverHelloDTLS(versions ...string) []byte {
	body := append(unhex("fefd"), make([]byte, 32)...)
	return append(append(body, unhex("00 c02b 00")...), extensions(versions...)...)
}

// chain is the body of a message with one certificate of 300 bytes.
func chain() []byte {
	return append(unhex("00012f 00012c"), make([]byte, 300)...)
}

func readAll(t *testing.T, h *app.Handshake, end uint8, list [][]byte) {
	t.Helper()
	for _, b := range list {
		if err := h.ReadDatagram(end, b); err != nil {
			t.Fatal(err)
		}
	}
}

func TestHandshakeDTLS(t *testing.T) {
	const versions = "0005 04 fefd feff"
	for name, order := range map[string]func(list [][]byte) [][]byte{
		"in order":  func(list [][]byte) [][]byte { return list },
		"backward":  func(list [][]byte) [][]byte { slices.Reverse(list); return list },
		"repeated":  func(list [][]byte) [][]byte { return slices.Concat(list, list) },
		"with loss": func(list [][]byte) [][]byte { return slices.Concat(list[1:], list) },
	} {
		h := new(app.Handshake)
		readAll(t, h, 1, order(datagrams(1, 0, cookieHello("00", versions), 30)))
		readAll(t, h, 0, datagrams(3, 0, unhex("feff 02 abcd"), 100))
		readAll(t, h, 1, order(datagrams(1, 1, cookieHello("02abcd", versions), 30)))
		flight := order(datagrams(2, 1, serverHelloDTLS(), 20))
		flight = append(flight, order(datagrams(11, 2, chain(), 50))...)
		flight = append(flight, order(datagrams(12, 3, unhex("03 0017 00"), 2))...)
		readAll(t, h, 0, append(flight, datagrams(14, 4, nil, 1)...))
		rec := &h.TLS
		if rec.SNI != "example.org" || rec.Version != "DTLS 1.2" || !rec.Accepted || rec.Curve != "secp256r1" || h.Client != 1 || !h.Done() {
			t.Errorf("%s: got %+v", name, rec)
		}
		if rec.JA4[:7] != "dd2d010" || rec.JA4Again != "" || len(h.Certs[1]) != 1 || len(h.Certs[1][0]) != 300 {
			t.Errorf("%s: got JA4 %s and %q, certificates of %d", name, rec.JA4, rec.JA4Again, len(h.Certs[1]))
		}
	}
}

// TestHandshakeDTLS13: what follows the server's hello is encrypted.
func TestHandshakeDTLS13(t *testing.T) {
	h := new(app.Handshake)
	readAll(t, h, 0, datagrams(1, 0, cookieHello("00", "0007 06 feff fefc fefd"), 1000))
	if h.TLS.JA4[:3] != "dd3" {
		t.Errorf("JA4 %s", h.TLS.JA4)
	}
	retry := serverHelloDTLS("002b 0002 fefc")
	copy(retry[2:], unhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c"))
	readAll(t, h, 1, datagrams(2, 0, retry, 1000))
	readAll(t, h, 0, datagrams(1, 1, cookieHello("00", "0003 02 fefc"), 1000))
	if h.TLS.JA4Again == "" || h.Done() {
		t.Errorf("after the retry: got %+v", h.TLS)
	}
	readAll(t, h, 1, append(datagrams(2, 1, serverHelloDTLS("002b 0002 fefc"), 1000), unhex("2f 0000 0000")))
	if !h.Done() || h.TLS.Version != "DTLS 1.3" || !h.TLS.Retried {
		t.Errorf("got %+v", h.TLS)
	}
}

func TestHandshakeDTLSRefuses(t *testing.T) {
	hello := datagrams(1, 0, cookieHello("00", "0003 02 fefd"), 1000)[0]
	change := func(at int, to byte) []byte {
		b := slices.Clone(hello)
		b[at] = to
		return b
	}
	for name, b := range map[string][]byte{
		"cut":            hello[:len(hello)-1],
		"short":          hello[:5],
		"version":        change(1, 3),
		"type":           change(0, 19),
		"long fragment":  change(13+10, 255),
		"behind its end": change(13+8, 1),
		"too long":       change(13+1, 1),
		"number":         change(13+5, 200),
		"text":           []byte("GET / HTTP/1.1"),
	} {
		if new(app.Handshake).ReadDatagram(0, b) == nil {
			t.Errorf("%s: no error", name)
		}
		if name != "too long" && name != "number" && name != "behind its end" && app.LooksLikeDTLS(b) {
			t.Errorf("%s looks like DTLS", name)
		}
	}
	if !app.LooksLikeDTLS(hello) || !app.LooksLikeDTLS(datagrams(1, 0, cookieHello("00", "0003 02 fefd"), 20)[1]) {
		t.Error("a hello does not look like DTLS")
	}
}

// FuzzDTLS has datagrams of both ends, each behind its length and end.
func FuzzDTLS(f *testing.F) {
	pack := func(lists ...[][]byte) (b []byte) {
		for end, list := range lists {
			for _, d := range list {
				b = binary.BigEndian.AppendUint16(b, uint16(end)<<15|uint16(len(d)))
				b = append(b, d...)
			}
		}
		return b
	}
	f.Add(pack(datagrams(1, 0, cookieHello("00", "0003 02 fefd"), 30), slices.Concat(datagrams(2, 0, serverHelloDTLS(), 30), datagrams(11, 1, chain(), 50))))
	f.Add(pack(datagrams(1, 0, cookieHello("00", "0003 02 fefc"), 500), datagrams(2, 0, serverHelloDTLS("002b 0002 fefc"), 500)))
	for _, name := range []string{"cloudshark-dtls1", "wireshark-dtls0", "wireshark-dtls12"} {
		path := "arkime/arkime__tests__pcap__" + name + ".pcap"
		if _, err := os.Stat(filepath.Join(pcaps(), path)); err != nil {
			continue
		}
		var list [][]byte
		for _, one := range realFrames(f, path, func(*frame) bool { return true }) {
			list = append(list, one.payload())
		}
		f.Add(pack(list[:min(len(list), 20)]))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, all := new(app.Handshake), b
		for len(b) > 2 {
			head := binary.BigEndian.Uint16(b)
			b = b[2:]
			n := min(int(head&0x7fff), len(b))
			if app.LooksLikeDTLS(b[:n]) || h.TLS.JA4 != "" {
				h.ReadDatagram(uint8(head>>15), b[:n])
			}
			b = b[n:]
		}
		bounded(t, &h.TLS, len(all))
		size := 0
		for _, chain := range h.Certs {
			for _, der := range chain {
				size += len(der)
				app.ParseCertificate(der, new(record.X509))
			}
		}
		if size > len(all) {
			t.Errorf("%d bytes of certificates of %d", size, len(all))
		}
	})
}
