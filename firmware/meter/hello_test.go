package meter_test

import (
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/taproot-sensor/taproot/firmware/frametest"
)

// TestMeterHelloOutOfOrder: hellos come in two segments each, the second first,
// so that nothing is recognised by it; of one connection the SYN was not seen.
func TestMeterHelloOutOfOrder(t *testing.T) {
	const syn, ack = 2, 16
	messages := handshake(t, tls.VersionTLS12)
	var tr trace
	for port, greeting := range map[string]string{"1001": "", "1002": "220 mail.example.org\r\n"} {
		p := frametest.Between("10.0.0.1:"+port, "10.0.0.2:443", frametest.TCP)
		sent := [2]uint32{99, 199}
		say := func(side int, flags byte, parts ...string) {
			q := p
			if side == 1 {
				q.Src, q.Dst = p.Dst, p.Src
			}
			at := sent[side]
			var frames [][]byte
			for _, part := range parts {
				q.Seq, q.Flags, q.Payload = at, flags, []byte(part)
				at += uint32(len(part))
				frames = append(frames, q.Ethernet())
			}
			sent[side] = at
			slices.Reverse(frames)
			for _, f := range frames {
				tr.add(f)
			}
		}
		say(0, syn, "")
		say(1, syn|ack, "")
		sent = [2]uint32{100, 200}
		if greeting != "" {
			say(1, ack, greeting)
		}
		for _, m := range messages {
			side := 0
			if strings.HasPrefix(m, "<") {
				m, side = m[1:], 1
			}
			say(side, ack, m[:len(m)/3], m[len(m)/3:len(m)/2], m[len(m)/2:])
		}
	}
	out, err := run(t, frametest.Pcap(1, tr.frames...))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(out.lines["tls"]); n != 2 {
		t.Fatalf("%d handshakes, want 2", n)
	}
	for _, line := range out.lines["tls"] {
		if !strings.Contains(line, `"sni":"www.example.org"`) || !strings.Contains(line, `"accepted":true`) || !strings.Contains(line, `"server_certs":["`) {
			t.Errorf("not whole: %s", line)
		}
	}
	if n := out.counters["meter.streams_gap"]; n != 0 {
		t.Errorf("%d streams wait for a segment", n)
	}
}

// TestMeterHelloWithSYN: a hello begins in the segment of the SYN (RFC 7413).
func TestMeterHelloWithSYN(t *testing.T) {
	hello := handshake(t, tls.VersionTLS13)[0]
	var tr trace
	p := frametest.Between("10.0.0.1:1001", "10.0.0.2:443", frametest.TCP)
	p.Seq, p.Flags, p.Payload = 99, 2, []byte(hello[:100])
	tr.add(p.Ethernet())
	p.Seq, p.Flags, p.Payload = 200, 16, []byte(hello[100:])
	tr.add(p.Ethernet())
	out, err := run(t, frametest.Pcap(1, tr.frames...))
	if err != nil || len(out.lines["tls"]) != 1 || !strings.Contains(out.lines["tls"][0], `"sni":"www.example.org"`) {
		t.Errorf("got %v, %v", out.lines["tls"], err)
	}
}

// stunRequest is a binding request (RFC 8489, section 5).
const stunRequest = "00010000" + "2112a442" + "000102030405060708090a0b"

// TestMeterDTLS: the handshake of a call comes behind the requests that found a
// way for it, and another one alone.
func TestMeterDTLS(t *testing.T) {
	unhex := func(s string) string { b, _ := hex.DecodeString(strings.ReplaceAll(s, " ", "")); return string(b) }
	message := func(typ byte, body string) string {
		size := string(binary.BigEndian.AppendUint16(nil, uint16(len(body))))
		msg := string(typ) + "\x00" + size + "\x00\x00" + "\x00\x00\x00\x00" + size + body
		return unhex("16 fefd 0000 000000000000") + string(binary.BigEndian.AppendUint16(nil, uint16(len(msg)))) + msg
	}
	random := strings.Repeat("00", 32)
	client := message(1, unhex("fefd"+random+"00 00 0002 c02b 01 00 0014 0000 0010 000e 00 000b 6578616d706c652e6f7267"))
	server := "<" + message(2, unhex("fefd"+random+"00 c02b 00"))
	stun := unhex(stunRequest)
	var tr trace
	tr.exchange(frametest.Between("10.0.0.1:4001", "10.0.0.2:4002", frametest.UDP), stun, "<"+stun, stun, "<"+stun, client, server)
	tr.exchange(frametest.Between("10.0.0.1:4003", "10.0.0.2:4433", frametest.UDP), client, server)
	tr.exchange(frametest.Between("10.0.0.1:4005", "10.0.0.2:3478", frametest.UDP), stun, "<"+stun)
	out, err := run(t, frametest.Pcap(1, tr.frames...))
	if err != nil {
		t.Fatal(err)
	}
	rest := `"sni":"example.org","version":"DTLS 1.2","cipher":"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256","accepted":true,` +
		`"ja3":"b0481bbf0ee1c2da9690c98ba75d1848","ja3s":"c77eb4dd3434ddfeb4d88b08cdbd8906","ja4":"dd2d010100_648b5c445417_000000000000"}`
	out.want(t, "tls", `"flow":1,"src_addr":"10.0.0.1","src_port":4001,"dst_addr":"10.0.0.2","dst_port":4002,`+rest,
		`"flow":2,"src_addr":"10.0.0.1","src_port":4003,"dst_addr":"10.0.0.2","dst_port":4433,`+rest)
	for i, app := range []string{"dtls", "dtls", "stun"} {
		if line := out.lines["flow"][i]; !strings.Contains(line, `"app":"`+app+`"`) {
			t.Errorf("want %s: %s", app, line)
		}
	}
}
