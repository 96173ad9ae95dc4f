package app

import (
	"strconv"

	"github.com/taproot-sensor/taproot/wire/record"
)

// Messages and functions of S7comm, as Siemens never wrote them down: the
// names are those of Wireshark's dissector.
var (
	cotpTypes   = map[uint8]string{0xe0: "connect_request", 0xd0: "connect_confirm", 0x80: "disconnect_request", 0xc0: "disconnect_confirm"}
	s7Messages  = map[uint8]string{1: "job", 2: "ack", 3: "ack_data", 7: "userdata"}
	s7Functions = map[uint8]string{
		0x00: "cpu_services", 0x04: "read", 0x05: "write", 0x1a: "request_download", 0x1b: "download_block",
		0x1c: "download_ended", 0x1d: "start_upload", 0x1e: "upload", 0x1f: "end_upload", 0x28: "plc_control",
		0x29: "plc_stop", 0xf0: "setup",
	}
	s7Groups = [16]string{
		"mode_transition", "programmer", "cyclic_data", "block", "cpu", "security", "pbc", "time", 15: "nc_programming",
	}
	s7PlusMessages = map[uint8]string{0x31: "request", 0x32: "response", 0x33: "notification"}
	s7Areas        = map[uint8]string{
		0x1c: "C", 0x1d: "T", 0x80: "P", 0x81: "I", 0x82: "Q", 0x83: "M", 0x84: "DB", 0x85: "DI", 0x86: "L", 0x87: "V",
	}
	s7Sizes = map[uint8]string{1: "BIT", 2: "BYTE", 3: "CHAR", 4: "WORD", 5: "INT", 6: "DWORD", 7: "DINT", 8: "REAL", 0x1c: "COUNTER", 0x1d: "TIMER"}
)

// ParseS7 reads the first TPKT of b (RFC 1006, section 6) and what it carries:
// a COTP connection (RFC 905, section 13) or S7comm. It returns its size. Data
// of other protocols over COTP, such as MMS, leaves the record empty.
func ParseS7(b []byte, rec *record.S7) (int, error) {
	if len(b) < 4 {
		return 0, errShort
	}
	size := int(b[2])<<8 | int(b[3])
	if b[0] != 3 || b[1] != 0 || size < 7 {
		return 0, errOther
	}
	if size > len(b) {
		return 0, errShort
	}
	r := newReader(b[4:size])
	cotp := r.list8()
	typ := cotp.uint8() & 0xf0
	if !cotp.ok {
		return 0, errShort
	}
	if typ != 0xf0 { // not data
		rec.Protocol, rec.Message = "cotp", cotpTypes[typ]
		cotpParameters(&cotp, rec)
		if rec.Message == "" {
			return size, errOther
		}
		return size, nil
	}
	switch protocol := r.uint8(); {
	case !r.ok: // a fragment without data
	case protocol == 0x32:
		rec.Protocol = "s7comm"
		return size, s7Message(r, rec)
	case protocol == 0x72:
		rec.Protocol = "s7comm-plus"
		r.uint8() // version
		r.uint16()
		if op := r.uint8(); r.ok {
			rec.Message = s7PlusMessages[op]
		}
	}
	return size, nil
}

// cotpParameters reads rack and slot off the called TSAP.
func cotpParameters(r *reader, rec *record.S7) {
	r.bytes(5) // destination and source reference, class
	for len(r.b) >= 2 {
		code, v := r.uint8(), r.list8()
		if code == 0xc2 && len(v.b) == 2 {
			rec.Rack, rec.Slot = v.b[1]>>5, v.b[1]&0x1f
		}
	}
}

func s7Message(r *reader, rec *record.S7) error {
	typ := r.uint8()
	r.uint16()
	rec.Reference = r.uint16()
	parameters, data := int(r.uint16()), int(r.uint16())
	if typ == 2 || typ == 3 {
		rec.Error = r.uint16()
	}
	p := r.sub(parameters)
	if !p.ok || len(r.b) < data {
		return errShort
	}
	if rec.Message = s7Messages[typ]; rec.Message == "" {
		return errOther
	}
	if typ == 7 {
		head := p.bytes(8)
		if head != nil && head[0] == 0 && head[1] == 1 && head[2] == 0x12 {
			rec.Function = s7Groups[head[5]&0xf]
		}
		return nil
	}
	function := p.uint8()
	if !p.ok {
		return nil
	}
	if rec.Function = s7Functions[function]; rec.Function == "" {
		rec.Function = "function_" + strconv.Itoa(int(function))
	}
	switch {
	case function == 0xf0:
		p.bytes(5)
		rec.PDUSize = p.uint16()
	case (function == 4 || function == 5) && typ == 1:
		for range min(p.uint8(), maxList) {
			if item := s7Item(&p); item != "" {
				rec.Items = append(rec.Items, item)
			}
		}
	}
	return nil
}

// s7Item reads the specification of a variable, in the form of any-pointers:
// DB1.DBX0.0 WORD 4.
func s7Item(p *reader) string {
	p.uint8()
	v := p.list8()
	if v.uint8() != 0x10 {
		return ""
	}
	size, count, db, area := v.uint8(), v.uint16(), v.uint16(), v.uint8()
	address := v.bytes(3)
	if address == nil {
		return ""
	}
	at := int(address[0])<<16 | int(address[1])<<8 | int(address[2])
	name, unit := s7Areas[area], s7Sizes[size]
	if name == "DB" || name == "DI" {
		name += strconv.Itoa(int(db)) + "." + name + "X"
	}
	if name != "C" && name != "T" {
		name += strconv.Itoa(at/8) + "." + strconv.Itoa(at%8)
	} else {
		name += strconv.Itoa(at)
	}
	return name + " " + unit + " " + strconv.Itoa(int(count))
}
