package record

import "net/netip"

// TLS is one TLS handshake (RFC 8446, RFC 5246), as far as it is in the clear.
type TLS struct {
	Time        Nanos      `col:"ts" ecs:"@timestamp" unit:"ns" doc:"when the client's hello was seen, or the server's where there was none"`
	Flow        uint64     `col:"flow" ecs:"event.id" doc:"number of the flow it was decoded from"`
	SrcAddr     netip.Addr `col:"src_addr" ecs:"source.ip" doc:"address of the client"`
	SrcPort     uint16     `col:"src_port" ecs:"source.port" doc:"port of the client"`
	DstAddr     netip.Addr `col:"dst_addr" ecs:"destination.ip" doc:"address of the server"`
	DstPort     uint16     `col:"dst_port" ecs:"destination.port" doc:"port of the server"`
	SNI         string     `col:"sni" ecs:"tls.client.server_name" doc:"server name that the client asked for (RFC 6066, section 3)"`
	ALPN        []string   `col:"alpn" doc:"application protocols that the client offered (RFC 7301)"`
	NextProto   string     `col:"next_protocol" ecs:"tls.next_protocol" doc:"application protocol that the server chose, where it is in the clear"`
	Version     string     `col:"version" ecs:"tls.version" doc:"version that the server chose, or the best that the client offered: 1.0, 1.2, 1.3, DTLS 1.2"`
	Cipher      string     `col:"cipher" ecs:"tls.cipher" doc:"cipher suite that the server chose (IANA name, or its number)"`
	Accepted    bool       `col:"accepted" ecs:"tls.established" doc:"the server answered with a hello"`
	Curve       string     `col:"curve" ecs:"tls.curve" doc:"group of the key exchange (IANA name, or its number)"`
	Resumed     bool       `col:"resumed" ecs:"tls.resumed" doc:"the server took up an earlier session: no certificates were sent"`
	Retried     bool       `col:"retried" doc:"the server asked for another hello (RFC 8446, section 4.1.4)"`
	ECH         bool       `col:"ech" doc:"the client's hello has an encrypted one within: sni is only that of the front"`
	Alert       string     `col:"alert" doc:"why the handshake was ended (IANA name of the alert), where that is in the clear"`
	JA3         string     `col:"ja3" ecs:"tls.client.ja3" doc:"JA3 fingerprint of the client's hello"`
	JA3S        string     `col:"ja3s" ecs:"tls.server.ja3s" doc:"JA3S fingerprint of the server's hello"`
	JA4         string     `col:"ja4" doc:"JA4 fingerprint of the client's hello"`
	JA4Again    string     `col:"ja4_again" doc:"JA4 fingerprint of the hello that the server asked for"`
	ServerCerts []string   `col:"server_certs" ecs:"tls.server.hash.sha256" doc:"SHA-256 of each certificate of the server, its own first (kind x509 has more)"`
	ClientCerts []string   `col:"client_certs" ecs:"tls.client.hash.sha256" doc:"SHA-256 of each certificate of the client"`
	Subject     string     `col:"subject" ecs:"tls.server.subject" doc:"subject of the server's certificate"`
	Issuer      string     `col:"issuer" ecs:"tls.server.issuer" doc:"its issuer"`
}

// TLSDef is the definition of kind "tls".
var TLSDef = define[TLS]("tls", "One TLS handshake, as far as it is in the clear.")
