package app

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/taproot-sensor/taproot/wire/record"
)

// maxSSDPHeaders bounds the header lines of a message that are looked at.
const maxSSDPHeaders = 32

// ParseSSDP reads an SSDP message (UPnP Device Architecture 2.0, section 1):
// the head of an HTTP/1.1 message in one datagram.
func ParseSSDP(b []byte, rec *record.SSDP) error {
	first, rest := cutLine(b)
	switch line := string(first); {
	case strings.HasPrefix(line, "M-SEARCH "):
		rec.Method = "M-SEARCH"
	case strings.HasPrefix(line, "NOTIFY "):
		rec.Method = "NOTIFY"
	case strings.HasPrefix(line, "HTTP/1."):
		rec.Method = "RESPONSE"
	default:
		return errOther
	}
	for range maxSSDPHeaders {
		var line []byte
		if line, rest = cutLine(rest); len(line) == 0 {
			return nil
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return errOther
		}
		ssdpHeader(name, text(bytes.TrimSpace(value)), rec)
	}
	return nil
}

func ssdpHeader(name []byte, value string, rec *record.SSDP) {
	switch strings.ToUpper(string(name)) {
	case "ST", "NT":
		rec.Target = value
	case "NTS":
		rec.Notification = value
	case "USN":
		rec.USN = value
	case "LOCATION":
		rec.Location = value
	case "SERVER":
		rec.Server = value
	case "USER-AGENT":
		rec.UserAgent = value
	case "CACHE-CONTROL":
		if _, age, ok := strings.Cut(value, "max-age"); ok {
			n, _ := strconv.ParseUint(strings.TrimLeft(age, " ="), 10, 32)
			rec.MaxAge = uint32(n)
		}
	}
}

// cutLine returns the first line of b, without its end, and the rest.
func cutLine(b []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(b, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), rest
}
