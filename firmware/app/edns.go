package app

import (
	"net/netip"
	"strconv"

	"github.com/taproot-sensor/taproot/wire/record"
)

const (
	typeOPT = 41

	// Options of EDNS (IANA, "DNS EDNS0 Option Codes").
	optionSubnet = 8
	optionError  = 15

	// maxOptions and maxErrors bound what is read of an OPT record.
	maxOptions = 32
	maxErrors  = 4

	// maxRecords bounds the records that are passed over on the way to it.
	maxRecords = 512
)

// edns looks for the OPT record among n records that follow the answers (RFC
// 6891, section 6.1).
func (r *dnsReader) edns(n int, rec *record.DNS) {
	for range min(n, maxRecords) {
		r.skipName()
		typ, class, ttl := r.uint16(), r.uint16(), r.uint32()
		data := r.bytes(int(r.uint16()))
		if r.err != nil {
			return
		}
		if typ != typeOPT {
			continue
		}
		rec.EDNS, rec.UDPSize = true, class
		rec.DO = ttl>>15&1 != 0
		if high := uint16(ttl >> 24); high != 0 && rec.Response {
			rec.RCode = dnsName(dnsRCodes, "RCODE", high<<4|r.rcode())
		}
		options := newReader(data)
		for range maxOptions {
			if len(options.b) == 0 {
				break
			}
			code, value := options.uint16(), options.list16()
			if !options.ok {
				break
			}
			switch code {
			case optionSubnet:
				rec.Subnet = subnet(&value)
			case optionError:
				if info := value.uint16(); value.ok && len(rec.Errors) < maxErrors {
					rec.Errors = append(rec.Errors, extendedError(info, value.b))
				}
			}
		}
	}
}

// rcode returns the low bits of the response code, from the header.
func (r *dnsReader) rcode() uint16 { return uint16(r.msg[3] & 0xf) }

// subnet reads a client subnet (RFC 7871, section 6).
func subnet(r *reader) string {
	family, bits := r.uint16(), int(r.uint8())
	r.uint8() // scope
	var raw [16]byte
	if !r.ok || len(r.b) > len(raw) {
		return ""
	}
	copy(raw[:], r.b)
	addr := netip.AddrFrom16(raw)
	if family == 1 {
		addr = netip.AddrFrom4([4]byte(raw[:]))
	}
	p, err := addr.Prefix(bits)
	if err != nil || family != 1 && family != 2 {
		return ""
	}
	return p.String()
}

// extendedError writes an extended error (RFC 8914, section 2), as in
// "18 prohibited: text".
func extendedError(code uint16, extra []byte) string {
	s := strconv.Itoa(int(code))
	if int(code) < len(dnsErrors) {
		s += " " + dnsErrors[code]
	}
	if len(extra) > 0 {
		s += ": " + text(extra[:min(len(extra), 256)])
	}
	return s
}

// dnsErrors are the extended errors (IANA, "Extended DNS Error Codes").
var dnsErrors = [...]string{
	"other", "unsupported DNSKEY algorithm", "unsupported DS digest type", "stale answer", "forged answer",
	"DNSSEC indeterminate", "DNSSEC bogus", "signature expired", "signature not yet valid", "DNSKEY missing",
	"RRSIGs missing", "no zone key bit set", "NSEC missing", "cached error", "not ready", "blocked", "censored",
	"filtered", "prohibited", "stale NXDOMAIN answer", "not authoritative", "not supported", "no reachable authority",
	"network error", "invalid data", "signature expired before valid", "too early", "unsupported NSEC3 iterations",
	"unable to conform to policy", "synthesized",
}
