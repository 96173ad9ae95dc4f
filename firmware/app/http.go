package app

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/taproot-sensor/taproot/wire/record"
)

const (
	// maxPipeline bounds the requests that wait for their responses.
	maxPipeline = 32

	// maxMethod bounds the name of a method: the longest that are registered
	// have 17 letters.
	maxMethod = 20

	// maxBody bounds what is passed over of a body, so that sequence numbers
	// can tell before from after.
	maxBody = 1 << 30

	// maxChunkLine bounds the line before a chunk.
	maxChunkLine = 256

	// maxWaiting bounds the texts of the requests that wait.
	maxWaiting = MaxStream
)

var httpMethods = []string{
	"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "CONNECT", "PATCH", "TRACE", "PROPFIND", "PROPPATCH", "MKCOL", "COPY",
	"MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH", "SUBSCRIBE", "UNSUBSCRIBE", "NOTIFY", "PRI",
}

// LooksLikeHTTP reports whether the first bytes of one side of a connection
// may be an HTTP/1 request or response.
func LooksLikeHTTP(b []byte) bool {
	const version = "HTTP/1."
	if n := min(len(b), len(version)); n >= 5 && string(b[:n]) == version[:n] {
		return true
	}
	if len(b) < 4 || b[0] < 'A' || b[0] > 'Z' {
		return false
	}
	for _, m := range httpMethods {
		if len(b) > len(m) && b[len(m)] == ' ' && string(b[:len(m)]) == m {
			line, _, whole := bytes.Cut(b, []byte("\n"))
			return !whole || bytes.Contains(line, []byte(" HTTP/"))
		}
	}
	return otherMethod(b)
}

// otherMethod reports whether b begins with a whole line of a request whose
// method is none of the usual.
func otherMethod(b []byte) bool {
	n := 0
	for n < len(b) && n < maxMethod && (b[n] >= 'A' && b[n] <= 'Z' || b[n] == '_' || b[n] == '-') {
		n++
	}
	if n == len(b) || b[n] != ' ' {
		return false
	}
	line, _, whole := bytes.Cut(b[n:], []byte("\n"))
	return whole && bytes.Contains(line, []byte(" HTTP/1."))
}

// An HTTP follows the two sides of a connection (RFC 9112) and reports each
// transaction. Bodies are passed over.
type HTTP struct {
	Client uint8 // end that is the client, valid once Started
	Tunnel bool  // the connection went on with another protocol

	report  func(*record.HTTP)
	started bool
	waiting []httpRequest
	held    int          // bytes of their texts
	answer  *record.HTTP // whose chunks are being counted
	sides   [2]httpSide
}

type httpRequest struct {
	record.HTTP
	at record.Nanos
}

// An httpSide is where one end is in its messages.
type httpSide struct {
	chunked bool // a chunk comes next
	trailer bool // the fields after the last chunk
	endless bool // a body to the end of the connection
	seen    int  // bytes of a head in which its end is not
}

// NewHTTP returns an HTTP that calls report for every transaction. The record
// is valid during the call.
func NewHTTP(report func(*record.HTTP)) *HTTP { return &HTTP{report: report} }

// Started reports whether a head was read.
func (h *HTTP) Started() bool { return h.started }

// Flush reports the response whose chunks have not ended, and the requests that
// got none.
func (h *HTTP) Flush() {
	h.answered()
	for i := range h.waiting {
		h.report(&h.waiting[i].HTTP)
	}
	h.waiting, h.held = nil, 0
}

// Held returns about how many bytes of memory h has.
func (h *HTTP) Held() int {
	if h.answer == nil {
		return h.held
	}
	return h.held + textBytes(h.answer)
}

// push has a request wait for its response. For those that there is no room for
// nobody waits any longer.
func (h *HTTP) push(rec httpRequest) {
	size := textBytes(&rec.HTTP)
	for len(h.waiting) == maxPipeline || len(h.waiting) > 0 && h.held+size > maxWaiting {
		first := h.pop()
		h.report(&first.HTTP)
	}
	h.waiting, h.held = append(h.waiting, rec), h.held+size
}

// pop takes the request that came first.
func (h *HTTP) pop() httpRequest {
	first := h.waiting[0]
	h.waiting[0] = httpRequest{} // its texts are not held until all are gone
	h.waiting, h.held = h.waiting[1:], h.held-textBytes(&first.HTTP)
	return first
}

// textBytes returns how many bytes the texts of a transaction have that may be
// long.
func textBytes(r *record.HTTP) int {
	return len(r.URI) + len(r.Host) + len(r.UserAgent) + len(r.Referrer) + len(r.ForwardedFor) + len(r.RequestType) +
		len(r.Type) + len(r.Server) + len(r.Location)
}

// answered reports the response whose chunks were counted.
func (h *HTTP) answered() {
	if h.answer != nil {
		h.report(h.answer)
		h.answer = nil
	}
}

var errHead = errors.New("head is of another protocol")

// Read takes what an end has sent in order, beginning at now, and returns how
// many bytes it used: more than there are where a body is passed over, 0 if it
// wants more first.
func (h *HTTP) Read(end uint8, now record.Nanos, b []byte) (used int, err error) {
	s := &h.sides[end]
	switch {
	case s.endless, h.Tunnel:
		return maxBody, nil
	case s.trailer:
		i := bytes.IndexByte(b, '\n')
		if len(trimLine(b[:max(i, 0)])) == 0 && i >= 0 {
			s.trailer = false
		}
		return i + 1, nil
	case s.chunked:
		used, size, err := s.chunk(b)
		if h.answer != nil && end != h.Client {
			if h.answer.Size += size; !s.chunked {
				h.answered()
			}
		}
		return used, err
	}
	for used < len(b) && (b[used] == '\r' || b[used] == '\n') { // RFC 9112, section 2.2
		used++
	}
	if used > 0 {
		return used, nil
	}
	size := headSize(b, s.seen)
	if size == 0 {
		if !LooksLikeHTTP(b) && len(b) > 12 {
			return 0, errHead
		}
		s.seen = max(len(b)-2, 0)
		return 0, nil
	}
	s.seen = 0
	body, err := h.head(end, now, b[:size])
	if err != nil {
		return 0, err
	}
	if body > maxBody {
		s.endless = true
		body = maxBody
	}
	return size + int(body), nil
}

// headSize returns the size of the head that b begins with, or 0. It does not end
// in the first seen bytes.
func headSize(b []byte, seen int) int {
	for i := seen; ; {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return 0
		}
		i += n + 1
		if len(b) > i && b[i] == '\n' {
			return i + 1
		}
		if len(b) > i+1 && b[i] == '\r' && b[i+1] == '\n' {
			return i + 2
		}
	}
}

// chunk passes over a chunk (RFC 9112, section 7.1) and returns its size.
func (s *httpSide) chunk(b []byte) (used int, size uint64, err error) {
	i := bytes.IndexByte(b[:min(len(b), maxChunkLine)], '\n')
	if i < 0 {
		if len(b) >= maxChunkLine {
			return 0, 0, errHead
		}
		return 0, 0, nil
	}
	digits, _, _ := bytes.Cut(trimLine(b[:i]), []byte(";"))
	size, err = strconv.ParseUint(string(bytes.TrimSpace(digits)), 16, 32)
	if err != nil || size > maxBody {
		return 0, 0, errHead
	}
	if size == 0 {
		s.chunked, s.trailer = false, true
		return i + 1, 0, nil
	}
	return i + 1 + int(size) + 2, size, nil
}

func trimLine(b []byte) []byte { return bytes.TrimSuffix(b, []byte("\r")) }

// head takes the head of a message and returns the size of the body after it.
func (h *HTTP) head(end uint8, now record.Nanos, b []byte) (body uint64, err error) {
	line, rest, _ := bytes.Cut(b, []byte("\n"))
	line = trimLine(line)
	var head httpHead
	head.fields(rest)
	if bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return h.response(end, now, line, &head)
	}
	method, target, ok := strings.Cut(string(line), " ")
	target, version, ok2 := cutLast(target, " HTTP/")
	if !ok || !ok2 || !LooksLikeHTTP(b) {
		return 0, errHead
	}
	h.started, h.Client = true, end
	rec := httpRequest{at: now, HTTP: record.HTTP{
		Time: now, UserAgent: head.agent, Referrer: withoutSecrets(head.referrer), ForwardedFor: head.forwarded,
		RequestType: head.typ, RequestSize: head.size,
	}}
	rec.Method, rec.Version = strings.Clone(method), short(strings.Clone(version))
	rec.URI, rec.Host = httpTarget(method, target, head.host)
	rec.URI, rec.Host = short(rec.URI), strings.Clone(short(rec.Host))
	if version == "2.0" {
		rec.Version, h.Tunnel = "2", true
	}
	h.push(rec)
	h.sides[end].chunked = head.chunked
	if head.chunked {
		return 0, nil
	}
	return head.size, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// httpTarget returns the target of a request without its secrets, and
// the host that it is for (RFC 9112, section 3.2).
func httpTarget(method, target, host string) (uri, domain string) {
	target = withoutSecrets(target)
	scheme, rest, absolute := strings.Cut(target, "://")
	if strings.ContainsAny(scheme, "/?") {
		absolute = false
	}
	if !absolute {
		if method == "CONNECT" && host == "" {
			host = target
		}
		return target, host
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	if host == "" {
		host = rest[:end]
	}
	return target, host
}

// response takes the head of a response.
func (h *HTTP) response(end uint8, now record.Nanos, line []byte, head *httpHead) (body uint64, err error) {
	fields := strings.Fields(text(line))
	if len(fields) < 2 {
		return 0, errHead
	}
	status, err := strconv.ParseUint(fields[1], 10, 10)
	if err != nil {
		return 0, errHead
	}
	if status < 200 && status != 101 { // another will follow
		return 0, nil
	}
	h.answered()
	h.started, h.Client = true, 1-end
	rec := record.HTTP{Time: now, Version: strings.TrimPrefix(fields[0], "HTTP/")}
	if len(h.waiting) > 0 {
		asked := h.pop()
		rec = asked.HTTP
		rec.RTT = time.Duration(max(now-asked.at, 0))
	}
	rec.Status, rec.Type, rec.Size, rec.Server, rec.Location = uint16(status), head.typ, head.size, head.server, withoutSecrets(head.location)
	switch {
	case status == 101:
		rec.Upgrade, h.Tunnel = head.upgrade, true
	case rec.Method == "CONNECT" && status < 300:
		h.Tunnel = true
	}
	empty := rec.Method == "HEAD" || status == 204 || status == 304 || h.Tunnel
	if head.chunked && !empty {
		rec.Size = 0
		h.answer, h.sides[end].chunked = &rec, true
		return 0, nil
	}
	h.report(&rec)
	switch {
	case empty:
		return 0, nil
	case head.hasSize:
		return head.size, nil
	}
	h.sides[end].endless = true
	return 0, nil
}
