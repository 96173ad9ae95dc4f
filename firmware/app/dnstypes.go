package app

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// maxTypes bounds the types that an NSEC record lists.
const maxTypes = 32

// dnsForms has how the data of a type is written in a master file, item by
// item: N a name, 1 2 4 numbers of so many bytes, S a quoted string, T strings
// to the end, t a type, d a date, h and b the rest in hexadecimal and base 64,
// B types as a bitmap, x and X hexadecimal and base 32 behind its length in a
// byte, k service parameters, a an address of 4 bytes, A of 16.
var dnsForms = map[uint16]string{
	1: "a", 28: "A", 2: "N", 5: "N", 12: "N", 39: "N", 7: "N", 8: "N", 9: "N", // RFC 1035
	6: "NN44444", 13: "SS", 15: "2N", 16: "T", 99: "T", 17: "NN", 18: "2N", 33: "222N", 36: "2N",
	35: "22SSSN",           // NAPTR (RFC 3403)
	37: "t21b",             // CERT (RFC 4398)
	43: "211h", 59: "211h", // DS (RFC 4034)
	44: "11h",              // SSHFP (RFC 4255)
	46: "t114dd2Nb",        // RRSIG (RFC 4034)
	47: "NB",               // NSEC
	48: "211b", 60: "211b", // DNSKEY
	25: "211b",             // KEY (RFC 2535)
	50: "112xXB",           // NSEC3 (RFC 5155)
	51: "112x",             // NSEC3PARAM
	52: "111h", 53: "111h", // TLSA (RFC 6698)
	61: "b",              // OPENPGPKEY (RFC 7929)
	49: "b",              // DHCID (RFC 4701)
	62: "42B",            // CSYNC (RFC 7477)
	63: "411h",           // ZONEMD (RFC 8976)
	64: "2Nk", 65: "2Nk", // SVCB, HTTPS (RFC 9460)
	108: "h", 109: "h", // EUI48, EUI64 (RFC 7043)
	256: "22U", // URI (RFC 7553)
}

// form writes data as dnsForms says, with blanks between.
func (r *dnsReader) form(items string) string {
	if len(items) == 1 {
		return r.item(items[0])
	}
	var b strings.Builder
	for i, item := range []byte(items) {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(r.item(item))
	}
	return strings.TrimRight(b.String(), " ")
}

func (r *dnsReader) item(item byte) string {
	switch item {
	case 'N':
		return r.name()
	case '1':
		return strconv.Itoa(int(r.uint8()))
	case '2':
		return strconv.Itoa(int(r.uint16()))
	case '4':
		return strconv.FormatUint(uint64(r.uint32()), 10)
	case 'S':
		return string(appendQuoted(nil, r.bytes(int(r.uint8()))))
	case 'T':
		return r.texts()
	case 'U':
		return string(appendQuoted(nil, r.rest()))
	case 't':
		return dnsName(dnsTypes, "TYPE", r.uint16())
	case 'd':
		return time.Unix(int64(r.uint32()), 0).UTC().Format("20060102150405")
	case 'h':
		return hex.EncodeToString(r.rest())
	case 'b':
		return base64.StdEncoding.EncodeToString(r.rest())
	case 'B':
		return r.types()
	case 'x':
		if b := r.bytes(int(r.uint8())); len(b) > 0 {
			return hex.EncodeToString(b)
		}
		return "-"
	case 'X':
		return strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(r.bytes(int(r.uint8()))))
	case 'k':
		return r.params()
	case 'a':
		return r.address(4)
	case 'A':
		return r.address(16)
	}
	panic("app: item " + string(item)) // the table is wrong
}

func (r *dnsReader) uint8() uint8 {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *dnsReader) rest() []byte { return r.bytes(len(r.msg) - r.at) }

// address reads an address, which is all there is.
func (r *dnsReader) address(size int) string {
	a, ok := netip.AddrFromSlice(r.bytes(size))
	if !ok || r.at != len(r.msg) {
		r.fail(errShort)
		return ""
	}
	return a.String()
}

// types reads a bitmap of types (RFC 4034, section 4.1.2).
func (r *dnsReader) types() string {
	var list []string
	for r.err == nil && r.at < len(r.msg) {
		window, bits := uint16(r.uint8())<<8, r.bytes(int(r.uint8()))
		for i := range uint16(len(bits) * 8) {
			if bits[i/8]&(0x80>>(i%8)) != 0 && len(list) < maxTypes {
				list = append(list, dnsName(dnsTypes, "TYPE", window|i))
			}
		}
	}
	return strings.Join(list, " ")
}

// Service parameters (IANA, "Service Parameter Keys").
var dnsParams = [...]string{"mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath", "ohttp"}

// params reads service parameters (RFC 9460, section 2.2).
func (r *dnsReader) params() string {
	var list []string
	for r.err == nil && r.at < len(r.msg) {
		key := r.uint16()
		value := r.bytes(int(r.uint16()))
		name := "key" + strconv.Itoa(int(key))
		if int(key) < len(dnsParams) {
			name = dnsParams[key]
		}
		if s := param(key, value); s != "" {
			name += "=" + s
		}
		list = append(list, name)
	}
	return strings.Join(list, " ")
}

func param(key uint16, value []byte) string {
	v := dnsReader{msg: value}
	var list []string
	for v.err == nil && v.at < len(value) {
		switch key {
		case 0: // mandatory
			if key := v.uint16(); int(key) < len(dnsParams) {
				list = append(list, dnsParams[key])
			}
		case 1: // alpn
			list = append(list, string(appendLabel(nil, v.bytes(int(v.uint8())))))
		case 3:
			list = append(list, strconv.Itoa(int(v.uint16())))
		case 4, 6: // hints
			a, _ := netip.AddrFromSlice(v.bytes(4 + 12*int(key/6)))
			list = append(list, a.String())
		case 5:
			return base64.StdEncoding.EncodeToString(value)
		default:
			return string(appendQuoted(nil, value))
		}
	}
	return strings.Join(list, ",")
}
