package record

import (
	"net/netip"
	"slices"
	"unsafe"
)

// A field is where a record has the value of a column. What is asked of every
// field of every record is here, and little; the columns are large.
type field struct {
	at   uint32 // offset in the struct
	load uint8
	used bool // the column has a value that is not zero
}

// How a field is read: as a number of so many bits, or as a word.
const (
	load8 = iota // 8, 16, 32 and 64 bits; bool too is a byte that is 0 or 1
	load16
	load32
	load64
	loadSigned8
	loadSigned16
	loadSigned32
	loadAddr
	loadMAC
	loadString
	loadStrings
)

func loadOf(typ Type, size uintptr) uint8 {
	switch {
	case typ.inDict():
		return loadAddr + uint8(typ-Addr)
	case size == 8:
		return load64
	case typ == Int:
		return loadSigned8 + uint8(size>>1)
	}
	return load8 + uint8(size>>1)
}

// column is one column under construction. While all values are zero it keeps
// none of them: most columns have nothing else.
type column struct {
	typ   Type
	coded bool     // its numbers are worth the time of a coder
	nums  []int64  // numbers; Bool has 0 and 1
	index []uint32 // words: of each value in dict
	lens  []uint32 // Strings: values per row
	dict  dictionary

	// The value before, of which most are the same, and its word. They are
	// valid if there is one.
	lastText string
	lastAddr netip.Addr
	lastMAC  HardwareAddr
	last     uint32
}

// again adds the word of the row before.
func (c *column) again() int {
	c.index = append(c.index, c.last)
	return 1
}

// The methods below add the value of a row, and return about how many bytes
// that makes. The first value of a column is not zero.

func (c *column) addr(a *netip.Addr, row int) int {
	if len(c.index) > 0 && *a == c.lastAddr {
		return c.again()
	}
	c.lastAddr = *a
	switch {
	case a.Is4():
		raw := a.As4()
		return c.word(raw[:], row)
	case a.IsValid():
		raw := a.As16()
		return c.word(raw[:], row)
	}
	return c.word(nil, row)
}

func (c *column) mac(m *HardwareAddr, row int) int {
	if len(c.index) > 0 && *m == c.lastMAC {
		return c.again()
	}
	if c.lastMAC = *m; *m == (HardwareAddr{}) {
		return c.word(nil, row)
	}
	return c.word(m[:], row)
}

// numberSize is about how many bytes a number makes.
const numberSize = 2

func (c *column) number(n int64, row int) int {
	grew := numberSize
	if len(c.nums) == 0 {
		grew += row * numberSize
		c.nums = slices.Grow(c.nums, row+1)[:row]
		clear(c.nums)
	}
	c.nums = append(c.nums, n)
	return grew
}

// int returns the number of a row.
func (c *column) int(row int) int64 {
	if row < len(c.nums) {
		return c.nums[row]
	}
	return 0
}

// gather puts the numbers of all rows, in order, into dst, whose memory it uses.
func (c *column) gather(dst []int64, order []place) []int64 {
	if len(c.nums) == 0 {
		return make([]int64, len(order))
	}
	dst = slices.Grow(dst, len(order))[:len(order)]
	for i, p := range order {
		dst[i] = c.nums[p.row]
	}
	return dst
}

func (c *column) text(s string, row int) int {
	if len(c.index) > 0 && s == c.lastText {
		return c.again()
	}
	c.lastText = s
	return c.begin(row) + c.refer(s)
}

func (c *column) word(raw []byte, row int) int {
	return c.begin(row) + c.refer(unsafe.String(unsafe.SliceData(raw), len(raw)))
}

// begin gives the rows before the first word the empty one.
func (c *column) begin(row int) int {
	if row == 0 || len(c.index) > 0 {
		return 0
	}
	none, grew := c.dict.find("", false)
	for range row {
		c.index = append(c.index, none)
	}
	return grew + row
}

// refer adds a word.
func (c *column) refer(s string) int {
	i, grew := c.dict.find(s, c.typ >= String)
	c.index, c.last = append(c.index, i), i
	return 1 + grew
}

func (c *column) list(list []string, row int) int {
	list = list[:min(len(list), MaxValues)]
	grew := 1
	if len(c.lens) == 0 {
		c.lens = slices.Grow(c.lens, row+1)[:row]
		clear(c.lens)
		grew += row
	}
	c.lens = append(c.lens, uint32(len(list)))
	for _, s := range list {
		grew += c.refer(s)
	}
	return grew
}

func (c *column) reset() {
	c.nums, c.index, c.lens = c.nums[:0], c.index[:0], c.lens[:0]
	c.lastText = ""
	c.dict.reset()
}
