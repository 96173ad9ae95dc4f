package zeek

import (
	"net/netip"
	"slices"
	"strings"
)

// logs has the log that each kind of record goes to. Names, types and order of
// the columns are those of Zeek's default scripts.
var logs = map[string]log{
	"flow": {"conn", connection(
		enumOf("proto", transport),
		strOf("service", service),
		interval("duration", "duration"),
		countOf("orig_bytes", streamBytes("src")),
		countOf("resp_bytes", streamBytes("dst")),
		strOf("conn_state", connState),
		flagOf("local_orig", func(r *row) bool { return isLocal(r.addr("src_addr")) }),
		flagOf("local_resp", func(r *row) bool { return isLocal(r.addr("dst_addr")) }),
		countOf("missed_bytes", missedBytes),
		strOf("history", history),
		count("orig_pkts", "src_packets"),
		countOf("orig_ip_bytes", ipBytes("src")),
		count("resp_pkts", "dst_packets"),
		countOf("resp_ip_bytes", ipBytes("dst")),
		listOf("tunnel_parents", "set[string]", tunnelParents),
		strOf("community_id", communityID),
	)},
	"dns": {"dns", connection(
		enumOf("proto", transport),
		count("trans_id", "id"),
		interval("rtt", "rtt"),
		str("query", "name"),
		countOf("qclass", func(r *row) (int64, bool) { n, _ := dnsClass(r); return n, r.text("qtype") != "" }),
		strOf("qclass_name", func(r *row) string { _, name := dnsClass(r); return name }),
		countOf("qtype", func(r *row) (int64, bool) { n, _ := dnsType(r); return n, r.text("qtype") != "" }),
		strOf("qtype_name", func(r *row) string { _, name := dnsType(r); return name }),
		countOf("rcode", func(r *row) (int64, bool) { return numberOf(dnsRCodes, "RCODE", r.text("rcode")) }),
		str("rcode_name", "rcode"),
		flag("AA", "aa"),
		flag("TC", "tc"),
		flag("RD", "rd"),
		flag("RA", "ra"),
		countOf("Z", func(*row) (int64, bool) { return 0, true }),
		listOf("answers", "vector[string]", dnsAnswers),
		field{"TTLs", "vector[interval]", appendTTLs},
		flagOf("rejected", dnsRejected),
	)},
	"tls": {"ssl", connection(
		strOf("version", tlsVersion),
		str("cipher", "cipher"),
		str("curve", "curve"),
		str("server_name", "sni"),
		flag("resumed", "resumed"),
		str("last_alert", "alert"),
		str("next_protocol", "next_protocol"),
		flag("established", "accepted"),
		none("ssl_history", "string"),
		vector("cert_chain_fps", "server_certs"),
		vector("client_cert_chain_fps", "client_certs"),
		none("sni_matches_cert", "bool"),
		str("ja3", "ja3"),
		str("ja3s", "ja3s"),
		str("ja4", "ja4"),
	)},
	"http": {"http", connection(
		countOf("trans_depth", transDepth),
		str("method", "method"),
		strOf("host", func(r *row) string { return withoutPort(r.text("host")) }),
		str("uri", "uri"),
		str("referrer", "referrer"),
		str("version", "version"),
		str("user_agent", "user_agent"),
		none("origin", "string"),
		count("request_body_len", "request_size"),
		countOf("response_body_len", bodySize),
		countOf("status_code", func(r *row) (int64, bool) { n := r.int("status"); return n, n != 0 }),
		none("status_msg", "string"),
		none("info_code", "count"),
		none("info_msg", "string"),
		field{"tags", "set[enum]", func(dst []byte, _ *row) []byte { return append(dst, empty...) }},
		none("username", "string"), // never recorded
		none("password", "string"),
		listOf("proxied", "set[string]", func(r *row) []string { return words(prefixed("X-FORWARDED-FOR -> ", r.text("forwarded_for"))) }),
		none("orig_fuids", "vector[string]"),
		none("orig_filenames", "vector[string]"),
		listOf("orig_mime_types", "vector[string]", func(r *row) []string { return words(mimeType(r.text("request_type"))) }),
		none("resp_fuids", "vector[string]"),
		none("resp_filenames", "vector[string]"),
		listOf("resp_mime_types", "vector[string]", func(r *row) []string { return words(mimeType(r.text("type"))) }),
	)},
	"x509": {"x509", []field{
		moment("ts", "ts"),
		str("fingerprint", "sha256"),
		none("certificate.version", "count"),
		strOf("certificate.serial", func(r *row) string { return strings.ToUpper(r.text("serial")) }),
		str("certificate.subject", "subject"),
		str("certificate.issuer", "issuer"),
		moment("certificate.not_valid_before", "not_before"),
		moment("certificate.not_valid_after", "not_after"),
		strOf("certificate.key_alg", func(r *row) string { return keyAlgorithms[r.text("key")] }),
		str("certificate.sig_alg", "signature"),
		strOf("certificate.key_type", func(r *row) string { return strings.ToLower(r.text("key")) }),
		countOf("certificate.key_length", func(r *row) (int64, bool) { n := r.int("key_bits"); return n, n != 0 }),
		none("certificate.exponent", "string"),
		none("certificate.curve", "string"),
		listOf("san.dns", "vector[string]", alternatives("dns")),
		listOf("san.uri", "vector[string]", alternatives("uri")),
		listOf("san.email", "vector[string]", alternatives("email")),
		listOf("san.ip", "vector[addr]", alternatives("ip")),
		flag("basic_constraints.ca", "ca"),
		none("basic_constraints.path_len", "count"),
		flagOf("host_cert", func(r *row) bool { return !r.bool("from_client") && r.int("depth") == 0 }),
		flag("client_cert", "from_client"),
	}},
	"ssh": {"ssh", connection(
		countOf("version", func(r *row) (int64, bool) { v := r.text("version"); return int64(len(v) / 3), v != "" && v[0] == '2' }),
		none("auth_success", "bool"),
		none("auth_attempts", "count"),
		none("direction", "enum"),
		strOf("client", banner("client")),
		strOf("server", banner("server")),
		str("cipher_alg", "cipher"),
		str("mac_alg", "mac"),
		str("compression_alg", "compression"),
		str("kex_alg", "kex"),
		str("host_key_alg", "host_key"),
		str("host_key", "host_key_sha256"),
		str("hassh", "hassh"),
		str("hasshServer", "hassh_server"),
	)},
	"quic": {"quic", connection(
		str("version", "version"),
		none("client_initial_dcid", "string"),
		none("client_scid", "string"),
		none("server_scid", "string"),
		str("server_name", "sni"),
		strOf("client_protocol", func(r *row) string { return first(r.list("alpn")) }),
		none("history", "string"),
	)},
	"ntp": {"ntp", connection(
		count("version", "version"),
		countOf("mode", func(r *row) (int64, bool) { return numberOf(ntpModes, "", r.text("mode")) }),
		count("stratum", "stratum"),
		power("poll", "poll"),
		power("precision", "precision"),
		interval("root_delay", "root_delay"),
		interval("root_disp", "root_dispersion"),
		str("ref_id", "ref_id"),
		moment("ref_time", "ref_time"),
		moment("org_time", "orig_time"),
		moment("rec_time", "recv_time"),
		moment("xmt_time", "xmit_time"),
		none("num_exts", "count"),
	)},
	"dhcp": {"dhcp", []field{ // a line for each message
		moment("ts", "ts"),
		listOf("uids", "set[string]", func(r *row) []string { return []string{r.uid(r.int("flow"))} }),
		field{"client_addr", "addr", func(dst []byte, r *row) []byte {
			return append(dst, either(r.text("client_addr"), r.text("assigned"))...)
		}},
		addr("server_addr", "server"),
		str("mac", "client_mac"),
		str("host_name", "hostname"),
		str("client_fqdn", "fqdn"),
		str("domain", "domain"),
		addr("requested_addr", "requested"),
		addr("assigned_addr", "assigned"),
		seconds("lease_time", "lease"),
		strOf("client_message", dhcpText("DECLINE", "RELEASE")),
		strOf("server_message", dhcpText("NAK", "OFFER", "ACK")),
		listOf("msg_types", "vector[string]", func(r *row) []string { return words(r.text("message")) }),
		none("duration", "interval"),
	}},
	"weird": {"weird", connection(
		str("name", "name"),
		str("addl", "detail"),
		flagOf("notice", func(*row) bool { return false }),
		strOf("peer", func(*row) string { return "taproot" }),
		none("source", "string"),
	)},
}

// words returns s as a list, without members where it is empty.
func words(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// either returns a, or b where that is empty.
func either(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// dhcpText returns the words of messages of some types.
func dhcpText(types ...string) func(r *row) string {
	return func(r *row) string {
		if slices.Contains(types, r.text("message")) {
			return r.text("text")
		}
		return ""
	}
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

// mimeType returns a Content-Type without its parameters.
func mimeType(s string) string {
	s, _, _ = strings.Cut(s, ";")
	return strings.ToLower(strings.TrimSpace(s))
}

// banner returns an SSH banner as it was sent (RFC 4253, section 4.2).
func banner(side string) func(r *row) string {
	return func(r *row) string {
		if r.text(side) == "" {
			return ""
		}
		return "SSH-" + r.text("version") + "-" + r.text(side)
	}
}

// alternatives returns the alternative names of one form.
func alternatives(form string) func(r *row) []string {
	return func(r *row) (list []string) {
		for _, s := range r.list("sans") {
			is := "dns"
			if _, err := netip.ParseAddr(s); err == nil {
				is = "ip"
			} else if strings.Contains(s, "://") {
				is = "uri"
			} else if strings.Contains(s, "@") {
				is = "email"
			}
			if is == form {
				list = append(list, s)
			}
		}
		return list
	}
}
