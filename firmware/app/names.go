package app

import (
	"strings"

	"github.com/taproot-sensor/taproot/wire/record"
)

// Bounds of a record of link-local names.
const (
	maxNames    = 32
	maxNameText = 8 << 10
)

// ParseMDNS reads a message of multicast DNS (RFC 6762, section 18) or of
// LLMNR (RFC 4795, section 2.1): the format of DNS, with several questions and
// with answers worth reading in the additional section. After an error the
// record has what came before.
func ParseMDNS(b []byte, rec *record.Names) error {
	r := &dnsReader{msg: b}
	id, flags := r.uint16(), r.uint16()
	var counts [4]int
	for i := range counts {
		counts[i] = int(r.uint16())
	}
	if r.err != nil {
		return r.err
	}
	rec.ID = id
	rec.Response = flags&dnsResponse != 0
	rec.OpCode = dnsName(dnsOpCodes, "OPCODE", flags>>11&0xf)
	if code := flags & 0xf; code != 0 {
		rec.RCode = dnsName(dnsRCodes, "RCODE", code)
	}
	for range min(counts[0], maxNames) {
		name, typ := r.name(), r.uint16()
		r.uint16() // class, whose top bit asks for a unicast response
		if r.err != nil {
			return r.err
		}
		rec.Questions = append(rec.Questions, plain(name)+" "+dnsName(dnsTypes, "TYPE", typ))
	}
	if counts[0] <= maxNames {
		r.resources(counts[1]+counts[2]+counts[3], rec)
	}
	return r.err
}

// resources reads records of all sections, without OPT and NSEC, which name
// nothing. Pointers make much text of few bytes, so what is left out counts too.
func (r *dnsReader) resources(n int, rec *record.Names) {
	const typeOPT, typeNSEC = 41, 47
	size, most := 0, r.most(maxNameText)
	for range min(n, 2*maxNames) {
		name, typ := r.name(), r.uint16()
		r.uint16()
		ttl := r.uint32()
		data := r.data(typ, int(r.uint16()))
		if size += len(name) + len(data); r.err != nil || len(rec.Answers) == maxNames || size > most {
			return
		}
		if typ == typeOPT || typ == typeNSEC {
			continue
		}
		if len(rec.Answers) == 0 || ttl < rec.TTL {
			rec.TTL = ttl
		}
		rec.Answers = append(rec.Answers, plain(name)+" "+dnsName(dnsTypes, "TYPE", typ)+" "+plain(data))
	}
}

// plain undoes the escapes of blanks and of UTF-8, which these names are in
// (RFC 6762, section 16).
func plain(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && s[i+1] >= '0' && s[i+1] <= '2' {
			if c := int(s[i+1]-'0')*100 + int(s[i+2]-'0')*10 + int(s[i+3]-'0'); c == ' ' || c >= 0x80 && c < 256 {
				out = append(out, byte(c))
				i += 3
				continue
			}
		}
		out = append(out, s[i])
	}
	return string(out)
}

// Operations, results and record types of the NetBIOS name service (RFC 1002,
// section 4.2.1).
var (
	nbnsOpCodes = map[uint16]string{0: "", 5: "registration", 6: "release", 7: "wack", 8: "refresh", 9: "refresh", 15: "multihomed_registration"}
	nbnsRCodes  = map[uint16]string{1: "FMT_ERR", 2: "SRV_ERR", 3: "NAM_ERR", 4: "IMP_ERR", 5: "RFS_ERR", 6: "ACT_ERR", 7: "CFT_ERR"}
	nbnsTypes   = map[uint16]string{0x20: "NB", 0x21: "NBSTAT"}
)

// ParseNBNS reads a message of the NetBIOS name service (RFC 1002, section
// 4.2). After an error the record has what came before.
func ParseNBNS(b []byte, rec *record.Names) error {
	r := &dnsReader{msg: b}
	id, flags := r.uint16(), r.uint16()
	questions, answers := int(r.uint16()), int(r.uint16())
	additional := r.bytes(4)
	if r.err != nil {
		return r.err
	}
	rec.ID = id
	rec.Response = flags&dnsResponse != 0
	rec.OpCode = dnsName(nbnsOpCodes, "OPCODE", flags>>11&0xf)
	if code := flags & 0xf; code != 0 {
		rec.RCode = dnsName(nbnsRCodes, "RCODE", code)
	}
	if questions > 1 || answers > maxNames {
		return errOther
	}
	for range questions {
		name, typ := r.name(), r.uint16()
		r.uint16()
		if r.err != nil {
			return r.err
		}
		rec.Questions = append(rec.Questions, nbnsName(name)+" "+dnsName(nbnsTypes, "TYPE", typ))
	}
	size, most := 0, r.most(maxNameText)
	for range answers + int(additional[3]) {
		name, typ := nbnsName(r.name()), r.uint16()
		r.uint16()
		ttl := r.uint32()
		data := r.bytes(int(r.uint16()))
		if r.err != nil {
			return r.err
		}
		if len(rec.Answers) == 0 || ttl < rec.TTL {
			rec.TTL = ttl
		}
		switch nbnsTypes[typ] {
		case "NB":
			for ; len(data) >= 6 && len(rec.Answers) < maxNames && size <= most; data = data[6:] { // flags, address
				size += len(name)
				rec.Answers = append(rec.Answers, name+" NB "+ip4(data[2:6]).String())
			}
		case "NBSTAT":
			nbnsStatus(name, data, rec, most-size)
		}
		if size += len(name); size > most {
			break
		}
	}
	return nil
}

// nbnsStatus reads the names of a node (RFC 1002, section 4.2.18), with most bytes
// of its own name before them.
func nbnsStatus(name string, data []byte, rec *record.Names, most int) {
	r := newReader(data)
	for range r.uint8() {
		entry := r.bytes(18)
		if most -= len(name); entry == nil || len(rec.Answers) == maxNames || most < 0 {
			return
		}
		rec.Answers = append(rec.Answers, name+" NBSTAT "+netbios(entry[:16]))
	}
	if unit := r.bytes(6); unit != nil && len(rec.Answers) < maxNames {
		rec.Answers = append(rec.Answers, name+" UNIT "+hexMAC(unit))
	}
}

// nbnsName decodes the first label of a name (RFC 1001, section 14.1): two
// letters a byte. A name in another form stays as it is.
func nbnsName(name string) string {
	label, scope, _ := strings.Cut(name, ".")
	if len(label) != 32 {
		return name
	}
	var raw [16]byte
	for i := range raw {
		high, low := label[2*i]-'a', label[2*i+1]-'a'
		if high > 15 || low > 15 {
			return name
		}
		raw[i] = high<<4 | low
	}
	if scope != "" {
		return netbios(raw[:]) + "." + scope
	}
	return netbios(raw[:])
}

// netbios returns a name of 15 letters and a suffix as NAME<1d>.
func netbios(raw []byte) string {
	const digits = "0123456789abcdef"
	name := strings.TrimRight(string(raw[:15]), " \x00")
	out := make([]byte, 0, 24)
	for _, c := range []byte(name) {
		if c < ' ' {
			c = '.'
		}
		out = append(out, c)
	}
	return string(append(out, '<', digits[raw[15]>>4], digits[raw[15]&15], '>'))
}

// hexMAC writes a hardware address.
func hexMAC(b []byte) string {
	const digits = "0123456789abcdef"
	var out []byte
	for i, c := range b {
		if i > 0 {
			out = append(out, ':')
		}
		out = append(out, digits[c>>4], digits[c&15])
	}
	return string(out)
}
