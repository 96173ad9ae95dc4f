package app

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/taproot-sensor/taproot/wire/record"
)

const (
	maxConnectionID = 20   // bytes (RFC 9000, section 17.2)
	maxInitials     = 16   // packets of a connection that are decrypted
	maxFrames       = 64   // of one of them
	minDatagram     = 1200 // bytes around a client's first Initial: servers discard shorter ones (RFC 9000, section 14.1)
	maxAgain        = 2    // times that keys are made anew: after a Retry, and as another version
)

// LooksLikeQUIC reports whether a datagram begins with a long header of QUIC,
// of a version whose first packets can be read (RFC 9000, section 17.2), or with
// one of Google's.
func LooksLikeQUIC(b []byte) bool {
	if clearVersion(b) != "" {
		return true
	}
	if len(b) <= 6 || b[0]&0x80 == 0 || b[5] > maxConnectionID {
		return false
	}
	version := binary.BigEndian.Uint32(b[1:])
	return quicSalt(version) != "" || isReserved(version)
}

// A QUICHandshake reads the Initial packets of a connection, whose keys anyone
// can make who has seen the first (RFC 9001, section 5.2).
type QUICHandshake struct {
	QUIC   record.QUIC
	Client uint8 // end that is the client, valid once Started

	version  uint32 // that the keys are made for
	secret   []byte
	keys     [2]*quicKeys // of the client and of the server
	crypto   [2]Stream    // what they sent in CRYPTO frames
	read     [2]bool      // their hellos
	initials int
	again    int  // times that the keys were made anew
	google   bool // the handshake is none of TLS, so the client's hello is all that is read
}

// Started reports whether the client's hello, or either, was read.
func (h *QUICHandshake) Started() bool { return h.read[0] || h.read[1] }

// Held returns about how many bytes of memory h has.
func (h *QUICHandshake) Held() int {
	return len(h.QUIC.SNI) + h.crypto[0].Held() + h.crypto[1].Held()
}

// Done reports whether there is nothing more to read.
func (h *QUICHandshake) Done() bool {
	return h.read[0] && (h.read[1] || h.google) || h.initials >= maxInitials
}

// errSealed marks a packet that the keys do not open.
var errSealed = errors.New("packet does not open")

// Read takes a datagram of an end: packets with long headers, one behind the
// other (RFC 9000, section 12.2).
func (h *QUICHandshake) Read(end uint8, b []byte) error {
	if v := clearVersion(b); v != "" && h.secret == nil {
		return h.clear(end, v, b)
	}
	small := len(b) < minDatagram
	for len(b) > 6 && b[0]&0x80 != 0 && !h.Done() {
		r := newReader(b[1:])
		version := r.uint32()
		dcid := r.list8().b
		scid := r.list8()
		if !r.ok || len(dcid) > maxConnectionID || len(scid.b) > maxConnectionID {
			return errShort
		}
		if version == 0 || isReserved(version) { // what follows is of another
			h.initials++
			return nil
		}
		if quicSalt(version) == "" {
			return errOther
		}
		switch kind := quicKind(b[0], version); kind {
		case quicRetry:
			h.QUIC.Retried = true
			return nil
		case quicInitial:
			token := r.varint()
			r.bytes(int(min(token, uint64(len(r.b)+1))))
		case quicZeroRTT:
			h.QUIC.ZeroRTT = true
		}
		size := r.varint()
		at := len(b) - len(r.b)
		if !r.ok {
			return errShort
		}
		if size > uint64(len(r.b)) {
			if quicKind(b[0], version) == quicInitial && h.secret == nil { // cut by the capture: it makes the server's keys
				h.Client = end
				h.start(version, dcid)
			}
			return errShort
		}
		whole := b[:at+int(size)]
		b = b[len(whole):]
		if quicKind(whole[0], version) != quicInitial {
			continue
		}
		if small && h.secret == nil {
			h.initials++
			return errShort
		}
		if err := h.initial(end, version, dcid, whole, at); err != nil {
			return err
		}
	}
	return nil
}

// Kinds of packets, as version 1 numbers them (RFC 9000, section 17.2).
const (
	quicInitial = 0
	quicZeroRTT = 1
	quicRetry   = 3
)

func quicKind(first byte, version uint32) byte {
	kind := first >> 4 & 3
	if version == quic2 { // RFC 9369, section 3.2
		return (kind - 1) & 3
	}
	return kind
}

// varint takes an integer of variable length (RFC 9000, section 16).
func (r *reader) varint() uint64 {
	if len(r.b) == 0 {
		r.ok = false
		return 0
	}
	b := r.bytes(1 << (r.b[0] >> 6))
	if b == nil {
		return 0
	}
	v := uint64(b[0] & 0x3f)
	for _, c := range b[1:] {
		v = v<<8 | uint64(c)
	}
	return v
}

// initial opens an Initial packet, whose number stands at an offset.
func (h *QUICHandshake) initial(end uint8, version uint32, dcid, packet []byte, at int) error {
	h.initials++
	fresh := h.secret == nil
	if fresh { // who speaks first is the client
		h.Client = end
		h.start(version, dcid)
	}
	side := 0
	if end != h.Client {
		side = 1
	}
	plain, ok := h.open(side, packet, at)
	if !ok && side == 0 && !fresh && h.again < maxAgain { // after a Retry, or as another version
		h.again++
		h.start(version, dcid)
		plain, ok = h.open(side, packet, at)
	}
	if !ok && fresh {
		h.secret = nil
	}
	if !ok {
		return errSealed
	}
	if side == 0 && h.QUIC.Version == "" || side == 1 {
		h.QUIC.Version = quicVersion(version)
	}
	return h.frames(side, plain)
}

// frames takes the frames that an Initial packet may have (RFC 9000, section
// 12.4), and reads a hello once it is whole.
func (h *QUICHandshake) frames(side int, b []byte) error {
	type piece struct {
		at   uint32
		data []byte
	}
	var pieces []piece
	r := newReader(b)
	for r.ok && len(r.b) > 0 && len(pieces) < maxFrames {
		kind := r.uint8()
		if kind == 8 && quicOfGoogle(h.version) { // where others have a STREAM
			kind = 6
		}
		switch kind {
		case 0, 1: // PADDING, PING
		case 2, 3:
			skipACK(r, kind == 3)
		case 6: // CRYPTO
			at, size := r.varint(), r.varint()
			if at+size > MaxStream {
				return errTooLong
			}
			if data := r.bytes(int(size)); r.ok {
				pieces = append(pieces, piece{uint32(at), data})
			}
		case 0x1c: // CONNECTION_CLOSE
			h.QUIC.Error = quicError(r.varint())
			r.b = nil
		default:
			return errOther
		}
	}
	slices.SortFunc(pieces, func(a, b piece) int { return int(a.at) - int(b.at) })
	s := &h.crypto[side]
	s.Add(0, nil)
	for _, p := range pieces {
		s.Add(p.at, p.data)
	}
	if msg, _ := s.Add(0, nil); !h.read[side] {
		return h.hello(side, msg)
	}
	return nil
}

func skipACK(r *reader, ecn bool) { // RFC 9000, section 19.3
	r.varint()
	r.varint()
	ranges := r.varint()
	r.varint()
	for ; r.ok && ranges > 0; ranges-- {
		r.varint()
		r.varint()
	}
	for i := 0; ecn && i < 3; i++ {
		r.varint()
	}
}

// hello reads the hello of a side, if msg has all of it.
func (h *QUICHandshake) hello(side int, msg []byte) error {
	if len(msg) < 4 {
		return nil
	}
	if h.version == quicQ050 {
		if name, whole, _ := parseTags(msg); whole {
			h.read[side], h.google, h.QUIC.SNI = true, true, name
		}
		return nil
	}
	size := 4 + int(msg[1])<<16 + int(msg[2])<<8 + int(msg[3])
	if size > maxHandshake {
		return errTooLong
	}
	if len(msg) < size {
		return nil
	}
	q := &h.QUIC
	if side == 1 {
		hello, err := ParseServerHello(msg[4:size])
		if msg[0] != helloServer || err != nil {
			return errOther
		}
		q.Accepted, q.Cipher, q.Curve, q.JA3S, q.Resumed = !hello.Retry, hello.Cipher, hello.Curve, hello.JA3S, hello.Resumed
		h.read[1] = !hello.Retry
		h.crypto[1].Consume(size)
		return nil
	}
	hello, err := ParseClientHello(msg[4:size], 'q')
	if msg[0] != helloClient || err != nil {
		return errOther
	}
	q.SNI, q.ALPN, q.JA3, q.JA4, q.ECH = hello.SNI, hello.ALPN, hello.JA3, hello.JA4, hello.ECH
	h.read[0] = true
	return nil
}

// start takes up the connection that begins with a connection ID.
func (h *QUICHandshake) start(version uint32, dcid []byte) {
	secret, err := hkdf.Extract(sha256.New, dcid, []byte(quicSalt(version)))
	if err != nil {
		panic(err) // only for keys that FIPS 140 forbids
	}
	h.version, h.secret, h.keys = version, secret, [2]*quicKeys{}
}

// open removes the protection of a packet of the client or the server with
// the keys of the connection (RFC 9001, section 5.2).
func (h *QUICHandshake) open(side int, packet []byte, at int) ([]byte, bool) {
	if h.keys[side] == nil {
		label := [2]string{"client in", "server in"}[side]
		h.keys[side] = newQUICKeys(h.version, expandLabel(hmac.New(sha256.New, h.secret), label, sha256.Size))
	}
	return h.keys[side].open(packet, at)
}

// quicError returns the name of a transport error (RFC 9000, section 20.1); a
// failed handshake's is that of its TLS alert.
func quicError(code uint64) string {
	if code>>8 == 1 {
		return tlsAlertName(uint8(code))
	}
	names := [...]string{
		"NO_ERROR", "INTERNAL_ERROR", "CONNECTION_REFUSED", "FLOW_CONTROL_ERROR", "STREAM_LIMIT_ERROR", "STREAM_STATE_ERROR",
		"FINAL_SIZE_ERROR", "FRAME_ENCODING_ERROR", "TRANSPORT_PARAMETER_ERROR", "CONNECTION_ID_LIMIT_ERROR", "PROTOCOL_VIOLATION",
		"INVALID_TOKEN", "APPLICATION_ERROR", "CRYPTO_BUFFER_EXCEEDED", "KEY_UPDATE_ERROR", "AEAD_LIMIT_REACHED", "NO_VIABLE_PATH",
	}
	if code < uint64(len(names)) {
		return names[code]
	}
	return fmt.Sprintf("0x%x", code)
}
