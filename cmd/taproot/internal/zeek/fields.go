package zeek

import (
	"math"
	"strconv"
)

// A log is one of Zeek's: its name and its columns.
type log struct {
	path   string
	fields []field
}

// A field is a column of a log. A value that appends nothing is unset.
type field struct {
	name, typ string
	value     func(dst []byte, r *row) []byte
}

// The makers of fields: from is the column of the record; zero is unset, but
// for numbers and flags.

func str(name, from string) field {
	return field{name, "string", func(dst []byte, r *row) []byte { return appendText(dst, r.text(from), false) }}
}

func strOf(name string, of func(r *row) string) field {
	return field{name, "string", func(dst []byte, r *row) []byte { return appendText(dst, of(r), false) }}
}

func enumOf(name string, of func(r *row) string) field {
	f := strOf(name, of)
	f.typ = "enum"
	return f
}

func count(name, from string) field {
	return countOf(name, func(r *row) (int64, bool) { return r.int(from), true })
}

func countOf(name string, of func(r *row) (n int64, ok bool)) field {
	return field{name, "count", func(dst []byte, r *row) []byte {
		n, ok := of(r)
		if !ok {
			return dst
		}
		return strconv.AppendUint(dst, uint64(n), 10)
	}}
}

func moment(name, from string) field {
	return field{name, "time", func(dst []byte, r *row) []byte {
		if n := r.int(from); n != 0 {
			return appendSeconds(dst, n)
		}
		return dst
	}}
}

func interval(name, from string) field {
	return field{name, "interval", func(dst []byte, r *row) []byte {
		if n := r.int(from); n != 0 {
			return appendSeconds(dst, n)
		}
		return dst
	}}
}

// power is an interval that is written as a power of two seconds.
func power(name, from string) field {
	return field{name, "interval", func(dst []byte, r *row) []byte {
		return strconv.AppendFloat(dst, math.Exp2(float64(r.int(from))), 'f', 6, 64)
	}}
}

// seconds is an interval that is counted in seconds.
func seconds(name, from string) field {
	return field{name, "interval", func(dst []byte, r *row) []byte {
		if n := r.int(from); n != 0 {
			return appendSeconds(dst, n*1e9)
		}
		return dst
	}}
}

func flag(name, from string) field {
	return flagOf(name, func(r *row) bool { return r.bool(from) })
}

func flagOf(name string, of func(r *row) bool) field {
	return field{name, "bool", func(dst []byte, r *row) []byte { return appendBool(dst, of(r)) }}
}

func addr(name, from string) field {
	return field{name, "addr", func(dst []byte, r *row) []byte { return append(dst, r.text(from)...) }}
}

func portOf(name string, of func(r *row) int64) field {
	return field{name, "port", func(dst []byte, r *row) []byte { return strconv.AppendInt(dst, of(r), 10) }}
}

func listOf(name, typ string, of func(r *row) []string) field {
	return field{name, typ, func(dst []byte, r *row) []byte { return appendList(dst, of(r)) }}
}

func vector(name, from string) field {
	return listOf(name, "vector[string]", func(r *row) []string { return r.list(from) })
}

// none is a column that the records have nothing for.
func none(name, typ string) field {
	return field{name, typ, func(dst []byte, _ *row) []byte { return dst }}
}

// connection is what nearly every log begins with.
func connection(more ...field) []field {
	return append([]field{
		moment("ts", "ts"),
		strOf("uid", func(r *row) string { return r.uid(r.int("flow")) }),
		addr("id.orig_h", "src_addr"),
		portOf("id.orig_p", func(r *row) int64 { return r.int("src_port") }),
		addr("id.resp_h", "dst_addr"),
		portOf("id.resp_p", responderPort),
	}, more...)
}
