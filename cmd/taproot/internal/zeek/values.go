package zeek

import (
	"strconv"
	"strings"

	"github.com/taproot-sensor/taproot/wire/record"
)

// Numbers of IP protocols (IANA).
const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
)

func transport(r *row) string {
	switch r.int("proto") {
	case protoTCP:
		return "tcp"
	case protoUDP:
		return "udp"
	case protoICMP, protoICMPv6:
		return "icmp"
	}
	return "unknown_transport"
}

// icmpAnswers has the ICMP type that answers another: Zeek writes it as the
// responder's port.
var icmpAnswers = map[int64]map[int64]int64{
	protoICMP:   {8: 0, 0: 8, 13: 14, 14: 13, 15: 16, 16: 15, 17: 18, 18: 17, 10: 9, 9: 10},
	protoICMPv6: {128: 129, 129: 128, 130: 131, 131: 130, 133: 134, 134: 133, 135: 136, 136: 135, 139: 140, 140: 139, 144: 145, 145: 144},
}

func responderPort(r *row) int64 {
	if answer, ok := icmpAnswers[r.int("proto")][r.int("src_port")]; ok {
		return answer
	}
	return r.int("dst_port")
}

// services has the names of protocols that Zeek calls differently.
var services = map[string]string{
	"tls": "ssl", "kerberos": "krb", "mdns": "dns", "llmnr": "dns", "nbns": "dns",
}

func service(r *row) string {
	if transport(r) == "icmp" { // Zeek has no service in it
		return ""
	}
	app := r.text("app")
	if name, ok := services[app]; ok {
		app = name
	}
	switch tcp := r.int("proto") == protoTCP; {
	case tcp && (app == "krb" || app == "ldap" || app == "dnp3"):
		return app + "_tcp"
	case app == "ldap", app == "dnp3":
		return app + "_udp"
	}
	return app
}

// streamBytes returns what a side sent, which Zeek writes only of what has a
// duration: of TCP by sequence numbers, so that what came twice counts once and
// what was missed counts too.
func streamBytes(side string) func(r *row) (int64, bool) {
	return func(r *row) (int64, bool) {
		n := r.int(side+"_payload") - r.int(side+"_repeated") + r.int(side+"_missed")
		return max(n, 0), r.int("duration") > 0
	}
}

// connState returns the state of a connection; of what has none, Zeek says
// who sent.
func connState(r *row) string {
	switch state := r.text("state"); {
	case state != "":
		return state
	case r.int("proto") != protoUDP:
		return "OTH"
	case r.int("src_packets") == 0:
		return "SHR"
	case r.int("dst_packets") == 0:
		return "S0"
	}
	return "SF"
}

// history is that of the record; Zeek has one of TCP and UDP.
func history(r *row) string {
	switch r.int("proto") {
	case protoTCP, protoUDP:
		return r.text("history")
	}
	return ""
}

// missedBytes returns the bytes that nobody saw; Zeek counts them once both ends
// have agreed on the connection.
func missedBytes(r *row) (int64, bool) {
	switch connState(r) {
	case "S1", "S2", "S3", "SF", "RSTO", "RSTR":
		return r.int("src_missed") + r.int("dst_missed"), true
	}
	return 0, true
}

// ipBytes returns the bytes of a side without the Ethernet headers. Of what is
// in a tunnel they are not known.
func ipBytes(side string) func(r *row) (int64, bool) {
	return func(r *row) (int64, bool) {
		header := int64(0)
		if r.text("src_mac") != "" {
			header = 14
		}
		for _, vlan := range []string{"vlan", "inner_vlan"} {
			if r.bool(vlan) {
				header += 4
			}
		}
		return max(0, r.int(side+"_bytes")-header*r.int(side+"_packets")), !r.bool("tunnel")
	}
}

func tunnelParents(r *row) []string {
	if !r.bool("tunnel") {
		return nil
	}
	return []string{r.uid(r.int("tunnel"))}
}

func communityID(r *row) string {
	if id := r.text("community_id"); id != "" {
		return id
	}
	return record.CommunityID(r.addr("src_addr"), r.addr("dst_addr"), uint16(r.int("src_port")), uint16(r.int("dst_port")), uint8(r.int("proto")))
}

// Numbers of names (IANA, "DNS Parameters"; RFC 5905, section 7.3).
var (
	dnsTypes = map[string]int64{
		"A": 1, "NS": 2, "MD": 3, "MF": 4, "CNAME": 5, "SOA": 6, "MB": 7, "MG": 8, "MR": 9, "NULL": 10, "WKS": 11, "PTR": 12, "HINFO": 13,
		"MINFO": 14, "MX": 15, "TXT": 16, "RP": 17, "AFSDB": 18, "SIG": 24, "KEY": 25, "AAAA": 28, "LOC": 29, "SRV": 33, "NAPTR": 35, "KX": 36,
		"CERT": 37, "DNAME": 39, "OPT": 41, "APL": 42, "DS": 43, "SSHFP": 44, "IPSECKEY": 45, "RRSIG": 46, "NSEC": 47, "DNSKEY": 48, "DHCID": 49,
		"NSEC3": 50, "NSEC3PARAM": 51, "TLSA": 52, "SMIMEA": 53, "HIP": 55, "CDS": 59, "CDNSKEY": 60, "OPENPGPKEY": 61, "CSYNC": 62, "ZONEMD": 63,
		"SVCB": 64, "HTTPS": 65, "SPF": 99, "EUI48": 108, "EUI64": 109, "TKEY": 249, "TSIG": 250, "IXFR": 251, "AXFR": 252, "MAILB": 253,
		"MAILA": 254, "ANY": 255, "URI": 256, "CAA": 257, "TA": 32768, "DLV": 32769,
	}
	dnsClasses = map[string]int64{"": 1, "CH": 3, "HS": 4, "NONE": 254, "ANY": 255}
	dnsRCodes  = map[string]int64{
		"NOERROR": 0, "FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "NOTIMP": 4, "REFUSED": 5, "YXDOMAIN": 6, "YXRRSET": 7, "NXRRSET": 8,
		"NOTAUTH": 9, "NOTZONE": 10,
	}
	ntpModes = map[string]int64{
		"symmetric_active": 1, "symmetric_passive": 2, "client": 3, "server": 4, "broadcast": 5, "control": 6, "private": 7,
	}
)

// numberOf returns the number of a name, which may be prefix with the number
// behind it.
func numberOf(names map[string]int64, prefix, name string) (int64, bool) {
	if n, ok := names[name]; ok {
		return n, true
	}
	if digits, ok := strings.CutPrefix(name, prefix); ok {
		n, err := strconv.ParseUint(digits, 10, 16)
		return int64(n), err == nil
	}
	return 0, false
}

// dnsType returns the type asked for, as number and in Zeek's words.
func dnsType(r *row) (int64, string) {
	name := r.text("qtype")
	n, ok := numberOf(dnsTypes, "TYPE", name)
	switch {
	case name == "" || !ok:
		return 0, ""
	case name == "ANY":
		return n, "*"
	case strings.HasPrefix(name, "TYPE"):
		return n, "query-" + name[len("TYPE"):]
	}
	return n, name
}

// dnsClass returns the class asked for, as number and in Zeek's words.
func dnsClass(r *row) (int64, string) {
	if r.text("qtype") == "" {
		return 0, ""
	}
	n, _ := numberOf(dnsClasses, "CLASS", r.text("qclass"))
	switch n {
	case 1:
		return n, "C_INTERNET"
	case 3:
		return n, "C_CHAOS"
	case 4:
		return n, "C_HESIOD"
	case 254:
		return n, "C_NONE"
	case 255:
		return n, "C_ANY"
	}
	return n, "qclass-" + strconv.FormatInt(n, 10)
}

// dnsRejected reports whether the server answered with an error and nothing
// else: not even the OPT record that answers one of the client's.
func dnsRejected(r *row) bool {
	code := r.text("rcode")
	return r.bool("response") && len(r.list("answers")) == 0 && !r.bool("edns") && code != "NOERROR" && code != "NXDOMAIN"
}

// dnsAnswers returns the answers in Zeek's words: of those to a question for
// mail or service hosts the name alone, of a start of authority the server's,
// and texts with their length. Aliases on the way are as they are.
func dnsAnswers(r *row) []string {
	answers := r.list("answers")
	words, word := 0, 0
	switch r.text("qtype") {
	case "MX":
		words, word = 2, 1
	case "SRV":
		words, word = 4, 3
	case "SOA":
		words = 7
	case "TXT", "SPF":
		for i, a := range answers {
			if strings.HasPrefix(a, `"`) {
				answers[i] = zeekTexts(r.text("qtype"), a)
			}
		}
	}
	for i, a := range answers {
		if f := strings.Fields(a); words > 0 && len(f) == words {
			answers[i] = f[word]
		}
	}
	return answers
}

// zeekTexts returns character strings in master file form (RFC 1035, section
// 5.1) as Zeek has them: TXT, length and text of each.
func zeekTexts(typ, s string) string {
	var out []string
	for len(s) > 0 && s[0] == '"' {
		var b []byte
		i := 1
		for ; i < len(s) && s[i] != '"'; i++ {
			if s[i] == '\\' && i+3 < len(s) && s[i+1] >= '0' && s[i+1] <= '9' {
				n, _ := strconv.Atoi(s[i+1 : i+4])
				b = append(b, byte(n))
				i += 3
				continue
			}
			if s[i] == '\\' && i+1 < len(s) {
				i++
			}
			b = append(b, s[i])
		}
		out = append(out, typ+" "+strconv.Itoa(len(b))+" "+string(b))
		s = strings.TrimLeft(s[min(i+1, len(s)):], " ")
	}
	return strings.Join(out, " ")
}

func appendTTLs(dst []byte, r *row) []byte {
	for i := range r.list("answers") {
		if i > 0 {
			dst = append(dst, setSeparator)
		}
		dst = appendSeconds(dst, r.int("ttl")*1e9)
	}
	return dst
}

// tlsVersion returns a version in Zeek's words.
func tlsVersion(r *row) string {
	v := r.text("version")
	switch {
	case v == "SSL 3.0":
		return "SSLv3"
	case strings.HasPrefix(v, "1."):
		return "TLSv1" + strings.Replace(v[len("1."):], " draft ", "-draft", 1)
	case strings.HasPrefix(v, "DTLS 1."):
		return "DTLSv1" + v[len("DTLS 1."):]
	}
	return v
}

// withoutPort returns the host of a Host field.
func withoutPort(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.Trim(host[i+1:], "0123456789") == "" {
		return host[:i]
	}
	return host
}

// bodySize returns the size of a response's body: what the head says of it,
// unless there is none.
func bodySize(r *row) (int64, bool) {
	if status := r.int("status"); r.text("method") == "HEAD" || status == 204 || status == 304 {
		return 0, true
	}
	return r.int("size"), true
}

// maxCounted bounds the connections whose transactions are counted; beyond it
// counting begins anew.
const maxCounted = 1 << 16

// transDepth counts the transactions of a connection.
func transDepth(r *row) (int64, bool) {
	flow := uint64(r.int("flow"))
	if len(r.w.web) >= maxCounted {
		clear(r.w.web)
	}
	r.w.web[flow]++
	return int64(r.w.web[flow]), true
}

// keyAlgorithms has OpenSSL's names of public key algorithms.
var keyAlgorithms = map[string]string{"RSA": "rsaEncryption", "ECDSA": "id-ecPublicKey", "DSA": "dsaEncryption", "Ed25519": "ED25519"}
