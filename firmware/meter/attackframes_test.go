package meter_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"github.com/taproot-sensor/taproot/firmware/frametest"
)

// An attacker makes the frames of an attack, a microsecond apart.
type attacker struct {
	frames []frametest.Frame
	flows  int
	dice   *rand.ChaCha8
}

func newAttacker() *attacker { return &attacker{dice: rand.NewChaCha8([32]byte{})} }

// fill makes b random.
func (a *attacker) fill(b []byte) { a.dice.Read(b) }

// random returns a random end in a network.
func (a *attacker) random(net byte) netip.AddrPort {
	b := [6]byte{net}
	a.fill(b[1:])
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[:])), binary.BigEndian.Uint16(b[4:]))
}

func (a *attacker) send(data []byte) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(len(a.frames)) * time.Microsecond)
	a.frames = append(a.frames, frametest.Frame{Time: at, Data: data})
}

// pair returns two ends that no flow has had yet.
func (a *attacker) pair(port uint16) (client, server netip.AddrPort) {
	a.flows++
	addr := func(net byte) netip.Addr {
		return netip.AddrFrom4([4]byte{10, net, byte(a.flows >> 14), byte(a.flows >> 6)})
	}
	return netip.AddrPortFrom(addr(1), uint16(20000+a.flows&63)), netip.AddrPortFrom(addr(2), port)
}

// A side is one end of a TCP connection that is made up.
type side struct {
	a        *attacker
	src, dst netip.AddrPort
	seq      uint32
}

// connection returns both ends of a new connection.
func (a *attacker) connection(port uint16) (client, server *side) {
	c, s := a.pair(port)
	return &side{a, c, s, 1000}, &side{a, s, c, 5000}
}

func (s *side) segment(seq uint32, b []byte) {
	s.a.send(frametest.Packet{Src: s.src, Dst: s.dst, Proto: frametest.TCP, Flags: 0x10, Seq: seq, TTL: 64, Payload: b}.Ethernet())
}

// say sends b in segments of at most size bytes.
func (s *side) say(b []byte, size int) {
	for len(b) > 0 {
		n := min(size, len(b))
		s.segment(s.seq, b[:n])
		s.seq += uint32(n)
		b = b[n:]
	}
}

// sayAtOnce sends the first byte of b last, so that all of it is in order at
// once.
func (s *side) sayAtOnce(b []byte, size int) {
	for at := 1; at < len(b); at += size {
		s.segment(s.seq+uint32(at), b[at:min(at+size, len(b))])
	}
	s.segment(s.seq, b[:1])
	s.seq += uint32(len(b))
}

func (a *attacker) datagram(port uint16, b []byte) {
	c, s := a.pair(port)
	a.send(frametest.Packet{Src: c, Dst: s, Proto: frametest.UDP, TTL: 64, Payload: b}.Ethernet())
}

// capture returns the frames as a capture, and how many bytes they have.
func (a *attacker) capture() (file []byte, wire int) {
	for _, f := range a.frames {
		wire += len(f.Data)
	}
	return frametest.Pcap(1, a.frames...), wire
}

// kexInit returns a KEXINIT whose list of key exchanges is full of one name.
func kexInit(name string) []byte {
	list := strings.TrimSuffix(strings.Repeat(name+",", (room-100)/(len(name)+1)), ",")
	b := append([]byte{20}, make([]byte, 16)...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(list)))
	b = append(append(b, list...), make([]byte, 7*4+5)...)
	packet := binary.BigEndian.AppendUint32(nil, uint32(1+len(b)))
	return append(append(packet, 0), b...)
}

func tlsRecord(messages ...[]byte) []byte {
	b := bytes.Join(messages, nil)
	return append([]byte{22, 3, 3, byte(len(b) >> 8), byte(len(b))}, b...)
}

func handshakeMessage(typ byte, body []byte) []byte {
	return append([]byte{typ, 0, byte(len(body) >> 8), byte(len(body))}, body...)
}

func clientHello(ciphers []byte) []byte {
	b := append([]byte{3, 3}, make([]byte, 33)...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(ciphers)))
	return handshakeMessage(1, append(append(b, ciphers...), 1, 0))
}

var serverHello = handshakeMessage(2, append([]byte{3, 3}, make([]byte, 36)...))

func certificates(chain []byte) []byte {
	return handshakeMessage(11, append([]byte{0, byte(len(chain) >> 8), byte(len(chain))}, chain...))
}

// der returns a value of BER.
func der(tag byte, parts ...[]byte) []byte {
	b := bytes.Join(parts, nil)
	return append([]byte{tag, 0x82, byte(len(b) >> 8), byte(len(b))}, b...)
}

// namedCertificate returns a certificate of 16 KB that says of whom it is a
// thousand times.
func namedCertificate(serial int) []byte {
	name := bytes.Repeat([]byte("\x31\x09\x30\x07\x06\x01\x2a\x13\x02aa"), 1300)
	algorithm := []byte("\x30\x05\x06\x03\x2b\x65\x70")
	return der(0x30, der(0x30,
		[]byte("\xa0\x03\x02\x01\x02\x02\x04"), binary.BigEndian.AppendUint32(nil, 1<<24+uint32(serial)), algorithm,
		[]byte("\x30\x00"),
		[]byte("\x30\x1e\x17\x0d260101000000Z\x17\x0d270101000000Z"),
		der(0x30, name),
		[]byte("\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"), make([]byte, 32),
	), algorithm, []byte("\x03\x41\x00"), make([]byte, 64))
}

// quicInitial returns the Initial packet of a client (RFC 9001, section 5).
func quicInitial(id uint64, frames []byte) []byte {
	dcid := binary.BigEndian.AppendUint64(nil, id)
	label := func(secret []byte, name string, size int) []byte {
		info := append([]byte{0, byte(size), byte(6 + len(name))}, "tls13 "+name+"\x00"...)
		out, _ := hkdf.Expand(sha256.New, secret, string(info), size)
		return out
	}
	initial, _ := hkdf.Extract(sha256.New, dcid, []byte("\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a"))
	client := label(initial, "client in", 32)
	block, _ := aes.NewCipher(label(client, "quic key", 16))
	seal, _ := cipher.NewGCM(block)
	head := append([]byte{0xc0, 0, 0, 0, 1, 8}, dcid...)
	head = append(head, 0, 0)
	head = binary.BigEndian.AppendUint16(head, 0x4000|uint16(1+len(frames)+16))
	at := len(head)
	head = append(head, 0)
	b := seal.Seal(bytes.Clone(head), label(client, "quic iv", 12), frames, head)
	block, _ = aes.NewCipher(label(client, "quic hp", 16))
	var mask [16]byte
	block.Encrypt(mask[:], b[at+4:at+20])
	b[0] ^= mask[0] & 0xf
	b[at] ^= mask[1]
	return b
}

// pointers returns a response of n records, whose type is typ, that all have
// the one long name.
func pointers(i int, typ byte, n int) []byte {
	b := fmt.Appendf(nil, "%c%c\x84\x00\x00\x01\x00%c\x00\x00\x00\x00", i>>8, i&0xff, n)
	for l := range 4 {
		label := bytes.Repeat([]byte{byte(200 + i%50 + l)}, 61)
		b = append(append(b, 61), label...)
	}
	b = append(b, "\x00\x00\x01\x00\x01"...)
	for range n {
		b = append(b, 0xc0, 12, 0, typ, 0, 1, 0, 0, 0, 1, 0, 2, 0xc0, 12)
	}
	return b
}
