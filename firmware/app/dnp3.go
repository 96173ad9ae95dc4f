package app

import (
	"strconv"

	"github.com/taproot-sensor/taproot/wire/record"
)

// Sizes of a data link frame (IEEE 1815, section 9.2): a header of ten bytes
// with its checksum, then blocks of sixteen with theirs.
const (
	dnp3Header   = 10
	dnp3Block    = 16
	dnp3Checksum = 2
)

var (
	dnp3LinkMaster     = map[uint8]string{0: "reset_link", 2: "test_link", 3: "confirmed_data", 4: "data", 9: "request_status"}
	dnp3LinkOutstation = map[uint8]string{0: "ack", 1: "nack", 11: "link_status", 15: "not_supported"}

	dnp3Functions = map[uint8]string{
		0: "confirm", 1: "read", 2: "write", 3: "select", 4: "operate", 5: "direct_operate", 6: "direct_operate_no_ack",
		7: "freeze", 8: "freeze_no_ack", 9: "freeze_clear", 10: "freeze_clear_no_ack", 11: "freeze_at_time",
		12: "freeze_at_time_no_ack", 13: "cold_restart", 14: "warm_restart", 15: "initialize_data",
		16: "initialize_application", 17: "start_application", 18: "stop_application", 19: "save_configuration",
		20: "enable_unsolicited", 21: "disable_unsolicited", 22: "assign_class", 23: "delay_measure",
		24: "record_time", 25: "open_file", 26: "close_file", 27: "delete_file", 28: "get_file_info",
		29: "authenticate_file", 30: "abort_file", 31: "activate_configuration", 32: "authenticate_request",
		33: "authenticate_request_no_ack", 129: "response", 130: "unsolicited_response", 131: "authenticate_response",
	}

	// Internal indications, first byte low (section 4.2.2.6).
	dnp3IIN = [...]string{
		"broadcast", "class_1_events", "class_2_events", "class_3_events", "need_time", "local_control",
		"device_trouble", "device_restart", "no_function", "object_unknown", "parameter_error",
		"event_overflow", "already_executing", "configuration_corrupt",
	}
)

// LooksLikeDNP3 reports whether b begins with the header of a frame.
func LooksLikeDNP3(b []byte) bool {
	return len(b) >= dnp3Header && b[0] == 0x05 && b[1] == 0x64 && b[2] >= 5
}

// ParseDNP3 reads the first DNP3 frame of b (IEEE 1815, sections 4, 8 and 9)
// and returns its size. It reads the application header of the first segment
// of a message.
func ParseDNP3(b []byte, rec *record.DNP3) (int, error) {
	if len(b) < dnp3Header {
		return 0, errShort
	}
	if b[0] != 0x05 || b[1] != 0x64 || b[2] < 5 {
		return 0, errOther
	}
	data := int(b[2]) - 5
	size := dnp3Header + data + (data+dnp3Block-1)/dnp3Block*dnp3Checksum
	if len(b) < size {
		return 0, errShort
	}
	control := b[3]
	rec.Master = control&0x80 != 0
	rec.Destination = uint16(b[5])<<8 | uint16(b[4])
	rec.Source = uint16(b[7])<<8 | uint16(b[6])
	names := dnp3LinkOutstation
	if control&0x40 != 0 { // primary
		names = dnp3LinkMaster
	}
	if rec.Link = names[control&0xf]; rec.Link == "" {
		rec.Link = "link_" + strconv.Itoa(int(control&0xf))
	}
	var buf [256]byte
	body := buf[:0]
	for block := b[dnp3Header:size]; len(block) > dnp3Checksum; {
		n := min(dnp3Block, len(block)-dnp3Checksum)
		body = append(body, block[:n]...)
		block = block[n+dnp3Checksum:]
	}
	if control&0x40 != 0 && len(body) > 0 && body[0]&0x40 != 0 { // first of its transport function
		dnp3Application(newReader(body[1:]), rec)
	}
	return size, nil
}

func dnp3Application(r *reader, rec *record.DNP3) {
	control, function := r.uint8(), r.uint8()
	if !r.ok {
		return
	}
	rec.Link = ""
	rec.Seq = control & 0xf
	if rec.Function = dnp3Functions[function]; rec.Function == "" {
		rec.Function = "function_" + strconv.Itoa(int(function))
	}
	if function >= 129 {
		low, high := r.uint8(), r.uint8()
		rec.IIN = bitNames(uint32(high)<<8|uint32(low), dnp3IIN[:])
	}
	// Only the first header is where it can be found without knowing the size
	// of every object; those without data follow each other.
	for len(r.b) >= 3 && len(rec.Objects) < maxList {
		group, variation, qualifier := r.uint8(), r.uint8(), r.uint8()
		rec.Objects = append(rec.Objects, strconv.Itoa(int(group))+"."+strconv.Itoa(int(variation)))
		switch qualifier & 0xf {
		case 0, 3:
			r.bytes(2)
		case 1, 4:
			r.bytes(4)
		case 2, 5:
			r.bytes(8)
		case 6:
		case 7:
			r.bytes(1)
		case 8:
			r.bytes(2)
		default:
			return
		}
		if function != 1 || qualifier>>4 != 0 { // data follows, of a size that depends on the object
			return
		}
	}
}
