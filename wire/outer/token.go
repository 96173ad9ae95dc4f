package outer

import (
	"encoding/hex"
	"time"

	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/site"
)

// What opens a WebSocket: a JSON Web Token (RFC 7519) in the header
// "Authorization: Bearer", signed with EdDSA by the sensor's identity.
const (
	// Subprotocol is the WebSocket subprotocol of one datagram per message.
	Subprotocol = "taproot.1"
	// MaxTokenLife is the longest that a token may be good for.
	MaxTokenLife = 5 * time.Minute
	// TokenLife is what sensors make tokens for.
	TokenLife = time.Minute
	// MaxToken bounds a token, in bytes. Those made here have about 500.
	MaxToken = 2048
	// ExporterLabel and ExporterSize are those of tls-exporter (RFC 9266,
	// section 2), with an empty context.
	ExporterLabel = "EXPORTER-Channel-Binding"
	ExporterSize  = 32
)

// Confirmation is the claim "cnf" (RFC 7800): what a token is bound to.
type Confirmation struct {
	// Exporter is the base64url of the TLS connection's tls-exporter.
	Exporter string `json:"tls-exporter"`
}

// Audience returns the claim "aud" of tokens for a site: its identity in hex.
func Audience(identity site.Key) string { return identity.String() }

// Subject returns the claim "sub" of a sensor's tokens: its identity in hex.
func Subject(id enrol.Identity) string { return hex.EncodeToString(id[:]) }

// ParseSubject returns the identity that the claim "sub" names.
func ParseSubject(sub string) (id enrol.Identity, ok bool) {
	var k site.Key
	if err := k.UnmarshalText([]byte(sub)); err != nil {
		return id, false
	}
	return enrol.Identity(k), true
}
