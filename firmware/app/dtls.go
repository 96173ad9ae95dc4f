package app

import "encoding/binary"

const (
	dtlsRecordHead  = 13 // bytes before a record's payload (RFC 6347, section 4.1)
	dtlsMessageHead = 12 // bytes before a message's fragment (section 4.2.2)

	// tlsConnectionID is the type of encrypted records with a connection ID
	// (RFC 9146, section 4).
	tlsConnectionID = 25

	// maxMessages bounds the messages of a side: no handshake has half of it
	// in the clear.
	maxMessages = 32
)

// LooksLikeDTLS reports whether a datagram begins with a hello of DTLS, or with
// a fragment of one.
func LooksLikeDTLS(b []byte) bool {
	if len(b) < dtlsRecordHead+dtlsMessageHead || b[0] != tlsHandshake || !isDTLS(b[1:]) || b[3]|b[4] != 0 {
		return false
	}
	size, msg := int(binary.BigEndian.Uint16(b[11:])), b[dtlsRecordHead:]
	return size >= dtlsMessageHead && size <= len(msg) && msg[0] >= helloClient && msg[0] <= helloVerify &&
		fragmentSize(msg) <= size-dtlsMessageHead
}

// isDTLS reports whether b begins with a version that records of DTLS have: 1.2
// and 1.3 say 1.2, and the first hello 1.0; OpenSSL 0.9.8 said 0x0100.
func isDTLS(b []byte) bool {
	v := binary.BigEndian.Uint16(b)
	return v == 0xfeff || v == 0xfefd || v == 0x0100
}

func fragmentSize(msg []byte) int { return uint24(msg[9:]) }

func uint24(b []byte) int { return int(b[0])<<16 | int(b[1])<<8 | int(b[2]) }

// A flight has the handshake messages of one end: those that were read, and one
// of which fragments are missing. When a fragment of another message comes, the
// rest of that one is not waited for; if it was lost, all of it comes again.
type flight struct {
	seen uint32 // messages that were read, a bit for each number
	part Stream
	of   uint16 // number of the message that part has
}

// ReadDatagram takes a datagram of an end. On an error it is no DTLS.
func (h *Handshake) ReadDatagram(end uint8, b []byte) error {
	if h.flights == nil {
		h.flights = new([2]flight)
	}
	s := &h.sides[end]
	for len(b) > 0 && !s.done {
		if b[0]>>5 == 1 || b[0] == tlsConnectionID { // encrypted (RFC 9147, section 4)
			s.done = true
			break
		}
		if len(b) < dtlsRecordHead {
			return errShort
		}
		epoch, size := binary.BigEndian.Uint16(b[3:]), int(binary.BigEndian.Uint16(b[11:]))
		if !isDTLS(b[1:]) || b[0] < tlsChangeCipher || b[0] > tlsData {
			return errOther
		}
		s.typ, b = b[0], b[dtlsRecordHead:]
		if size > len(b) {
			return errShort
		}
		if epoch != 0 {
			s.done = true
			break
		}
		if err := h.content(end, b[:size]); err != nil {
			return err
		}
		b = b[size:]
	}
	return nil
}

// fragments takes the fragments of messages in a record, and reads the messages
// that are whole.
func (h *Handshake) fragments(end uint8, data []byte) error {
	s, f := &h.sides[end], &h.flights[end]
	for len(data) > 0 && !s.done {
		if len(data) < dtlsMessageHead {
			return errShort
		}
		typ, size, number := data[0], uint24(data[1:]), binary.BigEndian.Uint16(data[4:])
		at, n := uint24(data[6:]), fragmentSize(data)
		data = data[dtlsMessageHead:]
		switch {
		case n > len(data):
			return errShort
		case size > maxHandshake:
			return errTooLong
		case at+n > size || number >= maxMessages:
			return errOther
		}
		body := data[:n]
		data = data[n:]
		if f.seen&(1<<number) != 0 {
			continue
		}
		if n < size {
			if body = f.add(number, at, body); len(body) < size {
				continue
			}
		}
		f.seen |= 1 << number
		s.any = true
		if err := h.message(end, typ, body[:size]); err != nil {
			return err
		}
	}
	return nil
}

// add keeps a fragment, and returns the front of its message that is there.
func (f *flight) add(number uint16, at int, b []byte) []byte {
	if f.of != number {
		f.part.Reset()
		f.of = number
	}
	f.part.Add(0, nil) // where a message begins
	front, _ := f.part.Add(uint32(at), b)
	return front
}
