package meter_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/taproot-sensor/taproot/firmware/frametest"
)

const (
	mss  = 1460
	room = 16 << 10 // of a stream
)

// attacks are traffic that costs as much as its sender can make it cost.
var attacks = []struct {
	name string
	make func(a *attacker)
}{
	{"plain udp flows", func(a *attacker) {
		for range 20000 {
			a.datagram(9, make([]byte, 18))
		}
	}},
	{"dns queries", func(a *attacker) {
		for i := range 20000 {
			a.datagram(53, fmt.Appendf(nil, "%c%c\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07%07d\x00\x00\x01\x00\x01", i>>8, i&0xff, i))
		}
	}},
	{"ssh lists without a common name", func(a *attacker) {
		for range 8 {
			c, s := a.connection(22)
			c.say([]byte("SSH-2.0-a\r\n"), mss)
			s.say([]byte("SSH-2.0-b\r\n"), mss)
			c.say(kexInit("a"), mss)
			s.say(kexInit("b"), mss)
			s.say([]byte("\x00\x00\x00\x02\x00\x15"), mss)
			c.say([]byte("\x00\x00\x00\x02\x00\x15"), mss)
		}
	}},
	{"http head byte by byte", func(a *attacker) {
		c, _ := a.connection(80)
		c.say([]byte("GET / HTTP/1.1\n"), mss)
		c.say([]byte(strings.Repeat("a\n", room/2-10)), 1)
	}},
	{"http empty lines at once", func(a *attacker) {
		for range 4 {
			c, _ := a.connection(80)
			c.say([]byte("GET / HTTP/1.1\n\n"), mss)
			for range 20 {
				c.sayAtOnce(bytes.Repeat([]byte("\n"), room-1), mss)
			}
		}
	}},
	{"http folded field", func(a *attacker) {
		for range 100 {
			c, _ := a.connection(80)
			c.say([]byte("GET / HTTP/1.1\nHost: a\n"+strings.Repeat(" a\n", room/3-20)+"\n"), mss)
		}
	}},
	{"http tiny responses", func(a *attacker) {
		for range 100 {
			_, s := a.connection(80)
			s.say(bytes.Repeat([]byte("HTTP/1.1 204\n\n"), 1000), mss)
		}
	}},
	{"tls hellos again", func(a *attacker) {
		for range 20 {
			c, _ := a.connection(443)
			c.say(bytes.Repeat(tlsRecord(clientHello(nil)), 1000), mss)
		}
	}},
	{"tls hello of many ciphers", func(a *attacker) {
		var ciphers []byte
		for i := range room/2 - 100 {
			ciphers = binary.BigEndian.AppendUint16(ciphers, uint16(i*40503))
		}
		for range 50 {
			c, _ := a.connection(443)
			c.say(tlsRecord(clientHello(ciphers)), mss)
		}
	}},
	{"tls message byte by byte", func(a *attacker) {
		c, _ := a.connection(443)
		hello := tlsRecord(clientHello(make([]byte, room-100)))
		c.say(hello[:5+10], mss)
		c.say(hello[15:len(hello)-1], 1)
	}},
	{"tls tiny certificates", func(a *attacker) {
		n := uint32(0)
		for range 5000 {
			_, s := a.connection(443)
			var chain []byte
			for range 8 {
				n++
				chain = append(chain, 0, 0, 4, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
			}
			s.say(tlsRecord(serverHello, certificates(chain)), mss)
			s.segment(s.seq, []byte("\x15\x03\x03\x00\x02\x02\x28"))
		}
	}},
	{"tls certificates of many names", func(a *attacker) {
		for i := range 100 {
			_, s := a.connection(443)
			der := namedCertificate(i)
			s.say(tlsRecord(serverHello), mss)
			s.say(tlsRecord(certificates(append([]byte{0, byte(len(der) >> 8), byte(len(der))}, der...))), mss)
			s.segment(s.seq, []byte("\x15\x03\x03\x00\x02\x02\x28"))
		}
	}},
	{"tls chains that wait", func(a *attacker) {
		for i := range 64 {
			_, s := a.connection(443)
			s.say(tlsRecord(serverHello), mss)
			for j := range 8 {
				der := append([]byte{byte(i), byte(j)}, make([]byte, room-100)...)
				s.say(tlsRecord(certificates(append([]byte{0, byte(len(der) >> 8), byte(len(der))}, der...))), mss)
			}
		}
	}},
	{"http requests that wait", func(a *attacker) {
		for range 64 {
			c, _ := a.connection(80)
			for range 32 {
				c.say([]byte("GET /"+strings.Repeat("a", room-100)+" HTTP/1.1\n\n"), mss)
			}
		}
	}},
	{"mqtt long topics", func(a *attacker) {
		for range 64 {
			c, _ := a.connection(1883)
			c.say([]byte("\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00"), mss)
			for i := range byte(16) {
				c.say(append([]byte{0x30, 0x82, 0x7d, 0x3e, 0x80, 'a' + i}, bytes.Repeat([]byte("b"), 16000)...), mss)
			}
		}
	}},
	{"dns queries with answers", func(a *attacker) {
		for i := range 5000 {
			b := pointers(i, 2, 8)
			b[2] = 0
			a.datagram(53, b)
		}
	}},
	{"quic connections in a datagram", func(a *attacker) {
		n := uint64(0)
		for range 1000 {
			var b []byte
			for range 16 {
				n++
				b = append(b, quicInitial(n, []byte{1, 1, 1})...)
			}
			a.datagram(443, b)
		}
	}},
	{"quic small datagrams", func(a *attacker) {
		hello := clientHello(nil)
		for i := range 5000 {
			a.datagram(443, quicInitial(uint64(i), append([]byte{6, 0, byte(len(hello))}, hello...)))
		}
	}},
	{"quic first datagrams", func(a *attacker) {
		hello := clientHello(nil)
		for i := range 2000 {
			b := quicInitial(uint64(i), append([]byte{6, 0, byte(len(hello))}, hello...))
			a.datagram(443, append(b, make([]byte, 1200-len(b))...))
		}
	}},
	{"tls small hellos", func(a *attacker) {
		for range 5000 {
			c, _ := a.connection(443)
			c.say(tlsRecord(clientHello(nil)), mss)
		}
	}},
	{"dtls small hellos", func(a *attacker) {
		hello := append([]byte{3, 3}, make([]byte, 33)...)
		hello = append(hello, 0, 0, 0, 1, 0)
		n := byte(len(hello))
		for range 5000 {
			a.datagram(443, append([]byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12 + n, 1, 0, 0, n, 0, 0, 0, 0, 0, 0, 0, n}, hello...))
		}
	}},
	{"icmp", func(a *attacker) {
		for range 20000 {
			c, s := a.pair(0)
			a.send(frametest.Packet{Src: netip.AddrPortFrom(c.Addr(), 8), Dst: netip.AddrPortFrom(s.Addr(), 0), Proto: frametest.ICMP, TTL: 64, Payload: make([]byte, 20)}.Ethernet())
		}
	}},
	{"snmp", func(a *attacker) {
		for range 20000 {
			a.datagram(161, []byte("\x30\x26\x02\x01\x01\x04\x01a\xa0\x1e\x02\x01\x01\x02\x01\x00\x02\x01\x00\x30\x13\x30\x11\x06\x0d\x2b\x06\x01\x04\x01\x94\x78\x01\x02\x07\x03\x02\x00\x05\x00"))
		}
	}},
	{"weird floods", func(a *attacker) {
		for range 20000 {
			c, s := a.pair(502)
			a.send(frametest.Packet{Src: c, Dst: s, Proto: frametest.TCP, Flags: 0x3b, TTL: 64, Payload: []byte("\x00\x00\x01\x00\x00\x00")}.Ethernet())
		}
	}},
	{"violations in tunnels", func(a *attacker) {
		for range 5000 {
			a.flows++
			inner := frametest.Packet{Src: a.random(224), Dst: a.random(10), Proto: frametest.TCP, Flags: 3, TTL: 64}
			inner.Src = netip.AddrPortFrom(inner.Src.Addr(), 502)
			inner.Payload = []byte("\x00\x00\x01\x00\x00\x00")
			packet := inner.IP()
			for range 3 {
				packet = frametest.Packet{Src: a.random(224), Dst: a.random(10), Proto: 4, TTL: 64, Payload: packet}.IP()
			}
			a.send(append([]byte("\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x08\x00"), packet...))
		}
	}},
	{"random hellos", func(a *attacker) {
		for range 5000 {
			c, s := a.random(10), a.random(11)
			ciphers := make([]byte, 8)
			a.fill(ciphers)
			a.send(frametest.Packet{Src: c, Dst: s, Proto: frametest.TCP, Flags: 0x10, TTL: 64, Payload: tlsRecord(clientHello(ciphers))}.Ethernet())
		}
	}},
	{"random names", func(a *attacker) {
		for range 5000 {
			b := []byte("ab\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x10 random random  \x00\x00\x01\x00\x01")
			a.fill(b[:2])
			a.fill(b[13 : 13+16])
			a.send(frametest.Packet{Src: a.random(10), Dst: netip.AddrPortFrom(a.random(11).Addr(), 53), Proto: frametest.UDP, TTL: 64, Payload: b}.Ethernet())
		}
	}},
	{"random certificates", func(a *attacker) {
		for range 2000 {
			var chain []byte
			for range 8 {
				der := make([]byte, 100)
				a.fill(der)
				chain = append(append(chain, 0, 0, 100), der...)
			}
			c, s := a.random(10), a.random(11)
			a.send(frametest.Packet{Src: c, Dst: s, Proto: frametest.TCP, Flags: 0x10, TTL: 64, Payload: tlsRecord(serverHello, certificates(chain))}.Ethernet())
		}
	}},
	{"mqtt pings", func(a *attacker) {
		c, _ := a.connection(1883)
		c.say([]byte("\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00"), mss)
		c.say(bytes.Repeat([]byte{0xc0, 0}, 500_000), mss)
	}},
	{"dns messages over tcp", func(a *attacker) {
		c, _ := a.connection(53)
		var b []byte
		for i := range 100_000 {
			b = append(b, fmt.Sprintf("\x00\x0c%c%c\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00", 'a'+i>>8&15, 'a'+i&15)...)
		}
		c.say(b, mss)
	}},
	{"dns names by pointers", func(a *attacker) {
		for i := range 5000 {
			a.datagram(53, pointers(i, 1, 63))
		}
	}},
	{"mdns names by pointers", func(a *attacker) {
		for i := range 5000 {
			a.datagram(5353, pointers(i, 47, 63))
		}
	}},
	{"nbns addresses of one name", func(a *attacker) {
		for i := range 1000 {
			b := pointers(i, 0x20, 0)
			b[5], b[7] = 0, 1 // no question: what was its name is the answer's
			b = append(b[:len(b)-4], 0, 0x20, 0, 1, 0, 0, 0, 1, 0, 32*6)
			for j := range byte(32) {
				b = append(b, 0, 0, 10, 0, byte(i), j)
			}
			a.datagram(137, b)
		}
	}},
	{"nbns names by pointers", func(a *attacker) {
		for i := range 5000 {
			b := pointers(i, 1, 30)
			a.datagram(137, b)
		}
	}},
	{"mdns few long names", func(a *attacker) {
		for i := range 5000 {
			a.datagram(5353, pointers(i, 2, 4))
		}
	}},
	{"dns few long names", func(a *attacker) {
		for i := range 5000 {
			a.datagram(53, pointers(i, 2, 8))
		}
	}},
	{"tls records of a byte", func(a *attacker) {
		for range 20 {
			c, _ := a.connection(443)
			var b []byte
			for _, one := range clientHello(make([]byte, room-100)) {
				b = append(b, 22, 3, 1, 0, 1, one)
			}
			c.say(b, mss)
		}
	}},
	{"tls certificates with a wrong serial number", func(a *attacker) {
		for i := range 100 {
			_, s := a.connection(443)
			der := namedCertificate(i - 1<<25)
			s.say(tlsRecord(serverHello), mss)
			s.say(tlsRecord(certificates(append([]byte{0, byte(len(der) >> 8), byte(len(der))}, der...))), mss)
			s.segment(s.seq, []byte("\x15\x03\x03\x00\x02\x02\x28"))
		}
	}},
	{"http many fields", func(a *attacker) {
		for range 50 {
			c, _ := a.connection(80)
			c.say([]byte("GET / HTTP/1.1\n"+strings.Repeat("Host:\n", room/6-20)+"\n"), mss)
		}
	}},
	{"lldp of many addresses", func(a *attacker) {
		for i := range 5000 {
			b := append([]byte("\x01\x80\xc2\x00\x00\x0e\x02\x00\x00\x00"), byte(i>>8), byte(i), 0x88, 0xcc, 2, 2, 7, 'a', 4, 2, 7, 'b')
			b = append(b, bytes.Repeat([]byte("\x10\x06\x05\x01\x0a\x00\x00\x01"), 120)...)
			a.send(append(b, 0, 0))
		}
	}},
	{"segments that wait", func(a *attacker) {
		for range 600 {
			c, s := a.connection(443)
			for _, side := range []*side{c, s} {
				side.say(tlsRecord(serverHello)[:10], mss)
				side.seq++
				side.say(make([]byte, room-20), mss)
			}
		}
	}},
	{"segments in any order", func(a *attacker) {
		for range 20 {
			c, _ := a.connection(443)
			c.say(tlsRecord(clientHello(make([]byte, room-100)))[:10], mss)
			b := make([]byte, 2)
			for range 1000 {
				a.fill(b)
				c.segment(c.seq+uint32(binary.BigEndian.Uint16(b)), b)
			}
		}
	}},
	{"full flow table", func(a *attacker) {
		for i := range 80_000 {
			c, s := a.pair(9)
			if i&1 != 0 { // half of them are answered, and due later
				a.send(frametest.Packet{Src: s, Dst: c, Proto: frametest.TCP, Flags: 0x12, TTL: 64}.Ethernet())
			}
			a.send(frametest.Packet{Src: c, Dst: s, Proto: frametest.TCP, Flags: 2, TTL: 64}.Ethernet())
		}
	}},
	{"clock back and forth", func(a *attacker) {
		for i := range 20000 {
			a.datagram(9, nil)
			a.frames[i].Time = time.Unix(int64(i&1)<<31, 0)
		}
	}},
	{"tags in tags", func(a *attacker) {
		frame := append([]byte("\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x81\x00"), bytes.Repeat([]byte("\x00\x01\x88\xe5\x00\x00\x00\x00\x00\x00\x81\x00"), 120)...)
		for range 5000 {
			a.send(frame)
		}
	}},
	{"later fragments", func(a *attacker) {
		for i := range 20000 {
			c, s := a.pair(9)
			a.send(frametest.Packet{Src: c, Dst: s, Proto: frametest.UDP, Fragment: 0x2001, ID: uint16(i), TTL: 64, Payload: make([]byte, 16)}.Ethernet())
		}
	}},
	{"one arp", func(a *attacker) {
		arp := append([]byte("\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x01\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01\x02\x00\x00\x00\x00\x01\x0a\x00\x00\x01\x00\x00\x00\x00\x00\x00\x0a\x00\x00\x02"), make([]byte, 18)...)
		for range 50000 {
			a.send(arp)
		}
	}},
	{"arp of many", func(a *attacker) {
		for i := range 50000 {
			arp := append([]byte("\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x01\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01"), 2, 0, 0, byte(i>>16), byte(i>>8), byte(i), 10, byte(i>>16), byte(i>>8), byte(i))
			a.send(append(arp, make([]byte, 28)...))
		}
	}},
	{"bad flags", func(a *attacker) {
		for range 20000 {
			c, s := a.pair(80)
			a.send(frametest.Packet{Src: c, Dst: s, Proto: frametest.TCP, Flags: 3, TTL: 64}.Ethernet())
		}
	}},
	{"first fragments", func(a *attacker) {
		for i := range 20000 {
			c, s := a.pair(9)
			a.send(frametest.Packet{Src: c, Dst: s, Proto: frametest.UDP, Fragment: 0x2000, ID: uint16(i), TTL: 64, Payload: make([]byte, 16)}.Ethernet())
		}
	}},
	{"ntp of random times", func(a *attacker) {
		for range 1000 {
			c, s := a.pair(123)
			for i := range 32 {
				b := make([]byte, 48)
				b[0] = 0x23
				a.fill(b[4:12])
				a.fill(b[16:])
				src, dst := c, s
				if i&1 != 0 {
					src, dst = s, c
				}
				a.send(frametest.Packet{Src: src, Dst: dst, Proto: frametest.UDP, TTL: 64, Payload: b}.Ethernet())
			}
		}
	}},
}
