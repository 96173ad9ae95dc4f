package app

import "strconv"

// tlv takes a value in BER (ITU-T X.690, section 8.1) with a tag of one byte
// and a definite length.
func (r *reader) tlv() (tag uint8, v reader) {
	tag, n := r.tagged()
	return tag, r.sub(n)
}

// front takes a value of which the end may be missing.
func (r *reader) front() (tag uint8, v reader) {
	tag, n := r.tagged()
	return tag, r.sub(min(n, len(r.b)))
}

// tagged takes a tag and a length.
func (r *reader) tagged() (tag uint8, n int) {
	tag = r.uint8()
	n = int(r.uint8())
	if n >= 0x80 {
		octets := n & 0x7f
		if octets == 0 || octets > 3 {
			r.b, r.ok = nil, false
			return 0, 0
		}
		n = 0
		for range octets {
			n = n<<8 | int(r.uint8())
		}
	}
	return tag, n
}

// integer takes an INTEGER of at most eight bytes.
func (r *reader) integer() int64 {
	tag, v := r.tlv()
	if tag != 2 || len(v.b) == 0 || len(v.b) > 8 {
		r.b, r.ok = nil, false
		return 0
	}
	n := int64(int8(v.b[0]))
	for _, c := range v.b[1:] {
		n = n<<8 | int64(c)
	}
	return n
}

// maxOID bounds the bytes of an object identifier.
const maxOID = 64

// oid writes an object identifier (X.690, section 8.19).
func oid(b []byte) string {
	if len(b) == 0 || len(b) > maxOID {
		return ""
	}
	var out []byte
	var n uint64
	for i, c := range b {
		if n = n<<7 | uint64(c&0x7f); c&0x80 != 0 && i != len(b)-1 {
			continue
		}
		if out == nil { // the first holds two numbers
			first := min(n/40, 2)
			out = append(strconv.AppendUint(nil, first, 10), '.')
			n -= first * 40
		} else {
			out = append(out, '.')
		}
		out = strconv.AppendUint(out, n, 10)
		n = 0
	}
	return string(out)
}
