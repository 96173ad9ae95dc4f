package record

import "net/netip"

// SMB is one SMB connection of any version, without hashes.
type SMB struct {
	Time         Nanos      `col:"ts" ecs:"@timestamp" unit:"ns" doc:"when the first message was seen"`
	Flow         uint64     `col:"flow" ecs:"event.id" doc:"number of the flow it was decoded from"`
	SrcAddr      netip.Addr `col:"src_addr" ecs:"source.ip" doc:"address of the client"`
	SrcPort      uint16     `col:"src_port" ecs:"source.port" doc:"port of the client"`
	DstAddr      netip.Addr `col:"dst_addr" ecs:"destination.ip" doc:"address of the server"`
	DstPort      uint16     `col:"dst_port" ecs:"destination.port" doc:"port of the server"`
	Version      string     `col:"version" doc:"1, 2 or 3, as the server chose"`
	Dialect      string     `col:"dialect" doc:"dialect that the server chose: NT LM 0.12, 2.1, 3.1.1, …"`
	Signing      bool       `col:"signing" doc:"the server requires signatures"`
	User         string     `col:"user" ecs:"user.name" doc:"user name that the client gave (NTLM)"`
	Domain       string     `col:"domain" ecs:"user.domain" doc:"its domain (NTLM)"`
	Host         string     `col:"host" ecs:"source.domain" doc:"name of the client (NTLM)"`
	ServerName   string     `col:"server_name" doc:"NetBIOS name of the server (NTLM)"`
	ServerDomain string     `col:"server_domain" doc:"NetBIOS domain of the server (NTLM)"`
	ServerDNS    string     `col:"server_dns" ecs:"destination.domain" doc:"DNS name of the server (NTLM)"`
	ServerForest string     `col:"server_forest" doc:"DNS name of its forest (NTLM)"`
	ServerOS     string     `col:"server_os" doc:"version of the server’s operating system (NTLM, or text of SMB 1)"`
	ClientOS     string     `col:"client_os" doc:"the same of the client"`
	Auth         string     `col:"auth" doc:"ntlm or kerberos"`
	Status       string     `col:"status" doc:"result of the last session setup where it is not success: LOGON_FAILURE, …"`
	Shares       []string   `col:"shares" doc:"shares that were connected to, the first sixteen"`
	Files        []string   `col:"files" doc:"files that were opened, the first sixteen"`
}

// SMBDef is the definition of kind "smb".
var SMBDef = define[SMB]("smb", "One SMB connection. Never hashes, never contents.")
