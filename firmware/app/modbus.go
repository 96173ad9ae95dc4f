package app

import (
	"strconv"
	"strings"

	"github.com/taproot-sensor/taproot/wire/record"
)

// Functions and exceptions of Modbus (Modbus Application Protocol 1.1b3,
// sections 6 and 7). Those of writes change the device.
var (
	modbusFunctions = map[uint8]string{
		1: "read_coils", 2: "read_discrete_inputs", 3: "read_holding_registers", 4: "read_input_registers",
		5: "write_single_coil", 6: "write_single_register", 7: "read_exception_status", 8: "diagnostics",
		11: "get_event_counter", 12: "get_event_log", 15: "write_multiple_coils", 16: "write_multiple_registers",
		17: "report_server_id", 20: "read_file_record", 21: "write_file_record", 22: "mask_write_register",
		23: "read_write_registers", 24: "read_fifo_queue", 43: "encapsulated_interface", 90: "unity",
	}
	modbusExceptions = map[uint8]string{
		1: "illegal_function", 2: "illegal_address", 3: "illegal_value", 4: "device_failure", 5: "acknowledge",
		6: "device_busy", 7: "negative_acknowledge", 8: "memory_parity", 10: "gateway_path", 11: "gateway_target",
	}
)

// maxModbus is the longest message: MBAP header and 253 bytes (section 4.1).
const maxModbus = 6 + 1 + 253

// ParseModbus reads the first Modbus/TCP message of b (MODBUS Messaging on
// TCP/IP 1.0b, section 3.1) and returns its size.
func ParseModbus(b []byte, response bool, rec *record.Modbus) (int, error) {
	r := newReader(b)
	rec.Transaction = r.uint16()
	protocol, size := r.uint16(), int(r.uint16())
	switch {
	case !r.ok:
		return 0, errShort
	case protocol != 0 || size < 2 || size+6 > maxModbus:
		return 0, errOther
	}
	body := r.sub(size)
	if !body.ok {
		return 0, errShort
	}
	rec.Unit = body.uint8()
	function := body.uint8()
	rec.Response = response
	name := modbusFunctions[function&0x7f]
	if name == "" {
		name = "function_" + strconv.Itoa(int(function&0x7f))
	}
	rec.Function = name
	rec.Write = strings.Contains(name, "write")
	switch {
	case function&0x80 != 0:
		code := body.uint8()
		if rec.Exception = modbusExceptions[code]; rec.Exception == "" {
			rec.Exception = strconv.Itoa(int(code))
		}
	case function == 43:
		modbusDevice(&body, response, rec)
	case !response || function == 5 || function == 6 || function == 15 || function == 16:
		modbusRange(function, &body, rec)
	}
	return 6 + size, nil
}

// modbusRange reads which coils or registers a message is about.
func modbusRange(function uint8, body *reader, rec *record.Modbus) {
	switch function {
	case 1, 2, 3, 4, 15, 16, 23:
		rec.Address, rec.Quantity = body.uint16(), body.uint16()
	case 5, 6, 22:
		rec.Address, rec.Quantity = body.uint16(), 1
	case 24:
		rec.Address = body.uint16()
	}
}

// modbusDevice reads the answer to read device identification (section 6.21).
func modbusDevice(body *reader, response bool, rec *record.Modbus) {
	if body.uint8() != 14 {
		return
	}
	rec.Function = "read_device_identification"
	if !response {
		return
	}
	body.bytes(4) // code, conformity, more follows, next object
	var parts []string
	for range min(body.uint8(), maxList) {
		body.uint8()
		value := body.list8()
		if !value.ok {
			break
		}
		parts = append(parts, text(value.b))
	}
	rec.Device = strings.Join(parts, " ")
}
