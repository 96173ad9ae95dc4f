package app

import (
	"bytes"
	"strconv"
	"strings"
)

// An httpHead is what a head says.
type httpHead struct {
	host, agent, referrer, forwarded, typ, server, location, upgrade string

	size    uint64
	hasSize bool
	chunked bool
}

// fields reads the fields that records have.
func (h *httpHead) fields(b []byte) {
	var value *string
	for len(b) > 0 {
		var line []byte
		line, b, _ = bytes.Cut(b, []byte("\n"))
		line = trimLine(line)
		if len(line) > 0 && (line[0] == ' ' || line[0] == '\t') { // folded (RFC 9112, section 5.2)
			if value != nil && len(*value) < maxText {
				*value += " " + text(bytes.TrimSpace(line))
			}
			continue
		}
		name, v, _ := bytes.Cut(line, []byte(":"))
		v = bytes.TrimSpace(v)
		if value = h.field(name, v); value != nil && *value == "" {
			*value = text(v)
		}
	}
}

// field returns where the value of a field goes, or takes it.
func (h *httpHead) field(name, v []byte) *string {
	is := func(s string) bool { return len(name) == len(s) && strings.EqualFold(string(name), s) }
	switch len(name) {
	case 4:
		if is("Host") {
			return &h.host
		}
	case 6:
		if is("Server") {
			return &h.server
		}
	case 7:
		switch {
		case is("Referer"):
			return &h.referrer
		case is("Upgrade"):
			return &h.upgrade
		}
	case 8:
		if is("Location") {
			return &h.location
		}
	case 10:
		if is("User-Agent") {
			return &h.agent
		}
	case 12:
		if is("Content-Type") {
			return &h.typ
		}
	case 14:
		if is("Content-Length") {
			n, err := strconv.ParseUint(string(v), 10, 63)
			h.size, h.hasSize = n, err == nil
		}
	case 15:
		if is("X-Forwarded-For") {
			return &h.forwarded
		}
	case 17:
		if is("Transfer-Encoding") {
			last := v[bytes.LastIndexByte(v, ',')+1:]
			h.chunked = strings.EqualFold(string(bytes.TrimSpace(last)), "chunked")
		}
	}
	return nil
}
