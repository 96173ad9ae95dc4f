package app

import (
	"cmp"
	"crypto/md5"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strconv"
)

// A clientPrint is what the fingerprints of a ClientHello are made of. Lists
// of numbers are as they were in the hello, 16 bits each.
type clientPrint struct {
	transport  byte   // t, q or d
	legacy     uint16 // version in the hello itself
	version    uint16 // the best offered
	ciphers    []byte
	extensions []uint16
	groups     []byte
	points     []byte // 8 bits each
	signatures []byte
	alpn       []byte // the first
}

// words calls f for each number of a list that is not GREASE.
func words(list []byte, f func(uint16)) {
	for ; len(list) >= 2; list = list[2:] {
		if v := binary.BigEndian.Uint16(list); !isGrease(v) {
			f(v)
		}
	}
}

// ja3 returns the JA3 fingerprint: the MD5 of version, ciphers, extensions,
// groups and point formats in decimal (github.com/salesforce/ja3).
func (p *clientPrint) ja3() string {
	b := make([]byte, 0, 512)
	b = strconv.AppendUint(b, uint64(p.legacy), 10)
	sep := byte(',')
	number := func(v uint16) {
		b = strconv.AppendUint(append(b, sep), uint64(v), 10)
		sep = '-'
	}
	next := func() {
		if sep == ',' { // the list was empty
			b = append(b, ',')
		}
		sep = ','
	}
	words(p.ciphers, number)
	next()
	for _, e := range p.extensions {
		if !isGrease(e) {
			number(e)
		}
	}
	next()
	words(p.groups, number)
	next()
	for _, v := range p.points {
		number(uint16(v))
	}
	next()
	return md5Hex(b)
}

// ja3s returns the fingerprint of a ServerHello.
func ja3s(version, cipher uint16, extensions []uint16) string {
	b := strconv.AppendUint(make([]byte, 0, 64), uint64(version), 10)
	b = strconv.AppendUint(append(b, ','), uint64(cipher), 10)
	b = append(b, ',')
	for i, e := range extensions {
		if i > 0 {
			b = append(b, '-')
		}
		b = strconv.AppendUint(b, uint64(e), 10)
	}
	return md5Hex(b)
}

func md5Hex(b []byte) string {
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}

// ja4 returns the JA4 fingerprint
// (github.com/FoxIO-LLC/ja4, technical_details/JA4.md).
func (p *clientPrint) ja4() string {
	var ciphers, exts []uint16
	words(p.ciphers, func(v uint16) { ciphers = append(ciphers, v) })
	count, name := 0, byte('i')
	for _, e := range p.extensions {
		if isGrease(e) {
			continue
		}
		count++
		switch e {
		case extServerName:
			name = 'd'
		case extALPN:
		default:
			exts = append(exts, e)
		}
	}
	b := make([]byte, 0, 40)
	b = append(b, p.transport)
	b = append(b, ja4Version(p.version)...)
	b = append(b, name)
	b = twoDigits(b, len(ciphers))
	b = twoDigits(b, count)
	b = append(b, ja4ALPN(p.alpn)...)
	slices.Sort(ciphers)
	slices.Sort(exts)
	list := hexList(nil, ciphers)
	b = appendHash12(append(b, '_'), list)
	if list = hexList(list[:0], exts); len(list) > 0 && len(p.signatures) >= 2 {
		list = append(list, '_')
		var signatures []uint16
		words(p.signatures, func(v uint16) { signatures = append(signatures, v) })
		list = hexList(list, signatures)
	}
	return string(appendHash12(append(b, '_'), list))
}

func ja4Version(v uint16) string {
	switch v {
	case 0x0304:
		return "13"
	case 0x0303:
		return "12"
	case 0x0302:
		return "11"
	case 0x0301:
		return "10"
	case 0x0300:
		return "s3"
	case 0x0002:
		return "s2"
	case 0xfeff:
		return "d1"
	case 0xfefd:
		return "d2"
	case 0xfefc:
		return "d3"
	}
	return "00"
}

// ja4ALPN returns the first and the last letter of a protocol. Of one with
// other characters it returns those of its hexadecimal form, but 9 for what is
// not ASCII, as FoxIO's programs do.
func ja4ALPN(alpn []byte) string {
	if len(alpn) == 0 {
		return "00"
	}
	const digits = "0123456789abcdef"
	first, last := alpn[0], alpn[len(alpn)-1]
	switch {
	case isAlnum(first) && isAlnum(last):
	case first < 0x80 && last < 0x80:
		first, last = digits[first>>4], digits[last&15]
	default:
		if first >= 0x80 {
			first = '9'
		}
		if last >= 0x80 {
			last = '9'
		}
	}
	return string([]byte{first, last})
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

func twoDigits(b []byte, n int) []byte {
	n = min(n, 99)
	return append(b, '0'+byte(n/10), '0'+byte(n%10))
}

// hexList appends numbers as four digits each, with commas between.
func hexList(b []byte, list []uint16) []byte {
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = hex.AppendEncode(b, []byte{byte(v >> 8), byte(v)})
	}
	return b
}

// appendHash12 appends the first 12 digits of the SHA-256 of a list, zeros for
// an empty one.
func appendHash12(b, list []byte) []byte {
	if len(list) == 0 {
		return append(b, "000000000000"...)
	}
	sum := sha256.Sum256(list)
	return hex.AppendEncode(b, sum[:6])
}

// named returns the name of a number, or the number.
func named[T ~uint8 | ~uint16](names map[T]string, v T) string {
	return cmp.Or(names[v], strconv.Itoa(int(v)))
}
