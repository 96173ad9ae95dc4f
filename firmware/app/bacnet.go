package app

import (
	"strconv"

	"github.com/taproot-sensor/taproot/wire/record"
)

// Names of ASHRAE 135, section 21.
var (
	bacnetPDUs = [...]string{
		"confirmed_request", "unconfirmed_request", "simple_ack", "complex_ack", "segment_ack", "error", "reject", "abort",
	}
	bacnetConfirmed = [...]string{
		"acknowledge_alarm", "cov_notification", "event_notification", "get_alarm_summary", "get_enrollment_summary",
		"subscribe_cov", "atomic_read_file", "atomic_write_file", "add_list_element", "remove_list_element",
		"create_object", "delete_object", "read_property", "read_property_conditional", "read_property_multiple",
		"write_property", "write_property_multiple", "device_communication_control", "private_transfer",
		"text_message", "reinitialize_device", "vt_open", "vt_close", "vt_data", "authenticate", "request_key",
		"read_range", "life_safety_operation", "subscribe_cov_property", "get_event_information",
		"subscribe_cov_property_multiple", "cov_notification_multiple", "confirmed_audit_notification", "audit_log_query",
	}
	bacnetUnconfirmed = [...]string{
		"i_am", "i_have", "cov_notification", "event_notification", "private_transfer", "text_message",
		"time_synchronization", "who_has", "who_is", "utc_time_synchronization", "write_group",
		"cov_notification_multiple", "audit_notification", "who_am_i", "you_are",
	}
	bacnetObjects = [...]string{
		"analog_input", "analog_output", "analog_value", "binary_input", "binary_output", "binary_value", "calendar",
		"command", "device", "event_enrollment", "file", "group", "loop", "multi_state_input", "multi_state_output",
		"notification_class", "program", "schedule", "averaging", "multi_state_value", "trend_log",
	}
)

// ParseBACnet reads a BACnet/IP message (ASHRAE 135, annex J) with its network
// layer (section 6.2) and the head of its application layer (section 20.1).
func ParseBACnet(b []byte, rec *record.BACnet) error {
	r := newReader(b)
	typ, function, size := r.uint8(), r.uint8(), int(r.uint16())
	switch {
	case !r.ok:
		return errShort
	case typ != 0x81 || size < 4:
		return errOther
	case size > len(b):
		return errShort
	}
	r = newReader(b[4:size])
	switch function {
	case 4: // forwarded: the first sender's address comes first
		r.bytes(6)
	case 9, 10, 11:
	default: // between broadcast management devices
		rec.PDU = "bvlc_" + strconv.Itoa(int(function))
		return nil
	}
	version, control := r.uint8(), r.uint8()
	if version != 1 {
		return errOther
	}
	if control&0x20 != 0 {
		rec.DstNet = r.uint16()
		r.list8()
	}
	if control&0x08 != 0 {
		rec.SrcNet = r.uint16()
		r.list8()
	}
	if control&0x20 != 0 {
		r.uint8() // hop count
	}
	if !r.ok {
		return errShort
	}
	if control&0x80 != 0 {
		rec.PDU = "network"
		return nil
	}
	return bacnetPDU(r, rec)
}

func bacnetPDU(r *reader, rec *record.BACnet) error {
	head := r.uint8()
	if head>>4 >= uint8(len(bacnetPDUs)) {
		return errOther
	}
	var service uint8
	names := bacnetConfirmed[:]
	switch head >> 4 {
	case 0:
		r.uint8() // sizes
		rec.InvokeID = r.uint8()
		if head&8 != 0 {
			r.uint16() // segment
		}
		service = r.uint8()
	case 1:
		service, names = r.uint8(), bacnetUnconfirmed[:]
	case 2, 5:
		rec.InvokeID, service = r.uint8(), r.uint8()
	case 3:
		rec.InvokeID = r.uint8()
		if head&8 != 0 {
			r.uint16()
		}
		service = r.uint8()
	case 4: // segment acknowledged
		rec.InvokeID = r.uint8()
		rec.PDU = bacnetPDUs[4]
		return nil
	case 6, 7:
		rec.InvokeID = r.uint8()
		rec.Reason = strconv.Itoa(int(r.uint8()))
	}
	if !r.ok {
		return errShort
	}
	rec.PDU = bacnetPDUs[head>>4]
	if head>>4 >= 6 {
		return nil
	}
	rec.Service = "service_" + strconv.Itoa(int(service))
	if int(service) < len(names) {
		rec.Service = names[service]
	}
	bacnetService(head>>4, r, rec)
	return nil
}

// bacnetService reads what a service is about: the tags that follow are an
// object and a property in most.
func bacnetService(pdu uint8, r *reader, rec *record.BACnet) {
	switch {
	case rec.Service == "i_am": // section 16.10: object, size, segmentation, vendor
		rec.Object = bacnetObject(r.bacnetTag())
		r.bacnetTag()
		r.bacnetTag()
		rec.Vendor = uint16(r.bacnetTag())
	case rec.Service == "i_have":
		r.bacnetTag()
		rec.Object = bacnetObject(r.bacnetTag())
	case pdu == 5: // error: class, code
		rec.Reason = strconv.FormatUint(uint64(r.bacnetTag()), 10) + "," + strconv.FormatUint(uint64(r.bacnetTag()), 10)
	case pdu == 0 || pdu == 3:
		switch rec.Service {
		case "read_property", "write_property", "read_range":
			rec.Object = bacnetObject(r.bacnetTag())
			rec.Property = r.bacnetTag()
		case "read_property_multiple", "write_property_multiple", "create_object", "delete_object":
			rec.Object = bacnetObject(r.bacnetTag())
		}
	}
	if !r.ok {
		rec.Object = ""
	}
}

// bacnetTag takes a tagged number of at most four bytes (section 20.2.1).
func (r *reader) bacnetTag() uint32 {
	tag := r.uint8()
	size := int(tag & 7)
	if tag>>4 == 15 {
		r.uint8() // number of an extended tag
	}
	if tag&8 != 0 && size >= 6 { // opens or closes a list
		return r.bacnetTagIn()
	}
	return r.bacnetNumber(size)
}

// bacnetTagIn takes the number behind an opening tag.
func (r *reader) bacnetTagIn() uint32 { return r.bacnetNumber(int(r.uint8() & 7)) }

func (r *reader) bacnetNumber(size int) uint32 {
	if size > 4 {
		r.b, r.ok = nil, false
		return 0
	}
	var n uint32
	for _, c := range r.bytes(size) {
		n = n<<8 | uint32(c)
	}
	return n
}

// bacnetObject names an object: type in ten bits, instance in 22 (section
// 20.2.14).
func bacnetObject(n uint32) string {
	typ := "object_" + strconv.Itoa(int(n>>22))
	if int(n>>22) < len(bacnetObjects) {
		typ = bacnetObjects[n>>22]
	}
	return typ + ":" + strconv.Itoa(int(n&0x3fffff))
}
