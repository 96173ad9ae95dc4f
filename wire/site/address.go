package site

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// A Carrier is what takes datagrams from a sensor to its collector.
type Carrier string

// The carriers.
const (
	UDP  Carrier = "udp"
	DTLS Carrier = "dtls"
	WSS  Carrier = "wss"
)

// DefaultPath is where a collector takes WebSockets.
const DefaultPath = "/v1/wire"

const (
	wssPort = "443"
	// maxAddress bounds an address: a name has at most 253 bytes (RFC 1035).
	maxAddress = 320
	// pathLetters need no escaping in a URL (RFC 3986, section 2.3).
	pathLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./"
)

// An Address is where a collector is reached, and by which carrier.
type Address struct {
	Carrier Carrier
	Host    string
	Port    string
	Path    string // of WSS alone; begins with a slash
}

// ParseAddress reads host:port (which is UDP), udp://host:port,
// dtls://host:port or wss://host[:port][/path].
func ParseAddress(text string) (Address, error) {
	if len(text) > maxAddress {
		return Address{}, fmt.Errorf("address of %d bytes, at most %d fit", len(text), maxAddress)
	}
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		scheme, rest = string(UDP), text
	}
	a := Address{Carrier: Carrier(scheme)}
	switch a.Carrier {
	case UDP, DTLS:
	case WSS:
		at := strings.IndexByte(rest, '/')
		if at < 0 {
			at = len(rest)
		}
		if rest, a.Path = rest[:at], rest[at:]; a.Path == "" {
			a.Path = DefaultPath
		}
		if strings.ContainsFunc(a.Path, func(r rune) bool { return !strings.ContainsRune(pathLetters, r) }) {
			return Address{}, fmt.Errorf("address %q: path %q is not plain: want letters, digits and -_./", text, a.Path)
		}
		if _, _, err := net.SplitHostPort(rest); err != nil {
			rest = net.JoinHostPort(strings.Trim(rest, "[]"), wssPort)
		}
	default:
		return Address{}, fmt.Errorf("address %q: no carrier %q; there are udp://, dtls:// and wss://", text, scheme)
	}
	var err error
	if a.Host, a.Port, err = splitHostPort(rest); err != nil {
		return Address{}, fmt.Errorf("address %w", err)
	}
	return a, nil
}

// splitHostPort splits host:port, with a port that can be sent to and a host of
// sane length and letters.
func splitHostPort(text string) (host, port string, err error) {
	host, port, err = net.SplitHostPort(text)
	if err != nil || host == "" || len(host) > 253 || strings.ContainsAny(host, "/@?#\\ \t\r\n\"") {
		return "", "", fmt.Errorf("%q is not host:port", text)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", "", fmt.Errorf("%q: port %q is not a number from 1 to 65535", text, port)
	}
	return host, port, nil
}

// HostPort returns the part that is dialled.
func (a Address) HostPort() string { return net.JoinHostPort(a.Host, a.Port) }

// String returns a as ParseAddress reads it, UDP as host:port.
func (a Address) String() string {
	switch a.Carrier {
	case UDP:
		return a.HostPort()
	case WSS:
		return string(WSS) + "://" + a.HostPort() + a.Path
	}
	return string(a.Carrier) + "://" + a.HostPort()
}

// CheckProxy returns an error unless text is http://host:port.
func CheckProxy(text string) error {
	rest, ok := strings.CutPrefix(text, "http://")
	if !ok {
		return fmt.Errorf("proxy %q is not http://host:port", text)
	}
	if _, _, err := splitHostPort(rest); err != nil {
		return fmt.Errorf("proxy %w", err)
	}
	return nil
}
