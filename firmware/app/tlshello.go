package app

import (
	"errors"

	"github.com/taproot-sensor/taproot/wire/record"
)

// TLS extensions (IANA, "TLS ExtensionType Values").
const (
	extServerName        = 0
	extGroups            = 10
	extPointFormats      = 11
	extSignatures        = 13
	extALPN              = 16
	extPreSharedKey      = 41
	extSupportedVersions = 43
	extKeyShare          = 51
	extECH               = 0xfe0d
)

// maxALPN bounds the protocols of a record.
const maxALPN = 16

// errHello marks a hello whose lengths do not fit.
var errHello = errors.New("hello whose lengths do not fit")

func (r *reader) check() error {
	if !r.ok {
		return errHello
	}
	return nil
}

// A ClientHello is what a client's hello says about it.
type ClientHello struct {
	Version  string // the best that it offers
	SNI      string
	ALPN     []string
	JA3, JA4 string
	ECH      bool   // it has an encrypted hello within
	Session  []byte // id that it offers, part of what was parsed
}

// ParseClientHello reads the body of a ClientHello (RFC 8446, section 4.1.2),
// which came over the transport that JA4 calls t, q or d.
func ParseClientHello(body []byte, transport byte) (*ClientHello, error) {
	r := newReader(body)
	p := clientPrint{transport: transport, legacy: r.uint16()}
	p.version = p.legacy
	r.bytes(32) // random
	session := r.list8()
	if transport == 'd' {
		r.list8() // cookie (RFC 6347, section 4.2.1)
	}
	p.ciphers = r.list16().b
	r.list8() // compression methods
	if err := r.check(); err != nil {
		return nil, err
	}
	h := &ClientHello{Session: session.b}
	err := extensions(r, func(typ uint16, e reader) {
		p.extensions = append(p.extensions, typ)
		switch typ {
		case extServerName:
			h.SNI = serverName(e.list16())
		case extGroups:
			p.groups = e.list16().b
		case extPointFormats:
			p.points = e.list8().b
		case extSignatures:
			p.signatures = e.list16().b
		case extALPN:
			list := e.list16()
			first := list
			p.alpn = first.list8().b
			h.ALPN = protocols(list)
		case extSupportedVersions:
			if v := bestVersion(e.list8()); v != 0 {
				p.version = v
			}
		case extECH:
			h.ECH = true
		}
	})
	if err != nil {
		return nil, err
	}
	h.Version = tlsVersion(p.version)
	h.JA3, h.JA4 = p.ja3(), p.ja4()
	return h, nil
}

func (h *ClientHello) fill(rec *record.TLS, accepted bool) {
	rec.SNI, rec.ALPN, rec.JA3, rec.JA4, rec.ECH = h.SNI, h.ALPN, h.JA3, h.JA4, h.ECH
	if !accepted {
		rec.Version = h.Version
	}
}

// A ServerHello is what a server chose.
type ServerHello struct {
	Version, Cipher, Proto, Curve string

	JA3S    string
	Resumed bool // it took a key that both have already
	Retry   bool // it asks for another hello instead
}

// tlsDraft and the number of a draft of TLS 1.3 was its version. Until draft 22
// servers said it in the hello itself, which had neither session id nor
// compression method (draft-ietf-tls-tls13-18, section 4.1.3).
const tlsDraft = 0x7f00

// retryRandom is the random of a ServerHello that is a HelloRetryRequest (RFC
// 8446, section 4.1.3).
const retryRandom = "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91" +
	"\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c"

// ParseServerHello reads the body of a ServerHello (RFC 8446, section 4.1.3).
func ParseServerHello(body []byte) (*ServerHello, error) {
	r := newReader(body)
	legacy := r.uint16()
	random := r.bytes(32)
	early := legacy >= tlsDraft && legacy < tlsDraft+22
	if !early {
		r.list8() // session id
	}
	cipher := r.uint16()
	if !early {
		r.uint8() // compression method
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	h := &ServerHello{Version: tlsVersion(legacy), Cipher: tlsCipher(cipher), Retry: string(random) == retryRandom}
	var types []uint16
	err := extensions(r, func(typ uint16, e reader) {
		types = append(types, typ)
		switch typ {
		case extALPN:
			if list := protocols(e.list16()); len(list) == 1 {
				h.Proto = list[0]
			}
		case extSupportedVersions:
			h.Version = tlsVersion(e.uint16())
		case extPreSharedKey:
			h.Resumed = true
		case extKeyShare:
			h.Curve = tlsGroup(e.uint16())
		}
	})
	if err != nil {
		return nil, err
	}
	h.JA3S = ja3s(legacy, cipher, types)
	return h, nil
}

func (h *ServerHello) fill(rec *record.TLS) {
	rec.Accepted = true
	rec.Version, rec.Cipher, rec.NextProto, rec.Curve = h.Version, h.Cipher, h.Proto, h.Curve
	rec.JA3S, rec.Resumed = h.JA3S, h.Resumed
}

// extensions calls f for each extension; a hello may have none at all.
func extensions(r *reader, f func(typ uint16, e reader)) error {
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
func serverName(list reader) string {
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
func protocols(list reader) []string {
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

// bestVersion returns the highest version of a list, or 0. The versions of DTLS
// count downward from 0xfeff.
func bestVersion(list reader) (best uint16) {
	for len(list.b) >= 2 {
		if v := list.uint16(); !isGrease(v) && (best == 0 || v>>8 == 0xfe && v < best || v>>8 != 0xfe && v > best) {
			best = v
		}
	}
	return best
}

// isGrease reports whether v is one of the values that clients send so that
// servers learn to pass over what they do not know (RFC 8701, section 2).
func isGrease(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }
