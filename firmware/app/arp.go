package app

import (
	"net/netip"
	"strconv"

	"github.com/taproot-sensor/taproot/wire/record"
)

var arpOps = [...]string{1: "request", 2: "reply"}

// ParseARP reads an ARP packet for IPv4 over Ethernet (RFC 826).
func ParseARP(b []byte, rec *record.ARP) error {
	r := newReader(b)
	if r.uint32() != 0x0001_0800 || r.uint16() != 0x0604 {
		if !r.ok {
			return errShort
		}
		return errOther
	}
	op, body := r.uint16(), r.bytes(20)
	if body == nil {
		return errShort
	}
	rec.Op = strconv.Itoa(int(op))
	if op != 0 && int(op) < len(arpOps) {
		rec.Op = arpOps[op]
	}
	rec.SenderMAC = record.HardwareAddr(body)
	rec.SenderAddr = netip.AddrFrom4([4]byte(body[6:]))
	rec.TargetMAC = record.HardwareAddr(body[10:])
	rec.TargetAddr = netip.AddrFrom4([4]byte(body[16:]))
	return nil
}
