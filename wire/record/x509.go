package record

import "net/netip"

// X509 is a certificate (RFC 5280) that a side showed in a handshake.
type X509 struct {
	Time       Nanos      `col:"ts" ecs:"@timestamp" unit:"ns" doc:"when the handshake began"`
	Flow       uint64     `col:"flow" ecs:"event.id" doc:"number of the flow it was decoded from"`
	SrcAddr    netip.Addr `col:"src_addr" ecs:"source.ip" doc:"address of the client"`
	DstAddr    netip.Addr `col:"dst_addr" ecs:"destination.ip" doc:"address of the server"`
	DstPort    uint16     `col:"dst_port" ecs:"destination.port" doc:"port of the server"`
	FromClient bool       `col:"from_client" doc:"the client showed it"`
	Depth      uint8      `col:"depth" doc:"place in the chain: 0 is the side's own"`
	SHA256     string     `col:"sha256" ecs:"tls.server.hash.sha256" doc:"SHA-256 of the certificate"`
	Subject    string     `col:"subject" ecs:"x509.subject.distinguished_name" doc:"distinguished name of the subject (RFC 2253)"`
	Issuer     string     `col:"issuer" ecs:"x509.issuer.distinguished_name" doc:"distinguished name of the issuer"`
	Serial     string     `col:"serial" ecs:"x509.serial_number" doc:"serial number, in hexadecimal"`
	NotBefore  Nanos      `col:"not_before" ecs:"x509.not_before" unit:"ns" doc:"when it becomes valid"`
	NotAfter   Nanos      `col:"not_after" ecs:"x509.not_after" unit:"ns" doc:"when it expires"`
	SANs       []string   `col:"sans" ecs:"x509.alternative_names" doc:"subject alternative names: DNS names, then addresses, mail addresses, URIs"`
	Key        string     `col:"key" ecs:"x509.public_key_algorithm" doc:"algorithm of its public key: RSA, ECDSA, Ed25519, …"`
	KeyBits    uint32     `col:"key_bits" ecs:"x509.public_key_size" unit:"bits" doc:"size of its public key"`
	Signature  string     `col:"signature" ecs:"x509.signature_algorithm" doc:"algorithm it is signed with"`
	CA         bool       `col:"ca" doc:"it may sign others"`
	SelfIssued bool       `col:"self_issued" doc:"subject and issuer are the same"`
	Bytes      uint32     `col:"bytes" unit:"bytes" doc:"its size"`
}

// X509Def is the definition of kind "x509".
var X509Def = define[X509]("x509", "A certificate that a side of a TLS handshake showed.")
