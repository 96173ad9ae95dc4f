package app

import (
	"strings"

	"github.com/taproot-sensor/taproot/wire/record"
)

var stpProtocols = map[uint8]string{0: "stp", 2: "rstp", 3: "mstp", 4: "spb"}

var stpRoles = [4]string{"", "alternate", "root", "designated"}

// ParseSTP reads a bridge protocol data unit (IEEE 802.1D-2004, section 9;
// 802.1Q, section 14). In PVST+, which sends it to another address, a VLAN
// follows.
func ParseSTP(b []byte, pvst bool, rec *record.STP) error {
	r := newReader(b)
	id, version, typ := r.uint16(), r.uint8(), r.uint8()
	if !r.ok {
		return errShort
	}
	protocol := stpProtocols[version]
	if id != 0 || protocol == "" || typ != 0 && typ != 2 && typ != 0x80 {
		return errOther
	}
	rec.Protocol, rec.Message = protocol, "configuration"
	if pvst {
		rec.Protocol = "pvst"
	}
	if typ == 0x80 {
		rec.Message = "topology_change"
		return nil
	}
	flags := r.uint8()
	rec.TopologyChange = flags&1 != 0
	rec.RootPriority, rec.RootMAC = stpBridge(r)
	rec.RootCost = r.uint32()
	rec.BridgePriority, rec.BridgeMAC = stpBridge(r)
	rec.Port = r.uint16()
	r.uint16() // message age
	rec.MaxAge, rec.Hello = r.uint16()/256, r.uint16()/256
	r.uint16() // forward delay
	if !r.ok {
		rec.Message = ""
		return errShort
	}
	if typ == 2 {
		rec.Proposal, rec.Role = flags&2 != 0, stpRoles[flags>>2&3]
		rec.Learning, rec.Forwarding = flags&0x10 != 0, flags&0x20 != 0
		r.uint8() // length of version 1
	}
	switch {
	case version == 3 && len(r.b) >= 2+51: // section 14.4: length, format, name, …
		if r.uint16(); r.uint8() == 0 {
			rec.Region = strings.TrimRight(text(r.bytes(32)), "\x00")
		}
	case pvst: // behind padding: type 0, length 2, VLAN
		for ; len(r.b) >= 6; r.uint8() {
			if v := newReader(r.b); v.uint32() == 2 {
				rec.PVID = v.uint16()
				break
			}
		}
	}
	return nil
}

func stpBridge(r *reader) (priority uint16, mac record.HardwareAddr) {
	priority = r.uint16()
	if b := r.bytes(6); b != nil {
		mac = record.HardwareAddr(b)
	}
	return priority, mac
}
