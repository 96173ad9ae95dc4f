package record

import "net/netip"

// QUIC is the handshake of one QUIC connection (RFC 9000, RFC 9001), as far as
// anyone can read it.
type QUIC struct {
	Time     Nanos      `col:"ts" ecs:"@timestamp" unit:"ns" doc:"when the client's hello was seen"`
	Flow     uint64     `col:"flow" ecs:"event.id" doc:"number of the flow it was decoded from"`
	SrcAddr  netip.Addr `col:"src_addr" ecs:"source.ip" doc:"address of the client"`
	SrcPort  uint16     `col:"src_port" ecs:"source.port" doc:"port of the client"`
	DstAddr  netip.Addr `col:"dst_addr" ecs:"destination.ip" doc:"address of the server"`
	DstPort  uint16     `col:"dst_port" ecs:"destination.port" doc:"port of the server"`
	Version  string     `col:"version" doc:"version of QUIC: 1, 2, draft-29, …"`
	SNI      string     `col:"sni" ecs:"tls.client.server_name" doc:"server name that the client asked for"`
	ALPN     []string   `col:"alpn" doc:"application protocols that the client offered"`
	Cipher   string     `col:"cipher" ecs:"tls.cipher" doc:"cipher suite that the server chose"`
	Curve    string     `col:"curve" ecs:"tls.curve" doc:"group of the key exchange"`
	Accepted bool       `col:"accepted" ecs:"tls.established" doc:"the server answered with a hello"`
	Resumed  bool       `col:"resumed" ecs:"tls.resumed" doc:"the server took up an earlier session"`
	ZeroRTT  bool       `col:"zero_rtt" doc:"the client sent data before the server answered"`
	Retried  bool       `col:"retried" doc:"the server had the client prove its address first (Retry)"`
	ECH      bool       `col:"ech" doc:"the client's hello has an encrypted one within: sni is only that of the front"`
	Error    string     `col:"error" doc:"why the connection was closed at once: name of the transport error or TLS alert"`
	JA3      string     `col:"ja3" ecs:"tls.client.ja3" doc:"JA3 fingerprint of the client's hello"`
	JA3S     string     `col:"ja3s" ecs:"tls.server.ja3s" doc:"JA3S fingerprint of the server's hello"`
	JA4      string     `col:"ja4" doc:"JA4 fingerprint of the client's hello"`
}

// QUICDef is the definition of kind "quic".
var QUICDef = define[QUIC]("quic", "The handshake of one QUIC connection.")
