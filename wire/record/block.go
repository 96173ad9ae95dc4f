package record

import (
	"encoding/binary"
	"errors"
	"fmt"
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

// ParseBlocks parses the blocks of a batch. Where a part is damaged it returns
// the blocks before it and an error.
func ParseBlocks(b []byte) ([]Block, error) {
	var blocks []Block
	for coded := maxCoded; len(b) > 0; {
		blk, rest, err := parseBlock(b, &coded)
		if err != nil {
			return blocks, err
		}
		blocks, b = append(blocks, blk), rest
	}
	return blocks, nil
}

// ParseBlock parses the block at the front of b and returns what follows it.
// The first column must be of type Time. Texts are checked to be UTF-8. The
// result shares Raw with b and nothing else.
func ParseBlock(b []byte) (Block, []byte, error) {
	coded := maxCoded
	return parseBlock(b, &coded)
}

// parseBlock parses a block whose coded columns may have so many values, which
// it takes off.
func parseBlock(b []byte, coded *int) (Block, []byte, error) {
	r := &reader{b: b}
	blk := Block{Kind: r.name()}
	blk.Rows = r.count("rows", MaxRows)
	columns := r.count("columns", MaxColumns)
	if r.err == nil && (blk.Rows == 0 || columns == 0) {
		r.fail(errors.New("block is empty"))
	}
	parts := r.parts(columns)
	blk.Columns = make([]Column, 0, len(parts)+1) // one more for AddCommunityID
	for i := range parts {
		p, c := &parts[i], Column{Name: parts[i].name, Type: Type(parts[i].typ)}
		if p.coded() {
			p.data = r.bytes(p.size)
			*coded -= blk.Rows
		}
		if r.err == nil && *coded < 0 {
			r.fail(fmt.Errorf("more than %d values in coded columns", maxCoded))
		}
		if r.err != nil {
			break
		}
		if blk.has(c.Name) {
			r.fail(fmt.Errorf("two columns %q", c.Name))
			break
		}
		if err := c.parse(p.typ, p.data, blk.Rows); err != nil {
			r.fail(fmt.Errorf("column %q: %w", c.Name, err))
			break
		}
		if i == 0 && c.Type != Time {
			r.fail(fmt.Errorf("first column %q is of type %v, want time", c.Name, c.Type))
			break
		}
		blk.Columns = append(blk.Columns, c)
	}
	if r.err != nil {
		return Block{}, nil, fmt.Errorf("parsing block of kind %q: %w", blk.Kind, r.err)
	}
	return blk, r.b, nil
}

// A part is a column as it lies in a block. The data of coded ones stands
// behind all columns.
type part struct {
	name string
	typ  byte
	size int
	data []byte
}

func (p *part) coded() bool { return p.typ>>4 == formCoded }

// parts takes so many columns, but not what stands behind them.
func (r *reader) parts(columns int) []part {
	parts := make([]part, columns)
	for i := range parts {
		p := &parts[i]
		p.name, p.typ, p.size = r.name(), r.byte(), r.count("bytes of column", len(r.b))
		if !p.coded() {
			p.data = r.bytes(p.size)
		}
		if r.err != nil {
			return nil
		}
	}
	return parts
}

func (b *Block) has(name string) bool {
	for i := range b.Columns {
		if b.Columns[i].Name == name {
			return true
		}
	}
	return false
}

// parse takes the data of a column, whose type byte says how it is written. One
// of a type or form that this release does not know keeps them as they are.
func (c *Column) parse(typ byte, data []byte, rows int) error {
	r := &reader{b: data}
	form, known := typ>>4, Type(typ&0xf)
	switch {
	case typ == byte(Bool):
		c.Ints = r.bits(rows)
	case known >= Uint && known <= Duration && form == formCoded:
		c.Type = known
		c.Ints = r.coded(rows)
	case known >= Uint && known <= Duration && form <= formPacked:
		c.Type = known
		if len(data) < rows {
			return errShort
		}
		if form == formPlain {
			c.Ints = r.plain(known, rows)
		} else {
			c.Ints = r.packed(rows)
		}
	case known.inDict() && form <= formPacked:
		c.Type = known
		c.parseDict(r, rows, form)
	default:
		c.Raw = data
		return nil
	}
	if r.err == nil && len(r.b) > 0 {
		return fmt.Errorf("%d bytes too many", len(r.b))
	}
	return r.err
}

// bits takes n numbers of one bit.
func (r *reader) bits(n int) []int64 {
	bits := r.bytes((n + 7) / 8)
	if r.err != nil {
		return nil
	}
	nums := make([]int64, n)
	for i := range nums {
		nums[i] = int64(bits[i/8] >> (i % 8) & 1)
	}
	return nums
}

// plain takes the varints of n rows.
func (r *reader) plain(typ Type, n int) []int64 {
	nums := make([]int64, n)
	var prev int64
	for i := range nums {
		switch typ {
		case Uint:
			nums[i] = int64(r.uvarint())
		case Time:
			prev += r.varint()
			nums[i] = prev
		default:
			nums[i] = r.varint()
		}
	}
	return nums
}

// valid reports whether w is a possible word of the column.
func (c *Column) valid(w string) bool {
	switch c.Type {
	case Addr:
		return len(w) == 0 || len(w) == 4 || len(w) == 16
	case MAC:
		return len(w) == 0 || len(w) == 6
	}
	return utf8.ValidString(w)
}
