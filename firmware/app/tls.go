package app

import (
	"bytes"
	"errors"
	"strings"

	"github.com/taproot-sensor/taproot/wire/record"
)

// TLS record and handshake types (IANA, "TLS ContentType", "TLS HandshakeType").
const (
	tlsChangeCipher = 20
	tlsAlert        = 21
	tlsHandshake    = 22
	tlsData         = 23

	helloClient     = 1
	helloServer     = 2
	helloVerify     = 3 // of DTLS
	certificate     = 11
	serverExchange  = 12
	certRequest     = 13
	serverHelloDone = 14
)

const (
	// maxTLSRecord is the largest record payload (RFC 5246, section 6.2.3).
	maxTLSRecord = 1<<14 + 2048

	// maxHandshake bounds a handshake message, and the certificates of a
	// side.
	maxHandshake = MaxStream

	// maxCerts bounds the certificates of a side.
	maxCerts = 8
)

// LooksLikeTLS reports whether the first bytes of one side of a connection may
// be a handshake record with a hello.
func LooksLikeTLS(b []byte) bool {
	switch {
	case len(b) == 0 || b[0] != tlsHandshake,
		len(b) > 1 && b[1] != 3,
		len(b) > 2 && b[2] > 4,
		len(b) > 5 && b[5] != helloClient && b[5] != helloServer:
		return false
	}
	return true
}

// A Handshake reads the part of a TLS or DTLS handshake that is in the clear,
// from the records of both sides (RFC 8446, section 5; RFC 5246, section 6; RFC
// 6347, section 4). What has been given to Read goes on with Read, and what to
// ReadDatagram with ReadDatagram.
type Handshake struct {
	TLS    record.TLS
	Client uint8       // end that is the client, valid once a hello was read
	Certs  [2][][]byte // of the client and of the server, in DER

	sides   [2]tlsSide // by end
	client  bool       // the client's hello was read
	server  bool       // the server's was, after a retry the second
	retry   bool       // the server has asked for another hello
	asked   bool       // the server wants a certificate of the client
	session []byte     // id that the client offered

	flights *[2]flight // by end; nil for TLS
}

// A tlsSide is what one end has sent.
type tlsSide struct {
	typ  uint8  // of the record that is being read
	left int    // bytes of it to come
	part []byte // front of a message that is not whole
	any  bool   // a message was read
	done bool   // nothing more is in the clear
}

// Started reports whether a hello of the client, or of either side, was read.
func (h *Handshake) Started() (client, either bool) { return h.client, h.client || h.server || h.retry }

// Done reports whether there is nothing more to read.
func (h *Handshake) Done() bool { return h.sides[0].done && h.sides[1].done }

// Read takes what an end has sent in order and returns how many bytes it used.
// On an error the connection is no TLS, or no longer.
func (h *Handshake) Read(end uint8, b []byte) (used int, err error) {
	s := &h.sides[end]
	for used < len(b) && !s.done {
		if s.left == 0 {
			head := b[used:]
			if len(head) < 5 {
				return used, nil
			}
			s.typ, s.left = head[0], int(head[3])<<8|int(head[4])
			if head[1] != 3 || s.left == 0 || s.left > maxTLSRecord || s.typ < tlsChangeCipher || s.typ > tlsData {
				return used, errOther
			}
			used += 5
			continue
		}
		data := b[used:min(used+s.left, len(b))]
		if s.typ == tlsAlert && len(data) < min(s.left, 2) {
			return used, nil
		}
		s.left -= len(data)
		used += len(data)
		if err := h.content(end, data); err != nil {
			return used, err
		}
	}
	if s.done {
		used = len(b)
	}
	return used, nil
}

// content takes the next bytes of a record.
func (h *Handshake) content(end uint8, data []byte) error {
	s := &h.sides[end]
	switch s.typ {
	case tlsHandshake:
		if h.flights != nil {
			return h.fragments(end, data)
		}
		return h.messages(end, data)
	case tlsAlert:
		if len(data) == 2 && (h.client || h.server) {
			h.TLS.Alert = tlsAlertName(data[1])
		}
		h.stop()
	case tlsChangeCipher:
		if !h.server && (h.retry || h.client) { // before a second hello (RFC 8446, appendix D.4)
			return nil
		}
		if end != h.Client && h.server && !h.sealed() && len(h.Certs[1]) == 0 && len(h.session) > 0 {
			h.TLS.Resumed = true
		}
		s.done = true
	case tlsData:
		s.done = true
	}
	if !s.any && s.done {
		return errOther
	}
	return nil
}

// stop ends the reading of both sides.
func (h *Handshake) stop() { h.sides[0].done, h.sides[1].done = true, true }

// messages takes handshake bytes, and reads the messages that are whole.
func (h *Handshake) messages(end uint8, data []byte) error {
	s := &h.sides[end]
	if len(s.part) > 0 {
		s.part = append(s.part, data...)
		data = s.part
	}
	for len(data) > 0 && !s.done {
		if typ := data[0]; !s.any && typ != helloClient && typ != helloServer {
			return errOther
		}
		if len(data) < 4 {
			break
		}
		size := 4 + int(data[1])<<16 + int(data[2])<<8 + int(data[3])
		if size > maxHandshake {
			return errTooLong
		}
		if len(data) < size {
			break
		}
		s.any = true
		if err := h.message(end, data[0], data[4:size]); err != nil {
			return err
		}
		data = data[size:]
	}
	if len(data) != len(s.part) { // else it is part, which may be long
		s.part = append(s.part[:0], data...)
	}
	return nil
}

var errTooLong = errors.New("message is longer than any we read")

func (h *Handshake) message(end, typ uint8, body []byte) error {
	switch typ {
	case helloClient:
		transport := byte('t')
		if h.flights != nil {
			transport = 'd'
		}
		hello, err := ParseClientHello(body, transport)
		if err != nil {
			return err
		}
		if h.client { // the first says the rest
			if h.retry || h.flights == nil { // else it is the same, with a cookie
				h.TLS.JA4Again = hello.JA4
			}
			return nil
		}
		h.client, h.Client = true, end
		hello.fill(&h.TLS, h.server)
		h.session = bytes.Clone(hello.Session)
		if h.server {
			h.serverRead(1 - end)
		}
	case helloServer:
		hello, err := ParseServerHello(body)
		if err != nil {
			return err
		}
		h.Client = 1 - end
		if hello.Retry {
			h.retry, h.TLS.Retried = true, true
			return nil
		}
		h.server = true
		hello.fill(&h.TLS)
		h.serverRead(end)
	case certificate:
		h.certificates(end, body)
	case serverExchange:
		if r := newReader(body); r.uint8() == 3 { // a named curve (RFC 8422, section 5.4)
			if group := r.uint16(); r.ok {
				h.TLS.Curve = tlsGroup(group)
			}
		}
	case certRequest:
		h.asked = true
	case serverHelloDone:
		h.sides[end].done = true
		if !h.asked && h.client {
			h.sides[1-end].done = true
		}
	}
	return nil
}

// serverRead ends the reading of what follows a server's hello, where that is
// encrypted.
func (h *Handshake) serverRead(server uint8) {
	if !h.sealed() {
		return
	}
	h.sides[server].done = true
	if h.client {
		h.sides[1-server].done = true
	}
}

// sealed reports whether all that follows the server's hello is encrypted.
func (h *Handshake) sealed() bool { return strings.Contains(h.TLS.Version, "1.3") }

// certificates keeps the chain of a side (RFC 5246, section 7.4.2).
func (h *Handshake) certificates(end uint8, body []byte) {
	r := newReader(body)
	list := r.list24()
	side := uint8(1)
	if end == h.Client {
		side = 0
		h.sides[end].done = true
	}
	held := listBytes(h.Certs[side])
	for len(h.Certs[side]) < maxCerts && len(list.b) > 0 {
		der := list.list24()
		if held += len(der.b); !der.ok || held > maxHandshake {
			return
		}
		h.Certs[side] = append(h.Certs[side], bytes.Clone(der.b))
	}
}

// Held returns about how many bytes of memory h has.
func (h *Handshake) Held() int {
	held := len(h.TLS.SNI) + listBytes(h.Certs[0]) + listBytes(h.Certs[1]) + cap(h.sides[0].part) + cap(h.sides[1].part)
	if h.flights != nil {
		held += h.flights[0].part.Held() + h.flights[1].part.Held()
	}
	return held
}

// listBytes returns how many bytes the values of a list have.
func listBytes(list [][]byte) (n int) {
	for _, b := range list {
		n += len(b)
	}
	return n
}

// list24 takes a list whose length in 3 bytes stands before it.
func (r *reader) list24() reader {
	high := int(r.uint8())
	return r.sub(high<<16 | int(r.uint16()))
}
