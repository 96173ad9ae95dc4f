package zeek

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// How values look that are none, or none of many.
const (
	unset        = '-'
	empty        = "(empty)"
	setSeparator = ','
)

// appendText appends a string as Zeek's ASCII writer has it: control
// characters, what is not UTF-8 and what would be taken for something else as
// \xNN, a backslash twice.
func appendText(dst []byte, s string, inSet bool) []byte {
	if s == string(unset) || s == empty || s != "" && s[0] == '#' {
		dst = fmt.Appendf(dst, `\x%02x`, s[0])
		s = s[1:]
	}
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			if r, n := utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || n > 1 {
				dst = append(dst, s[i:i+n]...)
				i += n
				continue
			}
		}
		switch {
		case c == '\\':
			dst = append(dst, `\\`...)
		case c < ' ' || c >= 0x7f || inSet && c == setSeparator:
			dst = fmt.Appendf(dst, `\x%02x`, c)
		default:
			dst = append(dst, c)
		}
		i++
	}
	return dst
}

// appendList appends a set or vector; one without members is nil for unset.
func appendList(dst []byte, list []string) []byte {
	for i, s := range list {
		if i > 0 {
			dst = append(dst, setSeparator)
		}
		if s == "" {
			dst = append(dst, empty...)
		}
		dst = appendText(dst, s, true)
	}
	return dst
}

// appendSeconds appends nanoseconds as seconds with six digits behind the
// point, which is what Zeek writes of times and intervals.
func appendSeconds(dst []byte, ns int64) []byte {
	if ns < 0 {
		dst, ns = append(dst, '-'), -ns
	}
	us := ns / 1000
	dst = strconv.AppendInt(dst, us/1e6, 10)
	return fmt.Appendf(dst, ".%06d", us%1e6)
}

func appendBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, 'T')
	}
	return append(dst, 'F')
}
