// Package app parses application messages into audit records, and recognises
// those of protocols that have no record of their own.
//
// A parser takes one message, fills a record of wire/record and keeps nothing.
// Its input is hostile: every length is checked, every loop is bounded, and
// what is wrong is an error for the caller to count; what was read until then
// stays in the record. Stream puts the first bytes of a TCP connection in
// order for parsers that need it, Transactions joins DNS queries with their
// responses. Secrets are never read: no password, cookie or payload leaves
// this package.
package app

import (
	"encoding/binary"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/taproot-sensor/taproot/wire/record"
)

var (
	errShort = errors.New("message is cut short")
	errOther = errors.New("message is of another protocol")
)

// A reader takes values off the front of a message. After the first that is
// not there, ok is false and all values are zero.
type reader struct {
	b  []byte
	ok bool
}

func newReader(b []byte) *reader { return &reader{b, true} }

func (r *reader) bytes(n int) []byte {
	if n > len(r.b) {
		r.b, r.ok = nil, false
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) uint8() uint8 {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint16() uint16 {
	if b := r.bytes(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if b := r.bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// list8 and list16 take a list whose length in bytes stands before it.
func (r *reader) list8() reader  { return r.sub(int(r.uint8())) }
func (r *reader) list16() reader { return r.sub(int(r.uint16())) }

func (r *reader) sub(n int) reader {
	b := r.bytes(n)
	return reader{b, r.ok}
}

// maxText bounds the texts that are kept of a message: more is in no record, and
// may be waiting for long. The rune that crosses MaxText is Builder's to cut.
const maxText = record.MaxText + utf8.UTFMax

// text returns v as text, without the NULs that some clients end it with.
func text(v []byte) string {
	v = v[:min(len(v), maxText)]
	for len(v) > 0 && v[len(v)-1] == 0 {
		v = v[:len(v)-1]
	}
	return string(v)
}

// short returns what text keeps of s, in memory of its own if s has more.
func short(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.Clone(s[:maxText])
}

// IsShort reports whether a parser wants more bytes of the message.
func IsShort(err error) bool { return errors.Is(err, errShort) }
