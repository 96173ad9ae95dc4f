package record

import (
	"net/netip"
	"slices"
	"unsafe"
)

// How a field is read: as a number of so many bits, or as a word.
const (
	loadWord = iota
	load8    // 8, 16, 32 and 64 bits; bool too is a byte that is 0 or 1
	load16
	load32
	load64
	loadSigned8
	loadSigned16
	loadSigned32
)

func loadOf(typ Type, size uintptr) uint8 {
	switch {
	case typ.inDict():
		return loadWord
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
	load  uint8
	used  bool     // some value is not zero
	at    uintptr  // of the field in the struct
	nums  []int64  // numbers; Bool has 0 and 1
	index []uint32 // words: of each value in dict
	lens  []uint32 // Strings: values per row
	dict  dictionary
}

// append adds the word or list that p points to and returns about how many
// bytes that makes.
func (c *column) append(p unsafe.Pointer, row int) int {
	switch c.typ {
	case Addr:
		a := (*netip.Addr)(p)
		switch {
		case a.Is4():
			raw := a.As4()
			return c.word(raw[:], row)
		case a.IsValid():
			raw := a.As16()
			return c.word(raw[:], row)
		}
		return c.word(nil, row)
	case MAC:
		if m := (*HardwareAddr)(p); *m != (HardwareAddr{}) {
			return c.word(m[:], row)
		}
		return c.word(nil, row)
	case String:
		return c.text(*(*string)(p), row)
	}
	return c.list(*(*[]string)(p), row)
}

// numberSize is about how many bytes a number makes.
const numberSize = 2

// number adds a number, which is not the first unless it is not zero.
func (c *column) number(n int64, row int) int {
	grew := numberSize
	if !c.used {
		c.used = true
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
	if !c.used {
		return make([]int64, len(order))
	}
	dst = slices.Grow(dst, len(order))[:len(order)]
	for i, p := range order {
		dst[i] = c.nums[p.row]
	}
	return dst
}

func (c *column) text(s string, row int) int {
	if s == "" && !c.used {
		return 0
	}
	if !c.dict.again(s) {
		s = clean(s)
	}
	return c.begin(row) + c.refer(s)
}

func (c *column) word(raw []byte, row int) int {
	if len(raw) == 0 && !c.used {
		return 0
	}
	return c.begin(row) + c.refer(unsafe.String(unsafe.SliceData(raw), len(raw)))
}

// begin gives the rows before the first word the empty one.
func (c *column) begin(row int) int {
	if c.used {
		return 0
	}
	c.used = true
	if row == 0 {
		return 0
	}
	none, grew := c.dict.find("")
	for range row {
		c.index = append(c.index, none)
	}
	return grew + row
}

// refer adds a word.
func (c *column) refer(s string) int {
	i, grew := c.dict.find(s)
	c.index = append(c.index, i)
	return 1 + grew
}

func (c *column) list(list []string, row int) int {
	list = list[:min(len(list), MaxValues)]
	if len(list) == 0 && !c.used {
		return 0
	}
	grew := 1
	if !c.used {
		c.used = true
		c.lens = slices.Grow(c.lens, row+1)[:row]
		clear(c.lens)
		grew += row
	}
	c.lens = append(c.lens, uint32(len(list)))
	for _, s := range list {
		if !c.dict.again(s) {
			s = clean(s)
		}
		grew += c.refer(s)
	}
	return grew
}

func (c *column) reset() {
	c.used = false
	c.nums, c.index, c.lens = c.nums[:0], c.index[:0], c.lens[:0]
	c.dict.reset()
}
