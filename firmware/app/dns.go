package app

import (
	"strconv"

	"github.com/taproot-sensor/taproot/wire/record"
)

// maxAnswers bounds the answers of a record, and maxAnswerText their bytes:
// compression can make a name of 1000 bytes from two.
const (
	maxAnswers    = 64
	maxAnswerText = 8 << 10
)

// Bits of the second word of a DNS header (RFC 1035, section 4.1.1).
const (
	dnsResponse  = 1 << 15
	dnsAuthority = 1 << 10
	dnsTruncated = 1 << 9
	dnsRecursion = 1 << 8
	dnsAvailable = 1 << 7
	dnsData      = 1 << 5 // RFC 4035, section 3.2.3
	dnsChecking  = 1 << 4
)

const dnsClassIN = 1

// ParseDNS reads a DNS message (RFC 1035, section 4). On an error in the
// header or the question, rec has no Name and no QType; after one in the
// answers it has the answers before.
func ParseDNS(b []byte, rec *record.DNS) error {
	r := &dnsReader{msg: b}
	id, flags := r.uint16(), r.uint16()
	questions, answers := r.uint16(), r.uint16()
	more := int(r.uint16()) + int(r.uint16()) // authority and additional records
	if r.err != nil {
		return r.err
	}
	rec.ID = id
	rec.OpCode = dnsName(dnsOpCodes, "OPCODE", flags>>11&0xf)
	rec.Response = flags&dnsResponse != 0
	rec.Authority = flags&dnsAuthority != 0
	rec.Truncated = flags&dnsTruncated != 0
	rec.Recursion = flags&dnsRecursion != 0
	rec.Available = flags&dnsAvailable != 0
	if rec.Response {
		rec.RCode = dnsName(dnsRCodes, "RCODE", flags&0xf)
	}
	if questions > 1 { // nobody asks two (RFC 9619)
		return errOther
	}
	if questions == 1 {
		name, typ, class := r.name(), r.uint16(), r.uint16()
		if r.err != nil {
			return r.err
		}
		rec.Name, rec.QType = name, dnsName(dnsTypes, "TYPE", typ)
		if class != dnsClassIN {
			rec.QClass = dnsName(dnsClasses, "CLASS", class)
		}
	}
	rec.Data = flags&dnsData != 0
	rec.Checking = flags&dnsChecking != 0
	switch {
	case rec.OpCode != "": // sections of an update are others (RFC 2136)
	case !rec.Response: // whoever asks has no answers
		r.edns(int(answers)+more, rec)
	case r.answers(int(answers), rec):
		r.edns(more, rec)
	}
	return r.err
}

// LooksLikeDNS reports whether a datagram of any port is a query or a response
// for one name of the Internet's class, in the letters that names of hosts and
// services have.
func LooksLikeDNS(b []byte) bool {
	const fixed, question = 12, 5 // bytes of the header; of the shortest question
	if len(b) < fixed+question || b[2]&0x78 != 0 || b[3]&0x40 != 0 || b[4] != 0 || b[5] != 1 {
		return false
	}
	if query := b[2]&0x80 == 0; query && (b[3]&0xf|b[6]|b[7]|b[8]|b[9]|b[10] != 0 || b[11] > 2) {
		return false
	}
	at := fixed
	for at < len(b) && b[at] != 0 {
		n := int(b[at])
		if n > 63 || at+n >= len(b) || at > fixed+maxNameBytes {
			return false
		}
		for _, c := range b[at+1 : at+1+n] {
			if !isAlnum(c) && c != '-' && c != '_' && c != '*' {
				return false
			}
		}
		at += 1 + n
	}
	if at+question > len(b) {
		return false
	}
	_, known := dnsTypes[uint16(b[at+1])<<8|uint16(b[at+2])]
	return known && b[at+3] == 0 && b[at+4] == dnsClassIN
}

// answers reads the answer section, and reports whether that was to its end.
func (r *dnsReader) answers(n int, rec *record.DNS) bool {
	text, most := 0, r.most(maxAnswerText)
	for range min(n, maxAnswers) {
		r.skipName()
		typ := r.uint16()
		r.uint16() // class
		ttl := r.uint32()
		size := int(r.uint16())
		data := r.data(typ, size)
		if r.err != nil {
			return false
		}
		if text += len(data); text > most {
			return false
		}
		if len(rec.Answers) == 0 || ttl < rec.TTL {
			rec.TTL = ttl
		}
		rec.Answers = append(rec.Answers, data)
	}
	return n <= maxAnswers
}

// dnsName returns the name of a number, or prefix with the number.
func dnsName(names map[uint16]string, prefix string, n uint16) string {
	if s, ok := names[n]; ok {
		return s
	}
	return prefix + strconv.Itoa(int(n))
}

// Names of the IANA registry "Domain Name System (DNS) Parameters".
var (
	dnsOpCodes = map[uint16]string{0: "", 2: "STATUS", 4: "NOTIFY", 5: "UPDATE", 6: "DSO"}

	dnsRCodes = map[uint16]string{
		0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED",
		6: "YXDOMAIN", 7: "YXRRSET", 8: "NXRRSET", 9: "NOTAUTH", 10: "NOTZONE", 11: "DSOTYPENI",
		16: "BADVERS", 17: "BADKEY", 18: "BADTIME", 19: "BADMODE", 20: "BADNAME", 21: "BADALG", 22: "BADTRUNC", 23: "BADCOOKIE",
	}

	dnsClasses = map[uint16]string{1: "IN", 3: "CH", 4: "HS", 254: "NONE", 255: "ANY"}

	dnsTypes = map[uint16]string{
		1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 10: "NULL", 12: "PTR", 13: "HINFO", 15: "MX", 16: "TXT",
		17: "RP", 18: "AFSDB", 24: "SIG", 25: "KEY", 28: "AAAA", 29: "LOC", 33: "SRV", 35: "NAPTR",
		36: "KX", 37: "CERT", 39: "DNAME", 41: "OPT", 42: "APL", 43: "DS", 44: "SSHFP", 45: "IPSECKEY",
		46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 49: "DHCID", 50: "NSEC3", 51: "NSEC3PARAM", 52: "TLSA",
		53: "SMIMEA", 55: "HIP", 59: "CDS", 60: "CDNSKEY", 61: "OPENPGPKEY", 62: "CSYNC", 63: "ZONEMD",
		64: "SVCB", 65: "HTTPS", 99: "SPF", 108: "EUI48", 109: "EUI64", 249: "TKEY", 250: "TSIG",
		251: "IXFR", 252: "AXFR", 255: "ANY", 256: "URI", 257: "CAA",
	}
)
