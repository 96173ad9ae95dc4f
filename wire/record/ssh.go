package record

import "net/netip"

// SSH is the beginning of one SSH connection (RFC 4253), as far as it is in
// the clear.
type SSH struct {
	Time          Nanos      `col:"ts" ecs:"@timestamp" unit:"ns" doc:"when the first banner was seen"`
	Flow          uint64     `col:"flow" ecs:"event.id" doc:"number of the flow it was decoded from"`
	SrcAddr       netip.Addr `col:"src_addr" ecs:"source.ip" doc:"address of the client"`
	SrcPort       uint16     `col:"src_port" ecs:"source.port" doc:"port of the client"`
	DstAddr       netip.Addr `col:"dst_addr" ecs:"destination.ip" doc:"address of the server"`
	DstPort       uint16     `col:"dst_port" ecs:"destination.port" doc:"port of the server"`
	Version       string     `col:"version" doc:"protocol version of the server, or of the client where it was not seen: 2.0, 1.99, 1.5"`
	Client        string     `col:"client" doc:"software and comment in the client's banner"`
	Server        string     `col:"server" doc:"software and comment in the server's banner"`
	HASSH         string     `col:"hassh" doc:"HASSH fingerprint of what the client offers"`
	HASSHServer   string     `col:"hassh_server" doc:"HASSH fingerprint of what the server offers"`
	Kex           string     `col:"kex" doc:"key exchange that both will use (RFC 4253, section 7.1)"`
	HostKey       string     `col:"host_key" doc:"algorithm of the server's host key"`
	Cipher        string     `col:"cipher" doc:"cipher from the client to the server"`
	MAC           string     `col:"mac" doc:"its message authentication; empty where the cipher has its own"`
	Compression   string     `col:"compression" doc:"compression from the client to the server where it is not none"`
	HostKeySHA256 string     `col:"host_key_sha256" doc:"fingerprint of the server's host key, as ssh shows it: SHA256 in base 64"`
}

// SSHDef is the definition of kind "ssh".
var SSHDef = define[SSH]("ssh", "The beginning of one SSH connection, as far as it is in the clear.")
