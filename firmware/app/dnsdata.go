package app

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
)

// Bounds of a domain name (RFC 1035, sections 2.3.4 and 4.1.4). A compression
// pointer must point backwards, so their number is bounded by the length of
// the message; maxPointers keeps the work small too.
const (
	maxNameBytes = 255
	maxPointers  = 32
)

// maxOpaque is how many bytes of data of an unknown type a record gets.
const maxOpaque = 64

// typeCAA is the type whose data no form of dnsForms fits.
const typeCAA = 257

// A dnsReader reads a message front to back, and names all over it.
type dnsReader struct {
	msg []byte
	at  int
	err error
}

func (r *dnsReader) bytes(n int) []byte {
	if r.err != nil || n > len(r.msg)-r.at {
		r.fail(errShort)
		return nil
	}
	r.at += n
	return r.msg[r.at-n : r.at]
}

// most returns how much text is made of a message, no more than bound: with
// pointers a few bytes could make kilobytes. Those of real ones make up to six
// times as much.
func (r *dnsReader) most(bound int) int { return min(8*len(r.msg), bound) }

func (r *dnsReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *dnsReader) uint16() uint16 {
	if b := r.bytes(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *dnsReader) uint32() uint32 {
	if b := r.bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// name reads a name, in lower case and without the last dot; the root is ".".
func (r *dnsReader) name() string {
	var buf [maxNameBytes + 1]byte
	dst, next, err := appendName(buf[:0], r.msg, r.at)
	if err != nil {
		r.fail(err)
		return ""
	}
	r.at = next
	if len(dst) == 0 {
		return "."
	}
	return string(dst)
}

// skipName passes over a name.
func (r *dnsReader) skipName() {
	for r.err == nil {
		switch n := r.bytes(1); {
		case r.err != nil || n[0] == 0:
			return
		case n[0] >= 0xc0:
			r.bytes(1)
			return
		case n[0] > 63:
			r.fail(errLabel)
		default:
			r.bytes(int(n[0]))
		}
	}
}

var (
	errLabel   = fmt.Errorf("name with a label of an unknown type")
	errPointer = fmt.Errorf("name with a pointer that does not point backwards")
	errLong    = fmt.Errorf("name of more than %d bytes", maxNameBytes)
)

// appendName appends the name at msg[at:] and returns where what follows it
// begins.
func appendName(dst, msg []byte, at int) (name []byte, next int, err error) {
	next = -1
	size, floor := 0, at
	for jumps := 0; ; {
		if at >= len(msg) {
			return dst, 0, errShort
		}
		n := int(msg[at])
		switch {
		case n == 0:
			if next < 0 {
				next = at + 1
			}
			return dst, next, nil
		case n >= 0xc0:
			if at+1 >= len(msg) {
				return dst, 0, errShort
			}
			if next < 0 {
				next = at + 2
			}
			to := n&0x3f<<8 | int(msg[at+1])
			if jumps++; to >= floor || jumps > maxPointers {
				return dst, 0, errPointer
			}
			at, floor = to, to
			continue
		case n > 63:
			return dst, 0, errLabel
		case at+1+n > len(msg):
			return dst, 0, errShort
		}
		if size += n + 1; size > maxNameBytes {
			return dst, 0, errLong
		}
		if len(dst) > 0 {
			dst = append(dst, '.')
		}
		dst = appendLabel(dst, msg[at+1:at+1+n])
		at += 1 + n
	}
}

// appendLabel appends a label in master file form (RFC 1035, section 5.1).
func appendLabel(dst, label []byte) []byte {
	for _, c := range label {
		switch {
		case c >= 'A' && c <= 'Z':
			dst = append(dst, c+'a'-'A')
		case c == '.' || c == '\\':
			dst = append(dst, '\\', c)
		case c <= ' ' || c >= 0x7f:
			dst = append(dst, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// data reads size bytes of record data in master file form. Names in it may
// point anywhere before.
func (r *dnsReader) data(typ uint16, size int) string {
	start := r.at
	b := r.bytes(size)
	if r.err != nil {
		return ""
	}
	d := dnsReader{msg: r.msg[:r.at], at: start}
	var s string
	if form, ok := dnsForms[typ]; ok {
		s = d.form(form)
	} else if typ == typeCAA {
		s = d.caa()
	}
	if s == "" || d.err != nil {
		return opaque(b)
	}
	return s
}

// texts reads character strings to the end, quoted.
func (r *dnsReader) texts() string {
	var s []byte
	for r.err == nil && r.at < len(r.msg) {
		if len(s) > 0 {
			s = append(s, ' ')
		}
		n := r.bytes(1)
		s = appendQuoted(s, r.bytes(int(n[0])))
	}
	return string(s)
}

func appendQuoted(dst, text []byte) []byte {
	dst = append(dst, '"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ' || c >= 0x7f:
			dst = append(dst, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// caa reads a certification authority authorisation (RFC 8659, section 4.1).
func (r *dnsReader) caa() string {
	head := r.bytes(2)
	if r.err != nil {
		return ""
	}
	tag := r.bytes(int(head[1]))
	if r.err != nil {
		return ""
	}
	s := append(strconv.AppendUint(nil, uint64(head[0]), 10), ' ')
	s = append(appendLabel(s, tag), ' ')
	return string(appendQuoted(s, r.msg[r.at:]))
}

// opaque returns data of an unknown type as RFC 3597, section 5 writes it; of
// long data only the front.
func opaque(b []byte) string {
	s := `\# ` + strconv.Itoa(len(b))
	if len(b) > 0 {
		s += " " + hex.EncodeToString(b[:min(len(b), maxOpaque)])
	}
	return s
}
