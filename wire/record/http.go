package record

import (
	"net/netip"
	"time"
)

// HTTP is one HTTP/1 transaction (RFC 9112): a request with its response, or
// the half of it that was seen. Cookies and credentials are never read.
type HTTP struct {
	Time         Nanos         `col:"ts" ecs:"@timestamp" unit:"ns" doc:"when the request was seen, or the response where there was no request"`
	Flow         uint64        `col:"flow" ecs:"event.id" doc:"number of the flow it was decoded from"`
	SrcAddr      netip.Addr    `col:"src_addr" ecs:"source.ip" doc:"address of the client"`
	SrcPort      uint16        `col:"src_port" ecs:"source.port" doc:"port of the client"`
	DstAddr      netip.Addr    `col:"dst_addr" ecs:"destination.ip" doc:"address of the server"`
	DstPort      uint16        `col:"dst_port" ecs:"destination.port" doc:"port of the server"`
	Version      string        `col:"version" ecs:"http.version" doc:"version of the request, or of the response where there was none: 1.0, 1.1; 2 for a connection that begins with the preface of HTTP/2"`
	Method       string        `col:"method" ecs:"http.request.method" doc:"method of the request"`
	Host         string        `col:"host" ecs:"url.domain" doc:"Host field of the request, or the host in its target"`
	URI          string        `col:"uri" ecs:"url.original" doc:"target of the request, without user and password, nor the values of what its query calls a password, secret or token"`
	UserAgent    string        `col:"user_agent" ecs:"user_agent.original" doc:"User-Agent field of the request"`
	Referrer     string        `col:"referrer" ecs:"http.request.referrer" doc:"Referer field of the request"`
	ForwardedFor string        `col:"forwarded_for" ecs:"network.forwarded_ip" doc:"X-Forwarded-For field of the request"`
	RequestType  string        `col:"request_type" ecs:"http.request.mime_type" doc:"media type of the request's content"`
	RequestSize  uint64        `col:"request_size" ecs:"http.request.body.bytes" unit:"bytes" doc:"Content-Length of the request"`
	Status       uint16        `col:"status" ecs:"http.response.status_code" doc:"status code of the response; 0 without a response"`
	Type         string        `col:"type" ecs:"http.response.mime_type" doc:"Content-Type of the response"`
	Size         uint64        `col:"size" ecs:"http.response.body.bytes" unit:"bytes" doc:"Content-Length of the response, or the sum of its chunks; 0 where it says none"`
	Server       string        `col:"server" doc:"Server field of the response"`
	Location     string        `col:"location" doc:"Location field of the response"`
	Upgrade      string        `col:"upgrade" doc:"protocol that the connection went on with (status 101)"`
	RTT          time.Duration `col:"rtt" unit:"ns" doc:"from the request's head to the response's; 0 where one of them was not seen"`
}

// HTTPDef is the definition of kind "http".
var HTTPDef = define[HTTP]("http", "One HTTP/1 transaction: a request with its response, or the half that was seen.")
