package record

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// A Block is a parsed block: the columns of Rows records of one kind.
type Block struct {
	Kind    string
	Rows    int
	Columns []Column
}

// A Column holds the values of one column, a value per row.
type Column struct {
	Name string
	Type Type

	// Ints holds the values of Bool (0 or 1), Uint (two's complement), Int,
	// Time (Unix ns) and Duration (ns).
	Ints []int64

	// Dict and Index hold the values of Addr (4 or 16 raw bytes, or "" for
	// none), MAC (6 raw bytes, or ""), String and Strings: Index has
	// positions in Dict. For Strings it is flat and Lens has the number of
	// values per row.
	Dict  []string
	Index []uint32
	Lens  []uint32

	first []uint32 // Strings: where each row's values begin in Index

	// Raw holds the bytes of a column whose type this release does not know.
	Raw []byte
}

var errShort = errors.New("cut short")

// reader takes values off the front of a byte slice. After the first error
// all values are zero.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail(errShort)
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail(errShort)
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count takes a number of things that need at least one byte each.
func (r *reader) count(what string, most int) int {
	v := r.uvarint()
	if v > uint64(most) {
		r.fail(fmt.Errorf("%d %s, at most %d fit", v, what, most))
		return 0
	}
	return int(v)
}

func (r *reader) bytes(n int) []byte {
	if n > len(r.b) {
		r.fail(errShort)
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// name takes the name of a kind or column: it becomes a directory and an SQL
// identifier, so only a-z, 0-9 and _ pass.
func (r *reader) name() string {
	b := r.bytes(r.count("bytes of name", maxName))
	if r.err == nil && len(b) == 0 {
		r.fail(errors.New("empty name"))
	}
	for _, c := range b {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			r.fail(fmt.Errorf("name %q has other letters than a-z, 0-9 and _", b))
			break
		}
	}
	return string(b)
}

// ParseBlock parses the block at the front of b and returns what follows it.
// The first column must be of type Time: a row costs at least a byte. Texts
// are checked to be UTF-8. The result shares Raw with b and nothing else.
func ParseBlock(b []byte) (Block, []byte, error) {
	r := &reader{b: b}
	blk := Block{Kind: r.name()}
	blk.Rows = r.count("rows", MaxRows)
	n := r.count("columns", MaxColumns)
	if r.err == nil && (blk.Rows == 0 || n == 0) {
		r.fail(errors.New("block is empty"))
	}
	for i := 0; i < n && r.err == nil; i++ {
		c := Column{Name: r.name(), Type: Type(r.byte())}
		data := r.bytes(r.count("bytes of column", len(r.b)))
		if r.err != nil {
			break
		}
		if i == 0 && c.Type != Time {
			r.fail(fmt.Errorf("first column %q is of type %v, want time", c.Name, c.Type))
			break
		}
		if slices.ContainsFunc(blk.Columns, func(o Column) bool { return o.Name == c.Name }) {
			r.fail(fmt.Errorf("two columns %q", c.Name))
			break
		}
		if err := c.parse(data, blk.Rows); err != nil {
			r.fail(fmt.Errorf("column %q: %w", c.Name, err))
			break
		}
		blk.Columns = append(blk.Columns, c)
	}
	if r.err != nil {
		return Block{}, nil, fmt.Errorf("parsing block of kind %q: %w", blk.Kind, r.err)
	}
	return blk, r.b, nil
}

func (c *Column) parse(data []byte, rows int) error {
	r := &reader{b: data}
	switch c.Type {
	case Bool:
		bits := r.bytes((rows + 7) / 8)
		if r.err != nil {
			return r.err
		}
		c.Ints = make([]int64, rows)
		for i := range c.Ints {
			c.Ints[i] = int64(bits[i/8] >> (i % 8) & 1)
		}
	case Uint, Int, Duration, Time:
		if len(data) < rows {
			return errShort
		}
		c.Ints = make([]int64, rows)
		c.parseInts(r)
	case Addr, MAC, String, Strings:
		c.parseDict(r, rows)
	default:
		c.Raw = data
		return nil
	}
	if r.err == nil && len(r.b) > 0 {
		return fmt.Errorf("%d bytes too many", len(r.b))
	}
	return r.err
}

func (c *Column) parseInts(r *reader) {
	switch c.Type {
	case Uint:
		for i := range c.Ints {
			c.Ints[i] = int64(r.uvarint())
		}
	case Time:
		var prev int64
		for i := range c.Ints {
			prev += r.varint()
			c.Ints[i] = prev
		}
	default:
		for i := range c.Ints {
			c.Ints[i] = r.varint()
		}
	}
}

func (c *Column) parseDict(r *reader, rows int) {
	words := r.count("words", len(r.b))
	c.Dict = make([]string, 0, min(words, rows))
	for range words {
		w := r.bytes(r.count("bytes of word", MaxText))
		if r.err != nil {
			return
		}
		if !c.valid(w) {
			r.fail(fmt.Errorf("word %q is no %v", w, c.Type))
			return
		}
		c.Dict = append(c.Dict, string(w))
	}
	values := rows
	if c.Type == Strings {
		if len(r.b) < rows {
			r.fail(errShort)
			return
		}
		values = 0
		c.Lens, c.first = make([]uint32, rows), make([]uint32, rows)
		for i := range c.Lens {
			n := r.count("values", len(r.b))
			c.Lens[i], c.first[i] = uint32(n), uint32(values)
			if values += n; values > len(r.b) { // an int of 32 bits would not hold the sum
				r.fail(errShort)
				return
			}
		}
	}
	if values > len(r.b) {
		r.fail(errShort)
		return
	}
	c.Index = make([]uint32, values)
	for i := range c.Index {
		v := r.uvarint()
		if r.err == nil && v >= uint64(len(c.Dict)) {
			r.fail(fmt.Errorf("word %d of %d", v, len(c.Dict)))
		}
		if r.err != nil {
			return
		}
		c.Index[i] = uint32(v)
	}
}

// valid reports whether w is a possible word of the column.
func (c *Column) valid(w []byte) bool {
	switch c.Type {
	case Addr:
		return len(w) == 0 || len(w) == 4 || len(w) == 16
	case MAC:
		return len(w) == 0 || len(w) == 6
	}
	return utf8.Valid(w)
}

// Text returns a word of the column's dictionary as people write it.
func (c *Column) Text(word string) string {
	switch {
	case word == "":
	case c.Type == Addr:
		a, _ := netip.AddrFromSlice([]byte(word))
		return a.String()
	case c.Type == MAC:
		return net.HardwareAddr(word).String()
	}
	return word
}

// AppendJSON appends record row of the block as one JSON object: "kind", then
// every column whose value is not zero. Times are RFC 3339 with nanoseconds,
// durations are nanoseconds.
func (b *Block) AppendJSON(dst []byte, row int) []byte {
	dst = append(dst, `{"kind":`...)
	dst = appendJSONText(dst, b.Kind)
	for i := range b.Columns {
		dst = b.Columns[i].appendJSON(dst, row)
	}
	return append(dst, '}')
}

func (c *Column) appendJSON(dst []byte, row int) []byte {
	key := func() {
		dst = append(dst, ',')
		dst = appendJSONText(dst, c.Name)
		dst = append(dst, ':')
	}
	switch c.Type {
	case Bool, Uint, Int, Duration, Time:
		v := c.Ints[row]
		if v == 0 {
			return dst
		}
		key()
		switch c.Type {
		case Bool:
			dst = append(dst, "true"...)
		case Uint:
			dst = strconv.AppendUint(dst, uint64(v), 10)
		case Time:
			dst = time.Unix(0, v).UTC().AppendFormat(dst, `"`+time.RFC3339Nano+`"`)
		default:
			dst = strconv.AppendInt(dst, v, 10)
		}
	case Addr, MAC, String:
		if w := c.Dict[c.Index[row]]; w != "" {
			key()
			dst = appendJSONText(dst, c.Text(w))
		}
	case Strings:
		if c.Lens[row] == 0 {
			return dst
		}
		key()
		for i, x := range c.Index[c.first[row]:][:c.Lens[row]] {
			dst = append(dst, "[,"[min(i, 1)])
			dst = appendJSONText(dst, c.Dict[x])
		}
		dst = append(dst, ']')
	}
	return dst
}

func appendJSONText(dst []byte, s string) []byte {
	out, err := json.Marshal(s)
	if err != nil { // a string always marshals
		panic(err)
	}
	return append(dst, out...)
}
