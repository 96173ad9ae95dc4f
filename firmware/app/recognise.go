package app

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
)

// The functions of this file look at the first payload that one side of a flow
// sent and say whether it is of a protocol, so that the flow can have its name.

// LooksLikeKerberos knows the outermost tags of RFC 4120, section 5.10; over
// TCP a length stands before them (section 7.2.2), of which b may have the front
// alone.
func LooksLikeKerberos(b []byte) bool {
	const largest = 1 << 17
	if len(b) > 4 && binary.BigEndian.Uint32(b) >= uint32(len(b)-4) && binary.BigEndian.Uint32(b) < largest {
		b = b[4:]
	}
	return len(b) > 10 && (b[0] >= 0x6a && b[0] <= 0x6f || b[0] == 0x7e) && b[1] >= 0x40
}

// LooksLikeLDAP takes a message id and an operation (RFC 4511, section 4.1.1).
func LooksLikeLDAP(b []byte) bool {
	r := newReader(b)
	if r.uint8() != 0x30 {
		return false
	}
	if n := r.uint8(); n >= 0x80 {
		r.bytes(int(n & 7))
	}
	id, size := r.uint8(), r.uint8()
	if r.bytes(int(size)); id != 2 || size == 0 || size > 4 {
		return false
	}
	op := r.uint8()
	return r.ok && (op >= 0x60 && op <= 0x79 || op == 0x42 || op == 0x4a || op == 0x50)
}

// LooksLikeRDP takes a connection of COTP with a cookie or a negotiation in it
// (MS-RDPBCGR, section 2.2.1.1).
func LooksLikeRDP(b []byte) bool {
	if len(b) < 11 || b[0] != 3 || b[1] != 0 || int(b[2])<<8|int(b[3]) != len(b) || b[5] != 0xe0 && b[5] != 0xd0 {
		return false
	}
	rest := b[11:]
	return len(rest) == 0 || bytes.HasPrefix(rest, []byte("Cookie: msts")) ||
		len(rest) >= 8 && rest[len(rest)-8] >= 1 && rest[len(rest)-8] <= 3 && rest[len(rest)-6] == 8 && rest[len(rest)-5] == 0
}

// LooksLikeSMTP takes a greeting that names the protocol, or the client's
// (RFC 5321, section 4.1.1.1).
func LooksLikeSMTP(b []byte) bool {
	if len(b) == 0 || strings.IndexByte("EeHh2", b[0]) < 0 { // almost all
		return false
	}
	line, _ := cutLine(b)
	upper := bytes.ToUpper(line[:min(len(line), 200)])
	return bytes.HasPrefix(upper, []byte("EHLO ")) || bytes.HasPrefix(upper, []byte("HELO ")) ||
		bytes.HasPrefix(upper, []byte("220")) && bytes.Contains(upper, []byte("SMTP"))
}

// LooksLikeFTP takes a greeting, or what clients begin with (RFC 959, section
// 4). Only the port tells it from others that greet like this.
func LooksLikeFTP(b []byte) bool { return begins(b, "220 ", "220-", "USER ", "AUTH ", "FEAT") }

// LooksLikeIMAP takes a greeting (RFC 9051, section 7.1).
func LooksLikeIMAP(b []byte) bool { return begins(b, "* OK", "* PREAUTH", "* BYE") }

// LooksLikePOP3 takes a greeting, or what clients begin with (RFC 1939).
func LooksLikePOP3(b []byte) bool { return begins(b, "+OK", "-ERR", "CAPA", "USER ", "STLS", "AUTH") }

// KeepsSIPOpen takes what keeps a way open (RFC 5626, section 3.5.1). Others send
// two empty lines too, so it is worth something at SIP's port alone.
func KeepsSIPOpen(b []byte) bool { return string(b) == "\r\n\r\n" }

// LooksLikeSIP takes the first line of a request or a response (RFC 3261,
// section 7).
func LooksLikeSIP(b []byte) bool {
	if begins(b, "SIP/2.0 ") {
		return true
	}
	line, _ := cutLine(b[:min(len(b), 512)])
	method, rest, _ := bytes.Cut(line, []byte(" "))
	return len(method) >= 3 && len(method) <= 12 && begins(rest, "sip:", "sips:", "tel:") && bytes.HasSuffix(line, []byte("SIP/2.0"))
}

// LooksLikeRTP takes a header without extensions whose payload type is in use
// (RFC 3550, section 5.1; RFC 3551, section 6). It sees no more than one
// packet, so one in a thousand of anything will pass.
func LooksLikeRTP(b []byte) bool {
	if len(b) < 20 || b[0] != 0x80 && b[0] != 0x90 || binary.BigEndian.Uint32(b[8:]) == 0 {
		return false
	}
	typ := b[1] & 0x7f
	return typ <= 18 && typ != 1 && typ != 2 || typ >= 25 && typ <= 34 || typ >= 96
}

// LooksLikeRADIUS takes a code and a length that fits (RFC 2865, section 3).
func LooksLikeRADIUS(b []byte) bool {
	return len(b) >= 20 && slices.Contains([]byte{1, 2, 3, 4, 5, 11, 12, 13, 40, 41, 42, 43, 44, 45}, b[0]) &&
		int(b[2])<<8|int(b[3]) <= len(b) && int(b[2])<<8|int(b[3]) >= 20
}

// LooksLikeCoAP takes version, token length and code (RFC 7252, section 3).
func LooksLikeCoAP(b []byte) bool {
	return len(b) >= 4 && b[0]>>6 == 1 && b[0]&0xf <= 8 && b[1]>>5 <= 5
}

// LooksLikeIEC104 takes a start byte and a length (IEC 60870-5-104, section
// 5).
func LooksLikeIEC104(b []byte) bool {
	return len(b) >= 6 && b[0] == 0x68 && b[1] >= 4 && len(b) >= int(b[1])+2
}

// LooksLikeOPCUA takes the type of a message and its length (OPC 10000-6,
// section 7.1.2).
func LooksLikeOPCUA(b []byte) bool {
	return len(b) >= 8 && begins(b, "HELF", "ACKF", "OPNF", "MSGF", "ERRF", "RHEF", "CLOF") &&
		binary.LittleEndian.Uint32(b[4:]) >= 8 && binary.LittleEndian.Uint32(b[4:]) < 1<<24
}

// LooksLikeWireGuard takes a type, zeros and the length of that type
// (https://www.wireguard.com/protocol/).
func LooksLikeWireGuard(b []byte) bool {
	if len(b) < 32 || b[1]|b[2]|b[3] != 0 {
		return false
	}
	switch b[0] {
	case 1:
		return len(b) == 148
	case 2:
		return len(b) == 92
	case 3:
		return len(b) == 64
	case 4:
		return len(b)%16 == 0
	}
	return false
}

// LooksLikeOpenVPN takes the reset that either side begins with, in the
// lengths that it has without and with an HMAC; over TCP a length stands
// before it.
func LooksLikeOpenVPN(b []byte) bool {
	if len(b) > 2 && int(b[0])<<8|int(b[1]) == len(b)-2 {
		b = b[2:]
	}
	if len(b) < 14 {
		return false
	}
	if b[0]&7 != 0 {
		return false
	}
	switch b[0] >> 3 {
	case 7, 8: // resets of client and server
		return slices.Contains([]int{14, 26, 42, 54, 58, 66, 70, 82, 86, 98}, len(b))
	case 10: // of a client, with its key wrapped in the server's behind it, and the length of that at the end (tls-crypt-v2)
		const header, least, most = 54, 290, 1 << 10
		n := int(binary.BigEndian.Uint16(b[len(b)-2:]))
		return n >= least && n <= most && len(b) == header+n
	}
	return false
}

// LooksLikeIKE takes the header of IKE, behind a marker where it shares the
// port with ESP (RFC 7296, section 3.1; RFC 3948, section 2), or ESP there.
func LooksLikeIKE(b []byte) bool {
	if len(b) == 1 {
		return b[0] == 0xff // keepalive
	}
	if len(b) >= 8 && binary.BigEndian.Uint32(b) == 0 {
		b = b[4:]
	}
	return len(b) >= 28 && (b[17] == 0x10 || b[17] == 0x20) && binary.BigEndian.Uint32(b[24:]) >= 28 ||
		len(b) >= 28 && binary.BigEndian.Uint32(b) > 255 && len(b)%4 == 0
}

// LooksLikeSTUN takes a length that fits and the cookie (RFC 8489, section 5).
func LooksLikeSTUN(b []byte) bool {
	return len(b) >= 20 && b[0]>>6 == 0 && b[3]&3 == 0 && int(b[2])<<8|int(b[3]) == len(b)-20 &&
		binary.BigEndian.Uint32(b[4:]) == 0x2112a442
}

// LooksLikeBGP takes the marker (RFC 4271, section 4.1).
func LooksLikeBGP(b []byte) bool {
	return len(b) >= 19 && string(b[:16]) == "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" && b[18] >= 1 && b[18] <= 5
}

// LooksLikeOSPF takes version and type (RFC 2328, section A.3.1; RFC 5340).
func LooksLikeOSPF(b []byte) bool {
	return len(b) >= 16 && (b[0] == 2 || b[0] == 3) && b[1] >= 1 && b[1] <= 5
}

// begins reports whether b begins with one of the words.
func begins(b []byte, words ...string) bool {
	for _, w := range words {
		if len(b) >= len(w) && string(b[:len(w)]) == w {
			return true
		}
	}
	return false
}
