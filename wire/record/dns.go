package record

import (
	"net/netip"
	"time"
)

// DNS is one DNS transaction (RFC 1035): a query with its response, or the
// half of it that was seen.
type DNS struct {
	Time      Nanos         `col:"ts" ecs:"@timestamp" unit:"ns" doc:"when the query was seen, or the response where there was no query"`
	Flow      uint64        `col:"flow" ecs:"event.id" doc:"number of the flow it was decoded from"`
	SrcAddr   netip.Addr    `col:"src_addr" ecs:"source.ip" doc:"address of the client"`
	SrcPort   uint16        `col:"src_port" ecs:"source.port" doc:"port of the client"`
	DstAddr   netip.Addr    `col:"dst_addr" ecs:"destination.ip" doc:"address of the server"`
	DstPort   uint16        `col:"dst_port" ecs:"destination.port" doc:"port of the server"`
	Proto     uint8         `col:"proto" ecs:"network.iana_number" doc:"IP protocol number: 17 UDP, 6 TCP"`
	ID        uint16        `col:"id" ecs:"dns.id" doc:"transaction id"`
	OpCode    string        `col:"opcode" ecs:"dns.op_code" doc:"operation (IANA) where it is not QUERY: NOTIFY, UPDATE, …"`
	Name      string        `col:"name" ecs:"dns.question.name" doc:"name asked for, lower case, without the last dot"`
	QType     string        `col:"qtype" ecs:"dns.question.type" doc:"type asked for (IANA): A, AAAA, MX, … or TYPEn"`
	QClass    string        `col:"qclass" ecs:"dns.question.class" doc:"class asked for where it is not IN"`
	RCode     string        `col:"rcode" ecs:"dns.response_code" doc:"response code (IANA): NOERROR, NXDOMAIN, …; empty without a response"`
	Answers   []string      `col:"answers" ecs:"dns.answers.data" doc:"data of the answer section, in order, in master file form"`
	TTL       uint32        `col:"ttl" ecs:"dns.answers.ttl" unit:"s" doc:"least TTL of the answers"`
	Response  bool          `col:"response" doc:"a response was seen"`
	Authority bool          `col:"aa" doc:"the response was authoritative"`
	Truncated bool          `col:"tc" doc:"the response was cut (asked again over TCP)"`
	Recursion bool          `col:"rd" doc:"recursion was asked for"`
	Available bool          `col:"ra" doc:"recursion was offered"`
	Data      bool          `col:"ad" doc:"the response's data was authenticated by DNSSEC, says the server"`
	Checking  bool          `col:"cd" doc:"the client checks DNSSEC itself"`
	EDNS      bool          `col:"edns" doc:"there was an OPT record (RFC 6891)"`
	UDPSize   uint16        `col:"udp_size" unit:"bytes" doc:"largest UDP message that the client takes (the server, where there was no query)"`
	DO        bool          `col:"do" doc:"the client wants DNSSEC records"`
	Subnet    string        `col:"client_subnet" doc:"network on whose behalf a resolver asks (RFC 7871)"`
	Errors    []string      `col:"errors" doc:"extended errors of the response: code, meaning and the server's text (RFC 8914)"`
	RTT       time.Duration `col:"rtt" unit:"ns" doc:"from query to response; 0 where one of them was not seen"`
}

// DNSDef is the definition of kind "dns".
var DNSDef = define[DNS]("dns", "One DNS transaction: a query with its response, or the half that was seen.")
