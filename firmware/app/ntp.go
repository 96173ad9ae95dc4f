package app

import (
	"time"

	"github.com/taproot-sensor/taproot/wire/record"
)

// ntpHeader is the size of a message without extensions (RFC 5905, section
// 7.3).
const ntpHeader = 48

var ntpModes = [8]string{
	1: "symmetric_active", 2: "symmetric_passive", 3: "client", 4: "server", 5: "broadcast", 6: "control", 7: "private",
}

// ParseNTP reads an NTP message: of versions 1 to 4 (RFC 5905), control
// messages (RFC 9327) and the private ones of ntpd.
func ParseNTP(b []byte, rec *record.NTP) error {
	if len(b) < 4 {
		return errShort
	}
	version, mode := b[0]>>3&7, b[0]&7
	if version == 0 || version > 4 || mode == 0 {
		return errOther
	}
	rec.Version, rec.Mode = version, ntpModes[mode]
	switch mode {
	case 6:
		rec.OpCode = b[1] & 0x1f
		return nil
	case 7:
		rec.OpCode = b[3]
		return nil
	}
	if len(b) < ntpHeader {
		rec.Mode = ""
		return errShort
	}
	r := newReader(b)
	rec.Leap, rec.Stratum = r.uint8()>>6, r.uint8()
	rec.Poll, rec.Precision = int8(r.uint8()), int8(r.uint8())
	rec.RootDelay, rec.RootDispersion = ntpShort(r.uint32()), ntpShort(r.uint32())
	rec.RefID = ntpRefID(rec.Stratum, r.bytes(4))
	rec.Reference, rec.Origin = ntpTime(r), ntpTime(r)
	rec.Receive, rec.Transmit = ntpTime(r), ntpTime(r)
	return nil
}

// ntpRefID reads what a clock follows: up to stratum 1 four letters, beyond
// that an IPv4 address, or a hash that looks like one (RFC 5905, section 7.3).
func ntpRefID(stratum uint8, b []byte) string {
	if stratum > 1 {
		return ip4(b).String()
	}
	return text(b)
}

// ntpShort converts seconds and fractions of 16 bits each.
func ntpShort(n uint32) time.Duration {
	return time.Duration(uint64(n) * uint64(time.Second) >> 16)
}

// ntpTime reads a time stamp: seconds since 1900 and fractions. Those that
// look like the time before 1968 are of the era that begins in 2036 (RFC 4330,
// section 3).
func ntpTime(r *reader) record.Nanos {
	const to1970 = 2_208_988_800
	sec, frac := r.uint32(), r.uint32()
	if sec == 0 && frac == 0 {
		return 0
	}
	at := int64(sec) - to1970
	if sec>>31 == 0 {
		at += 1 << 32
	}
	return record.Nanos(at*int64(time.Second) + int64(uint64(frac)*uint64(time.Second)>>32))
}
