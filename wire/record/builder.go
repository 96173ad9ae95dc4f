package record

import (
	"cmp"
	"encoding/binary"
	"fmt"
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
// reference to texts that it was given, but none to lists of them.
type Builder struct {
	def    *Def
	rows   int // those that wait too
	size   int
	fields []field
	cols   []column // of each of fields

	waiting  reflect.Value // an array of def.typ
	base     unsafe.Pointer
	waits    int
	waitSize int // of the texts in those that wait, in bytes

	texts []uint32 // where a record has its texts
	lists []int    // columns that are lists

	order   []place // rows by time
	code    []byte  // of coded columns
	scratch scratch
}

// waitRows is how many records wait at most before they go into their columns,
// one column after the other: few enough to lie in the fastest cache.
const waitRows = 16

// place is where a row stands among those that were appended.
type place struct {
	time int64
	row  int32
}

// NewBuilder returns an empty Builder for kind def.
func NewBuilder(def *Def) *Builder {
	b := &Builder{def: def, fields: make([]field, len(def.Fields)), cols: make([]column, len(def.Fields))}
	b.waiting = reflect.New(reflect.ArrayOf(waitRows, def.typ)).Elem()
	b.base = b.waiting.Addr().UnsafePointer()
	for i, f := range def.Fields {
		in := def.typ.Field(i)
		b.fields[i] = field{at: uint32(in.Offset), load: loadOf(f.Type, in.Type.Size())}
		b.cols[i].typ = f.Type
		b.cols[i].coded = f.Type >= Uint && f.Type <= Duration && in.Type.Size() != portSize && def != LayerDef
		switch f.Type {
		case String:
			b.texts = append(b.texts, uint32(in.Offset))
		case Strings:
			b.lists = append(b.lists, i)
		}
	}
	return b
}

// Rows returns the number of records gathered.
func (b *Builder) Rows() int { return b.rows }

// Full reports whether the builder takes no further record.
func (b *Builder) Full() bool { return b.rows == MaxRows }

// Size returns about how many bytes AppendBlock would append: a number counts
// as two bytes, and takes nine at most.
func (b *Builder) Size() int { return b.size + b.waitSize }

// Append adds a record to b. T must be the struct of the kind of b and b must
// not be Full: either is a bug and panics. It is a function so that the
// compiler knows T, and the record need not be on the heap.
func Append[T any](b *Builder, rec *T) {
	if b.def.typ != reflect.TypeFor[T]() || b.Full() {
		panic(fmt.Sprintf("record: appending %T to a builder of kind %q with %d rows", *rec, b.def.Kind, b.rows))
	}
	(*[waitRows]T)(b.base)[b.waits] = *rec
	b.added(unsafe.Pointer(rec))
}

// added counts the record at p, which waits now.
func (b *Builder) added(p unsafe.Pointer) {
	for _, at := range b.texts {
		b.waitSize += len(*(*string)(unsafe.Add(p, at)))
	}
	for _, i := range b.lists { // their memory is the caller's
		b.size += b.cols[i].list(*(*[]string)(unsafe.Add(p, b.fields[i].at)), b.rows)
	}
	b.rows++
	if b.waits++; b.waits == waitRows {
		b.settle()
	}
}

// settle puts the records that wait into their columns.
func (b *Builder) settle() {
	size := b.def.typ.Size()
	for i, f := range b.fields {
		values := values{at: unsafe.Add(b.base, f.at), size: size, n: b.waits, row: b.rows - b.waits}
		switch c := &b.cols[i]; f.load {
		case loadStrings:
		case loadString:
			b.size += c.addTexts(values)
		case loadAddr:
			b.size += c.addAddrs(values)
		case loadMAC:
			b.size += c.addMACs(values)
		default:
			b.size += c.addNumbers(values, f.load)
		}
	}
	b.waits, b.waitSize = 0, 0
}

// AppendBlock appends the block of all records gathered since Reset, by their
// time, as docs/format/record.md has it. Columns without any value are left
// out, except the first. An empty builder appends nothing.
func (b *Builder) AppendBlock(dst []byte) []byte {
	if b.rows == 0 {
		return dst
	}
	b.settle()
	used := 0
	for i := range b.cols {
		if b.cols[i].used() || i == 0 {
			used++
		}
	}
	dst = appendText(dst, b.def.Kind)
	dst = binary.AppendUvarint(dst, uint64(b.rows))
	dst = binary.AppendUvarint(dst, uint64(used))
	b.sort()
	b.code = b.code[:0]
	for i := range b.cols {
		if !b.cols[i].used() && i != 0 {
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
	b.rows, b.size, b.waits, b.waitSize = 0, 0, 0, 0
	b.waiting.SetZero()
	for i := range b.cols {
		b.cols[i].reset()
	}
}

func appendText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// NanosOf returns t as Nanos.
func NanosOf(t time.Time) Nanos { return Nanos(t.UnixNano()) }
