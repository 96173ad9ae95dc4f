package record

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of a block; ParseBlock refuses what is beyond them.
const (
	MaxRows    = 16384 // rows of one block
	MaxColumns = 256   // columns of one block
	MaxText    = 1024  // bytes of one text value; Builder cuts longer ones
	maxName    = 64    // bytes of the name of a kind or a column
)

// A Builder gathers records of one kind into a block. It keeps no reference to
// what it was given.
type Builder struct {
	def  *Def
	rows int
	cols []column
}

// column is one column under construction.
type column struct {
	typ   Type
	used  bool              // some value is not zero
	data  []byte            // values, or dictionary indexes
	lens  []byte            // Strings: values per row
	prev  int64             // Time: the value before
	dict  map[string]uint32 // dictionary types: value to index
	words []byte            // dictionary types: the dictionary as written
}

// NewBuilder returns an empty Builder for kind def.
func NewBuilder(def *Def) *Builder {
	b := &Builder{def: def, cols: make([]column, len(def.Fields))}
	for i, f := range def.Fields {
		b.cols[i].typ = f.Type
	}
	b.Reset()
	return b
}

// Rows returns the number of records gathered.
func (b *Builder) Rows() int { return b.rows }

// Full reports whether the builder takes no further record.
func (b *Builder) Full() bool { return b.rows == MaxRows }

// Size returns about how many bytes AppendBlock would append.
func (b *Builder) Size() int {
	n := 0
	for i := range b.cols {
		c := &b.cols[i]
		if c.used {
			n += len(c.data) + len(c.lens) + len(c.words) + 24
		}
	}
	return n
}

// Append adds the record that rec points to. rec must be a pointer to the
// struct of the builder's kind and the builder must not be Full: either is a
// bug and panics.
func (b *Builder) Append(rec any) {
	v := reflect.ValueOf(rec).Elem()
	if v.Type() != b.def.typ || b.Full() {
		panic(fmt.Sprintf("record: appending %T to a builder of kind %q with %d rows", rec, b.def.Kind, b.rows))
	}
	for i := range b.cols {
		b.cols[i].append(v.Field(i), b.rows)
	}
	b.rows++
}

func (c *column) append(v reflect.Value, row int) {
	switch c.typ {
	case Bool:
		if row%8 == 0 {
			c.data = append(c.data, 0)
		}
		if v.Bool() {
			c.used = true
			c.data[row/8] |= 1 << (row % 8)
		}
	case Uint:
		n := v.Uint()
		c.used = c.used || n != 0
		c.data = binary.AppendUvarint(c.data, n)
	case Int, Duration:
		n := v.Int()
		c.used = c.used || n != 0
		c.data = binary.AppendVarint(c.data, n)
	case Time:
		n := v.Int()
		c.used = c.used || n != 0
		c.data = binary.AppendVarint(c.data, n-c.prev)
		c.prev = n
	case Addr:
		a := v.Addr().Interface().(*netip.Addr)
		var raw [16]byte
		switch {
		case a.Is4():
			*(*[4]byte)(raw[:4]) = a.As4()
			c.index(raw[:4])
		case a.IsValid():
			raw = a.As16()
			c.index(raw[:])
		default:
			c.index(nil)
		}
	case MAC:
		m := v.Addr().Interface().(*HardwareAddr)
		if *m == (HardwareAddr{}) {
			c.index(nil)
		} else {
			c.index(m[:])
		}
	case String:
		c.text(v.String())
	case Strings:
		list := v.Interface().([]string)
		c.lens = binary.AppendUvarint(c.lens, uint64(len(list)))
		c.used = c.used || len(list) > 0
		for _, s := range list {
			c.text(s)
		}
	}
}

func (c *column) text(s string) {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	if len(s) > MaxText {
		n := MaxText
		for !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	i, ok := c.dict[s]
	if !ok {
		i = c.add(s)
	}
	c.used = c.used || s != ""
	c.data = binary.AppendUvarint(c.data, uint64(i))
}

func (c *column) index(raw []byte) {
	i, ok := c.dict[string(raw)]
	if !ok {
		i = c.add(string(raw))
	}
	c.used = c.used || len(raw) > 0
	c.data = binary.AppendUvarint(c.data, uint64(i))
}

// add enters a new word into the dictionary and returns its index.
func (c *column) add(s string) uint32 {
	i := uint32(len(c.dict))
	c.dict[strings.Clone(s)] = i
	c.words = binary.AppendUvarint(c.words, uint64(len(s)))
	c.words = append(c.words, s...)
	return i
}

// AppendBlock appends the block of all records gathered since Reset, as
// docs/format/record.md has it. Columns without any value are left out, except
// the first. An empty builder appends nothing.
func (b *Builder) AppendBlock(dst []byte) []byte {
	if b.rows == 0 {
		return dst
	}
	used := 0
	for i := range b.cols {
		if b.cols[i].used || i == 0 {
			used++
		}
	}
	dst = appendText(dst, b.def.Kind)
	dst = binary.AppendUvarint(dst, uint64(b.rows))
	dst = binary.AppendUvarint(dst, uint64(used))
	for i := range b.cols {
		c := &b.cols[i]
		if !c.used && i != 0 {
			continue
		}
		dst = appendText(dst, b.def.Fields[i].Name)
		dst = append(dst, byte(c.typ))
		if !c.typ.inDict() {
			dst = binary.AppendUvarint(dst, uint64(len(c.data)))
			dst = append(dst, c.data...)
			continue
		}
		var count [binary.MaxVarintLen32]byte
		n := binary.PutUvarint(count[:], uint64(len(c.dict)))
		dst = binary.AppendUvarint(dst, uint64(n+len(c.words)+len(c.lens)+len(c.data)))
		dst = append(dst, count[:n]...)
		dst = append(dst, c.words...)
		dst = append(dst, c.lens...)
		dst = append(dst, c.data...)
	}
	return dst
}

// Reset empties the builder and keeps its memory.
func (b *Builder) Reset() {
	b.rows = 0
	for i := range b.cols {
		c := &b.cols[i]
		c.used, c.prev = false, 0
		c.data, c.lens, c.words = c.data[:0], c.lens[:0], c.words[:0]
		if c.typ.inDict() {
			if c.dict == nil {
				c.dict = make(map[string]uint32)
			}
			clear(c.dict)
		}
	}
}

func appendText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// NanosOf returns t as Nanos.
func NanosOf(t time.Time) Nanos { return Nanos(t.UnixNano()) }
