package app

import (
	"encoding/hex"
	"strconv"

	"github.com/taproot-sensor/taproot/wire/record"
)

// maxEngineID bounds an engine's name (RFC 3411, section 5: 32 bytes).
const maxEngineID = 32

// Tags of PDUs (RFC 3416, section 3) from 0xa0 on, and error states.
var (
	snmpPDUs   = [...]string{"get", "get_next", "response", "set", "trap", "get_bulk", "inform", "trap", "report"}
	snmpErrors = [...]string{
		"", "tooBig", "noSuchName", "badValue", "readOnly", "genErr", "noAccess", "wrongType", "wrongLength",
		"wrongEncoding", "wrongValue", "noCreation", "inconsistentValue", "resourceUnavailable", "commitFailed",
		"undoFailed", "authorizationError", "notWritable", "inconsistentName",
	}
)

// ParseSNMP reads a message of SNMP version 1, 2c (RFC 1157, RFC 3416) or 3
// (RFC 3412). The community is skipped: it is a password.
func ParseSNMP(b []byte, rec *record.SNMP) error {
	outer := newReader(b)
	tag, r := outer.front()
	if tag != 0x30 {
		return errOther
	}
	version := r.integer()
	switch {
	case !r.ok:
		return errOther
	case version == 0 || version == 1:
		rec.Version = [...]string{"1", "2c"}[version]
		if tag, _ := r.tlv(); tag != 4 { // the community
			return errOther
		}
	case version == 3:
		rec.Version = "3"
		var plain bool
		if r, plain = snmpUser(&r, rec); !plain {
			if !r.ok {
				return errShort
			}
			return nil
		}
	default:
		return errOther
	}
	return snmpPDU(&r, rec)
}

// snmpUser reads the header and the security parameters of version 3 (RFC
// 3412, section 6; RFC 3414, section 2.4). What it returns is in front of the
// PDU, if that is plain.
func snmpUser(r *reader, rec *record.SNMP) (pdu reader, plain bool) {
	_, header := r.tlv()
	header.integer() // message id
	header.integer() // largest message
	_, flags := header.tlv()
	model := header.integer()
	if !header.ok || len(flags.b) != 1 {
		return reader{}, false
	}
	rec.Security = [...]string{"none", "auth", "priv", "auth+priv"}[flags.b[0]&3]
	_, params := r.tlv()
	if model == 3 { // the user-based security model
		_, user := params.tlv()
		_, engine := user.tlv()
		user.integer() // boots
		user.integer() // time
		_, name := user.tlv()
		if user.ok {
			rec.User = text(name.b)
			rec.EngineID = hex.EncodeToString(engine.b[:min(len(engine.b), maxEngineID)])
		}
	}
	tag, scoped := r.tlv()
	if tag != 0x30 { // encrypted
		return *r, false
	}
	scoped.tlv() // context engine
	scoped.tlv() // context name
	return scoped, true
}

func snmpPDU(r *reader, rec *record.SNMP) error {
	tag, pdu := r.tlv()
	switch {
	case !pdu.ok:
		return errShort
	case tag < 0xa0 || int(tag-0xa0) >= len(snmpPDUs):
		return errOther
	}
	name := snmpPDUs[tag-0xa0]
	if tag == 0xa4 { // RFC 1157, section 4.1.6
		_, enterprise := pdu.tlv()
		_, agent := pdu.tlv()
		pdu.integer() // generic
		pdu.integer() // specific
		pdu.tlv()     // time ticks
		rec.Enterprise, rec.AgentAddr = oid(enterprise.b), ip4(agent.b)
	} else {
		id, status := pdu.integer(), pdu.integer()
		pdu.integer() // index
		rec.RequestID = int32(id)
		if status != 0 && tag != 0xa5 { // of get_bulk it is a count
			rec.Error = strconv.FormatInt(status, 10)
			if status > 0 && status < int64(len(snmpErrors)) {
				rec.Error = snmpErrors[status]
			}
		}
	}
	_, list := pdu.tlv()
	if !list.ok {
		return errShort
	}
	rec.PDU = name
	for list.ok && len(list.b) > 0 && len(rec.OIDs) < maxList {
		_, binding := list.tlv()
		if tag, v := binding.tlv(); tag == 6 {
			rec.OIDs = append(rec.OIDs, oid(v.b))
		}
	}
	if !list.ok {
		return errShort
	}
	return nil
}
