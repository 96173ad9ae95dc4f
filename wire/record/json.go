package record

import (
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"strconv"
	"time"
)

// AppendJSON appends record row of the block as one JSON object: "kind", then
// every column whose value is not zero. Times are RFC 3339 with nanoseconds,
// durations are nanoseconds.
func (b *Block) AppendJSON(dst []byte, row int) []byte {
	dst = append(dst, `{"kind":"`...)
	dst = append(dst, b.Kind...)
	dst = append(dst, '"')
	for i := range b.Columns {
		dst = b.Columns[i].appendJSON(dst, row)
	}
	return append(dst, '}')
}

// appendJSON appends the value of a row behind its name and a comma, if it is not
// zero.
func (c *Column) appendJSON(dst []byte, row int) []byte {
	switch c.Type {
	case Bool, Uint, Int, Duration, Time:
		v := c.Ints[row]
		if v == 0 {
			return dst
		}
		dst = c.appendName(dst)
		switch c.Type {
		case Bool:
			return append(dst, "true"...)
		case Uint:
			return strconv.AppendUint(dst, uint64(v), 10)
		case Time:
			dst = append(dst, '"')
			dst = time.Unix(0, v).UTC().AppendFormat(dst, time.RFC3339Nano)
			return append(dst, '"')
		}
		return strconv.AppendInt(dst, v, 10)
	case Addr, MAC, String:
		if w := c.Dict[c.Index[row]]; w != "" {
			return c.appendWord(c.appendName(dst), w)
		}
	case Strings:
		if c.Lens[row] == 0 {
			return dst
		}
		dst = c.appendName(dst)
		for i, x := range c.Index[c.first[row]:][:c.Lens[row]] {
			dst = append(dst, "[,"[min(i, 1)])
			dst = appendJSONText(dst, c.Dict[x])
		}
		return append(dst, ']')
	}
	return dst
}

// appendName appends the name of the column, in whose letters there is nothing
// to escape.
func (c *Column) appendName(dst []byte) []byte {
	dst = append(dst, `,"`...)
	dst = append(dst, c.Name...)
	return append(dst, `":`...)
}

// appendWord appends a word of the dictionary.
func (c *Column) appendWord(dst []byte, word string) []byte {
	if c.Type == String {
		return appendJSONText(dst, word)
	}
	dst = append(dst, '"')
	dst = c.AppendText(dst, word)
	return append(dst, '"')
}

// isPlain has the characters that stand for themselves in a text of JSON, as
// encoding/json writes it.
var isPlain = func() (plain [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		plain[c] = c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
	}
	return plain
}()

// appendJSONText appends a text. Most have nothing to escape, for which
// encoding/json takes ten times as long.
func appendJSONText(dst []byte, s string) []byte {
	for i := range len(s) {
		if !isPlain[s[i]] {
			out, err := json.Marshal(s)
			if err != nil { // a string always marshals
				panic(err)
			}
			return append(dst, out...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

// Text returns a word of the column's dictionary as people write it.
func (c *Column) Text(word string) string {
	if c.Type != Addr && c.Type != MAC {
		return word
	}
	return string(c.AppendText(nil, word))
}

// AppendText appends a word of the column's dictionary as people write it.
func (c *Column) AppendText(dst []byte, word string) []byte {
	switch {
	case c.Type == Addr && len(word) == 4:
		return netip.AddrFrom4([4]byte([]byte(word))).AppendTo(dst)
	case c.Type == Addr && len(word) == 16:
		return netip.AddrFrom16([16]byte([]byte(word))).AppendTo(dst)
	case c.Type == MAC:
		for i := range len(word) {
			if i > 0 {
				dst = append(dst, ':')
			}
			dst = hex.AppendEncode(dst, []byte(word[i:i+1]))
		}
		return dst
	}
	return append(dst, word...)
}
