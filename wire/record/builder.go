package record

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"
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
	size  uint8             // of an integer in the struct
	at    uintptr           // of the field in the struct
	used  bool              // some value is not zero
	data  []byte            // values, or dictionary indexes
	lens  []byte            // Strings: values per row
	prev  int64             // Time: the value before
	dict  map[string]uint32 // dictionary types: value to index
	list  []string          // the values
	last  uint32            // index of the one before: most come again
	words []byte            // dictionary types: the dictionary as written
}

// NewBuilder returns an empty Builder for kind def.
func NewBuilder(def *Def) *Builder {
	b := &Builder{def: def, cols: make([]column, len(def.Fields))}
	for i, f := range def.Fields {
		field := def.typ.Field(i)
		b.cols[i].typ, b.cols[i].at, b.cols[i].size = f.Type, field.Offset, uint8(field.Type.Size())
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
//
// Fields are read by their offsets: reflect would take three times as long.
func (b *Builder) Append(rec any) {
	v := reflect.ValueOf(rec)
	if v.Kind() != reflect.Pointer || v.Type().Elem() != b.def.typ || b.Full() {
		panic(fmt.Sprintf("record: appending %T to a builder of kind %q with %d rows", rec, b.def.Kind, b.rows))
	}
	base := v.UnsafePointer()
	for i := range b.cols {
		c := &b.cols[i]
		c.append(unsafe.Add(base, c.at), b.rows)
	}
	b.rows++
}

// append adds the field that p points to, which is of the column's type.
func (c *column) append(p unsafe.Pointer, row int) {
	switch c.typ {
	case Bool:
		if row%8 == 0 {
			c.data = append(c.data, 0)
		}
		if *(*bool)(p) {
			c.used = true
			c.data[row/8] |= 1 << (row % 8)
		}
	case Uint:
		c.uint(c.load(p))
	case Int:
		c.int(c.loadSigned(p))
	case Duration:
		c.int(*(*int64)(p))
	case Time:
		n := *(*int64)(p)
		c.used = c.used || n != 0
		c.data = binary.AppendVarint(c.data, n-c.prev)
		c.prev = n
	case Addr:
		a := (*netip.Addr)(p)
		var raw [16]byte
		switch {
		case a.Is4():
			*(*[4]byte)(raw[:4]) = a.As4()
			c.word(raw[:4])
		case a.IsValid():
			raw = a.As16()
			c.word(raw[:])
		default:
			c.word(nil)
		}
	case MAC:
		if m := (*HardwareAddr)(p); *m == (HardwareAddr{}) {
			c.word(nil)
		} else {
			c.word(m[:])
		}
	case String:
		c.text(*(*string)(p))
	case Strings:
		list := *(*[]string)(p)
		c.lens = binary.AppendUvarint(c.lens, uint64(len(list)))
		c.used = c.used || len(list) > 0
		for _, s := range list {
			c.text(s)
		}
	}
}

// load returns an unsigned integer of the size that the field has.
func (c *column) load(p unsafe.Pointer) uint64 {
	switch c.size {
	case 1:
		return uint64(*(*uint8)(p))
	case 2:
		return uint64(*(*uint16)(p))
	case 4:
		return uint64(*(*uint32)(p))
	}
	return *(*uint64)(p)
}

func (c *column) loadSigned(p unsafe.Pointer) int64 {
	switch c.size {
	case 1:
		return int64(*(*int8)(p))
	case 2:
		return int64(*(*int16)(p))
	case 4:
		return int64(*(*int32)(p))
	}
	return *(*int64)(p)
}

func (c *column) uint(n uint64) {
	if n < 0x80 { // most are
		c.used = c.used || n != 0
		c.data = append(c.data, byte(n))
		return
	}
	c.used = true
	c.data = binary.AppendUvarint(c.data, n)
}

func (c *column) int(n int64) {
	c.used = c.used || n != 0
	c.data = binary.AppendVarint(c.data, n)
}

func (c *column) text(s string) {
	if len(c.list) > 0 && s == c.list[c.last] {
		c.uint(uint64(c.last))
		return
	}
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
	c.refer(i)
}

func (c *column) word(raw []byte) {
	if len(c.list) > 0 && string(raw) == c.list[c.last] {
		c.uint(uint64(c.last))
		return
	}
	i, ok := c.dict[string(raw)]
	if !ok {
		i = c.add(unsafe.String(unsafe.SliceData(raw), len(raw)))
	}
	c.refer(i)
}

// refer writes the index of a word.
func (c *column) refer(i uint32) {
	c.last = i
	c.used = c.used || c.list[i] != ""
	c.uint(uint64(i))
}

// add enters a new word into the dictionary and returns its index. The keys of
// dict lie in words, which Reset overwrites only after it has emptied dict: a
// string of its own for each word would be most of a sensor's garbage.
func (c *column) add(word string) uint32 {
	i := uint32(len(c.dict))
	c.words = binary.AppendUvarint(c.words, uint64(len(word)))
	c.words = append(c.words, word...)
	key := ""
	if word != "" {
		key = unsafe.String(&c.words[len(c.words)-len(word)], len(word))
	}
	c.dict[key] = i
	c.list = append(c.list, key)
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
		if c.typ.inDict() {
			if c.dict == nil {
				c.dict = make(map[string]uint32)
			}
			clear(c.dict)
			clear(c.list)
			c.list, c.last = c.list[:0], 0
		}
		c.data, c.lens, c.words = c.data[:0], c.lens[:0], c.words[:0]
	}
}

func appendText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// NanosOf returns t as Nanos.
func NanosOf(t time.Time) Nanos { return Nanos(t.UnixNano()) }
