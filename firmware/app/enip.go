package app

import (
	"encoding/binary"
	"strconv"

	"github.com/taproot-sensor/taproot/wire/record"
)

// Commands of the encapsulation (ODVA, The EtherNet/IP specification, section
// 2-3.2) and services of CIP (volume 1, appendix A).
var (
	enipCommands = [256]string{
		0x0000: "nop", 0x0004: "list_services", 0x0063: "list_identity", 0x0064: "list_interfaces",
		0x0065: "register_session", 0x0066: "unregister_session", 0x006f: "send_rr_data", 0x0070: "send_unit_data",
		0x0072: "indicate_status", 0x0073: "cancel",
	}
	cipServices = [128]string{
		0x01: "get_attributes_all", 0x02: "set_attributes_all", 0x03: "get_attribute_list", 0x04: "set_attribute_list",
		0x05: "reset", 0x06: "start", 0x07: "stop", 0x08: "create", 0x09: "delete", 0x0a: "multiple_service_packet",
		0x0d: "apply_attributes", 0x0e: "get_attribute_single", 0x10: "set_attribute_single", 0x11: "find_next",
		0x15: "restore", 0x16: "save", 0x17: "nop", 0x18: "get_member", 0x19: "set_member", 0x1a: "insert_member",
		0x1b: "remove_member", 0x4b: "execute_pccc", 0x4c: "read_tag", 0x4d: "write_tag", 0x4e: "forward_close",
		0x52: "unconnected_send", 0x53: "write_tag_fragmented", 0x54: "forward_open", 0x55: "get_instance_attribute_list",
		0x5b: "large_forward_open",
	}
)

const (
	enipHeader       = 24
	enipIdentityItem = 0x000c
	enipConnected    = 0x00b1
	enipUnconnected  = 0x00b2
)

// A lereader takes little-endian numbers.
type lereader struct{ reader }

func (r *lereader) le16() uint16 {
	if b := r.bytes(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (r *lereader) le32() uint32 {
	if b := r.bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func newLE(b []byte) *lereader { return &lereader{reader{b, true}} }

// ParseENIP reads the first EtherNet/IP message of b, with the CIP request or
// response in it, and returns its size. What a request is about it reads only
// if it is asked for all, or if the request changes something.
func ParseENIP(b []byte, rec *record.ENIP, all bool) (int, error) {
	r := newLE(b)
	command, size := r.le16(), int(r.le16())
	session, status := r.le32(), r.le32()
	r.bytes(12) // context, options
	if !r.ok {
		return 0, errShort
	}
	if int(command) >= len(enipCommands) || enipCommands[command] == "" {
		return 0, errOther
	}
	rec.Command, rec.Session, rec.Status = enipCommands[command], session, status
	if size > len(r.b) {
		return 0, errShort
	}
	body := newLE(r.bytes(size))
	switch command {
	case 0x0063:
		enipItems(body, rec, all)
	case 0x006f, 0x0070:
		body.bytes(6) // interface, timeout
		enipItems(body, rec, all)
	}
	if !body.ok {
		return enipHeader + size, errShort
	}
	return enipHeader + size, nil
}

// enipItems reads a list of items (section 2-6).
func enipItems(r *lereader, rec *record.ENIP, all bool) {
	for range min(r.le16(), maxList) {
		typ := r.le16()
		item := newLE(r.bytes(int(r.le16())))
		if !r.ok {
			return
		}
		switch typ {
		case enipIdentityItem:
			enipIdentity(item, rec)
		case enipConnected:
			item.le16() // sequence
			cipMessage(item, rec, all)
		case enipUnconnected:
			cipMessage(item, rec, all)
		}
	}
}

// enipIdentity reads who a device is (section 2-4.2).
func enipIdentity(r *lereader, rec *record.ENIP) {
	r.bytes(2 + 16) // version, socket address
	rec.Vendor, rec.DeviceType = r.le16(), r.le16()
	r.le16() // product code
	major, minor := r.uint8(), r.uint8()
	r.le16() // status
	rec.Serial = r.le32()
	if name := r.list8(); name.ok {
		rec.Product = text(name.b)
		rec.Revision = strconv.Itoa(int(major)) + "." + strconv.Itoa(int(minor))
	}
}

// cipMessage reads a message router's request or response (volume 1, section
// 2-4).
func cipMessage(r *lereader, rec *record.ENIP, all bool) {
	service := r.uint8()
	if !r.ok {
		return
	}
	rec.Response = service&0x80 != 0
	if rec.Service = cipServices[service&0x7f]; rec.Service == "" {
		rec.Service = "service_" + strconv.Itoa(int(service&0x7f))
	}
	if rec.Response {
		r.uint8()
		rec.CIPStatus = r.uint8()
		return
	}
	if all || CIPChanges(rec.Service) {
		rec.Path = cipPath(newLE(r.bytes(2 * int(r.uint8()))))
	}
}

// cipPath writes a path: logical segments of 8 and 16 bits as class/n,
// instance/n, …, tags as they are (volume 1, appendix C).
func cipPath(r *lereader) string {
	kinds := [8]string{"class", "instance", "member", "point", "attribute", "special", "service", "segment"}
	var out []byte
	for range maxList {
		if len(r.b) == 0 {
			break
		}
		segment := r.uint8()
		if len(out) > 0 {
			out = append(out, ' ')
		}
		switch {
		case segment == 0x91:
			name := r.list8()
			if len(name.b)&1 != 0 {
				r.uint8()
			}
			out = append(out, text(name.b)...)
		case segment>>5 == 1:
			var n uint32
			switch segment & 3 {
			case 0:
				n = uint32(r.uint8())
			case 1:
				r.uint8()
				n = uint32(r.le16())
			case 2:
				r.uint8()
				n = r.le32()
			}
			out = append(append(out, kinds[segment>>2&7]...), '/')
			out = strconv.AppendUint(out, uint64(n), 10)
		default: // ports and keys
			return string(out)
		}
	}
	return string(out)
}
