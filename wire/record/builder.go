package record

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"time"
	"unsafe"
)

// Bounds of a block; ParseBlock refuses what is beyond them.
const (
	MaxRows    = 16384 // rows of one block
	MaxColumns = 256   // columns of one block
	MaxText    = 1024  // bytes of one text value; Builder cuts longer ones
	MaxValues  = 32768 // values of one list: what a message of 64 KiB can have; Builder cuts longer ones
	maxName    = 64    // bytes of the name of a kind or a column
)

// portSize is the size of a port, and of other fields of 16 bits. They are as
// good as random, so they are not coded. Nor are layers: headers of one kind
// come again every few rows, which a compressor sees and a coder does not.
const portSize = 2

// A Builder gathers records of one kind into a block. Until Reset it may keep a
// reference to texts that it was given.
type Builder struct {
	def    *Def
	rows   int
	size   int
	fields []field
	cols   []column // of each of fields

	order   []place // rows by time
	code    []byte  // of coded columns
	scratch scratch
}

// place is where a row stands among those that were appended.
type place struct {
	time int64
	row  int32
}

// NewBuilder returns an empty Builder for kind def.
func NewBuilder(def *Def) *Builder {
	b := &Builder{def: def, fields: make([]field, len(def.Fields)), cols: make([]column, len(def.Fields))}
	for i, f := range def.Fields {
		in := def.typ.Field(i)
		b.fields[i] = field{at: uint32(in.Offset), load: loadOf(f.Type, in.Type.Size())}
		b.cols[i].typ = f.Type
		b.cols[i].coded = f.Type >= Uint && f.Type <= Duration && in.Type.Size() != portSize && def != LayerDef
	}
	return b
}

// Rows returns the number of records gathered.
func (b *Builder) Rows() int { return b.rows }

// Full reports whether the builder takes no further record.
func (b *Builder) Full() bool { return b.rows == MaxRows }

// Size returns about how many bytes AppendBlock would append: a number counts
// as two bytes, and takes nine at most.
func (b *Builder) Size() int { return b.size }

// Append adds the record that rec points to. rec must be a pointer to the
// struct of the builder's kind and the builder must not be Full: either is a
// bug and panics.
//
// Fields are read by their offsets: reflect would take three times as long.
// Most of a record is zero, for which a field's column is not even looked at.
func (b *Builder) Append(rec any) {
	v := reflect.ValueOf(rec)
	if v.Kind() != reflect.Pointer || v.Type().Elem() != b.def.typ || b.Full() {
		panic(fmt.Sprintf("record: appending %v to a builder of kind %q with %d rows", v.Type(), b.def.Kind, b.rows))
	}
	base := v.UnsafePointer()
	size := b.size
	for i := range b.fields {
		f := &b.fields[i]
		p := unsafe.Add(base, f.at)
		var n int64
		switch f.load {
		case loadString:
			if s := *(*string)(p); s != "" || f.used {
				f.used = true
				size += b.cols[i].text(s, b.rows)
			}
			continue
		case loadAddr:
			if a := (*netip.Addr)(p); f.used || a.IsValid() {
				f.used = true
				size += b.cols[i].addr(a, b.rows)
			}
			continue
		case loadMAC:
			if m := (*HardwareAddr)(p); f.used || *m != (HardwareAddr{}) {
				f.used = true
				size += b.cols[i].mac(m, b.rows)
			}
			continue
		case loadStrings:
			if list := *(*[]string)(p); f.used || len(list) > 0 {
				f.used = true
				size += b.cols[i].list(list, b.rows)
			}
			continue
		case load8:
			n = int64(*(*uint8)(p))
		case load16:
			n = int64(*(*uint16)(p))
		case load32:
			n = int64(*(*uint32)(p))
		case load64:
			n = *(*int64)(p)
		case loadSigned8:
			n = int64(*(*int8)(p))
		case loadSigned16:
			n = int64(*(*int16)(p))
		case loadSigned32:
			n = int64(*(*int32)(p))
		}
		if n != 0 || f.used {
			f.used = true
			size += b.cols[i].number(n, b.rows)
		}
	}
	b.rows++
	b.size = size
}

// AppendBlock appends the block of all records gathered since Reset, by their
// time, as docs/format/record.md has it. Columns without any value are left
// out, except the first. An empty builder appends nothing.
func (b *Builder) AppendBlock(dst []byte) []byte {
	if b.rows == 0 {
		return dst
	}
	used := 0
	for i, f := range b.fields {
		if f.used || i == 0 {
			used++
		}
	}
	dst = appendText(dst, b.def.Kind)
	dst = binary.AppendUvarint(dst, uint64(b.rows))
	dst = binary.AppendUvarint(dst, uint64(used))
	b.sort()
	b.code = b.code[:0]
	for i := range b.cols {
		if !b.fields[i].used && i != 0 {
			continue
		}
		dst = appendText(dst, b.def.Fields[i].Name)
		dst = b.appendColumn(dst, &b.cols[i])
	}
	return append(dst, b.code...)
}

// CodeSize returns how many bytes of code the last block ends with, which no
// compressor makes smaller.
func (b *Builder) CodeSize() int { return len(b.code) }

// sort puts rows in the order of their time, equal ones as they came: the
// steps from one to the next are small then, and so are those of the numbers
// that grow with time.
func (b *Builder) sort() {
	b.order = b.order[:0]
	for row := range b.rows {
		b.order = append(b.order, place{b.cols[0].int(row), int32(row)})
	}
	byTime := func(x, y place) int {
		if x.time != y.time {
			return cmp.Compare(x.time, y.time)
		}
		return int(x.row - y.row)
	}
	if !slices.IsSortedFunc(b.order, byTime) {
		slices.SortFunc(b.order, byTime)
	}
}

// appendColumn appends a column behind its name.
func (b *Builder) appendColumn(dst []byte, c *column) []byte {
	form := formPlain
	if b.rows >= packRows && c.typ != Bool {
		form = formPacked
		if c.coded {
			form = formCoded
		}
	}
	dst = append(dst, byte(c.typ)|form<<4)
	if form == formCoded {
		b.scratch.nums = c.gather(b.scratch.nums[:0], b.order)
		before := len(b.code)
		b.code = b.scratch.appendCoded(b.code, b.scratch.nums)
		return binary.AppendUvarint(dst, uint64(len(b.code)-before))
	}
	// The size of the data is not known yet; it has four bytes at most, for
	// which there is room in front.
	const room = 4
	at := len(dst) + room
	dst = append(dst, make([]byte, room)...)
	switch s := &b.scratch; {
	case c.typ == Bool:
		dst = c.appendBits(dst, b.order)
	case c.typ.inDict():
		dst = c.appendWords(dst, b.order, form, s)
	default:
		s.nums = c.gather(s.nums[:0], b.order)
		if form == formPacked {
			dst = appendPacked(dst, s.nums)
		} else {
			dst = appendPlain(dst, c.typ, s.nums)
		}
	}
	size := len(dst) - at
	n := binary.PutUvarint(dst[at-room:at], uint64(size))
	copy(dst[at-room+n:], dst[at:])
	return dst[:at-room+n+size]
}

// Reset empties the builder and keeps its memory.
func (b *Builder) Reset() {
	b.rows, b.size = 0, 0
	for i := range b.cols {
		if b.fields[i].used {
			b.fields[i].used = false
			b.cols[i].reset()
		}
	}
}

func appendText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// NanosOf returns t as Nanos.
func NanosOf(t time.Time) Nanos { return Nanos(t.UnixNano()) }
