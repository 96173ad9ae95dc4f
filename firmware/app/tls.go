package app

import (
	"fmt"
	"slices"

	"github.com/taproot-sensor/taproot/wire/record"
)

// TLS record and handshake types, and extensions (IANA, "TLS Parameters").
const (
	tlsHandshake = 22

	extServerName        = 0
	extALPN              = 16
	extSupportedVersions = 43

	// maxTLSRecord is the largest record payload (RFC 5246, section 6.2.3).
	maxTLSRecord = 1<<14 + 2048

	// maxALPN bounds the protocols of a record.
	maxALPN = 16
)

// A Hello is the handshake type of a hello.
type Hello uint8

const (
	ClientHello Hello = 1
	ServerHello Hello = 2
)

// LooksLikeTLS reports whether the first bytes of one side of a connection may
// be a handshake record with a hello.
func LooksLikeTLS(b []byte) bool {
	switch {
	case len(b) == 0 || b[0] != tlsHandshake,
		len(b) > 1 && b[1] != 3,
		len(b) > 2 && b[2] > 4,
		len(b) > 5 && Hello(b[5]) != ClientHello && Hello(b[5]) != ServerHello:
		return false
	}
	return true
}

// ParseTLSHello reads the hello that begins one side of a connection into rec
// and says whose it is. As long as b does not have all of it, the error
// satisfies IsShort.
func ParseTLSHello(b []byte, rec *record.TLS) (Hello, error) {
	msg, err := tlsMessage(b)
	if err != nil {
		return 0, err
	}
	r := newReader(msg[4:])
	switch hello := Hello(msg[0]); hello {
	case ClientHello:
		return hello, clientHello(r, rec)
	case ServerHello:
		return hello, serverHello(r, rec)
	}
	return 0, errOther
}

// tlsMessage returns the first handshake message of b with its header, put
// together if records cut it into pieces (RFC 8446, section 5.1).
func tlsMessage(b []byte) ([]byte, error) {
	var msg []byte
	for {
		if len(b) < 5 {
			return nil, errShort
		}
		size := int(b[3])<<8 | int(b[4])
		if b[0] != tlsHandshake || b[1] != 3 || size == 0 || size > maxTLSRecord {
			return nil, errOther
		}
		piece := b[5:min(5+size, len(b))]
		if msg == nil {
			msg = piece[:len(piece):len(piece)]
		} else {
			msg = append(msg, piece...)
		}
		if len(msg) >= 4 {
			if want := 4 + int(msg[1])<<16 + int(msg[2])<<8 + int(msg[3]); len(msg) >= want {
				return msg[:want], nil
			}
		}
		if len(b) < 5+size {
			return nil, errShort
		}
		b = b[5+size:]
	}
}

// errHello marks a hello whose lengths do not fit.
var errHello = fmt.Errorf("hello whose lengths do not fit")

func (r *reader) check() error {
	if !r.ok {
		return errHello
	}
	return nil
}

// clientHello reads a ClientHello (RFC 8446, section 4.1.2).
func clientHello(r *reader, rec *record.TLS) error {
	best := r.uint16()
	r.bytes(32) // random
	r.list8()   // session id
	r.list16()  // cipher suites
	r.list8()   // compression methods
	if err := r.check(); err != nil {
		return err
	}
	if rec.Version == "" {
		rec.Version = tlsVersion(best)
	}
	return extensions(r, func(typ uint16, e *reader) {
		switch typ {
		case extServerName:
			rec.SNI = serverName(e.list16())
		case extALPN:
			rec.ALPN = protocols(e.list16())
		case extSupportedVersions:
			if !rec.Accepted {
				rec.Version = bestVersion(e.list8())
			}
		}
	})
}

// serverHello reads a ServerHello (RFC 8446, section 4.1.3).
func serverHello(r *reader, rec *record.TLS) error {
	version := r.uint16()
	r.bytes(32) // random
	r.list8()   // session id
	cipher := r.uint16()
	r.uint8() // compression method
	if err := r.check(); err != nil {
		return err
	}
	rec.Accepted = true
	rec.Version, rec.Cipher = tlsVersion(version), tlsCipher(cipher)
	return extensions(r, func(typ uint16, e *reader) {
		switch typ {
		case extALPN:
			if list := protocols(e.list16()); len(list) == 1 {
				rec.NextProto = list[0]
			}
		case extSupportedVersions:
			rec.Version = tlsVersion(e.uint16())
		}
	})
}

// extensions calls f for each extension; a hello may have none at all.
func extensions(r *reader, f func(typ uint16, e *reader)) error {
	if len(r.b) == 0 {
		return nil
	}
	list := r.list16()
	for list.ok && len(list.b) > 0 {
		typ, e := list.uint16(), list.list16()
		if list.ok {
			f(typ, e)
		}
	}
	return list.check()
}

// serverName returns the host name of a server name list (RFC 6066,
// section 3).
func serverName(list *reader) string {
	for list.ok && len(list.b) > 0 {
		typ, name := list.uint8(), list.list16()
		if typ == 0 && name.ok {
			return string(name.b)
		}
	}
	return ""
}

// protocols returns a protocol name list (RFC 7301, section 3.1) without the
// values that GREASE adds (RFC 8701).
func protocols(list *reader) []string {
	var names []string
	for list.ok && len(list.b) > 0 && len(names) < maxALPN {
		name := list.list8().b
		if len(name) == 0 || len(name) == 2 && isGrease(uint16(name[0])<<8|uint16(name[1])) {
			continue
		}
		names = append(names, string(name))
	}
	return names
}

// bestVersion returns the highest version of a list.
func bestVersion(list *reader) string {
	var all []uint16
	for len(list.b) >= 2 {
		if v := list.uint16(); !isGrease(v) {
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		return ""
	}
	return tlsVersion(slices.Max(all))
}

// isGrease reports whether v is one of the values that clients send so that
// servers learn to pass over what they do not know (RFC 8701, section 2).
func isGrease(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }

func tlsVersion(v uint16) string {
	switch v {
	case 0x0300:
		return "SSL 3.0"
	case 0x0301:
		return "1.0"
	case 0x0302:
		return "1.1"
	case 0x0303:
		return "1.2"
	case 0x0304:
		return "1.3"
	}
	return fmt.Sprintf("0x%04x", v)
}
