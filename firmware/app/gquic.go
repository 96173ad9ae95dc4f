package app

import (
	"bytes"
	"encoding/binary"
)

const (
	// maxGoogleHead is how far into a packet of Google's QUIC its handshake
	// begins at most: behind header, hash and the head of a frame.
	maxGoogleHead = 64

	maxTags = 128 // of a hello: the messages of clients have some 30
)

// clearVersion returns the version of Google's QUIC that a datagram is of, as
// Q043, or "": until Q046 the handshake was in the clear (QUIC Wire Layout
// Specification, "QUIC Packet Public Header", 2016).
func clearVersion(b []byte) string {
	const hasVersion, hasID = 0x01, 0x08
	at := 1
	if len(b) > 0 && b[0]&0x80 == 0 {
		if b[0]&(hasVersion|hasID) != hasVersion|hasID {
			return ""
		}
		at += 8
	}
	if len(b) < at+4 || b[at] != 'Q' || b[at+1] != '0' || b[at+2] < '0' || b[at+2] > '4' || b[at+3] < '0' || b[at+3] > '9' {
		return ""
	}
	return string(b[at : at+4])
}

// clear reads the hello in a datagram of Google's QUIC, if there is one.
func (h *QUICHandshake) clear(end uint8, version string, b []byte) error {
	h.initials++
	at := bytes.Index(b[:min(len(b), maxGoogleHead)], []byte(clientHelloTag))
	if at < 0 {
		return nil
	}
	name, _, ok := parseTags(b[at:])
	if !ok {
		return errShort
	}
	h.Client, h.google = end, true
	h.read[0], h.QUIC.Version, h.QUIC.SNI = true, version, name
	return nil
}

const clientHelloTag = "CHLO"

// parseTags returns the server name of a client's hello, and whether the hello
// is whole (QUIC Crypto, "Handshake message format", 2016: little-endian; names
// of values and their ends first).
func parseTags(b []byte) (name string, whole, ok bool) {
	const head, entry = 8, 8
	if len(b) < head || string(b[:4]) != clientHelloTag {
		return "", false, false
	}
	n := int(binary.LittleEndian.Uint16(b[4:]))
	values := head + n*entry
	if n > maxTags || len(b) < values {
		return "", false, n <= maxTags
	}
	from := 0
	for i := range n {
		e := b[head+i*entry:]
		to := int(binary.LittleEndian.Uint32(e[4:]))
		if to < from || to > MaxStream {
			return "", false, false
		}
		if string(e[:4]) == "SNI\x00" && values+to <= len(b) {
			name = string(b[values+from : values+to])
		}
		from = to
	}
	return name, values+from <= len(b), true
}
