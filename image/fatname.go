package image

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
)

// A fatEntry is one entry of a directory.
type fatEntry struct {
	short   string // 11 bytes: 8 and 3, padded
	attr    byte
	cluster uint16
	size    uint32
}

func (e fatEntry) append(dir []byte) []byte {
	le := binary.LittleEndian
	b := make([]byte, fatEntrySize)
	copy(b, e.short)
	b[11] = e.attr
	le.PutUint16(b[16:], fatDate) // made, read, written
	le.PutUint16(b[18:], fatDate)
	le.PutUint16(b[24:], fatDate)
	le.PutUint16(b[26:], e.cluster)
	le.PutUint32(b[28:], e.size)
	return append(dir, b...)
}

// fatShortChars are what a short name may be made of, as far as we use it.
const fatShortChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-$~!#%&@^"

// fatName returns the short name of a file and, where that does not say it all,
// the entries of its long one, which stand before it. taken has the short names
// of the directory and gets this one.
func fatName(name string, taken map[string]bool) (short string, long []byte, err error) {
	if name == "" || len(name) > 255 || strings.Trim(strings.ToUpper(name), fatShortChars+". ") != "" || name != strings.Trim(name, " .") {
		return "", nil, fmt.Errorf("file name %q is not one for FAT", name)
	}
	base, ext, _ := strings.Cut(name, ".")
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		base, ext = name[:i], name[i+1:]
	}
	fits := len(base) <= 8 && len(ext) <= 3 && !strings.ContainsAny(base, ". ") && !strings.Contains(ext, " ")
	if fits && strings.ToUpper(name) == name {
		short = fmt.Sprintf("%-8s%-3s", base, ext)
		taken[short] = true
		return short, nil, nil
	}
	clean := func(s string, n int) string {
		s = strings.NewReplacer(".", "", " ", "").Replace(strings.ToUpper(s))
		return s[:min(len(s), n)]
	}
	for i := 1; short == "" || taken[short]; i++ {
		tail := fmt.Sprintf("~%d", i)
		short = fmt.Sprintf("%-8s%-3s", clean(base, 8-len(tail))+tail, clean(ext, 3))
	}
	taken[short] = true
	return short, fatLongEntries(name, short), nil
}

// fatLongEntries returns the entries of a long name, the last part of it first:
// 13 characters of UTF-16 each, after the name one zero and then ones.
func fatLongEntries(name, short string) []byte {
	const perEntry, attrLong, last = 13, 0x0f, 0x40
	places := [perEntry]int{1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30}
	var sum byte
	for i := range len(short) {
		sum = sum>>1 | sum<<7
		sum += short[i]
	}
	chars := utf16.Encode([]rune(name))
	n := (len(chars) + perEntry - 1) / perEntry
	b := make([]byte, n*fatEntrySize)
	for i := range n {
		e := b[(n-1-i)*fatEntrySize:][:fatEntrySize]
		e[0], e[11], e[13] = byte(i+1), attrLong, sum
		if i == n-1 {
			e[0] |= last
		}
		for j, at := range places {
			c := uint16(0xffff)
			if k := i*perEntry + j; k < len(chars) {
				c = chars[k]
			} else if k == len(chars) {
				c = 0
			}
			binary.LittleEndian.PutUint16(e[at:], c)
		}
	}
	return b
}
